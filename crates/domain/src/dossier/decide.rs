//! What an officer may do to a case now. Each refusal says what is wrong and how to mend it.

pub use super::refusal::Refusal;
use super::{
    Captured, Dossier, Licence, NotAcceptedGround, Outcome, Page, PageBody, Submission, Verdict, by_law,
};
use crate::calendar::Calendar;
use crate::catalogue::{Item, Stage, StageKind};
use crate::clock::{self, Procedure};
use crate::form::{self, FormFault};
use crate::network::{Network, Tier};
use crate::plan;
use crate::{CaseNo, Day, EntryId, NodeId, OrgId, StageId, Timestamp, duty};

/// Who acts, and where.
#[derive(Debug, Clone)]
pub struct Actor {
    pub node: NodeId,
    pub tier: Tier,
    pub officer: String,
    /// The body of the city the officer acts for.
    pub body: Option<OrgId>,
}

/// What lies on the desk beside the dossier when somebody decides.
#[derive(Debug, Clone, Copy)]
pub struct Desk<'a> {
    pub item: &'a Item,
    pub network: &'a Network,
    pub calendar: &'a Calendar,
    /// The day of the legal receipt of the current submission, where it is known.
    pub received: Option<Day>,
}

#[derive(Debug, Clone)]
pub enum Command {
    Claim {
        stage: StageId,
    },
    Release {
        stage: StageId,
    },
    /// Completes a stage that is neither a decision, an issue nor a delivery.
    Complete {
        stage: StageId,
        agrees: bool,
        opinion: String,
    },
    /// 一次性补正告知; `again` says why a second one is needed.
    Return {
        stage: StageId,
        faults: Vec<FormFault>,
        again: Option<String>,
    },
    /// 不予受理.
    NotAccept {
        stage: StageId,
        ground: NotAcceptedGround,
        text: String,
    },
    /// Given by the approver; the handler is whoever has claimed the stage.
    Suspend {
        stage: StageId,
        procedure: Procedure,
        basis: String,
        days: u32,
    },
    Resume {
        stage: StageId,
        finding: String,
    },
    /// Given by the approver; the handler is whoever has claimed the stage.
    Extend {
        stage: StageId,
        days: u32,
        reason: String,
    },
    Resubmit(Submission),
    Decide {
        stage: StageId,
        outcome: Outcome,
        text: String,
        licence: Option<Licence>,
    },
    Issue {
        stage: StageId,
        licence: Option<Licence>,
        opinion: String,
    },
    Deliver {
        stage: StageId,
        receiver: String,
        proof: String,
    },
    Withdraw {
        slip: EntryId,
    },
    /// Takes the dossier away from a holder that is lost.
    Recall,
}

impl Command {
    pub fn stage(&self) -> Option<&StageId> {
        match self {
            Command::Claim { stage }
            | Command::Release { stage }
            | Command::Complete { stage, .. }
            | Command::Return { stage, .. }
            | Command::NotAccept { stage, .. }
            | Command::Suspend { stage, .. }
            | Command::Resume { stage, .. }
            | Command::Extend { stage, .. }
            | Command::Decide { stage, .. }
            | Command::Issue { stage, .. }
            | Command::Deliver { stage, .. } => Some(stage),
            Command::Resubmit(_) | Command::Withdraw { .. } | Command::Recall => None,
        }
    }
}

/// What an act comes to: the pages to append, in order, and the dossier as it stands after them.
#[derive(Debug, Clone)]
pub struct Act {
    pub pages: Vec<Page>,
    pub after: Dossier,
}

impl Act {
    /// Numbers and dates the bodies and folds them, so that what follows can be decided from the state they lead to.
    pub(super) fn turn(&mut self, actor: &Actor, now: Timestamp, bodies: impl IntoIterator<Item = PageBody>) {
        for body in bodies {
            let recalls = matches!(body, PageBody::Recalled { .. });
            let page = Page {
                case: self.after.case.clone(),
                no: self.after.pages + 1,
                term: self.after.term + u32::from(recalls),
                at: now,
                officer: actor.officer.clone(),
                body,
            };
            let verdict = self.after.apply(&page, &actor.node, recalls);
            debug_assert_eq!(verdict, Verdict::Applied, "an act may only make pages that fit: {page:?}");
            self.pages.push(page);
        }
    }

