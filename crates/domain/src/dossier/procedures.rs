//! Publicity, site checks, joint inspection, hearing: what must have happened before a stage counts as done.

use super::decide::{Actor, Desk, Refusal};
use super::{Dossier, PageBody};
use crate::catalogue::{Stage, StageKind};
use crate::duty::Duty;
use crate::fee::{self, FeeFault};
use crate::inspection::{self, Inspection, Slot};
use crate::network::Tier;
use crate::{Day, OrgId, StageId};
use std::collections::BTreeSet;

/// A hearing is announced so many days before it.
///
/// # Source
/// 《行政许可法》 art. 48 (1).
const HEARING_NOTICE_DAYS: i32 = 7;

/// May this stage be completed now, with this answer?
pub(super) fn may_complete(
    dossier: &Dossier,
    desk: &Desk<'_>,
    stage: &Stage,
    agrees: bool,
    officers: &[String],
    today: Day,
) -> Result<(), Refusal> {
    match stage.kind {
        StageKind::Payment => paid(dossier, desk, today),
        StageKind::Publicity => match dossier.posted.get(&stage.id) {
            None => Err(Refusal::NotPosted),
            Some(posting) if today <= posting.until => Err(Refusal::StillPosted { until: posting.until }),
            Some(_) => Ok(()),
        },
        StageKind::Inspection => two_officers(officers),
        StageKind::JointInspection => reported(dossier, stage, agrees),
        StageKind::Hearing => match &dossier.hearing {
            Some(hearing) if hearing.record.is_some() => Ok(()),
            _ => Err(Refusal::HearingOpen),
        },
        _ => Ok(()),
    }
}

/// All fees of this form have been charged, or waived for those who do not pay.
fn paid(dossier: &Dossier, desk: &Desk<'_>, today: Day) -> Result<(), Refusal> {
    let on = dossier.accepted.as_ref().map_or(today, |accepted| accepted.on);
    let due = fee::due(desk.item, desk.form, on);
    let open = due.iter().find(|(fee, _)| dossier.charges.iter().all(|charge| charge.fee != fee.name));
    open.map_or(Ok(()), |(fee, fen)| Err(Refusal::Fee(FeeFault::Open { fee: fee.name.clone(), want: *fen })))
}

fn two_officers(officers: &[String]) -> Result<(), Refusal> {
    let named: BTreeSet<&str> =
        officers.iter().map(|name| name.trim()).filter(|name| !name.is_empty()).collect();
    if named.len() < inspection::OFFICERS_MIN { Err(Refusal::TwoOfficers) } else { Ok(()) }
}

/// One report: every department that came has said what it found, and the answer is theirs.
fn reported(dossier: &Dossier, stage: &Stage, agrees: bool) -> Result<(), Refusal> {
    let visit = dossier.inspections.get(&stage.id);
    let Some(visit) = visit.filter(|visit| visit.held.is_some()) else { return Err(Refusal::NotInspected) };
    let silent: Vec<OrgId> = visit.silent(&stage.bodies).cloned().collect();
    if !silent.is_empty() {
        return Err(Refusal::NoFinding { bodies: silent });
    }
    if agrees && !visit.all_passed() { Err(Refusal::MustRefuse) } else { Ok(()) }
}

pub(super) fn of_kind(stage: &Stage, kind: StageKind) -> Result<(), Refusal> {
    if stage.kind == kind {
        Ok(())
    } else {
        Err(Refusal::WrongAct { stage: stage.id.clone(), kind: stage.kind })
    }
}

pub(super) fn post(
    dossier: &Dossier,
    desk: &Desk<'_>,
    stage: &Stage,
    place: String,
    today: Day,
) -> Result<Vec<PageBody>, Refusal> {
    of_kind(stage, StageKind::Publicity)?;
    // A notice dated after today was written by a clock that ran ahead: it is posted again.
    if let Some(posting) = dossier.posted.get(&stage.id).filter(|posting| posting.from <= today) {
        return Err(Refusal::StillPosted { until: posting.until });
    }
    if place.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    let until = desk.calendar.due_day(today, stage.limit).day;
    Ok(vec![PageBody::Posted { stage: stage.id.clone(), place, until }])
}

fn visit<'a>(dossier: &'a Dossier, stage: &StageId) -> Result<&'a Inspection, Refusal> {
    dossier.inspections.get(stage).ok_or(Refusal::NotInspected)
}

