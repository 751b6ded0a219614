//! Walks through the log of a case, day by day between its pages, and notes every rung it reached.

use super::{Event, Finding, Responsible, Rule, Rules, Rung, Watch};
use crate::calendar::{Calendar, DueDay, Pause};
use crate::catalogue::{Item, Stage, StageKind};
use crate::clock::{self, Receipts, Suspension, TimerKind};
use crate::delegation::Power;
use crate::dossier::{Dossier, Page, PageBody, Slip, Verdict};
use crate::fee::{self, Charge};
use crate::form::Written;
use crate::network::Tier;
use crate::plan;
use crate::{Day, NodeId, StageId, duty, inspection};
use serde::Serialize;
use std::collections::BTreeMap;

/// The pages of a case as they count, with the day each is trusted to have been written.
#[derive(Debug, Clone, Default)]
pub struct CaseLog {
    pub pages: Vec<LoggedPage>,
    pub slips: Vec<Slip>,
}

/// A limit that is near or over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Standing {
    pub timer: TimerKind,
    pub rung: Rung,
    pub due: Day,
}

#[derive(Debug, Clone)]
pub struct LoggedPage {
    pub page: Page,
    pub author: NodeId,
    /// A town's or the hub's own day; for a village's page the day of its signed receipt, since a village clock proves
    /// nothing (I19). `None` while nobody has receipted it.
    pub day: Option<Day>,
}

/// Every rung the case reached up to the start of `today`, in the order in which they were reached.
pub fn findings(rules: &Rules, item: &Item, log: &CaseLog, calendar: &Calendar, today: Day) -> Vec<Finding> {
    let Some((first, rest)) = log.pages.split_first() else { return Vec::new() };
    let Some(mut dossier) = Dossier::open(&first.page, &first.author) else { return Vec::new() };
    log.slips.iter().for_each(|slip| dossier.add_slip(slip.clone()));
    let mut walk = Walk {
        rules,
        item,
        calendar,
        receipts: Receipts { submitted: dossier.received.or(first.day), decided: None },
        dossier,
        since: first.day.unwrap_or(today),
        ready_since: BTreeMap::new(),
        form: first.page.body.submission().map(|one| one.form.clone()).unwrap_or_default(),
        found: Vec::new(),
    };
    walk.note_ready();
    for logged in rest {
        // An unreceipted page of a village has not happened yet for anybody who could be late.
        let day = logged.day.unwrap_or(today).max(walk.since);
        walk.look_until(day.min(today));
        walk.turn(logged, day);
    }
    walk.look_until(today);
    walk.found
}

/// False when no rung can have been reached since the last page; `true` may be wrong and costs a walk. What a page itself
/// shows is for whoever took the page.
pub fn may_have_findings(
    rules: &Rules,
    item: &Item,
    dossier: &Dossier,
    receipts: Receipts,
    calendar: &Calendar,
    today: Day,
) -> bool {
    let start = receipts.submitted.or(dossier.accepted.as_ref().map(|accepted| accepted.on));
    let late = !standing(rules, item, dossier, receipts, calendar, today).is_empty();
    late || rules.rules.iter().any(|rule| match rule.watch {
        Watch::Timer(_) => false,
        Watch::Step => plan::ready_stages(item, dossier)
            .into_iter()
            .filter(|stage| is_timed(stage, dossier))
            .any(|stage| start.is_some_and(|start| calendar.due_day(start, stage.limit).day < today)),
        Watch::Event(_) => false,
    })
}

