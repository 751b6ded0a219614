//! Supervision of a food-business licence in November and December 2026, checked against the wall calendar.

use super::*;
use crate::catalogue::Item;
use crate::clock::Procedure;
use crate::dossier::by_law;
use crate::dossier::decide::{self, Actor, Command, Desk};
use crate::dossier::tests::{NOON, PACK, actor, desk, network, opened};
use crate::dossier::{Dossier, Page, PageBody};
use crate::network::Tier;
use crate::{StageId, Timestamp};
use std::sync::Arc;

/// NOON is Monday 23 November 2026.
fn on(day: i64) -> Timestamp {
    NOON.plus_ms((day - 23) * 86_400_000)
}
fn id(stage: &str) -> StageId {
    stage.parse().unwrap()
}

/// A case and everything that was written about it.
struct Case {
    item: Arc<Item>,
    dossier: Dossier,
    log: CaseLog,
}

impl Case {
    fn captured() -> Case {
        Case::of("food")
    }
    fn of(item: &str) -> Case {
        let item = PACK.items[&item.parse().unwrap()].clone();
        let act = opened(&item, vec![]);
        let mut case = Case { item, dossier: act.after, log: CaseLog::default() };
        case.keep(act.pages, &actor(Tier::Village, None));
        case
    }
    fn keep(&mut self, pages: Vec<Page>, by: &Actor) {
        // The village's pages are receipted by the town on the day they were made.
        let logged = pages.into_iter().map(|page| LoggedPage {
            day: Some(page.at.day()),
            author: by.node.clone(),
            page,
        });
        self.log.pages.extend(logged);
    }
    fn does(&mut self, by: &Actor, command: Command, at: Timestamp) {
        let network = network();
        let receipts = crate::clock::Receipts::all_on(NOON.day());
        let desk = Desk { receipts, ..desk(&self.item, &network) };
        let act = decide::decide(&self.dossier, &desk, by, command, at).unwrap();
        self.dossier = act.after;
        self.keep(act.pages, by);
    }
    fn agrees(&mut self, by: &Actor, stage: &str, at: Timestamp) {
        if by.tier == Tier::City {
            self.does(by, Command::Claim { stage: id(stage) }, at);
        }
        self.does(
            by,
            Command::Complete {
                stage: id(stage),
                agrees: true,
                opinion: "齐".into(),
                officers: vec!["甲".into(), "乙".into()],
            },
            at,
        );
    }
    /// `rule rung day` of every finding up to a day.
    fn findings(&self, today: &str) -> Vec<String> {
        let found =
            findings(&PACK.supervision, &self.item, &self.log, &PACK.calendar, today.parse().unwrap());
        found.iter().map(|one| format!("{} {} {}", one.rule, one.rung.as_str(), one.day)).collect()
    }
}

fn town() -> Actor {
    actor(Tier::Town, None)
}
fn body(org: &str) -> Actor {
    Actor { officer: format!("{org}-1"), ..actor(Tier::City, Some(&org.parse().unwrap())) }
}

#[test]
fn a_case_nobody_answers_climbs_from_reminder_to_red_card_each_rung_once() {
    let case = Case::captured();
    // Receipt on Monday 23rd, due on Monday 30th.
    let limits = |today: &str| {
        let all = case.findings(today);
        all.into_iter().filter(|line| line.starts_with("completeness")).collect::<Vec<_>>()
    };
    assert_eq!(limits("2026-11-25"), Vec::<String>::new());
    assert_eq!(limits("2026-11-26"), ["completeness reminder 2026-11-26"]);
    assert_eq!(
        limits("2026-12-10"),
        [
            "completeness reminder 2026-11-26",
            "completeness warning 2026-11-27",
            "completeness yellow 2026-12-01",
            "completeness red 2026-12-03",
        ]
    );
}

