//! The licence library (电子证照库): what the city holds already is not asked for again.
//!
//! Pure. A village marks a paper "to be taken from the library", with the applicant's consent; the hub answers by a slip; the
//! holder accepts on that answer. Not here: how persons are found (`store`, by keyed hash), the look-up itself (`casework`).

use crate::catalogue::Item;
use crate::dossier::Dossier;
use crate::form::FormFault;
use crate::{CaseNo, Day, LicenceNo, MaterialId, plan};
use serde::{Deserialize, Serialize};

/// How far a stored paper can be trusted (材料可信等级).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Trust {
    /// Issued by the body itself.
    A,
    /// Checked against the original by a window.
    B,
    /// Uploaded: check the original.
    C,
    /// Made by the applicant, under a commitment.
    D,
}

/// 证照状态.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LicenceState {
    #[default]
    Valid,
    Suspended,
    Revoked,
}

/// A paper the applicant lets the city take from its library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Borrowed {
    pub material: MaterialId,
    /// Name the consent was signed with.
    pub consent: String,
}

/// A licence or paper as the library keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Filed {
    /// Licence type.
    pub kind: String,
    /// Number of the licence; a filed copy of a paper has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<LicenceNo>,
    pub trust: Trust,
    pub case: CaseNo,
    pub on: Day,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Day>,
    /// Content hash of a filed copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
}

/// What the hub publishes when a licence is suspended, revoked or valid again. Later days win.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StateChange {
    pub number: LicenceNo,
    pub state: LicenceState,
    pub from: Day,
    pub reason: String,
}

/// The hub's answer for one paper.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    pub material: MaterialId,
    /// What was found; `None` when the library holds nothing that is good today.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub found: Option<Filed>,
}

/// Kind of the slip that carries the answers.
pub const ANSWER: &str = "library";

/// The state of a licence on `today`, from all that was published about it.
pub fn state_on<'a>(changes: impl Iterator<Item = &'a StateChange>, today: Day) -> LicenceState {
    let known = changes.filter(|change| change.from <= today);
    known.max_by_key(|change| change.from).map_or(LicenceState::Valid, |change| change.state)
}

/// Can this stand in for a paper on `today`? A copy nobody checked cannot.
pub fn is_good(filed: &Filed, state: LicenceState, today: Day) -> bool {
    state == LicenceState::Valid && filed.trust <= Trust::B && filed.until.is_none_or(|until| today <= until)
}

/// The last day of validity, from the words of the catalogue: `5年` counts years from issue; whatever is not a plain number of
/// years (`长期`, `按证载`) has none.
pub fn valid_until(validity: &str, issued: Day) -> Option<Day> {
    let years: i16 = validity.strip_prefix("签注").unwrap_or(validity).strip_suffix('年')?.parse().ok()?;
    let same = Day::new(issued.year() + years, issued.month(), issued.day());
    // 29 February has no anniversary in other years.
    same.or_else(|| Day::new(issued.year() + years, 3, 1)).map(|day| day.plus_days(-1))
}

pub(crate) fn faults(item: &Item, asked: &[Borrowed]) -> Vec<FormFault> {
    let fault = |one: &Borrowed, reason: &str| FormFault {
        field: one.material.to_string(),
        label: item.material(&one.material).map_or_else(|| one.material.to_string(), |m| m.name.clone()),
        reason: reason.to_owned(),
    };
    let check = |one: &Borrowed| match item.material(&one.material) {
        Some(material) if material.reuse_licence.is_none() => {
            Some(fault(one, "目录没有列出可代替它的证照,请提交材料"))
        }
        None => Some(fault(one, "该事项没有这项材料")),
        Some(_) if one.consent.trim().is_empty() => Some(fault(one, "调用证照须申请人签名同意")),
        Some(_) => None,
    };
    asked.iter().filter_map(check).collect()
}

/// Where the papers that are to come from the library stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    Complete,
    /// The hub has not answered for these yet.
    Pending(Vec<MaterialId>),
    /// The library does not hold these: they must be handed in.
    Absent(Vec<MaterialId>),
}

pub fn standing(dossier: &Dossier) -> Standing {
    let answer = |id: &MaterialId| answers(dossier).find(|answer| answer.material == *id);
    let (mut pending, mut absent) = (Vec::new(), Vec::new());
    for one in &dossier.borrowed {
        match answer(&one.material) {
            None => pending.push(one.material.clone()),
            Some(answer) if answer.found.is_none() => absent.push(one.material.clone()),
            Some(_) => {}
        }
    }
    match (absent.is_empty(), pending.is_empty()) {
        (false, _) => Standing::Absent(absent),
        (true, false) => Standing::Pending(pending),
        (true, true) => Standing::Complete,
    }
}

/// Answers about the submission that counts now, the newest slip first.
pub fn answers(dossier: &Dossier) -> impl Iterator<Item = &Answer> {
    let of_now =
        |slip: &&crate::dossier::Slip| slip.kind == ANSWER && slip.about_page == dossier.submitted_page;
    dossier.slips.iter().rev().filter(of_now).flat_map(|slip| &slip.answers)
}

/// Materials a person need not bring, because a licence type of the catalogue stands in for them.
pub fn borrowable<'a>(item: &'a Item, form: &crate::form::Form, today: Day) -> Vec<&'a MaterialId> {
    let asked = plan::asked_materials(item, form, today).into_iter();
    asked.filter(|material| material.reuse_licence.is_some()).map(|material| &material.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }

    #[test]
    fn validity_is_counted_in_whole_years_from_issue() {
        assert_eq!(valid_until("5年", day("2026-11-24")), Some(day("2031-11-23")));
        assert_eq!(valid_until("签注1年", day("2024-02-29")), Some(day("2025-02-28")));
        assert_eq!(valid_until("长期", day("2026-11-24")), None);
        assert_eq!(valid_until("3个月内开工", day("2026-11-24")), None);
    }

    #[test]
    fn what_is_revoked_expired_or_unchecked_stands_in_for_nothing() {
        let number: LicenceNo = "1.2.3".parse().unwrap();
        let filed = Filed {
            kind: "bizlic".into(),
            number: Some(number.clone()),
            trust: Trust::A,
            case: CaseNo::make(&"v-1".parse().unwrap(), day("2026-11-24"), 1),
            on: day("2026-11-24"),
            until: Some(day("2031-11-23")),
            hash: None,
        };
        let today = day("2026-12-01");
        assert!(is_good(&filed, LicenceState::Valid, today));
        assert!(!is_good(&filed, LicenceState::Revoked, today));
        assert!(!is_good(&filed, LicenceState::Valid, day("2031-11-24")));
        assert!(!is_good(&Filed { trust: Trust::C, ..filed }, LicenceState::Valid, today));
        let change = |state, from: &str| StateChange {
            number: number.clone(),
            state,
            from: day(from),
            reason: "x".into(),
        };
        let all = [change(LicenceState::Valid, "2026-12-10"), change(LicenceState::Suspended, "2026-12-01")];
        assert_eq!(state_on(all.iter(), day("2026-11-30")), LicenceState::Valid);
        assert_eq!(state_on(all.iter(), day("2026-12-09")), LicenceState::Suspended);
        assert_eq!(state_on(all.iter(), day("2026-12-10")), LicenceState::Valid);
    }
}
