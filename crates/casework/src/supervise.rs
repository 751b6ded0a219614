//! Electronic supervision at work: the hub looks through the cases, raises what the rules find, and takes note of what is
//! said about it. The same rules warn the people at every node before a limit is over.

use crate::{ActError, Hall, Officer};
use domain::access::Jurisdiction;
use domain::catalogue::Item;
use domain::dossier::Status;
use domain::network::Tier;
use domain::supervision::{self, Alert, AlertBody, AlertEntry, ConclusionKind, Finding, Rung, Standing};
use domain::{CaseNo, EntryId};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::{AlertQuery, Append, CaseQuery, NewEntry, StoredDossier, TaskQuery, kind};

const JOB: &str = "supervise";
const PAGE: u32 = 500;
const OPEN: [Status; 6] = [
    Status::Captured,
    Status::Returned,
    Status::Accepted,
    Status::NotAccepted,
    Status::Granted,
    Status::Refused,
];

/// What one look through the cases came to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Sweep {
    pub cases: u64,
    pub raised: u64,
    /// Alerts that pages which came later show to be unfounded.
    pub disproved: u64,
}

/// The alerts as the log gives them against the alerts as they were raised.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Scan {
    pub cases: u64,
    pub findings: u64,
    pub agreed: u64,
    /// Findings by rung.
    pub rungs: BTreeMap<Rung, u64>,
    /// In the log, and never raised.
    pub missing: Vec<AlertName>,
    /// Raised and still standing, and not in the log.
    pub unfounded: Vec<AlertName>,
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct AlertName {
    pub case: CaseNo,
    pub key: String,
}

/// A case at this node with a limit that is near or over.
#[derive(Debug, Clone, Serialize)]
pub struct Warning {
    pub case: CaseNo,
    pub item_name: String,
    pub limits: Vec<Standing>,
    /// Working days left until the nearest due day; negative when it is past.
    pub days_left: i32,
}

impl Hall {
    /// Raises every rung that a running case has reached and withdraws what later pages disprove. Safe to repeat.
    ///
    /// # Errors
    /// [`ActError::WrongTier`] anywhere but at the hub; what was raised so far stands.
    pub async fn supervise(&self) -> Result<Sweep, ActError> {
        self.only_at(Tier::City, "电子监察")?;
        let mut sweep = Sweep::default();
        // What was written since the last look: a case may have come to its end meanwhile, too late all the same, and a receipt
        // or a calendar that comes after the end may move the days of what was done before it.
        let (changed, mark) = self.store.cases_since(self.store.mark(JOB).await?).await?;
        for case in &changed {
            if let Some(stored) = self.store.dossier(case).await? {
                self.settle(&stored, &mut sweep).await?;
            }
        }
        for status in OPEN {
            let mut query = CaseQuery { status: Some(status), limit: PAGE, ..CaseQuery::default() };
            while let Some(cases) = self.next_cases(&mut query).await? {
                for stored in cases {
                    sweep.cases += 1;
                    let case = &stored.dossier.case;
                    if !changed.contains(case) && self.may_have_findings(&stored)? {
                        self.settle(&stored, &mut sweep).await?;
                    }
                }
            }
        }
        let mut query = AlertQuery { open_only: true, limit: PAGE, ..AlertQuery::default() };
        loop {
            let lines = self.store.alerts(query.clone()).await?;
            let Some(last) = lines.last() else { break };
            query.before = Some(last.no);
            let cases: BTreeSet<CaseNo> = lines.into_iter().map(|line| line.alert.case).collect();
            for case in cases {
                self.settle(&self.stored(&case).await?, &mut sweep).await?;
            }
        }
        self.store.put_mark(JOB, mark).await?;
        Ok(sweep)
    }

    /// Computes every alert again from the log, of all cases that ever were, and compares. Changes nothing.
    ///
    /// # Errors
    /// [`ActError::WrongTier`] anywhere but at the hub.
    pub async fn scan_supervision(&self) -> Result<Scan, ActError> {
        self.only_at(Tier::City, "电子监察")?;
        let mut scan = Scan::default();
        let mut query = CaseQuery { limit: PAGE, ..CaseQuery::default() };
        while let Some(cases) = self.next_cases(&mut query).await? {
            for stored in cases {
                let case = &stored.dossier.case;
                scan.compare(case, &self.findings(&stored).await?, &self.alerts_of(case).await?);
            }
        }
        Ok(scan)
    }