/// The loudest rung that each limit of the case as it stands has reached by the start of `today`: for those who can still act.
pub fn standing(
    rules: &Rules,
    item: &Item,
    dossier: &Dossier,
    receipts: Receipts,
    calendar: &Calendar,
    today: Day,
) -> Vec<Standing> {
    let timers = clock::timers(item, dossier, receipts);
    let mut found = Vec::new();
    for rule in &rules.rules {
        let Watch::Timer(kind) = rule.watch else { continue };
        for timer in timers.iter().filter(|timer| timer.kind == kind && timer.met.is_none()) {
            let Some(due) = timer.due(calendar) else { continue };
            let rungs = reached(rule, timer.anchor, due, calendar).filter(|(_, day)| *day <= today);
            found.extend(rungs.map(|(rung, _)| rung).max().map(|rung| Standing {
                timer: kind,
                rung,
                due: due.day,
            }));
        }
    }
    found
}

/// The rungs of a rule on a limit, with the day each is reached.
fn reached<'a>(
    rule: &'a Rule,
    anchor: Day,
    due: DueDay,
    calendar: &'a Calendar,
) -> impl Iterator<Item = (Rung, Day)> + 'a {
    rule.rungs.iter().filter_map(move |at| {
        let day = calendar.working_day_from(due.day, at.day);
        // A limit of a day or two leaves no room for a warning before it; and nobody is blamed on a calendar that is not
        // published yet.
        let stands = if at.day <= 0 { day > anchor } else { !due.provisional };
        stands.then_some((at.rung, day))
    })
}

/// Steps with days of their own, at a node whose clock is trusted. A publicity must last its days, a payment waits for the
/// applicant, delivery has a limit of its own.
fn is_timed(stage: &Stage, dossier: &Dossier) -> bool {
    use StageKind::{Deliver, Hearing, Payment, PostInspection, Publicity};
    stage.limit.days > 0
        && plan::tier_of(stage, dossier) != Tier::Village
        && stage.trigger.is_none()
        && !matches!(stage.kind, Deliver | Hearing | Payment | PostInspection | Publicity)
}

struct Walk<'a> {
    rules: &'a Rules,
    item: &'a Item,
    calendar: &'a Calendar,
    dossier: Dossier,
    /// Receipt of the current submission.
    receipts: Receipts,
    /// The trusted day of the last page.
    since: Day,
    ready_since: BTreeMap<StageId, Day>,
    /// The form that counts: what fees are checked against.
    form: Written,
    found: Vec<Finding>,
}

