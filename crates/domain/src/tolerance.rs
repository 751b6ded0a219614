//! Tolerant acceptance (容缺受理): a secondary paper may follow later, under a signed commitment and a deadline.
//!
//! Pure. Promise: no licence is granted before every promised paper has been taken, and a commitment that was not kept ends
//! the case by a page of its own. Not here: the page of acceptance (`dossier`), the timer's place among the others (`clock`).

use crate::calendar::{DayUnit, Limit};
use crate::catalogue::{Item, Material, Necessity};
use crate::dossier::Dossier;
use crate::form::{Form, FormFault};
use crate::{Day, EntryId, MaterialId, green, plan};
use serde::{Deserialize, Serialize};

/// What the applicant signs (容缺承诺书): these papers follow, or the application counts as withdrawn.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commitment {
    pub materials: Vec<MaterialId>,
    /// The name signed with, as typed.
    pub signed_by: String,
}

/// A commitment that turned out to be untrue: its giver gets no tolerance again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Breach {
    pub finding: String,
    pub officer: String,
    pub on: Day,
}

/// Working days within which promised papers must follow, at the most.
///
/// # Source
/// Practice, a setting of the city: at most 20 working days.
pub const MAKE_UP_DAYS_MAX: u32 = 20;
/// At least so long after a refused paper the right one may still be brought, whenever the officer came to look.
///
/// # Source
/// Our own rule: the applicant must not pay for a slip that lay on the desk until the deadline.
pub const AGAIN: Limit = Limit { days: 2, unit: DayUnit::Workday };
/// The handler needs the last working days of the promised limit for the papers that came late.
const DAYS_LEFT_FOR_HANDLING: u32 = 2;

/// Working days from acceptance within which a deferred paper must be handed in; `None` when the item cannot be accepted
/// tolerantly: its catalogue entry does not allow it, or the limit promised to this applicant (`green`: that of the green
/// channel) leaves no room.
pub fn make_up_days(item: &Item, green: bool) -> Option<u32> {
    let allowed = item.deferral_days?;
    let limit = green::limit(item).filter(|_| green).unwrap_or(item.promised);
    let promised = match limit.unit {
        DayUnit::Workday => limit.days,
        // Of seven days five are working days at the most.
        DayUnit::Natural => limit.days * 5 / 7,
    };
    let room = promised.checked_sub(DAYS_LEFT_FOR_HANDLING)?;
    Some(allowed.min(room).min(MAKE_UP_DAYS_MAX)).filter(|days| *days > 0)
}

/// What is wrong with a commitment, in the words of the counter.
pub(crate) fn faults(
    item: &Item,
    form: &Form,
    (commitment, green): (&Commitment, bool),
    today: Day,
) -> Vec<FormFault> {
    let asked = plan::asked_materials(item, form, today);
    let fault = |id: &MaterialId, reason: String| FormFault {
        field: id.to_string(),
        label: item.material(id).map_or_else(|| id.to_string(), |material| material.name.clone()),
        reason,
    };
    let mut faults = Vec::new();
    for id in &commitment.materials {
        if !asked.iter().any(|material| material.id == *id && may_follow(material)) {
            faults.push(fault(id, "目录没有把它列为可容缺的材料,请现在提交".to_owned()));
        } else if make_up_days(item, green).is_none() {
            let way_out = if green { ",或不申请绿色通道" } else { "" };
            faults.push(fault(id, format!("承诺时限内来不及补交,不能容缺受理;请现在提交{way_out}")));
        }
    }
    if commitment.signed_by.trim().is_empty() && !commitment.materials.is_empty() {
        let reason = "请由申请人在容缺承诺书上签名".to_owned();
        faults.push(FormFault { field: "commitment".into(), label: "容缺承诺书".into(), reason });
    }
    faults
}

fn may_follow(material: &Material) -> bool {
    material.necessity == Necessity::Deferrable
}

/// A make-up slip that nobody has answered: while one lies on the desk, the applicant has done what he promised.
pub fn pending_make_up(dossier: &Dossier) -> Option<EntryId> {
    let open = |slip: &&crate::dossier::Slip| slip.kind == MAKE_UP && !dossier.noted.contains(&slip.id);
    dossier.slips.iter().find(open).map(|slip| slip.id)
}

/// The last day on which somebody who had brought a promised paper by `due` was told that it is the wrong one: he gets time to
/// bring the right one. What was brought later gives no time, or a promise could be put off for ever.
pub(crate) fn told_late(dossier: &Dossier, due: Day) -> Option<Day> {
    let in_time = |id: &EntryId| {
        dossier.slips.iter().any(|slip| {
            let promised = slip.attachments.iter().any(|one| dossier.lacking.contains(&one.material));
            slip.id == *id && promised && slip.at.day() <= due
        })
    };
    dossier.make_up_refused.iter().filter(|(slip, _)| in_time(slip)).map(|(_, on)| *on).max()
}

/// The kind of slip that carries papers handed in later.
pub const MAKE_UP: &str = "make_up";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dossier::tests::PACK;

    fn item(id: &str) -> Item {
        (**PACK.item(&id.parse().unwrap()).unwrap()).clone()
    }

    #[test]
    fn the_deadline_leaves_two_days_of_the_promise_and_is_never_over_twenty() {
        assert_eq!(make_up_days(&item("food"), false), Some(4), "promised 6, allowed 5");
        assert_eq!(make_up_days(&item("dibao"), false), Some(10), "promised 20, allowed 10");
        assert_eq!(make_up_days(&item("school"), false), Some(20), "promised 30, allowed 30");
        assert_eq!(make_up_days(&item("geti"), false), None, "decided on the spot: nothing can follow");
        assert_eq!(make_up_days(&item("gaoling"), false), None, "not allowed by the catalogue");
        let green = Item { green_days: Some(1), ..item("food") };
        assert_eq!(make_up_days(&green, true), None, "promised 1 in the green channel: no room");
    }

    #[test]
    fn only_papers_the_catalogue_lets_follow_may_be_promised_and_only_with_a_signature() {
        let promise = |item: &Item, materials: &[&str], signed_by: &str| {
            let materials = materials.iter().map(|id| id.parse().unwrap()).collect();
            let commitment = Commitment { materials, signed_by: signed_by.into() };
            let found = faults(item, &Form::new(), (&commitment, false), Day::new(2026, 11, 24).unwrap());
            found.into_iter().map(|fault| fault.field).collect::<Vec<_>>()
        };
        assert!(promise(&item("food"), &["m4"], "杨兰梅").is_empty());
        assert_eq!(promise(&item("food"), &["m4"], " "), ["commitment"]);
        assert_eq!(promise(&item("food"), &["m1", "m9"], "杨兰梅"), ["m1", "m9"]);
        assert_eq!(promise(&item("geti"), &["m3"], "杨兰梅"), ["m3"]);
    }
}
