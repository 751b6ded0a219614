//! What an officer may do to a case now. Each refusal says what is wrong and how to mend it.

pub use super::command::Command;
pub use super::refusal::Refusal;
use super::{
    Captured, Dossier, Outcome, Page, PageBody, Submission, Verdict, acts, by_law, handing_over, limits,
    procedures, tolerate,
};
use crate::bundle::{InBundle, Waiting};
use crate::calendar::Calendar;
use crate::catalogue::{Item, Stage};
use crate::clock::Receipts;
use crate::delegation::{Delegate, Delegations, Exercise, Power};
use crate::form::{self, Form, FormFault};
use crate::network::{Network, Tier};
use crate::paper::{PaperKind, SealedPaper};
use crate::{CaseNo, Day, EntryId, NodeId, OrgId, StageId, Timestamp, duty, green, library, plan, tolerance};

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
    pub delegations: &'a Delegations,
    pub receipts: Receipts,
    /// An earlier case in which this applicant's commitment turned out untrue.
    pub breached: Option<&'a CaseNo>,
    /// Why the decision of the case cannot be believed here; `None` when it verifies, or while there is none.
    pub doubt: Option<&'a str>,
    /// What the bundle makes this case wait for.
    pub waiting: &'a Waiting,
    /// The form of the current submission: what fees are computed from.
    pub form: &'a Form,
    pub press: &'a dyn Press,
}

/// The seal on the desk (审批专用章). It is pressed under what has just been decided, before the case is handed on.
pub trait Press: std::fmt::Debug + Sync {
    /// `after` is the dossier with the decision in it. `None` where nobody keeps a seal for it.
    fn press(&self, kind: PaperKind, after: &Dossier) -> Option<SealedPaper>;
}

/// For those who only ask what would happen, and for acts that seal nothing.
#[derive(Debug)]
pub struct NoSeal;
impl Press for NoSeal {
    fn press(&self, _: PaperKind, _: &Dossier) -> Option<SealedPaper> {
        None
    }
}

/// What an act comes to: the pages to append, in order, and the dossier as it stands after them.
#[derive(Debug, Clone)]
pub struct Act {
    pub pages: Vec<Page>,
    pub after: Dossier,
    /// The letter of delegation it rests on.
    pub delegation: Option<String>,
}

/// Pages by which somebody uses a delegated power.
fn uses_power(body: &PageBody) -> bool {
    matches!(
        body,
        PageBody::StageDone { .. }
            | PageBody::Accepted { .. }
            | PageBody::Returned { .. }
            | PageBody::NotAccepted { .. }
            | PageBody::Decided { .. }
            | PageBody::Issued { .. }
            | PageBody::Suspended { .. }
            | PageBody::Extended { .. }
    )
}

impl Act {
    pub(super) fn on(dossier: &Dossier) -> Act {
        Act { pages: Vec::new(), after: dossier.clone(), delegation: None }
    }

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
                delegation: self.delegation.clone().filter(|_| uses_power(&body)),
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

/// What a new case is opened as.
#[derive(Debug, Clone)]
pub struct Opening<'a> {
    pub case: CaseNo,
    pub item: &'a Item,
    pub release: u32,
    pub bundle: Option<InBundle>,
}

/// Opens a new case: the capture and, unless the counter that takes it in goes on itself, the hand-over.
///
/// # Errors
/// [`Refusal::Faulty`] with every fault of form and papers; [`Refusal::Undecidable`] when no stage could decide it.
pub fn capture(
    Opening { case, item, release, bundle }: Opening<'_>,
    mut submission: Submission,
    actor: &Actor,
    network: &Network,
    now: Timestamp,
) -> Result<Act, Refusal> {
    let handed_in = submission.judged_on(now.day());
    complete_submission(item, &mut submission, handed_in)?;
    submission.closes =
        item.stages.iter().filter(|stage| stage.kind.is_capture()).map(|stage| stage.id.clone()).collect();
    let (item_id, intake) = (item.id.clone(), actor.tier);
    let captured = Captured { item: item_id, release, submission, bundle, intake };
    let body = PageBody::Captured(captured);
    let page = Page { case, no: 1, term: 1, at: now, officer: actor.officer.clone(), delegation: None, body };
    let after = Dossier::open(&page, &actor.node).expect("a capture page opens a dossier");
    let mut act = Act { pages: vec![page], ..Act::on(&after) };
    act.hand_over(item, actor, network, now)?;
    Ok(act)
}

