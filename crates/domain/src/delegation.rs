//! Letters of delegation (行政审批事项授权委托书): who may accept, review, decide or issue what, where and until when.
//!
//! Pure. A letter is published by the hub to everybody, so every node comes to the same answer: the desk before it lets an
//! officer act, the village again when the decision arrives (I18). A revocation takes effect on a day and is never undone;
//! a new letter is. Not here: that the check and the page are one step (`store`).

use crate::catalogue::{Item, Stage, StageKind};
use crate::duty::Duty;
use crate::network::Tier;
use crate::{Day, ItemId, NodeId, OrgId};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// What a letter lets its holder do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// 受理.
    Accept,
    /// 审查.
    Review,
    /// 决定.
    Decide,
    /// 制发证照.
    Issue,
}

impl Power {
    pub const ALL: [Power; 4] = [Power::Accept, Power::Review, Power::Decide, Power::Issue];

    pub fn as_str(self) -> &'static str {
        match self {
            Power::Accept => "accept",
            Power::Review => "review",
            Power::Decide => "decide",
            Power::Issue => "issue",
        }
    }
    pub fn chinese(self) -> &'static str {
        match self {
            Power::Accept => "受理",
            Power::Review => "审查",
            Power::Decide => "决定",
            Power::Issue => "制发证照",
        }
    }

    /// The power a stage of `tier` needs, wherever it is done. A village proxies and its committee speaks for itself, so there only what
    /// binds the citizen, a decision or a licence, rests on a letter.
    pub fn needed(kind: StageKind, tier: Tier) -> Option<Power> {
        let power = match (Duty::of(kind), kind) {
            (Some(Duty::Handle), _) => Power::Accept,
            (Some(Duty::Review), _) => Power::Review,
            (Some(Duty::Approve), _) => Power::Decide,
            (None, StageKind::Issue) => Power::Issue,
            (None, _) => return None,
        };
        let binds = matches!(power, Power::Decide | Power::Issue);
        (tier != Tier::Village || binds).then_some(power)
    }
}

/// An officer, by node and log-in name.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Delegate {
    pub node: NodeId,
    pub officer: String,
}

/// One letter. Its annex names the persons; they share everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Letter {
    /// Number of the letter (文号), unique in the city.
    pub number: String,
    /// The body that delegates.
    pub body: OrgId,
    pub delegates: BTreeSet<Delegate>,
    /// Empty: every item in which the body has a part.
    #[serde(default)]
    pub items: BTreeSet<ItemId>,
    pub powers: BTreeSet<Power>,
    /// Division code; the letter is good for cases recorded there and below.
    pub area: String,
    /// First and last day.
    pub from: Day,
    pub to: Day,
    /// Who signed for the body.
    pub signed_by: String,
}

/// A letter, or the part of it that concerns one person, taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    pub number: String,
    /// `None` revokes the letter for everybody.
    #[serde(default)]
    pub delegate: Option<Delegate>,
    /// The first day on which it no longer holds.
    pub from: Day,
    pub reason: String,
}

/// All letters known at a node.
#[derive(Debug, Clone, Default)]
pub struct Delegations {
    letters: BTreeMap<String, Letter>,
    revocations: BTreeMap<String, Vec<Revocation>>,
    by_delegate: BTreeMap<Delegate, BTreeSet<String>>,
}

/// What somebody is about to do, or did on `day`.
#[derive(Debug, Clone, Copy)]
pub struct Exercise<'a> {
    pub delegate: &'a Delegate,
    pub item: &'a Item,
    pub stage: &'a Stage,
    pub power: Power,
    /// Division code of the place where the case was recorded.
    pub area: &'a str,
    pub day: Day,
}

/// Why a letter does not cover an exercise; in the order of how near it comes to covering it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NoDelegation {
    None,
    OtherBody,
    OtherItem,
    OtherPower,
    OtherArea,
    NotYet { from: Day },
    Over { to: Day },
    Revoked { from: Day },
}

impl fmt::Display for NoDelegation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            NoDelegation::None => f.write_str("没有授权委托书"),
            NoDelegation::OtherBody => f.write_str("授权委托书由别的部门出具"),
            NoDelegation::OtherItem => f.write_str("授权委托书不包括本事项"),
            NoDelegation::OtherPower => f.write_str("授权委托书不包括这项权限"),
            NoDelegation::OtherArea => f.write_str("授权委托书不包括该村"),
            NoDelegation::NotYet { from } => write!(f, "授权委托书自 {from} 起才生效"),
            NoDelegation::Over { to } => write!(f, "授权委托书已于 {to} 到期"),
            NoDelegation::Revoked { from } => write!(f, "授权委托书已自 {from} 起撤销"),
        }
    }
}

