//! What a person is shown of a case and of the node: every word computed from stored facts.

use crate::{ActError, Hall, Officer};
use domain::access::Permission;
use domain::calendar::{DayUnit, Limit};
use domain::clock::{self, Explained};
use domain::dossier::{Dossier, Status};
use domain::network::Tier;
use domain::{CaseNo, Day, NodeId, Timestamp};
use domain::{library, plan};
use replication::flow::{Direction, direction};
use replication::{Channel, JournalId, Ticks};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};
use store::{Counts, CustodyLine, HistoryLine};

#[derive(Debug, Clone, Serialize)]
pub struct CaseView {
    pub case: CaseNo,
    pub item_name: String,
    pub status: Status,
    pub status_text: &'static str,
    pub ticks: Ticks,
    pub ticks_text: &'static str,
    pub finished: bool,
    /// Stages somebody can work on now, wherever they are.
    pub ready: Vec<ReadyStage>,
    /// Papers that shall come from the licence library: `complete`, or which are not answered for, or not there.
    pub library: Library,
    /// Where each paper original is: (paper, holder, since).
    pub originals: Vec<(String, String, Timestamp)>,
    /// Every limit that runs or ran, with its derivation.
    pub timers: Vec<Explained>,
    /// Why the answer of the city cannot be believed here; `None` when letter and seal verify, or while there is none.
    pub doubt: Option<String>,
    pub missing_attachments: u32,
    pub held_pages: u32,
    pub dossier: Dossier,
}

#[derive(Debug, Clone, Serialize)]
pub struct ReadyStage {
    pub stage: domain::StageId,
    pub name: String,
    pub kind: &'static str,
    pub tier: Tier,
    pub bodies: Vec<domain::OrgId>,
}

/// What the library still owes a case.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Library {
    pub pending: Vec<domain::MaterialId>,
    pub absent: Vec<domain::MaterialId>,
}

impl Library {
    fn of(dossier: &Dossier) -> Library {
        match library::standing(dossier) {
            library::Standing::Complete => Library::default(),
            library::Standing::Pending(pending) => Library { pending, absent: Vec::new() },
            library::Standing::Absent(absent) => Library { pending: Vec::new(), absent },
        }
    }
}

/// One fee of a case.
#[derive(Debug, Clone, Serialize)]
pub struct FeeLine {
    pub fee: String,
    pub amount_fen: i64,
    pub unit: String,
    pub basis: String,
    pub waive: Vec<String>,
}

#[derive(Debug, Clone, Serialize)]
pub struct Fees {
    pub due: Vec<FeeLine>,
    pub charged: Vec<domain::fee::Charge>,
}

/// How much of our own journals the parent has not confirmed.
#[derive(Debug, Clone, Serialize)]
pub struct Outbox {
    pub own_head: u64,
    pub parent_has: u64,
    pub hub_has: u64,
    pub waiting: u64,
    /// When the oldest of our own waiting entries was written.
    pub oldest_waiting: Option<Timestamp>,
    /// When the parent last signed for something of ours.
    pub parent_signed: Option<Timestamp>,
}

/// One node as seen from here.
#[derive(Debug, Clone, Serialize)]
pub struct NodeStatus {
    pub id: NodeId,
    pub tier: Tier,
    pub parent: Option<NodeId>,
    pub place: String,
    pub name: String,
    /// Length of its own journal `up`: what it last said, or what we hold if that is more.
    pub own_head: u64,
    /// What we (and through us the hub) have receipted.
    pub acknowledged: u64,
    pub last_contact: Option<Timestamp>,
    pub clock_skew_ms: Option<i64>,
    /// When its oldest unconfirmed entry was written, while it is not here yet.
    pub oldest_waiting: Option<Timestamp>,
    /// The catalogue release it is known to have.
    pub catalogue_release: Option<u32>,
    /// The newest trust bundle it is known to have.
    pub trust_version: Option<u32>,
    /// Fingerprint of the authority above the certificate that it last showed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown_under: Option<String>,
    /// Until when its certificate is good: the last that it showed, or was given since.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shown_until: Option<Timestamp>,
    /// The version of its program, as it last said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Whether it is let in.
    pub standing: domain::network::Standing,
    /// Which machine of this place it is.
    pub incarnation: u32,
}