    /// Cases here within a jurisdiction with a limit that is near or over, the most pressing first.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn warnings(&self, within: Jurisdiction, limit: u32) -> Result<Vec<Warning>, ActError> {
        let (today, (_, newest)) = (self.now().day(), self.pack(None)?);
        let mut warnings: Vec<Warning> = Vec::new();
        for task in self.store.tasks(TaskQuery { within, limit, ..TaskQuery::default() }).await? {
            let Some(due) = task.due.filter(|_| warnings.iter().all(|known| known.case != task.case)) else {
                continue;
            };
            let stored = self.stored(&task.case).await?;
            let (_, _, item) = self.item(Some(stored.dossier.release), &stored.dossier.item)?;
            let (rules, calendar) = (&newest.supervision, &newest.calendar);
            let limits =
                supervision::standing(rules, &item, &stored.dossier, stored.receipts, calendar, today);
            if !limits.is_empty() {
                let days_left = calendar.working_days_left(today, due);
                warnings.push(Warning { case: task.case, item_name: item.name.clone(), limits, days_left });
            }
        }
        Ok(warnings)
    }

    /// 申诉.
    ///
    /// # Errors
    /// [`ActError::Alert`] with the reason; [`ActError::NotFound`].
    pub async fn appeal(
        &self,
        officer: &Officer,
        case: &CaseNo,
        key: &str,
        text: &str,
        request: Option<EntryId>,
    ) -> Result<Alert, ActError> {
        let body = supervision::appeal(&self.known_alert(case, key).await?, &self.actor(officer), text)?;
        let id = request.unwrap_or_else(|| self.random.entry_id(self.now()));
        self.say(officer, case, key, id, body, "appeal").await?;
        self.known_alert(case, key).await
    }

    /// 处理结果.
    ///
    /// # Errors
    /// As [`Hall::appeal`].
    pub async fn conclude(
        &self,
        officer: &Officer,
        case: &CaseNo,
        key: &str,
        kind: ConclusionKind,
        text: &str,
    ) -> Result<Alert, ActError> {
        let alert = self.known_alert(case, key).await?;
        let body = supervision::conclude(&alert, &self.actor(officer), kind, text)?;
        // One conclusion for each alert: two people who click at once get one answer between them.
        self.say(officer, case, key, named_id("concluded", case, key), body, "conclude").await?;
        self.known_alert(case, key).await
    }

    async fn known_alert(&self, case: &CaseNo, key: &str) -> Result<Alert, ActError> {
        let alert = self.store.alert(case, key).await?;
        alert.ok_or_else(|| ActError::NotFound { what: "督办", value: key.to_owned() })
    }

    async fn alerts_of(&self, case: &CaseNo) -> Result<Vec<Alert>, ActError> {
        let query = AlertQuery { case: Some(case.clone()), limit: 1000, ..AlertQuery::default() };
        Ok(self.store.alerts(query).await?.into_iter().map(|line| line.alert).collect())
    }

    /// `None` for a case of a catalogue that is not known here: it holds up no other.
    fn item_of(&self, stored: &StoredDossier) -> Option<Arc<Item>> {
        let found = self.item(Some(stored.dossier.release), &stored.dossier.item);
        found.map_or_else(
            |error| {
                tracing::warn!(case.id = %stored.dossier.case, %error, "cannot be supervised here");
                None
            },
            |(_, _, item)| Some(item),
        )
    }

    /// The next page of cases, `None` at the end.
    async fn next_cases(&self, query: &mut CaseQuery) -> Result<Option<Vec<StoredDossier>>, ActError> {
        let lines = self.store.cases(query.clone()).await?;
        let Some(last) = lines.last() else { return Ok(None) };
        query.after = Some(last.case.clone());
        let mut cases = Vec::with_capacity(lines.len());
        for line in &lines {
            cases.push(self.stored(&line.case).await?);
        }
        Ok(Some(cases))
    }

    fn may_have_findings(&self, stored: &StoredDossier) -> Result<bool, ActError> {
        let Some(item) = self.item_of(stored) else { return Ok(false) };
        let (_, newest) = self.pack(None)?;
        let (rules, calendar, today) = (&newest.supervision, &newest.calendar, self.now().day());
        Ok(supervision::may_have_findings(rules, &item, &stored.dossier, stored.receipts, calendar, today))
    }

    async fn findings(&self, stored: &StoredDossier) -> Result<Vec<Finding>, ActError> {
        let Some(item) = self.item_of(stored) else { return Ok(Vec::new()) };
        let (_, newest) = self.pack(None)?;
        let log = self.store.case_log(&stored.dossier.case).await?;
        Ok(supervision::findings(&newest.supervision, &item, &log, &newest.calendar, self.now().day()))
    }

    /// Brings the alerts of one case in line with its log.
    async fn settle(&self, stored: &StoredDossier, sweep: &mut Sweep) -> Result<(), ActError> {
        let case = &stored.dossier.case;
        let (findings, alerts) = (self.findings(stored).await?, self.alerts_of(case).await?);
        let system = Officer::system();
        for finding in &findings {
            if alerts.iter().any(|alert| alert.key == finding.key && alert.raised.is_some()) {
                continue;
            }
            let body = AlertBody::Raised(finding.clone());
            let id = named_id("raised", case, &finding.key);
            self.say(&system, case, &finding.key, id, body, "raise-alert").await?;
            tracing::warn!(case.id = %case, alert = %finding.key, "an alert was raised");
            sweep.raised += 1;
        }
        let gone =
            |alert: &&Alert| alert.is_open() && findings.iter().all(|finding| finding.key != alert.key);
        for alert in alerts.iter().filter(gone) {
            let text = "后到的卷内页表明未发生".to_owned();
            let body = AlertBody::Concluded { kind: ConclusionKind::Disproved, text };
            let id = named_id("disproved", case, &alert.key);
            self.say(&system, case, &alert.key, id, body, "disprove-alert").await?;
            sweep.disproved += 1;
        }
        Ok(())
    }

    async fn say(
        &self,
        officer: &Officer,
        case: &CaseNo,
        key: &str,
        id: EntryId,
        body: AlertBody,
        action: &'static str,
    ) -> Result<(), ActError> {
        let (stored, now) = (self.stored(case).await?, self.now());
        let said = AlertEntry {
            case: case.clone(),
            key: key.to_owned(),
            at: now,
            officer: officer.name.clone(),
            body,
        };
        let body = serde_json::to_vec(&said)
            .map_err(|e| ActError::Unfit { what: "alert", reason: e.to_string() })?;
        let channel = self.channel_for(&stored.dossier.origin);
        let entry = NewEntry { id, channel, kind: kind::ALERT, subject: case.to_string(), body };
        self.store.append(Append::new(now, officer.name.clone(), action, vec![entry])).await?;
        Ok(())
    }
}