/// All that is wrong with form and papers: what the officer is told before the case is taken.
pub fn submission_faults(item: &Item, submission: &Submission, today: Day) -> Vec<FormFault> {
    let form = &submission.form;
    let mut faults = form::check(item, form, today);
    let handed_in: Vec<_> = submission.attachments.iter().map(|one| one.material.clone()).collect();
    let promised = submission.commitment.iter().flat_map(|promise| promise.materials.clone());
    let borrowed = submission.borrowed.iter().map(|one| one.material.clone());
    let accounted: Vec<_> = handed_in.iter().cloned().chain(promised).chain(borrowed).collect();
    for material in plan::missing_materials(item, form, today, &accounted) {
        let may_follow = tolerance::make_up_days(item, submission.green.is_some()).is_some()
            && material.necessity == crate::catalogue::Necessity::Deferrable;
        let reason = match may_follow {
            true => "缺少该材料,请扫描或拍照后上传;一时拿不出的,可签容缺承诺书后补交",
            false => "缺少该材料,请扫描或拍照后上传",
        };
        let (field, label) = (material.id.to_string(), material.name.clone());
        faults.push(FormFault { field, label, reason: reason.to_owned() });
    }
    for material in handed_in.iter().filter(|id| item.material(id).is_none()) {
        let reason = "该事项没有这项材料".to_owned();
        faults.push(FormFault { field: material.to_string(), label: material.to_string(), reason });
    }
    faults.extend(
        submission
            .commitment
            .iter()
            .flat_map(|one| tolerance::faults(item, form, (one, submission.green.is_some()), today)),
    );
    faults.extend(library::faults(item, &submission.borrowed));
    faults.extend(submission.wish.iter().filter_map(|wish| wish.fault()));
    faults.extend(submission.green.iter().flat_map(|claim| green::faults(item, form, claim, today)));
    faults
}

/// Checks form and papers and notes which stages the form conditions away.
///
/// # Errors
/// [`Refusal::Faulty`] with every fault; [`Refusal::Undecidable`] when no stage could decide it.
pub fn complete_submission(item: &Item, submission: &mut Submission, today: Day) -> Result<(), Refusal> {
    let faults = submission_faults(item, submission, today);
    if !faults.is_empty() {
        return Err(Refusal::Faulty(faults));
    }
    // What has come meanwhile need not be promised any more.
    let handed_in = &submission.attachments;
    let promise = submission.commitment.as_mut();
    if let Some(promise) = promise {
        promise.materials.retain(|id| !handed_in.iter().any(|one| one.material == *id));
    }
    submission.commitment = submission.commitment.take().filter(|promise| !promise.materials.is_empty());
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
    let mut act = Act::on(dossier);
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
    let bodies = bodies_of(dossier, desk, actor, command, now.day(), &mut act.delegation)?;
    accept_if_due(&mut act, desk, actor, now, &bodies)?;
    let seals = bodies.iter().find_map(sealed_as);
    act.turn(actor, now, bodies);
    // What every receiver would refuse must not be told as done here.
    if act.pages.iter().any(|page| plan::overreach(desk.item, &page.body, actor.tier).is_some()) {
        return Err(Refusal::Overreach);
    }
    if let Some(paper) = seals.and_then(|kind| desk.press.press(kind, &act.after)) {
        act.turn(actor, now, [PageBody::Sealed { paper }]);
    }
    act.hand_over(desk.item, actor, desk.network, now)?;
    Ok(act)
}