/// A due day anybody can check by hand.
#[derive(Debug, Clone, Serialize)]
pub struct Due {
    pub anchor: Day,
    pub working_days: u32,
    pub due: Day,
    /// A year in between has no published arrangement yet.
    pub provisional: bool,
    /// Which years were counted, and whether their arrangement is published.
    pub calendar: String,
    pub calendar_release: u32,
}

/// Nobody's limit is longer; a larger number is a slip of the finger.
const WORKING_DAYS_MAX: u32 = 1000;

/// How far a node has signed for the journal that these receipts are for; 0 before the first.
pub(crate) fn signed_by(receipts: &[CustodyLine], node: Option<&NodeId>) -> u64 {
    receipts.iter().find(|line| Some(&line.by) == node).map_or(0, |line| line.seq)
}

impl Hall {
    /// The last day in time of a limit of `working_days` that starts with an event on `anchor`.
    ///
    /// # Errors
    /// [`ActError::Unfit`] for more than 1,000 days; [`ActError::NotFound`] while no calendar has arrived.
    pub fn due(&self, anchor: Day, working_days: u32) -> Result<Due, ActError> {
        if working_days > WORKING_DAYS_MAX {
            let reason = format!("工作日数应不超过 {WORKING_DAYS_MAX}");
            return Err(ActError::Unfit { what: "working_days", reason });
        }
        let (calendar_release, pack) = self.pack(None)?;
        let limit = Limit { days: working_days, unit: DayUnit::Workday };
        let due = pack.calendar.due_day(anchor, limit);
        let calendar = clock::calendar_line(&pack.calendar, anchor, due.day);
        let (due, provisional) = (due.day, due.provisional);
        Ok(Due { anchor, working_days, due, provisional, calendar, calendar_release })
    }

    /// # Errors
    /// [`ActError::NotFound`].
    pub async fn view(&self, case: &CaseNo) -> Result<CaseView, ActError> {
        let stored = self.stored(case).await?;
        let dossier = stored.dossier;
        let (_, _, item) = self.item(Some(dossier.release), &dossier.item)?;
        // Judged by the release of the capture, counted on the newest calendar.
        let (_, newest) = self.pack(None)?;
        let timers = clock::timers(&item, &dossier, stored.receipts);
        let timers = timers.iter().map(|timer| timer.explain(&newest.calendar)).collect();
        let ticks = self.ticks(&dossier, stored.last_seq).await?;
        let ready = plan::ready_stages(&item, &dossier).into_iter().map(|stage| ReadyStage {
            stage: stage.id.clone(),
            name: stage.name.clone(),
            kind: stage.kind.as_str(),
            tier: plan::tier_of(stage, &dossier),
            bodies: stage.bodies.clone(),
        });
        Ok(CaseView {
            case: dossier.case.clone(),
            item_name: item.name.clone(),
            status: dossier.status(),
            status_text: dossier.status().chinese(),
            ticks,
            ticks_text: ticks.chinese(),
            finished: plan::is_finished(&item, &dossier),
            ready: ready.collect(),
            library: Library::of(&dossier),
            originals: crate::slips::originals(&dossier),
            timers,
            doubt: self.doubt(&dossier, &item),
            missing_attachments: stored.missing_attachments,
            held_pages: stored.held,
            dossier: unrated(dossier),
        })
    }