/// A letter that cannot be published, with what to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadLetter(pub String);

impl Letter {
    /// # Errors
    /// [`BadLetter`] naming the first field that cannot be.
    pub fn check(&self) -> Result<(), BadLetter> {
        let bad = |reason: &str| Err(BadLetter(reason.to_owned()));
        let blank = |text: &str| text.trim().is_empty();
        match self {
            _ if blank(&self.number) => bad("缺少文号"),
            _ if self.delegates.is_empty() => bad("没有写明受委托的人"),
            _ if self.powers.is_empty() => bad("没有写明授予的权限"),
            _ if blank(&self.area) => bad("没有写明适用的区划"),
            _ if self.to < self.from => bad("终止日期早于起始日期"),
            _ if blank(&self.signed_by) => bad("缺少委托机关负责人的签名"),
            _ => Ok(()),
        }
    }

    fn covers(&self, exercise: &Exercise<'_>) -> Result<(), NoDelegation> {
        let Exercise { item, stage, power, area, day, .. } = exercise;
        match () {
            // The body that owns the item may have its stages done by others; a body that has a stage, only that stage.
            () if item.body != self.body && !stage.bodies.contains(&self.body) => {
                Err(NoDelegation::OtherBody)
            }
            () if !self.items.is_empty() && !self.items.contains(&item.id) => Err(NoDelegation::OtherItem),
            () if !self.powers.contains(power) => Err(NoDelegation::OtherPower),
            () if !area.starts_with(&*self.area) => Err(NoDelegation::OtherArea),
            () if *day < self.from => Err(NoDelegation::NotYet { from: self.from }),
            () if *day > self.to => Err(NoDelegation::Over { to: self.to }),
            () => Ok(()),
        }
    }
}

impl Delegations {
    /// A letter that is known already is not replaced: its number stands for one text for ever.
    pub fn insert(&mut self, letter: Letter) {
        if self.letters.contains_key(&letter.number) {
            return;
        }
        for delegate in &letter.delegates {
            self.by_delegate.entry(delegate.clone()).or_default().insert(letter.number.clone());
        }
        self.letters.insert(letter.number.clone(), letter);
    }
    pub fn revoke(&mut self, revocation: Revocation) {
        let known = self.revocations.entry(revocation.number.clone()).or_default();
        if !known.contains(&revocation) {
            known.push(revocation);
        }
    }
    pub fn iter(&self) -> impl Iterator<Item = (&Letter, &[Revocation])> {
        self.letters
            .values()
            .map(|letter| (letter, self.revocations.get(&letter.number).map_or(&[][..], Vec::as_slice)))
    }
    pub fn get(&self, number: &str) -> Option<&Letter> {
        self.letters.get(number)
    }

    /// Does the letter with this number cover it?
    ///
    /// # Errors
    /// [`NoDelegation`].
    pub fn check(&self, number: &str, exercise: &Exercise<'_>) -> Result<(), NoDelegation> {
        let letter = self.letters.get(number).ok_or(NoDelegation::None)?;
        if !letter.delegates.contains(exercise.delegate) {
            return Err(NoDelegation::None);
        }
        letter.covers(exercise)?;
        match self.revoked_from(number, exercise.delegate) {
            Some(from) if from <= exercise.day => Err(NoDelegation::Revoked { from }),
            _ => Ok(()),
        }
    }

    /// Did the letter with this number cover what was done on that day? Taking it back on the day itself does not undo what had
    /// been decided that morning in good faith; from then on [`Delegations::check`] lets nobody act on it.
    ///
    /// # Errors
    /// [`NoDelegation`].
    pub fn stood(&self, number: &str, exercise: &Exercise<'_>) -> Result<(), NoDelegation> {
        match self.check(number, exercise) {
            Err(NoDelegation::Revoked { from }) if from == exercise.day => Ok(()),
            answer => answer,
        }
    }