/// The department an officer speaks for at a joint inspection: at the city their own, at a town whichever they name.
pub(super) fn speaks_for(actor: &Actor, stage: &Stage, named: Option<OrgId>) -> Result<OrgId, Refusal> {
    let body = match actor.tier {
        Tier::City => actor.body.clone(),
        Tier::Town | Tier::Village => named,
    };
    body.filter(|body| stage.bodies.contains(body)).ok_or(Refusal::NoBody)
}

pub(super) fn propose_inspection(
    dossier: &Dossier,
    stage: &Stage,
    slots: Vec<Slot>,
    today: Day,
) -> Result<Vec<PageBody>, Refusal> {
    of_kind(stage, StageKind::JointInspection)?;
    // One visit: what was held is not proposed again, and a time that is agreed stands.
    if dossier.inspections.get(&stage.id).is_some_and(|visit| visit.fixed.is_some()) {
        return Err(Refusal::VisitFixed);
    }
    let clock = |time: &str| time.len() == 5 && time.as_bytes()[2] == b':';
    if slots.is_empty() || slots.iter().any(|slot| slot.day < today || !clock(&slot.time)) {
        return Err(Refusal::BadSlots);
    }
    Ok(vec![PageBody::InspectionProposed { stage: stage.id.clone(), slots }])
}

pub(super) fn confirm_inspection(
    dossier: &Dossier,
    stage: &Stage,
    body: OrgId,
    slots: Vec<u32>,
) -> Result<Vec<PageBody>, Refusal> {
    let known = visit(dossier, &stage.id)?;
    if known.fixed.is_some() {
        return Err(Refusal::VisitFixed);
    }
    if slots.is_empty() || slots.iter().any(|slot| *slot as usize >= known.slots.len()) {
        return Err(Refusal::BadSlots);
    }
    Ok(vec![PageBody::InspectionConfirmed { stage: stage.id.clone(), body, slots }])
}

/// The time that all departments can come to and the citizen has chosen.
pub(super) fn fix_inspection(dossier: &Dossier, stage: &Stage, slot: u32) -> Result<Vec<PageBody>, Refusal> {
    let known = visit(dossier, &stage.id)?;
    if known.fixed.is_some() {
        return Err(Refusal::VisitFixed);
    }
    let cannot = |body: &&OrgId| known.confirmed.get(*body).is_none_or(|slots| !slots.contains(&slot));
    let missing: Vec<OrgId> = stage.bodies.iter().filter(cannot).cloned().collect();
    if !missing.is_empty() {
        return Err(Refusal::NotConfirmed { bodies: missing });
    }
    let time = known.slots.get(slot as usize).map(ToString::to_string);
    let chosen = dossier
        .slips
        .iter()
        .find(|slip| slip.kind == inspection::CHOICE && Some(slip.text.trim()) == time.as_deref());
    let citizen = chosen.ok_or(Refusal::CitizenNotAsked)?.id;
    Ok(vec![PageBody::InspectionFixed { stage: stage.id.clone(), slot, citizen }])
}

pub(super) fn hold_inspection(
    dossier: &Dossier,
    stage: &Stage,
    officers: Vec<String>,
    absent: Vec<OrgId>,
    today: Day,
) -> Result<Vec<PageBody>, Refusal> {
    let known = visit(dossier, &stage.id)?;
    let Some((slot, _)) = known.fixed else { return Err(Refusal::NotInspected) };
    if known.held.is_some() {
        return Err(Refusal::VisitFixed);
    }
    if known.slots.get(slot as usize).is_some_and(|slot| today < slot.day) {
        return Err(Refusal::BadSlots);
    }
    two_officers(&officers)?;
    let nobody_came = absent.len() >= stage.bodies.len();
    if nobody_came || absent.iter().any(|body| !stage.bodies.contains(body)) {
        return Err(Refusal::NotInspected);
    }
    Ok(vec![PageBody::InspectionHeld { stage: stage.id.clone(), officers, absent }])
}

pub(super) fn find_inspection(
    dossier: &Dossier,
    stage: &Stage,
    body: OrgId,
    passed: bool,
    text: String,
) -> Result<Vec<PageBody>, Refusal> {
    let known = visit(dossier, &stage.id)?;
    let Some(held) = &known.held else { return Err(Refusal::NotInspected) };
    // Who did not come has waived, and cannot make the citizen wait for another visit.
    if held.absent.contains(&body) {
        return Err(Refusal::Waived);
    }
    if known.findings.contains_key(&body) {
        return Err(Refusal::VisitFixed);
    }
    if !passed && text.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    Ok(vec![PageBody::InspectionFound { stage: stage.id.clone(), body, passed, text }])
}

