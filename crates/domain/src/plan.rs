//! The stage graph of an item (办理环节), executed for real: what may be done next, by whom, and what is still missing.
//!
//! Pure functions of a pinned item and a dossier; nothing here is stored, so a plan can never disagree with its pages.

use crate::catalogue::{Item, Material, Necessity, Stage, StageKind};
use crate::dossier::{Dossier, Outcome, PageBody, Submission};
use crate::expr::Scope;
use crate::form::Form;
use crate::network::Tier;
use crate::paper::PaperKind;
use crate::{Day, MaterialId, StageId};

/// Stages whose condition does not hold for this form. Fixed by the capture page, so that every node agrees.
pub fn skipped_stages(item: &Item, form: &Form, today: Day) -> Vec<StageId> {
    let scope = Scope { form, today, rows: None, own: None };
    let conditional =
        item.stages.iter().filter(|stage| stage.when.as_ref().is_some_and(|when| !when.holds(&scope)));
    conditional.map(|stage| stage.id.clone()).collect()
}

/// False when the conditions leave no stage that decides: such a case cannot be taken here.
pub fn can_be_decided(item: &Item, skipped: &[StageId]) -> bool {
    item.stages.iter().any(|stage| stage.kind == StageKind::Decision && !skipped.contains(&stage.id))
}

/// Materials that must be handed in for this form, in catalogue order.
pub fn asked_materials<'a>(item: &'a Item, form: &Form, today: Day) -> Vec<&'a Material> {
    let scope = Scope { form, today, rows: None, own: None };
    let asked = |material: &&Material| material.when.as_ref().is_none_or(|when| when.holds(&scope));
    item.materials.iter().filter(asked).collect()
}

/// Materials that must be handed in and are not among `handed_in`. A deferrable one is asked for too: who cannot bring it
/// promises it (容缺).
pub fn missing_materials<'a>(
    item: &'a Item,
    form: &Form,
    today: Day,
    handed_in: &[MaterialId],
) -> Vec<&'a Material> {
    let missing = |m: &&Material| m.necessity != Necessity::Optional && !handed_in.contains(&m.id);
    asked_materials(item, form, today).into_iter().filter(missing).collect()
}

/// Nothing more will happen to this stage: done, conditioned away, or made pointless by a refusal, of the licence or of the application itself.
pub fn is_settled(stage: &Stage, dossier: &Dossier) -> bool {
    let refused = dossier.not_accepted.is_some()
        || dossier.decision.as_ref().is_some_and(|decision| decision.outcome == Outcome::Refused);
    dossier.stages.get(&stage.id).is_some_and(|state| state.done.is_some())
        || dossier.skipped.contains(&stage.id)
        || (refused && stage.kind != StageKind::Deliver)
}

/// There is a paper to hand over: a decision, or the written refusal to take the application up.
fn is_answered(dossier: &Dossier) -> bool {
    dossier.decision.is_some() || dossier.not_accepted.is_some()
}

/// Stages that somebody can work on now, whoever holds the dossier.
///
/// A check after the fact waits until the result has been handed over: the citizen does not wait for it.
pub fn ready_stages<'a>(item: &'a Item, dossier: &Dossier) -> Vec<&'a Stage> {
    if dossier.is_void() || dossier.returned.is_some() {
        return Vec::new();
    }
    let settled = |id: &StageId| item.stage(id).is_none_or(|stage| is_settled(stage, dossier));
    let mut ready: Vec<&Stage> = item
        .stages
        .iter()
        .filter(|stage| !is_settled(stage, dossier) && stage.after.iter().all(settled))
        .filter(|stage| stage.kind != StageKind::Deliver || is_answered(dossier))
        .filter(|stage| {
            stage.trigger.as_ref().is_none_or(|kind| dossier.slips.iter().any(|slip| slip.kind == *kind))
        })
        .collect();
    if ready.iter().any(|stage| stage.kind != StageKind::PostInspection) {
        ready.retain(|stage| stage.kind != StageKind::PostInspection);
    }
    ready
}

/// The tier that must hold the dossier next; `None` when nothing is left to do anywhere.
/// Whatever can be done where the dossier lies is done before it travels.
pub fn next_tier(item: &Item, dossier: &Dossier, here: Tier) -> Option<Tier> {
    let ready = ready_stages(item, dossier);
    if ready.iter().any(|stage| is_done_here(stage, dossier, here)) {
        return Some(here);
    }
    ready.first().map(|stage| tier_of(stage, dossier))
}

/// Where a stage of this case is done: at its own tier, or at the counter that took the case in where that stands higher. A town's
/// window hands over what it took in itself, and notes there what the village's committee has said.
pub fn tier_of(stage: &Stage, dossier: &Dossier) -> Tier {
    stage.tier.max(dossier.intake)
}

