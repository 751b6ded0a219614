//! Papers that come later: the resubmission after a notice, and what was promised under 容缺.

use super::decide::{Refusal, complete_submission};
use super::{Dossier, PageBody, Slip, Submission};
use crate::catalogue::{Item, Stage};
use crate::network::Tier;
use crate::{Day, EntryId, MaterialId, plan, tolerance};

pub(super) fn resubmit(
    dossier: &Dossier,
    item: &Item,
    mut submission: Submission,
    today: Day,
) -> Result<Vec<PageBody>, Refusal> {
    if dossier.returned.is_none() {
        return Err(Refusal::NotReturned);
    }
    let handed_in = submission.judged_on(today);
    complete_submission(item, &mut submission, handed_in)?;
    Ok(vec![PageBody::Resubmitted(submission)])
}

/// A make-up slip that nobody has answered yet.
fn make_up_slip(dossier: &Dossier, id: EntryId) -> Result<&Slip, Refusal> {
    let known = dossier.slips.iter().find(|slip| slip.id == id && slip.kind == tolerance::MAKE_UP);
    known.filter(|slip| !dossier.noted.contains(&slip.id)).ok_or(Refusal::NoSuchSlip)
}

pub(super) fn take_make_up(dossier: &Dossier, slip: EntryId) -> Result<Vec<PageBody>, Refusal> {
    let brought = &make_up_slip(dossier, slip)?.attachments;
    let lacks = |one: &&super::Attachment| dossier.lacks(&one.material);
    let papers: Vec<_> = brought.iter().filter(lacks).cloned().collect();
    if papers.is_empty() {
        return Err(Refusal::NotWhatLacks);
    }
    Ok(vec![PageBody::MadeUp { slip, papers }])
}

pub(super) fn refuse_make_up(
    dossier: &Dossier,
    slip: EntryId,
    reason: String,
) -> Result<Vec<PageBody>, Refusal> {
    make_up_slip(dossier, slip)?;
    if reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    Ok(vec![PageBody::MakeUpRefused { slip, reason }])
}

pub(super) fn break_commitment(dossier: &Dossier, finding: String) -> Result<Vec<PageBody>, Refusal> {
    let gave_one = !dossier.lacking.is_empty() || dossier.made_up.is_some();
    if !gave_one || dossier.breach.is_some() {
        return Err(Refusal::NoCommitment);
    }
    if finding.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    Ok(vec![PageBody::CommitmentFalse { finding }])
}

/// Only what was handed in can have been compared; a village's own look proves nothing to the city.
pub(super) fn check_originals(
    dossier: &Dossier,
    stage: &Stage,
    materials: Vec<MaterialId>,
) -> Result<Vec<PageBody>, Refusal> {
    let handed_in = |id: &MaterialId| dossier.attachments.iter().any(|one| one.material == *id);
    let in_village = plan::tier_of(stage, dossier) == Tier::Village;
    if materials.is_empty() || !materials.iter().all(handed_in) || in_village {
        return Err(Refusal::NotWhatLacks);
    }
    Ok(vec![PageBody::OriginalsChecked { stage: stage.id.clone(), materials }])
}

pub(super) fn decline_green(dossier: &Dossier, reason: String) -> Result<Vec<PageBody>, Refusal> {
    if dossier.green.is_none() {
        return Err(Refusal::NotGreen);
    }
    // A limit that the applicant was told does not become longer again.
    if dossier.accepted.is_some() {
        return Err(Refusal::AlreadyAccepted);
    }
    if reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    Ok(vec![PageBody::GreenDeclined { reason }])
}