    /// Adds the hand-over when nothing is left to do here and something is elsewhere.
    fn hand_over(
        &mut self,
        item: &Item,
        actor: &Actor,
        network: &Network,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        if self.after.holder != actor.node {
            return Ok(());
        }
        let next = plan::next_tier(item, &self.after, actor.tier).filter(|tier| *tier != actor.tier);
        if let Some(tier) = next {
            let to = network.responsible(&self.after.origin, tier).ok_or(Refusal::NoNode { tier })?.clone();
            self.turn(actor, now, [PageBody::HandedOver { to }]);
        }
        Ok(())
    }
}

/// Opens a new case: the capture and, unless the village itself goes on, the hand-over.
///
/// # Errors
/// [`Refusal::Faulty`] with every fault of form and papers; [`Refusal::Undecidable`] when no stage could decide it.
pub fn capture(
    case: CaseNo,
    item: &Item,
    release: u32,
    mut submission: Submission,
    actor: &Actor,
    network: &Network,
    now: Timestamp,
) -> Result<Act, Refusal> {
    complete_submission(item, &mut submission, now.day())?;
    submission.closes =
        item.stages.iter().filter(|stage| stage.kind.is_capture()).map(|stage| stage.id.clone()).collect();
    let body = PageBody::Captured(Captured { item: item.id.clone(), release, submission });
    let page = Page { case, no: 1, term: 1, at: now, officer: actor.officer.clone(), body };
    let after = Dossier::open(&page, &actor.node).expect("a capture page opens a dossier");
    let mut act = Act { pages: vec![page], after };
    act.hand_over(item, actor, network, now)?;
    Ok(act)
}

/// Checks form and papers and notes which stages the form conditions away.
fn complete_submission(item: &Item, submission: &mut Submission, today: Day) -> Result<(), Refusal> {
    let mut faults = form::check(item, &submission.form, today);
    let handed_in: Vec<_> =
        submission.attachments.iter().map(|attachment| attachment.material.clone()).collect();
    for material in plan::missing_materials(item, &submission.form, today, &handed_in) {
        let reason = "缺少该材料,请扫描或拍照后上传".to_owned();
        faults.push(FormFault { field: material.id.to_string(), label: material.name.clone(), reason });
    }
    for material in handed_in.iter().filter(|id| item.material(id).is_none()) {
        let reason = "该事项没有这项材料".to_owned();
        faults.push(FormFault { field: material.to_string(), label: material.to_string(), reason });
    }
    if !faults.is_empty() {
        return Err(Refusal::Faulty(faults));
    }
    submission.skipped = plan::skipped_stages(item, &submission.form, today);
    if plan::can_be_decided(item, &submission.skipped) { Ok(()) } else { Err(Refusal::Undecidable) }
}

/// The pages that carry out `command`, the hand-over that follows from them included.
///
/// # Errors
/// [`Refusal`]; the dossier is unchanged.
pub fn decide(
    dossier: &Dossier,
    desk: &Desk<'_>,
    actor: &Actor,
    command: Command,
    now: Timestamp,
) -> Result<Act, Refusal> {
    let mut act = Act { pages: Vec::new(), after: dossier.clone() };
    if let Command::Recall = command {
        if !desk.network.is_above(&actor.node, &dossier.holder) {
            return Err(Refusal::NotSuperior);
        }
        act.turn(actor, now, [PageBody::Recalled { to: actor.node.clone() }]);
        return Ok(act);
    }
    if dossier.holder != actor.node {
        return Err(Refusal::HeldElsewhere { holder: dossier.holder.clone() });
    }
    // What the law has done stands before what the officer does; it is nobody's act, so it is an append of its own.
    if by_law::deem_accepted(dossier, desk, actor, now).is_some() {
        return Err(Refusal::DeemFirst);
    }
    let bodies = bodies_of(dossier, desk.item, actor, command, now.day())?;
    let closes = |page: &PageBody| match page {
        PageBody::StageDone { stage, .. } | PageBody::Decided { stage, .. } => Some(stage.clone()),
        _ => None,
    };
    let accepting = plan::accepting_stage(desk.item).map(|stage| stage.id.clone());
    if act.after.accepted.is_none()
        && accepting.is_some()
        && bodies.iter().any(|page| closes(page) == accepting)
    {
        // Acceptance stands before the decision that may follow in the same append (即办件).
        act.turn(actor, now, [PageBody::Accepted { on: now.day() }]);
    }
    act.turn(actor, now, bodies);
    // What every receiver would refuse must not be told as done here.
    if act.pages.iter().any(|page| plan::overreach(desk.item, &page.body, actor.tier).is_some()) {
        return Err(Refusal::Overreach);
    }
    act.hand_over(desk.item, actor, desk.network, now)?;
    Ok(act)
}