#[test]
fn one_step_over_its_own_days_is_told_although_the_whole_is_in_time() {
    let case = Case::captured();
    let stage = case.item.stage(&id("town")).unwrap();
    let due = PACK.calendar.due_day(NOON.day(), stage.limit).day;
    let late = PACK.calendar.working_day_from(due, 1);
    let found = case.findings(&late.to_string());
    assert_eq!(found, [format!("step reminder {late}")], "the five days are not over yet");
}

#[test]
fn a_clock_that_stands_still_raises_nothing() {
    let mut case = Case::captured();
    case.agrees(&town(), "town", on(24));
    case.agrees(&body("zw"), "accept", on(24));
    case.does(&body("sj"), Command::Claim { stage: id("review") }, on(24));
    let head = Actor { officer: "sj-head".into(), ..body("sj") };
    let (procedure, basis) = (Procedure::ExpertReview, "专家评审".to_owned());
    let stop = Command::Suspend { stage: id("review"), procedure, basis, days: 30 };
    case.does(&head, stop, on(24));
    assert_eq!(case.findings("2027-02-01"), Vec::<String>::new());
}

#[test]
fn a_village_clock_changes_no_finding() {
    // I19: the pages of a village count on the day of their receipt, whatever its device says.
    let mut case = Case::captured();
    let before = case.findings("2026-12-10");
    for logged in case.log.pages.iter_mut() {
        logged.page.at = Timestamp::from_ms(0);
    }
    assert_eq!(case.findings("2026-12-10"), before);
}

#[test]
fn what_was_accepted_by_law_is_a_yellow_card() {
    let mut case = Case::captured();
    let network = network();
    let receipts = crate::clock::Receipts::all_on(NOON.day());
    let desk = Desk { receipts, ..desk(&case.item, &network) };
    let act = by_law::deem_accepted(&case.dossier, &desk, &town(), on(31)).unwrap();
    case.keep(act.pages, &town());
    assert!(case.findings("2026-12-02").contains(&"deemed_accepted yellow 2026-12-01".to_owned()));
}

#[test]
fn what_may_have_findings_is_never_missed() {
    let case = Case::captured();
    for day in 0..40 {
        let today = NOON.day().plus_days(day);
        let found = findings(&PACK.supervision, &case.item, &case.log, &PACK.calendar, today);
        let may = may_have_findings(
            &PACK.supervision,
            &case.item,
            &case.dossier,
            crate::clock::Receipts::all_on(NOON.day()),
            &PACK.calendar,
            today,
        );
        assert!(may || found.is_empty(), "{today}: {found:?}");
    }
}

#[test]
fn an_alert_is_the_same_in_any_order_and_only_others_conclude_it() {
    let case = Case::captured();
    let found =
        findings(&PACK.supervision, &case.item, &case.log, &PACK.calendar, "2026-12-10".parse().unwrap());
    let finding = found.into_iter().find(|one| one.rung == Rung::Yellow).unwrap();
    let number = case.dossier.case.clone();
    let entry = |officer: &str, body: AlertBody| AlertEntry {
        case: number.clone(),
        key: finding.key.clone(),
        at: NOON,
        officer: officer.into(),
        body,
    };
    let fresh = || Alert::new(number.clone(), finding.key.clone());
    let entry_id = |n: u8| crate::EntryId([n; 16]);
    let (hub, office) = (body("zw").node, town().node);
    let mut alert = fresh();
    alert.take(entry_id(1), &hub, entry("", AlertBody::Raised(finding.clone())));
    assert_eq!(appeal(&alert, &body("sj"), "停电"), Err(AlertRefusal::NotResponsible));
    assert_eq!(appeal(&alert, &town(), " "), Err(AlertRefusal::NoReason));
    let appealed = appeal(&alert, &town(), "停电两天,有供电局证明").unwrap();
    alert.take(entry_id(2), &office, entry("t-1-officer", appealed.clone()));
    assert_eq!(conclude(&alert, &town(), ConclusionKind::Revoked, "x"), Err(AlertRefusal::OnlyHub));
    let judge = Actor { officer: "inspector".into(), body: None, ..body("zw") };
    assert_eq!(conclude(&alert, &judge, ConclusionKind::Disproved, "x"), Err(AlertRefusal::OnlyHub));
    let concluded = conclude(&alert, &judge, ConclusionKind::Revoked, "证明属实").unwrap();
    alert.take(entry_id(3), &hub, entry("inspector", concluded.clone()));
    assert!(!alert.is_open());
    assert_eq!(conclude(&alert, &judge, ConclusionKind::Upheld, "x"), Err(AlertRefusal::Concluded));

    let mut backwards = fresh();
    backwards.take(entry_id(3), &hub, entry("inspector", concluded));
    backwards.take(entry_id(2), &office, entry("t-1-officer", appealed));
    backwards.take(entry_id(1), &hub, entry("", AlertBody::Raised(finding.clone())));
    assert_eq!(backwards, alert);
}