/// Somebody has asked for a hearing and has had no notice of one. One hearing answers all who ask.
///
/// # Source
/// 《行政许可法》 art. 47: whoever asks in time is heard before the decision.
pub(super) fn hearing_asked(dossier: &Dossier) -> bool {
    dossier.hearing.is_none()
        && dossier.slips.iter().any(|slip| slip.kind == HEARING_REQUEST && !dossier.noted.contains(&slip.id))
}

/// A hearing that the applicant or somebody concerned asked for, or that the item prescribes.
pub(super) fn notice_hearing(
    dossier: &Dossier,
    desk: &Desk<'_>,
    stage: &Stage,
    on: Day,
    place: String,
    today: Day,
) -> Result<Vec<PageBody>, Refusal> {
    let request =
        dossier.slips.iter().find(|slip| slip.kind == HEARING_REQUEST && !dossier.noted.contains(&slip.id));
    if request.is_none() && dossier.hearing.is_none() && stage.kind != StageKind::Hearing {
        return Err(Refusal::NoSuchSlip);
    }
    if dossier.accepted.is_none() || dossier.decision.is_some() {
        return Err(Refusal::NotAccepted);
    }
    // While it has not been held it may be put off, with a new notice.
    if dossier.hearing.as_ref().is_some_and(|hearing| hearing.record.is_some()) {
        return Err(Refusal::HearingOpen);
    }
    if on.days_since(today) < HEARING_NOTICE_DAYS {
        return Err(Refusal::HearingTooSoon { first: today.plus_days(HEARING_NOTICE_DAYS) });
    }
    // The limit runs from the request, also when the hearing is put off and the request has been noted.
    let asked = dossier.slips.iter().find(|slip| slip.kind == HEARING_REQUEST);
    if let Some(slip) = asked {
        let limit = crate::calendar::Limit { days: HEARING_DAYS, unit: crate::calendar::DayUnit::Workday };
        let last = desk.calendar.due_day(slip.at.day(), limit).day;
        // The day of the request is that of a village's clock. Where that leaves no day for a first notice, the first lawful
        // one is taken; a hearing that was noticed can be held late, so it needs no other day.
        let first = today.plus_days(HEARING_NOTICE_DAYS);
        let last = if dossier.hearing.is_none() { last.max(first) } else { last };
        if on > last {
            return Err(Refusal::HearingTooLate { last });
        }
    }
    if place.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    let noted = request.map(|slip| PageBody::SlipNoted { slip: slip.id });
    let notice = PageBody::HearingNoticed { stage: stage.id.clone(), on, place };
    Ok(noted.into_iter().chain([notice]).collect())
}

/// Working days from the request within which a hearing is held.
///
/// # Source
/// 《行政许可法》 art. 47.
const HEARING_DAYS: u32 = 20;
/// Kind of the slip by which a hearing is asked for.
pub const HEARING_REQUEST: &str = "hearing_request";

/// Somebody who does not examine the case presides (art. 48 (3)); the decision follows the record.
pub(super) fn hold_hearing(
    dossier: &Dossier,
    desk: &Desk<'_>,
    stage: &Stage,
    actor: &Actor,
    record: String,
    today: Day,
) -> Result<Vec<PageBody>, Refusal> {
    let Some(hearing) = dossier.hearing.as_ref().filter(|hearing| hearing.record.is_none()) else {
        return Err(Refusal::HearingOpen);
    };
    if today < hearing.on {
        return Err(Refusal::HearingTooSoon { first: hearing.on });
    }
    let examined = desk.item.stages.iter().any(|other| {
        Duty::of(other.kind) == Some(Duty::Review)
            && dossier.stages.get(&other.id).is_some_and(|state| {
                let did = state.done.as_ref().is_some_and(|done| {
                    done.officer == actor.officer && done.by.as_ref() == Some(&actor.node)
                });
                did || state.claimed_by.as_ref() == Some(&actor.officer)
            })
    });
    if examined {
        return Err(Refusal::SamePerson);
    }
    if record.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    Ok(vec![PageBody::HearingHeld { stage: stage.id.clone(), record }])
}