fn bodies_of(
    dossier: &Dossier,
    item: &Item,
    actor: &Actor,
    command: Command,
    today: Day,
) -> Result<Vec<PageBody>, Refusal> {
    let stage = match command.stage() {
        Some(id) => Some(ready_stage(dossier, item, actor, id)?),
        None => None,
    };
    match command {
        Command::Claim { stage } => {
            bears_no_other_duty(dossier, item, actor, &stage)?;
            match claimed_by(dossier, &stage) {
                Some(officer) => Err(Refusal::ClaimedBy { officer: officer.to_owned() }),
                None => Ok(vec![PageBody::Claimed { stage }]),
            }
        }
        Command::Release { stage } => match claimed_by(dossier, &stage) {
            Some(officer) if officer == actor.officer => Ok(vec![PageBody::Released { stage }]),
            Some(officer) => Err(Refusal::ClaimedBy { officer: officer.to_owned() }),
            None => Err(Refusal::NotClaimed { stage }),
        },
        Command::Resubmit(submission) => resubmit(dossier, item, submission, today),
        Command::Withdraw { slip } => withdraw(dossier, slip),
        Command::Suspend { stage, procedure, basis, days } => {
            suspend(dossier, actor, &stage, procedure, basis, days)
        }
        Command::Resume { finding, .. } => match dossier.suspended() {
            None => Err(Refusal::NotSuspended),
            Some(_) if finding.trim().is_empty() => Err(Refusal::NoReason),
            Some(_) => Ok(vec![PageBody::Resumed { finding }]),
        },
        Command::Extend { stage, days, reason } => extend(dossier, item, actor, &stage, days, reason),
        at_stage => {
            let stage = stage.ok_or(Refusal::NotSuperior)?;
            must_be_claimed(dossier, stage, actor)?;
            bears_no_other_duty(dossier, item, actor, &stage.id)?;
            act(dossier, item, stage, at_stage)
        }
    }
}

fn ready_stage<'a>(
    dossier: &Dossier,
    item: &'a Item,
    actor: &Actor,
    id: &StageId,
) -> Result<&'a Stage, Refusal> {
    let stage = item.stage(id).ok_or_else(|| Refusal::NoSuchStage { stage: id.to_string() })?;
    let ready = plan::ready_stages(item, dossier);
    if !ready.iter().any(|ready| ready.id == *id) {
        let ready = ready.iter().map(|stage| stage.id.clone()).collect();
        return Err(Refusal::NotReady { stage: id.clone(), ready });
    }
    if !plan::is_done_here(stage, dossier, actor.tier) {
        return Err(Refusal::OtherTier { stage: id.clone(), tier: stage.tier });
    }
    // Only the city knows bodies; a town's windows act for all of them in its own house.
    let for_body = actor.body.as_ref().is_some_and(|body| stage.bodies.contains(body));
    if actor.tier == Tier::City && stage.tier == Tier::City && !stage.bodies.is_empty() && !for_body {
        return Err(Refusal::OtherBody { stage: id.clone(), bodies: stage.bodies.clone() });
    }
    Ok(stage)
}

fn claimed_by<'a>(dossier: &'a Dossier, stage: &StageId) -> Option<&'a str> {
    dossier.stages.get(stage)?.claimed_by.as_deref()
}