/// Which paper goes out under seal with this page.
fn sealed_as(body: &PageBody) -> Option<PaperKind> {
    match body {
        PageBody::Decided { .. } => Some(PaperKind::Decision),
        PageBody::NotAccepted { .. } => Some(PaperKind::NotAccepted),
        _ => None,
    }
}

/// Acceptance stands before the decision that may follow in the same append (即办件).
fn accept_if_due(
    act: &mut Act,
    desk: &Desk<'_>,
    actor: &Actor,
    now: Timestamp,
    bodies: &[PageBody],
) -> Result<(), Refusal> {
    let Some(accepting) = plan::accepting_stage(desk.item).map(|stage| &stage.id) else { return Ok(()) };
    let closes = |page: &PageBody| match page {
        PageBody::StageDone { stage, .. } | PageBody::Decided { stage, .. } => stage == accepting,
        _ => false,
    };
    if act.after.accepted.is_some() || !bodies.iter().any(closes) {
        return Ok(());
    }
    let lacking = act.after.lacking.clone();
    // Who is refused at once needs no papers for it.
    let refuses = |page: &PageBody| matches!(page, PageBody::Decided { outcome: Outcome::Refused, .. });
    if !bodies.iter().any(refuses) {
        acts::lent(&act.after, desk.item)?;
        if let Some(case) = desk.breached.filter(|_| !lacking.is_empty()) {
            return Err(Refusal::BrokenWord { case: case.clone() });
        }
    }
    act.turn(actor, now, [PageBody::Accepted { on: now.day(), lacking }]);
    Ok(())
}

fn bodies_of(
    dossier: &Dossier,
    desk: &Desk<'_>,
    actor: &Actor,
    command: Command,
    today: Day,
    delegation: &mut Option<String>,
) -> Result<Vec<PageBody>, Refusal> {
    let item = desk.item;
    let stage = match command.stage() {
        Some(id) => Some(ready_stage(dossier, item, actor, id)?),
        None => None,
    };
    if let Some(stage) = stage.filter(|_| !matches!(command, Command::Release { .. })) {
        *delegation = delegated(dossier, desk, actor, stage, &command, today)?;
    }
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
        Command::Resubmit(submission) => tolerate::resubmit(dossier, item, submission, today),
        Command::Withdraw { slip } => withdraw(dossier, slip),
        Command::Suspend { stage, procedure, basis, days } => {
            limits::suspend(dossier, actor, &stage, procedure, basis, days)
        }
        Command::Resume { finding, .. } => limits::resume(dossier, finding),
        Command::Extend { stage, days, reason } => limits::extend(dossier, item, actor, &stage, days, reason),
        Command::Reassign { stage, to, reason } => limits::reassign(dossier, actor, &stage, to, reason),
        // Each department speaks for itself, whoever of them has claimed the visit.
        Command::ConfirmInspection { body, slots, .. } => {
            let stage = stage.ok_or(Refusal::NotSuperior)?;
            let body = procedures::speaks_for(actor, stage, body)?;
            procedures::confirm_inspection(dossier, stage, body, slots)
        }
        Command::FindInspection { body, passed, text, .. } => {
            let stage = stage.ok_or(Refusal::NotSuperior)?;
            let body = procedures::speaks_for(actor, stage, body)?;
            procedures::find_inspection(dossier, stage, body, passed, text)
        }
        at_stage => {
            let stage = stage.ok_or(Refusal::NotSuperior)?;
            must_be_claimed(dossier, stage, actor)?;
            match at_stage {
                Command::CheckOriginals { materials, .. } => {
                    tolerate::check_originals(dossier, stage, materials)
                }
                Command::Post { place, .. } => procedures::post(dossier, desk, stage, place, today),
                Command::ProposeInspection { slots, .. } => {
                    procedures::propose_inspection(dossier, stage, slots, today)
                }
                Command::FixInspection { slot, .. } => procedures::fix_inspection(dossier, stage, slot),
                Command::HoldInspection { officers, absent, .. } => {
                    procedures::hold_inspection(dossier, stage, officers, absent, today)
                }
                Command::NoticeHearing { on, place, .. } => {
                    procedures::notice_hearing(dossier, desk, stage, on, place, today)
                }
                Command::HoldHearing { record, .. } => {
                    procedures::hold_hearing(dossier, desk, stage, actor, record, today)
                }
                Command::Charge { charge, .. } => handing_over::charge(dossier, desk, stage, charge),
                Command::Dispatch { carrier, waybill, .. } => {
                    handing_over::dispatch(dossier, desk, stage, carrier, waybill)
                }
                Command::FailDelivery { channel, reason, .. } => {
                    handing_over::fail_delivery(stage, channel, reason)
                }
                Command::Deliver { receiver, channel, proof, .. } => {
                    handing_over::deliver(dossier, desk, stage, receiver, channel, proof)
                }
                Command::TakeMakeUp { slip, .. } => tolerate::take_make_up(dossier, slip),
                Command::RefuseMakeUp { slip, reason, .. } => tolerate::refuse_make_up(dossier, slip, reason),
                Command::BreakCommitment { finding, .. } => tolerate::break_commitment(dossier, finding),
                Command::DeclineGreen { reason, .. } => tolerate::decline_green(dossier, reason),
                judging => {
                    bears_no_other_duty(dossier, item, actor, &stage.id)?;
                    acts::act(dossier, desk, stage, judging, today)
                }
            }
        }
    }
}