impl Scan {
    fn compare(&mut self, case: &CaseNo, findings: &[Finding], alerts: &[Alert]) {
        self.cases += 1;
        self.findings += findings.len() as u64;
        let name = |key: &str| AlertName { case: case.clone(), key: key.to_owned() };
        for finding in findings {
            *self.rungs.entry(finding.rung).or_default() += 1;
            if alerts.iter().any(|alert| alert.key == finding.key && alert.raised.is_some()) {
                self.agreed += 1;
            } else {
                self.missing.push(name(&finding.key));
            }
        }
        let stands = |alert: &&Alert| {
            let ended = alert.conclusion.as_ref().map(|end| end.kind);
            alert.raised.is_some() && ended.is_none_or(|kind| kind == ConclusionKind::Upheld)
        };
        let in_log = |alert: &&Alert| findings.iter().any(|finding| finding.key == alert.key);
        let unfounded = alerts.iter().filter(stands).filter(|alert| !in_log(alert));
        self.unfounded.extend(unfounded.map(|alert| name(&alert.key)));
    }
}

/// The id of what may be said once about an alert: whoever says it again, after a crash or beside another process, says the
/// same entry. A UUIDv8 (RFC 9562 §5.8) from the alert's own name.
pub(crate) fn named_id(what: &str, case: &CaseNo, key: &str) -> EntryId {
    let hash = blake3::hash(format!("{what}|{case}|{key}").as_bytes());
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    id[6] = 0x80 | (id[6] & 0x0f);
    id[8] = 0x80 | (id[8] & 0x3f);
    EntryId(id)
}