/// 承办、审核、批准: three persons in one case.
fn bears_no_other_duty(
    dossier: &Dossier,
    item: &Item,
    actor: &Actor,
    stage: &StageId,
) -> Result<(), Refusal> {
    let name = |id: &StageId| item.stage(id).map_or_else(|| id.to_string(), |stage| stage.name.clone());
    match duty::other_duty(item, dossier, stage, (&actor.node, &actor.officer)) {
        Some(did) => Err(Refusal::OtherDuty { stage: name(stage), did: did.name.clone() }),
        None => Ok(()),
    }
}

/// At the city several officers share a queue, so work starts with a claim; a village or a counter has one.
fn must_be_claimed(dossier: &Dossier, stage: &Stage, actor: &Actor) -> Result<(), Refusal> {
    match claimed_by(dossier, &stage.id) {
        Some(officer) if officer != actor.officer => Err(Refusal::ClaimedBy { officer: officer.to_owned() }),
        None if actor.tier == Tier::City => Err(Refusal::NotClaimed { stage: stage.id.clone() }),
        _ => Ok(()),
    }
}

fn act(dossier: &Dossier, item: &Item, stage: &Stage, command: Command) -> Result<Vec<PageBody>, Refusal> {
    let wrong = || Refusal::WrongAct { stage: stage.id.clone(), kind: stage.kind };
    let noted = dossier.slips.iter().filter(|slip| Some(&slip.kind) == stage.trigger.as_ref()).take(1);
    let mut pages: Vec<PageBody> = noted.map(|slip| PageBody::SlipNoted { slip: slip.id }).collect();
    match command {
        Command::Complete { stage: id, agrees, opinion } => {
            if matches!(stage.kind, StageKind::Decision | StageKind::Issue | StageKind::Deliver) {
                return Err(wrong());
            }
            if !agrees && opinion.trim().is_empty() {
                return Err(Refusal::NoReason);
            }
            pages.push(PageBody::StageDone { stage: id, agrees, opinion });
        }
        Command::Return { stage: id, faults, again } => {
            may_answer(dossier, stage)?;
            let again = again.filter(|reason| !reason.trim().is_empty());
            if dossier.notices > 0 && again.is_none() {
                return Err(Refusal::SecondNotice);
            }
            if faults.is_empty() || faults.iter().any(|fault| fault.reason.trim().is_empty()) {
                return Err(Refusal::NoReason);
            }
            pages.push(PageBody::Returned { stage: id, faults, again });
            pages.push(PageBody::HandedOver { to: dossier.origin.clone() });
        }
        Command::NotAccept { stage: id, ground, text } => {
            may_answer(dossier, stage)?;
            let named = match &ground {
                NotAcceptedGround::NotNeeded => true,
                NotAcceptedGround::NotOurs { competent: word }
                | NotAcceptedGround::Unmet { article: word } => !word.trim().is_empty(),
            };
            if !named || text.trim().is_empty() {
                return Err(Refusal::NoReason);
            }
            pages.push(PageBody::NotAccepted { stage: id, ground, text });
        }
        Command::Decide { stage: id, outcome, text, licence } => {
            if let Some(open) = dossier.suspended() {
                return Err(Refusal::Suspended { since: open.from });
            }
            if stage.kind != StageKind::Decision {
                return Err(wrong());
            }
            if outcome == Outcome::Granted && dossier.has_objection() {
                return Err(Refusal::MustRefuse);
            }
            if outcome == Outcome::Refused && text.trim().is_empty() {
                return Err(Refusal::NoReason);
            }
            pages.push(PageBody::Decided { stage: id, outcome, text });
            let issues_now = !item.stages.iter().any(|stage| stage.kind == StageKind::Issue);
            if outcome == Outcome::Granted && issues_now {
                pages.extend(issued(item, licence)?);
            }
        }
        Command::Issue { stage: id, licence, opinion } => {
            if stage.kind != StageKind::Issue {
                return Err(wrong());
            }
            pages.extend(issued(item, licence)?);
            pages.push(PageBody::StageDone { stage: id, agrees: true, opinion });
        }
        Command::Deliver { stage: id, receiver, proof } => {
            if stage.kind != StageKind::Deliver {
                return Err(wrong());
            }
            if receiver.trim().is_empty() || proof.trim().is_empty() {
                return Err(Refusal::NoReason);
            }
            pages.push(PageBody::Delivered { stage: id, receiver, proof });
        }
        Command::Claim { .. }
        | Command::Release { .. }
        | Command::Resubmit(_)
        | Command::Withdraw { .. }
        | Command::Suspend { .. }
        | Command::Resume { .. }
        | Command::Extend { .. }
        | Command::Recall => {
            return Err(wrong());
        }
    }
    Ok(pages)
}

