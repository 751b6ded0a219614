//! What an officer may do to a case now. Each refusal says what is wrong and how to mend it.

use super::{Captured, Dossier, Licence, Outcome, Page, PageBody, Submission, Verdict};
use crate::catalogue::{Item, Stage, StageKind};
use crate::form::{self, FormFault};
use crate::network::{Network, Tier};
use crate::plan;
use crate::{CaseNo, Day, EntryId, NodeId, OrgId, StageId, Timestamp};
use std::fmt;

/// Who acts, and where.
#[derive(Debug, Clone)]
pub struct Actor {
    pub node: NodeId,
    pub tier: Tier,
    pub officer: String,
    /// The body of the city the officer acts for.
    pub body: Option<OrgId>,
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
    Return {
        stage: StageId,
        faults: Vec<FormFault>,
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
            | Command::Decide { stage, .. }
            | Command::Issue { stage, .. }
            | Command::Deliver { stage, .. } => Some(stage),
            Command::Resubmit(_) | Command::Withdraw { .. } | Command::Recall => None,
        }
    }
}

/// Why an act was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    HeldElsewhere { holder: NodeId },
    NoSuchStage { stage: String },
    NotReady { stage: StageId, ready: Vec<StageId> },
    OtherTier { stage: StageId, tier: Tier },
    OtherBody { stage: StageId, bodies: Vec<OrgId> },
    ClaimedBy { officer: String },
    NotClaimed { stage: StageId },
    WrongAct { stage: StageId, kind: StageKind },
    NoReason,
    MustRefuse,
    NeedsLicence,
    NotReturned,
    Faulty(Vec<FormFault>),
    Undecidable,
    NoSuchSlip,
    Over,
    NotSuperior,
    NoNode { tier: Tier },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |ids: &[StageId]| ids.iter().map(StageId::as_str).collect::<Vec<_>>().join("、");
        match self {
            Refusal::HeldElsewhere { holder } => {
                write!(f, "案卷现在 {holder},只有持卷节点可以办理;请等案卷转来")
            }
            Refusal::NoSuchStage { stage } => write!(f, "该事项没有环节 {stage};请按办件详情中的环节办理"),
            Refusal::NotReady { stage, ready } if ready.is_empty() => {
                write!(f, "环节 {stage} 现在不能办理,没有待办环节")
            }
            Refusal::NotReady { stage, ready } => {
                write!(f, "环节 {stage} 现在不能办理;当前可办:{}", join(ready))
            }
            Refusal::OtherTier { stage, tier } => write!(f, "环节 {stage} 由{}办理", tier_name(*tier)),
            Refusal::OtherBody { stage, bodies } => {
                let names = bodies.iter().map(OrgId::as_str).collect::<Vec<_>>().join("、");
                write!(f, "环节 {stage} 由部门 {names} 办理;请用该部门的账号登录")
            }
            Refusal::ClaimedBy { officer } => write!(f, "已由 {officer} 认领;请其办理或退还后再认领"),
            Refusal::NotClaimed { stage } => write!(f, "请先认领环节 {stage} 再办理"),
            Refusal::WrongAct { stage, kind } => {
                write!(f, "环节 {stage} 的类型是 {},请用相应的操作", kind.as_str())
            }
            Refusal::NoReason => f.write_str("请写明理由"),
            Refusal::MustRefuse => f.write_str("有环节意见为不同意,只能作出不予决定,或由该环节重新办理"),
            Refusal::NeedsLicence => f.write_str("准予后应制发证照,但没有证照编号"),
            Refusal::NotReturned => f.write_str("该件没有被退回,不需要重新提交"),
            Refusal::Faulty(faults) => {
                f.write_str("表单或材料有误:")?;
                for fault in faults {
                    write!(f, "{}:{};", fault.label, fault.reason)?;
                }
                Ok(())
            }
            Refusal::Undecidable => {
                f.write_str("按所填内容,本事项没有可作决定的环节;请修改表单或到市政务服务中心窗口办理")
            }
            Refusal::NoSuchSlip => f.write_str("没有这张便条;请先由申请人提出"),
            Refusal::Over => f.write_str("该件已有决定或已办结,不能再撤回"),
            Refusal::NotSuperior => f.write_str("只有上级节点可以调回案卷"),
            Refusal::NoNode { tier } => {
                write!(f, "没有负责该村的{}节点;请管理员检查节点登记", tier_name(*tier))
            }
        }
    }
}
impl std::error::Error for Refusal {}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Village => "村级代办点",
        Tier::Town => "镇便民服务中心",
        Tier::City => "市政务服务中心",
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
    fn turn(&mut self, actor: &Actor, now: Timestamp, bodies: impl IntoIterator<Item = PageBody>) {
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
    item: &Item,
    network: &Network,
    actor: &Actor,
    command: Command,
    now: Timestamp,
) -> Result<Act, Refusal> {
    let mut act = Act { pages: Vec::new(), after: dossier.clone() };
    if let Command::Recall = command {
        if !network.is_above(&actor.node, &dossier.holder) {
            return Err(Refusal::NotSuperior);
        }
        act.turn(actor, now, [PageBody::Recalled { to: actor.node.clone() }]);
        return Ok(act);
    }
    if dossier.holder != actor.node {
        return Err(Refusal::HeldElsewhere { holder: dossier.holder.clone() });
    }
    let bodies = bodies_of(dossier, item, actor, command, now.day())?;
    let closes = |page: &PageBody| match page {
        PageBody::StageDone { stage, .. } | PageBody::Decided { stage, .. } => Some(stage.clone()),
        _ => None,
    };
    let accepting = plan::accepting_stage(item).map(|stage| stage.id.clone());
    if dossier.accepted.is_none()
        && accepting.is_some()
        && bodies.iter().any(|page| closes(page) == accepting)
    {
        // Acceptance stands before the decision that may follow in the same append (即办件).
        act.turn(actor, now, [PageBody::Accepted { on: now.day() }]);
    }
    act.turn(actor, now, bodies);
    act.hand_over(item, actor, network, now)?;
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
        Command::Claim { stage } => match claimed_by(dossier, &stage) {
            Some(officer) => Err(Refusal::ClaimedBy { officer: officer.to_owned() }),
            None => Ok(vec![PageBody::Claimed { stage }]),
        },
        Command::Release { stage } => match claimed_by(dossier, &stage) {
            Some(officer) if officer == actor.officer => Ok(vec![PageBody::Released { stage }]),
            Some(officer) => Err(Refusal::ClaimedBy { officer: officer.to_owned() }),
            None => Err(Refusal::NotClaimed { stage }),
        },
        Command::Resubmit(submission) => resubmit(dossier, item, submission, today),
        Command::Withdraw { slip } => withdraw(dossier, slip),
        at_stage => {
            let stage = stage.ok_or(Refusal::NotSuperior)?;
            must_be_claimed(dossier, stage, actor)?;
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
        Command::Return { stage: id, faults } => {
            let may_return = matches!(
                stage.kind,
                StageKind::CompletenessCheck | StageKind::Accept | StageKind::Review | StageKind::HomeVisit
            );
            if !may_return || dossier.accepted.is_some() {
                return Err(wrong());
            }
            if faults.is_empty() || faults.iter().any(|fault| fault.reason.trim().is_empty()) {
                return Err(Refusal::NoReason);
            }
            pages.push(PageBody::Returned { stage: id, faults });
            pages.push(PageBody::HandedOver { to: dossier.origin.clone() });
        }
        Command::Decide { stage: id, outcome, text, licence } => {
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
        | Command::Recall => {
            return Err(wrong());
        }
    }
    Ok(pages)
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