/// Why a page claims more than its writer's tier may do; `None` when it does not. Judged by every receiver, so that neither a
/// mistake nor a stolen key in a village can pass for a decision of the city.
pub fn overreach(item: &Item, body: &PageBody, writer: Tier) -> Option<&'static str> {
    let below = |id: &StageId| item.stage(id).is_none_or(|stage| stage.tier > writer);
    let decides = || {
        item.stages
            .iter()
            .filter(|stage| matches!(stage.kind, StageKind::Decision | StageKind::Issue))
            .all(|stage| stage.tier > writer)
    };
    let submission = |submission: &Submission| {
        let closes_more =
            submission.closes.iter().any(|id| item.stage(id).is_none_or(|stage| !stage.kind.is_capture()));
        let skips_more =
            submission.skipped.iter().any(|id| item.stage(id).is_none_or(|stage| stage.when.is_none()));
        if submission.online.is_some() && writer != Tier::Town {
            return Some("an online application is taken in by a town");
        }
        (closes_more || skips_more)
            .then_some("a submission may close only capture stages and skip only conditional ones")
    };
    // A page belongs to stages of its kind: a decision written at another stage would pass by whoever has to decide.
    let not_at = |id: &StageId, kind: StageKind| {
        (below(id) || item.stage(id).is_some_and(|stage| stage.kind != kind))
            .then_some("the stage is not its writer's to do, or not of this kind")
    };
    let of_an_office = |id: &StageId| {
        (writer == Tier::Village || below(id))
            .then_some("this is not for a village, or not its writer's to do")
    };
    match body {
        PageBody::Captured(captured) if captured.intake != writer || writer == Tier::City => {
            Some("an application is taken in by a village or a town, and says by which")
        }
        PageBody::Captured(captured) => submission(&captured.submission),
        PageBody::Resubmitted(again) => submission(again),
        PageBody::Claimed { stage } | PageBody::Reassigned { stage, .. } | PageBody::Released { stage } => {
            below(stage).then_some("the stage is not its writer's to do")
        }
        PageBody::StageDone { stage, .. } => {
            let ends_otherwise = item
                .stage(stage)
                .is_some_and(|stage| matches!(stage.kind, StageKind::Decision | StageKind::Deliver));
            (below(stage) || ends_otherwise)
                .then_some("the stage is not its writer's to do, or ends by a decision or a delivery")
        }
        PageBody::OriginalsChecked { stage, .. }
        | PageBody::HearingNoticed { stage, .. }
        | PageBody::HearingHeld { stage, .. }
        | PageBody::Charged { stage, .. } => of_an_office(stage),
        PageBody::Posted { stage, .. } => not_at(stage, StageKind::Publicity),
        PageBody::InspectionProposed { stage, .. }
        | PageBody::InspectionConfirmed { stage, .. }
        | PageBody::InspectionFixed { stage, .. }
        | PageBody::InspectionHeld { stage, .. }
        | PageBody::InspectionFound { stage, .. } => not_at(stage, StageKind::JointInspection),
        PageBody::Decided { stage, .. } => not_at(stage, StageKind::Decision),
        PageBody::Dispatched { stage, .. }
        | PageBody::DeliveryFailed { stage, .. }
        | PageBody::Delivered { stage, .. } => not_at(stage, StageKind::Deliver),
        PageBody::Accepted { .. } | PageBody::DeemedAccepted { .. } | PageBody::Returned { .. } => {
            (writer == Tier::Village).then_some("a village does not accept or return")
        }
        PageBody::NotAccepted { stage, .. } => (writer == Tier::Village || below(stage))
            .then_some("its writer has no power to refuse the application"),
        PageBody::Suspended { .. }
        | PageBody::Resumed { .. }
        | PageBody::Extended { .. }
        | PageBody::Reprojected { .. }
        | PageBody::MadeUp { .. }
        | PageBody::MakeUpRefused { .. }
        | PageBody::Lapsed { .. }
        | PageBody::CommitmentFalse { .. }
        | PageBody::GreenDeclined { .. } => {
            (writer == Tier::Village).then_some("a village neither stops nor moves a limit")
        }
        // A sealed paper proves itself by its seal; here it only may not come from below the deciding tier.
        PageBody::Sealed { paper } if paper.kind == PaperKind::NotAccepted => {
            (writer == Tier::Village).then_some("a village does not refuse an application")
        }
        PageBody::Sealed { .. } | PageBody::Issued { .. } => {
            decides().then_some("its writer's tier has no power to issue")
        }
        PageBody::HandedOver { .. }
        | PageBody::SlipNoted { .. }
        | PageBody::Withdrawn { .. }
        | PageBody::Recalled { .. } => None,
    }
}

/// May the holder at `here` do this stage? Its own tier's ([`tier_of`]); after a recall also those of the tiers below, whose node is lost.
pub fn is_done_here(stage: &Stage, dossier: &Dossier, here: Tier) -> bool {
    let tier = tier_of(stage, dossier);
    tier == here || (dossier.recalled && tier < here)
}

/// True when every stage has come to its end.
pub fn is_finished(item: &Item, dossier: &Dossier) -> bool {
    dossier.is_void() || item.stages.iter().all(|stage| is_settled(stage, dossier))
}

/// The stage whose completion means acceptance (受理): the one of kind `accept`, else the first beyond the village.
/// A village-decided item has none: it is decided on the spot.
pub fn accepting_stage(item: &Item) -> Option<&Stage> {
    let explicit = item.stages.iter().find(|stage| stage.kind == StageKind::Accept);
    explicit.or_else(|| {
        item.stages.iter().find(|stage| stage.tier != Tier::Village && stage.kind != StageKind::Deliver)
    })
}
