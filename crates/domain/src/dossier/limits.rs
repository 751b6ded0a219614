//! What the approver may do to a limit: stop it for a procedure of art. 45, extend it once by art. 42.

use super::decide::{Actor, Refusal, claimed_by};
use super::{Dossier, PageBody};
use crate::StageId;
use crate::catalogue::Item;
use crate::clock::{self, Procedure};

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

pub(super) fn suspend(
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

pub(super) fn extend(
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

pub(super) fn resume(dossier: &Dossier, finding: String) -> Result<Vec<PageBody>, Refusal> {
    match dossier.suspended() {
        None => Err(Refusal::NotSuspended),
        Some(_) if finding.trim().is_empty() => Err(Refusal::NoReason),
        Some(_) => Ok(vec![PageBody::Resumed { finding }]),
    }
}

/// 改派: somebody else goes on with what an officer has claimed, who is ill, say, or has left.
pub(super) fn reassign(
    dossier: &Dossier,
    actor: &Actor,
    stage: &StageId,
    to: String,
    reason: String,
) -> Result<Vec<PageBody>, Refusal> {
    let claimed = claimed_by(dossier, stage).ok_or_else(|| Refusal::NotClaimed { stage: stage.clone() })?;
    if claimed == actor.officer || claimed == to {
        return Err(Refusal::SamePerson);
    }
    if to.trim().is_empty() || reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    Ok(vec![PageBody::Reassigned { stage: stage.clone(), to, reason }])
}