impl Walk<'_> {
    /// The state has stood since the last page; which rungs were reached at the start of some day through `until`?
    fn look_until(&mut self, until: Day) {
        let first = self.since.next();
        if first > until {
            return;
        }
        let mut found = Vec::new();
        for rule in &self.rules.rules {
            match rule.watch {
                Watch::Timer(kind) => {
                    let timers = clock::timers(self.item, &self.dossier, self.receipts);
                    for timer in timers.iter().filter(|timer| timer.kind == kind && timer.met.is_none()) {
                        let Some(due) = timer.due(self.calendar) else { continue };
                        let about = format!("{}@{}", rule.id, timer.anchor);
                        let text = format!("{}应于 {} 前完成", kind.chinese(), due.day);
                        found.extend(self.rungs(
                            rule,
                            (timer.anchor, due),
                            (first, until),
                            &about,
                            &text,
                            None,
                        ));
                    }
                }
                Watch::Step => {
                    for (id, since) in &self.ready_since {
                        let Some(stage) = self.item.stage(id) else { continue };
                        let Some(due) = self.step_due(stage, *since) else { continue };
                        let about = format!("{}/{id}@{since}", rule.id);
                        let text = format!("环节“{}”应于 {} 前办结", stage.name, due.day);
                        found.extend(self.rungs(
                            rule,
                            (*since, due),
                            (first, until),
                            &about,
                            &text,
                            Some(stage),
                        ));
                    }
                }
                Watch::Event(_) => {}
            }
        }
        for finding in found {
            self.note(finding);
        }
    }

    fn step_due(&self, stage: &Stage, since: Day) -> Option<DueDay> {
        let closed = |one: &Suspension| Some(Pause { from: one.from, to: one.to? });
        let pauses = self.dossier.suspensions.iter().map(closed).collect::<Option<Vec<_>>>()?;
        Some(self.calendar.due_day_around(since, stage.limit, &pauses))
    }

    fn rungs(
        &self,
        rule: &Rule,
        (anchor, due): (Day, DueDay),
        (first, until): (Day, Day),
        about: &str,
        text: &str,
        stage: Option<&Stage>,
    ) -> Vec<Finding> {
        let make = |(rung, day): (Rung, Day)| {
            let day = day.max(first);
            (day <= until).then(|| Finding {
                key: format!("{about}/{}", rung.as_str()),
                rule: rule.id.clone(),
                rung,
                day,
                due: Some(due.day),
                page: self.dossier.pages,
                responsible: self.responsible(stage),
                text: format!("{text};{} 时尚未完成({})", day, rule.basis),
            })
        };
        reached(rule, anchor, due, self.calendar).filter_map(make).collect()
    }

    fn note(&mut self, finding: Finding) {
        // The same rung is reached again in each later state that still stands: it counts once, when it came.
        if self.found.iter().all(|known| known.key != finding.key) {
            self.found.push(finding);
        }
    }

    /// Whoever could act: the given stage, else the first that is ready; else the holder.
    fn responsible(&self, stage: Option<&Stage>) -> Responsible {
        let stage = stage.or_else(|| plan::ready_stages(self.item, &self.dossier).into_iter().next());
        let claimed = stage
            .and_then(|stage| self.dossier.stages.get(&stage.id))
            .and_then(|state| state.claimed_by.clone());
        Responsible {
            node: self.dossier.holder.clone(),
            stage: stage.map(|stage| stage.id.clone()),
            body: stage.and_then(|stage| stage.bodies.first().cloned()),
            officer: claimed,
        }
    }

    fn turn(&mut self, logged: &LoggedPage, day: Day) {
        let page = &logged.page;
        let events = self.events_of(logged);
        // These pages were applied once under these rules, so they apply again.
        if self.dossier.apply(page, &logged.author, true) != Verdict::Applied {
            return;
        }
        for (event, text) in events {
            self.raise(event, logged, day, text);
        }
        match &page.body {
            PageBody::Resubmitted(again) => {
                self.receipts.submitted = self.dossier.received.or(logged.day);
                self.form = again.form.clone();
            }
            PageBody::Decided { .. } => self.receipts.decided = logged.day,
            _ => {}
        }
        self.since = day;
        self.note_ready();
    }

    fn note_ready(&mut self) {
        let ready: Vec<StageId> = plan::ready_stages(self.item, &self.dossier)
            .into_iter()
            .filter(|stage| is_timed(stage, &self.dossier))
            .map(|stage| stage.id.clone())
            .collect();
        self.ready_since.retain(|id, _| ready.contains(id));
        for id in ready {
            self.ready_since.entry(id).or_insert(self.since);
        }
    }

    fn events_of(&self, logged: &LoggedPage) -> Vec<(Event, String)> {
        let mut events = Vec::new();
        match &logged.page.body {
            PageBody::DeemedAccepted { received } => {
                let text = format!("{received} 签收后五个工作日内未告知申请人,视为受理");
                events.push((Event::DeemedAccepted, text));
            }
            PageBody::Returned { again: Some(reason), .. } if self.dossier.notices > 0 => {
                events.push((Event::SecondNotice, format!("再次要求补正,理由:{reason}")));
            }
            PageBody::StageDone { stage, .. }
            | PageBody::NotAccepted { stage, .. }
            | PageBody::Decided { stage, .. } => {
                events.extend(self.skipped(stage));
                events.extend(self.one_person(stage, logged));
                events.extend(self.undelegated(stage, logged));
                events.extend(self.hasty(stage, logged));
            }
            PageBody::Charged { fee, amount_fen, receipt, waived, .. } => {
                let charge = Charge {
                    fee: fee.clone(),
                    amount_fen: *amount_fen,
                    receipt: receipt.clone(),
                    waived: waived.clone(),
                    page: logged.page.no,
                };
                events.extend(self.charged(&charge, logged.page.at.day()));
            }
            _ => {}
        }
        events
    }

    fn undelegated(&self, stage: &StageId, logged: &LoggedPage) -> Option<(Event, String)> {
        let known = self.item.stage(stage)?;
        // After a recall a superior acts for a lost node; whatever the tier, what binds needs a letter.
        let power = Power::needed(known.kind, known.tier)?;
        let by_law = logged.page.officer.is_empty();
        (logged.page.delegation.is_none() && !by_law).then(|| {
            (Event::NoDelegation, format!("“{}”({})没有写明授权委托书", known.name, power.chinese()))
        })
    }

    /// A site check by too few, a publicity that did not run its time: by the days that are trusted.
    fn hasty(&self, stage: &StageId, logged: &LoggedPage) -> Option<(Event, String)> {
        let known = self.item.stage(stage)?;
        let PageBody::StageDone { officers, .. } = &logged.page.body else { return None };
        match known.kind {
            StageKind::Inspection if officers.len() < inspection::OFFICERS_MIN => {
                Some((Event::OneInspector, format!("“{}”的工作人员少于两名", known.name)))
            }
            StageKind::Publicity => {
                let Some(posting) = self.dossier.posted.get(stage) else {
                    return Some((Event::ShortPublicity, format!("“{}”没有登记公示即已办结", known.name)));
                };
                let done = logged.day?;
                // Counted here: the page could name any day as the last.
                let until = self.calendar.due_day(posting.from, known.limit).day;
                (done <= until)
                    .then(|| (Event::ShortPublicity, format!("公示应到 {until} 当日终了,{done} 即已办结")))
            }
            _ => None,
        }
    }

    fn charged(&self, charge: &Charge, on: Day) -> Option<(Event, String)> {
        let Some(accepted) = &self.dossier.accepted else {
            return Some((Event::FeeEarly, format!("受理之前收取“{}”", charge.fee)));
        };
        let fault = fee::fault(self.item, &self.form, charge, accepted.on.min(on))?;
        Some((Event::FeeWrong, format!("“{}”:{fault}", charge.fee)))
    }

    fn skipped(&self, stage: &StageId) -> Option<(Event, String)> {
        let ready = plan::ready_stages(self.item, &self.dossier).iter().any(|ready| ready.id == *stage);
        let name = self.item.stage(stage).map_or(stage.as_str(), |stage| &stage.name);
        (!ready).then(|| (Event::StepSkipped, format!("环节“{name}”在其前置环节办结之前办理")))
    }

    fn one_person(&self, stage: &StageId, logged: &LoggedPage) -> Option<(Event, String)> {
        let who = (&logged.author, logged.page.officer.as_str());
        let did = duty::other_duty(self.item, &self.dossier, stage, who)?;
        let name = self.item.stage(stage).map_or(stage.as_str(), |stage| &stage.name);
        Some((Event::OnePerson, format!("“{}”与“{name}”由同一人 {} 办理", did.name, who.1)))
    }

    fn raise(&mut self, event: Event, logged: &LoggedPage, day: Day, text: String) {
        let Some(rule) = self.rules.rules.iter().find(|rule| rule.watch == Watch::Event(event)) else {
            return;
        };
        let Some(at) = rule.rungs.first() else { return };
        let officer = Some(logged.page.officer.clone()).filter(|officer| !officer.is_empty());
        let responsible = Responsible { node: logged.author.clone(), officer, ..self.responsible(None) };
        self.note(Finding {
            key: format!("{}@{}/{}", rule.id, logged.page.no, at.rung.as_str()),
            rule: rule.id.clone(),
            rung: at.rung,
            day,
            due: None,
            page: logged.page.no,
            responsible,
            text: format!("{text}({})", rule.basis),
        });
    }
}