/// The answers of art. 32 belong to the check of the papers and come before acceptance.
fn may_answer(dossier: &Dossier, stage: &Stage) -> Result<(), Refusal> {
    let checks = matches!(
        stage.kind,
        StageKind::CompletenessCheck | StageKind::Accept | StageKind::Review | StageKind::HomeVisit
    );
    if dossier.accepted.is_some() {
        return Err(Refusal::AlreadyAccepted);
    }
    if checks { Ok(()) } else { Err(Refusal::WrongAct { stage: stage.id.clone(), kind: stage.kind }) }
}

/// Who asked for what `actor` is about to approve: whoever has claimed the stage, and never the approver.
fn handler_beside(dossier: &Dossier, actor: &Actor, stage: &StageId) -> Result<String, Refusal> {
    if dossier.accepted.is_none() || dossier.decision.is_some() {
        return Err(Refusal::NotAccepted);
    }
    match claimed_by(dossier, stage) {
        None => Err(Refusal::NotClaimed { stage: stage.clone() }),
        Some(handler) if handler == actor.officer => Err(Refusal::SamePerson),
        Some(handler) => Ok(handler.to_owned()),
    }
}

/// A suspension asks for at most so many working days; what takes longer is asked for again, with a new notice.
const SUSPENSION_DAYS_MAX: u32 = 180;

fn suspend(
    dossier: &Dossier,
    actor: &Actor,
    stage: &StageId,
    procedure: Procedure,
    basis: String,
    days: u32,
) -> Result<Vec<PageBody>, Refusal> {
    let handler = handler_beside(dossier, actor, stage)?;
    if let Some(open) = dossier.suspended() {
        return Err(Refusal::Suspended { since: open.from });
    }
    if basis.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    if !(1..=SUSPENSION_DAYS_MAX).contains(&days) {
        return Err(Refusal::TooLong { days_max: SUSPENSION_DAYS_MAX });
    }
    Ok(vec![PageBody::Suspended { procedure, basis, days, handler }])
}

fn extend(
    dossier: &Dossier,
    item: &Item,
    actor: &Actor,
    stage: &StageId,
    days: u32,
    reason: String,
) -> Result<Vec<PageBody>, Refusal> {
    let handler = handler_beside(dossier, actor, stage)?;
    if dossier.extension.is_some() {
        return Err(Refusal::AlreadyExtended);
    }
    if reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    let days_max = clock::extension_max(item);
    if !(1..=days_max).contains(&days) {
        return Err(Refusal::TooLong { days_max });
    }
    Ok(vec![PageBody::Extended { days, reason, handler }])
}

fn issued(item: &Item, licence: Option<Licence>) -> Result<Option<PageBody>, Refusal> {
    match (&item.result.licence, licence) {
        (None, _) => Ok(None),
        (Some(_), Some(licence)) => Ok(Some(PageBody::Issued { licence })),
        (Some(_), None) => Err(Refusal::NeedsLicence),
    }
}

fn resubmit(
    dossier: &Dossier,
    item: &Item,
    mut submission: Submission,
    today: Day,
) -> Result<Vec<PageBody>, Refusal> {
    if dossier.returned.is_none() {
        return Err(Refusal::NotReturned);
    }
    complete_submission(item, &mut submission, today)?;
    Ok(vec![PageBody::Resubmitted(submission)])
}

fn withdraw(dossier: &Dossier, slip: EntryId) -> Result<Vec<PageBody>, Refusal> {
    if !dossier.slips.iter().any(|known| known.id == slip && known.kind == "withdraw") {
        return Err(Refusal::NoSuchSlip);
    }
    if dossier.decision.is_some() || dossier.withdrawn {
        return Err(Refusal::Over);
    }
    Ok(vec![PageBody::Withdrawn { slip }])
}