    fn revoked_from(&self, number: &str, delegate: &Delegate) -> Option<Day> {
        let revoked = self.revocations.get(number).into_iter().flatten();
        revoked
            .filter(|one| one.delegate.as_ref().is_none_or(|who| who == delegate))
            .map(|one| one.from)
            .min()
    }

    /// Was the letter taken back from this person by `day`?
    pub fn is_revoked(&self, number: &str, delegate: &Delegate, day: Day) -> bool {
        self.revoked_from(number, delegate).is_some_and(|from| from <= day)
    }

    /// The letter that covers it.
    ///
    /// # Errors
    /// What the nearest letter lacks.
    pub fn covering(&self, exercise: &Exercise<'_>) -> Result<&Letter, NoDelegation> {
        let mut nearest = NoDelegation::None;
        for number in self.by_delegate.get(exercise.delegate).into_iter().flatten() {
            match self.check(number, exercise) {
                Ok(()) => return Ok(&self.letters[number]),
                Err(lacks) => nearest = nearest.max(lacks),
            }
        }
        Err(nearest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dossier::tests::PACK;

    fn day(text: &str) -> Day {
        text.parse().unwrap()
    }
    fn who(officer: &str) -> Delegate {
        Delegate { node: "hub".parse().unwrap(), officer: officer.into() }
    }
    fn letter() -> Letter {
        Letter {
            number: "凯市监委〔2026〕1号".into(),
            body: "sj".parse().unwrap(),
            delegates: [who("wu"), who("li")].into(),
            items: ["food".parse().unwrap()].into(),
            powers: [Power::Decide].into(),
            area: "522601".into(),
            from: day("2026-01-01"),
            to: day("2026-12-31"),
            signed_by: "局长".into(),
        }
    }

    /// I18 as a matrix: officer × item × action × area × time; exactly one cell is covered.
    #[test]
    fn a_letter_covers_its_officer_item_action_area_and_days_and_nothing_else() {
        let mut all = Delegations::default();
        all.insert(letter());
        all.revoke(Revocation {
            number: letter().number,
            delegate: Some(who("li")),
            from: day("2026-07-01"),
            reason: "调离".into(),
        });
        let mut covered = Vec::new();
        for officer in ["wu", "li", "zhao"] {
            for item in ["food", "geti", "dibao"] {
                for power in Power::ALL {
                    for area in ["522601108201", "522602101"] {
                        for on in ["2025-12-31", "2026-06-30", "2026-07-01", "2027-01-01"] {
                            let item = PACK.item(&item.parse().unwrap()).unwrap();
                            let stage = item.stages.iter().find(|s| s.kind == StageKind::Decision).unwrap();
                            let delegate = who(officer);
                            let exercise =
                                Exercise { delegate: &delegate, item, stage, power, area, day: day(on) };
                            if all.covering(&exercise).is_ok() {
                                covered.push((officer, item.id.to_string(), power, area, on));
                            }
                        }
                    }
                }
            }
        }
        let place = "522601108201";
        let food = || "food".to_owned();
        assert_eq!(
            covered,
            [
                ("wu", food(), Power::Decide, place, "2026-06-30"),
                ("wu", food(), Power::Decide, place, "2026-07-01"),
                ("li", food(), Power::Decide, place, "2026-06-30"),
            ]
        );
    }

    #[test]
    fn the_refusal_names_what_the_nearest_letter_lacks() {
        let mut all = Delegations::default();
        all.insert(letter());
        let item = PACK.item(&"food".parse().unwrap()).unwrap();
        let stage = item.stage(&"decide".parse().unwrap()).unwrap();
        let delegate = who("wu");
        let base = Exercise {
            delegate: &delegate,
            item,
            stage,
            power: Power::Decide,
            area: "522601108201",
            day: day("2026-11-24"),
        };
        let told = |exercise: Exercise<'_>| all.covering(&exercise).unwrap_err().to_string();
        assert!(told(Exercise { day: day("2027-01-04"), ..base }).contains("2026-12-31 到期"));
        assert!(told(Exercise { power: Power::Review, ..base }).contains("这项权限"));
        assert!(told(Exercise { area: "5226", ..base }).contains("不包括该村"));
        let stranger = who("zhao");
        assert!(told(Exercise { delegate: &stranger, ..base }).contains("没有授权委托书"));
        let other = Letter { powers: [].into(), ..letter() };
        assert!(other.check().unwrap_err().0.contains("权限"));
    }
}