/// The number of the letter under which the actor may do this here and today; `None` where no letter is needed.
fn delegated(
    dossier: &Dossier,
    desk: &Desk<'_>,
    actor: &Actor,
    stage: &Stage,
    command: &Command,
    today: Day,
) -> Result<Option<String>, Refusal> {
    // Whoever stops or extends a limit, or says who goes on, answers for the decision.
    let approves =
        matches!(command, Command::Suspend { .. } | Command::Extend { .. } | Command::Reassign { .. });
    let needed = if approves { Some(Power::Decide) } else { Power::needed(stage.kind, stage.tier) };
    let Some(power) = needed else { return Ok(None) };
    let delegate = Delegate { node: actor.node.clone(), officer: actor.officer.clone() };
    let area = desk.network.get(&dossier.origin).map_or("", |node| &node.place);
    let exercise = Exercise { delegate: &delegate, item: desk.item, stage, power, area, day: today };
    match desk.delegations.covering(&exercise) {
        Ok(letter) => Ok(Some(letter.number.clone())),
        Err(lacks) => Err(Refusal::NoDelegation { stage: stage.name.clone(), power, lacks }),
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
        return Err(Refusal::OtherTier { stage: id.clone(), tier: plan::tier_of(stage, dossier) });
    }
    // Only the city knows bodies; a town's windows act for all of them in its own house.
    let for_body = actor.body.as_ref().is_some_and(|body| stage.bodies.contains(body));
    if actor.tier == Tier::City && stage.tier == Tier::City && !stage.bodies.is_empty() && !for_body {
        return Err(Refusal::OtherBody { stage: id.clone(), bodies: stage.bodies.clone() });
    }
    Ok(stage)
}

pub(super) fn claimed_by<'a>(dossier: &'a Dossier, stage: &StageId) -> Option<&'a str> {
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

fn withdraw(dossier: &Dossier, slip: EntryId) -> Result<Vec<PageBody>, Refusal> {
    if !dossier.slips.iter().any(|known| known.id == slip && known.kind == "withdraw") {
        return Err(Refusal::NoSuchSlip);
    }
    // One end for each case (I16): who has his answer keeps it, and it is handed over.
    if dossier.decision.is_some() || dossier.not_accepted.is_some() || dossier.is_void() {
        return Err(Refusal::Over);
    }
    Ok(vec![PageBody::Withdrawn { slip }])
}
