//! Pages that no officer writes: what the law or a new calendar does to a case by itself. They carry no officer.

use super::decide::{Act, Actor, Desk};
use super::{Dossier, PageBody};
use crate::Timestamp;
use crate::calendar::{Calendar, DueDay};
use crate::clock::{self, Moved, Timer, TimerKind};
use crate::network::Tier;
use crate::tolerance;

fn system(actor: &Actor) -> Actor {
    Actor { officer: String::new(), ..actor.clone() }
}

/// A village's clock proves nothing, so limits are kept where the clock is trusted.
fn keeps_limits(dossier: &Dossier, actor: &Actor) -> bool {
    dossier.holder == actor.node && actor.tier != Tier::Village
}

/// The acceptance of a case that nobody answered in five working days (art. 32); `None` while none is due.
pub fn deem_accepted(dossier: &Dossier, desk: &Desk<'_>, actor: &Actor, now: Timestamp) -> Option<Act> {
    if !keeps_limits(dossier, actor) {
        return None;
    }
    let timers = clock::timers(desk.item, dossier, desk.receipts);
    let received = clock::deemed_accepted(&timers, desk.calendar, now.day())?;
    let mut act = Act::on(dossier);
    act.turn(&system(actor), now, [PageBody::DeemedAccepted { received }]);
    Some(act)
}

/// The end of a case whose promised papers did not come in time (容缺, 逾期视为撤回); `None` while there is time, or while a
/// slip with papers lies unanswered: that is then the officer's delay, not the applicant's.
pub fn lapse(dossier: &Dossier, desk: &Desk<'_>, actor: &Actor, now: Timestamp) -> Option<Act> {
    let open = !dossier.is_void() && dossier.decision.is_none() && !dossier.lacking.is_empty();
    if !keeps_limits(dossier, actor) || !open || tolerance::pending_make_up(dossier).is_some() {
        return None;
    }
    let timers = clock::timers(desk.item, dossier, desk.receipts);
    let due = timers.iter().find(|timer| timer.kind == TimerKind::MakeUp)?.due(desk.calendar)?;
    let again =
        tolerance::told_late(dossier, due.day).map(|on| desk.calendar.due_day(on, tolerance::AGAIN).day);
    let last = again.map_or(due.day, |again| again.max(due.day));
    if due.provisional || last >= now.day() {
        return None;
    }
    let mut act = Act::on(dossier);
    act.turn(&system(actor), now, [PageBody::Lapsed { due: last }]);
    Some(act)
}

/// Counts the running limits anew on the calendar of `release`; `earlier` is the one they were counted on before. `None`
/// when nothing moves and nothing that was provisional becomes final. A new count never makes anybody late: where it ends
/// before today, the limit ends today, or on its old day if that has passed already.
pub fn reproject(
    dossier: &Dossier,
    desk: &Desk<'_>,
    (earlier, release): (&Calendar, u32),
    actor: &Actor,
    now: Timestamp,
) -> Option<Act> {
    if !keeps_limits(dossier, actor) || release <= dossier.counted_on() {
        return None;
    }
    let today = now.day();
    let timers = clock::timers(desk.item, dossier, desk.receipts);
    let count = |timer: &Timer<'_>| {
        let (before, counted) = (timer.due(earlier)?, timer.counted(desk.calendar)?);
        let after = counted.day.max(before.day.min(today));
        let moved = Moved { timer: timer.kind, before: before.day, after, kept: after != counted.day };
        (before != DueDay { day: after, ..counted }).then_some(moved)
    };
    let moved: Vec<Moved> = timers.iter().filter(|timer| timer.met.is_none()).filter_map(count).collect();
    if moved.is_empty() {
        return None;
    }
    let mut act = Act::on(dossier);
    act.turn(&system(actor), now, [PageBody::Reprojected { release, moved }]);
    Some(act)
}