#[test]
fn a_broken_rule_file_tells_all_its_faults() {
    let text = include_str!("../../../../deploy/kaili/supervision.json");
    let mut rules: Rules = serde_json::from_str(text).unwrap();
    rules.rules[1].id = "completeness".into();
    rules.rules[2].rungs.swap(0, 1);
    rules.rules[5].rungs.clear();
    let faults = Rules::parse(&serde_json::to_string(&rules).unwrap()).unwrap_err();
    assert_eq!(faults.len(), 4, "{faults:?}");
    assert!(Rules::parse(r#"{"rules":[{"id":"x"}]}"#).is_err());
}

/// The desk refuses all of this; a log written by other means shows it all the same.
#[test]
fn breaches_that_no_desk_would_let_through_are_found_in_the_log() {
    let forge = |case: &mut Case, by: &Actor, body: PageBody, at: Timestamp| {
        let last = case.log.pages.last().unwrap().page.clone();
        let (no, officer, delegation) = (last.no + 1, by.officer.clone(), Some("委-1".to_owned()));
        let page = Page { no, officer, delegation, at, body, ..last };
        case.keep(vec![page], by);
    };
    let charged = |stage: &str| PageBody::Charged {
        stage: id(stage),
        fee: "加急费".into(),
        amount_fen: 10_000,
        receipt: "票1".into(),
        waived: None,
    };
    let mut early = Case::captured();
    forge(&mut early, &town(), charged("town"), on(24));
    assert!(early.findings("2026-11-25").contains(&"fee_early red 2026-11-24".to_owned()));

    let mut case = Case::captured();
    case.agrees(&town(), "town", on(23));
    case.agrees(&body("zw"), "accept", on(24));
    case.agrees(&body("sj"), "inspect", on(25));
    assert!(case.findings("2026-11-25").is_empty(), "{:?}", case.findings("2026-11-25"));
    let PageBody::StageDone { officers, .. } = &mut case.log.pages.last_mut().unwrap().page.body else {
        panic!("the visit was the last page")
    };
    officers.truncate(1);
    case.log.pages.last_mut().unwrap().page.delegation = None;
    forge(&mut case, &body("sj"), charged("review"), on(25));
    let found = case.findings("2026-11-26");
    for want in
        ["no_delegation red 2026-11-25", "one_inspector yellow 2026-11-25", "fee_wrong red 2026-11-25"]
    {
        assert!(found.iter().any(|line| line == want), "{want} is missing from {found:?}");
    }

    // A publicity that was never posted, and one whose page names too early a last day.
    let ended = PageBody::StageDone {
        stage: id("notice"),
        agrees: true,
        opinion: "无异议".into(),
        officers: Vec::new(),
    };
    let until = "2026-11-23".parse().unwrap();
    let posted = PageBody::Posted { stage: id("notice"), place: "村务公开栏".into(), until };
    for pages in [vec![ended.clone()], vec![posted, ended]] {
        let mut case = Case::of("linshi");
        for page in pages {
            forge(&mut case, &town(), page, on(24));
        }
        let found = case.findings("2026-11-25");
        assert!(found.iter().any(|line| line.starts_with("short_publicity")), "{found:?}");
    }
}