    /// Pages and slips of a case as they stand in the journals, oldest first.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn history(&self, officer: &Officer, case: &CaseNo) -> Result<Vec<HistoryLine>, ActError> {
        let mut lines = self.store.history(case).await?;
        // Who was rated never sees who rated; whoever supervises at the hub does.
        if !officer.roles.permit(Permission::Conclude) {
            lines.iter_mut().filter_map(|line| line.slip.as_mut()).for_each(|slip| slip.rating = None);
        }
        Ok(lines)
    }

    /// The fees of a case by the catalogue, and what was charged.
    ///
    /// # Errors
    /// [`ActError::NotFound`].
    pub async fn fees(&self, case: &CaseNo) -> Result<Fees, ActError> {
        let stored = self.stored(case).await?;
        let dossier = stored.dossier;
        let (_, _, item) = self.item(Some(dossier.release), &dossier.item)?;
        let form = self.form_of(case).await?;
        let day = dossier.accepted.as_ref().map_or_else(|| self.now().day(), |accepted| accepted.on);
        let line = |(fee, amount_fen): (&domain::fee::Fee, i64)| FeeLine {
            fee: fee.name.clone(),
            amount_fen,
            unit: fee.unit.clone(),
            basis: fee.basis.clone(),
            waive: fee.waive.clone(),
        };
        let due = domain::fee::due(&item, &form, day).into_iter().map(line).collect();
        Ok(Fees { due, charged: dossier.charges })
    }

    /// How far all has come that was written about a case where it was captured: what was mended or handed over there as well.
    async fn ticks(&self, dossier: &Dossier, last_seq: u64) -> Result<Ticks, ActError> {
        let network = self.store.network();
        let town = network.responsible(&dossier.origin, Tier::Town);
        let hub = network.responsible(&dossier.origin, Tier::City);
        let receipts = self.store.custody(&dossier.origin).await?;
        let through = |node: Option<&NodeId>| signed_by(&receipts, node);
        // A superior that holds the page itself needs no receipt from itself; its own journal of receipts says the same.
        let own = |tier: Tier| if self.tier == tier { last_seq } else { 0 };
        let (town_has, hub_has) = (through(town).max(own(Tier::Town)), through(hub).max(own(Tier::City)));
        Ok(Ticks::of(last_seq, town_has, hub_has, dossier.accepted.is_some() || dossier.decision.is_some()))
    }

    /// Cases of which something was written here or below that the superior of this tier has not signed for: recorded, mended, handed
    /// over, noted.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn cases_unsigned(&self, by: Tier) -> Result<BTreeSet<CaseNo>, ActError> {
        let network = self.store.network();
        let mut mark = Vec::new();
        for (journal, head) in self.store.heads().await? {
            let flows_up = journal.channel == Channel::Up && network.is_within(&journal.author, self.me());
            let signed = match flows_up {
                true => self.signed_through(&journal.author, by).await?.min(head.seq),
                false => head.seq,
            };
            mark.push((journal, signed));
        }
        Ok(self.store.cases_since(mark).await?.0)
    }

    /// How far the superior of a tier has signed for an author's journal; what one above it has signed for it has seen.
    async fn signed_through(&self, author: &NodeId, by: Tier) -> Result<u64, ActError> {
        let (network, receipts) = (self.store.network(), self.store.custody(author).await?);
        let of = |tier: Tier| signed_by(&receipts, network.responsible(author, tier));
        Ok(if by == Tier::City { of(Tier::City) } else { of(Tier::Town).max(of(Tier::City)) })
    }

    /// Own head against what parent and hub have receipted. "Sent" is computed from positions, never noted.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn outbox(&self) -> Result<Outbox, ActError> {
        let own = JournalId::new(self.me(), Channel::Up);
        let own_head =
            self.store.heads().await?.into_iter().find(|(id, _)| *id == own).map_or(0, |(_, head)| head.seq);
        let network = self.store.network();
        let receipts = self.store.custody(self.me()).await?;
        let through = |node: Option<&NodeId>| signed_by(&receipts, node);
        let hub_has = through(network.responsible(self.me(), Tier::City));
        let parent_has = through(network.parent(self.me())).max(hub_has);
        let waiting = match (self.tier, network.parent(self.me())) {
            (Tier::Village, _) => own_head.saturating_sub(parent_has),
            (_, Some(parent)) => self.unconfirmed(parent).await?,
            (_, None) => 0,
        };
        let oldest_waiting =
            if own_head > parent_has { self.store.written_at(&own, parent_has + 1).await? } else { None };
        let parent = network.parent(self.me());
        let parent_signed = receipts.iter().find(|line| Some(&line.by) == parent).map(|line| line.at);
        Ok(Outbox { own_head, parent_has, hub_has, waiting, oldest_waiting, parent_signed })
    }

    /// Entries of all journals that flow up from here and that `parent` has not confirmed: a relay is not done when its own
    /// journal is.
    async fn unconfirmed(&self, parent: &NodeId) -> Result<u64, ActError> {
        let network = self.store.network();
        let confirmed = self.store.confirmed(parent).await?;
        let upward =
            |journal: &JournalId| direction(journal, parent, self.me(), &network) == Some(Direction::Up);
        let has = |journal: &JournalId| {
            confirmed.iter().find(|(known, _)| known == journal).map_or(0, |(_, seq)| *seq)
        };
        let heads = self.store.heads().await?;
        Ok(heads
            .iter()
            .filter(|(journal, _)| upward(journal))
            .map(|(journal, head)| head.seq.saturating_sub(has(journal)))
            .sum())
    }

    /// All nodes at and below this one.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn nodes(&self) -> Result<Vec<NodeStatus>, ActError> {
        let (standings, network) = (self.store.standings().await?, self.store.network());
        let seq = |of: &BTreeMap<NodeId, u64>, node: &NodeId| of.get(node).copied().unwrap_or(0);
        let mut nodes = Vec::new();
        for node in network.iter().filter(|node| network.is_within(&node.id, self.me())) {
            let held = seq(&standings.held, &node.id);
            let contact = standings.contacts.get(&node.id);
            let own_head = contact.map_or(0, |contact| contact.own_head).max(held);
            let is_me = node.id == *self.me();
            let acknowledged = if is_me { held } else { seq(&standings.receipted, &node.id) };
            // What a child confirmed to us is nearer than what it let a town report.
            let all_through = match node.parent.as_ref() == Some(self.me()) {
                true => seq(&standings.all_through, &node.id),
                false => contact.map_or(0, |contact| contact.all_through),
            };
            let (catalogue_release, trust_version) = match is_me {
                true => (
                    self.store.pack(None).map(|(release, _)| release),
                    self.store.trust_bundle().map(|bundle| bundle.version),
                ),
                false => (standings.release_through(all_through), standings.bundle_through(all_through)),
            };
            nodes.push(NodeStatus {
                standing: node.standing,
                incarnation: node.incarnation,
                catalogue_release,
                trust_version,
                shown_under: contact.and_then(|contact| contact.under.clone()),
                shown_until: contact.and_then(|contact| contact.until),
                version: match is_me {
                    // All crates of a build have one.
                    true => Some(env!("CARGO_PKG_VERSION").to_owned()),
                    false => contact.and_then(|contact| contact.version.clone()),
                },
                id: node.id.clone(),
                tier: node.tier,
                parent: node.parent.clone(),
                place: node.place.clone(),
                name: node.name.clone(),
                own_head,
                acknowledged,
                last_contact: contact.map(|contact| contact.at),
                clock_skew_ms: contact.map(|contact| contact.clock_skew_ms),
                oldest_waiting: contact
                    .and_then(|contact| contact.oldest_waiting)
                    .filter(|_| own_head > acknowledged),
            });
        }
        Ok(nodes)
    }

    /// # Errors
    /// [`ActError::Store`].
    pub async fn counts(&self) -> Result<Counts, ActError> {
        Ok(self.store.counts().await?)
    }
}

/// Who was rated never sees who rated: beside the case stands only that somebody did.
fn unrated(mut dossier: Dossier) -> Dossier {
    dossier.slips.iter_mut().for_each(|slip| slip.rating = None);
    dossier
}
