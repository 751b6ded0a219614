//! The clock of a case, as a clerk would count it on the wall calendar of November and December 2026.

use super::*;
use crate::catalogue::Item;
use crate::dossier::by_law;
use crate::dossier::decide::{self, Act, Actor, Command, Desk, Refusal};
use crate::dossier::tests::{NOON, PACK, actor, desk, network, opened};
use crate::dossier::{NotAcceptedGround, Slip, Status};
use crate::form::FormFault;
use crate::network::Tier;
use crate::{EntryId, StageId, Timestamp};

/// NOON is Monday 23 November 2026.
fn on(day: i64) -> Timestamp {
    NOON.plus_ms((day - 23) * 86_400_000)
}
fn day(text: &str) -> Day {
    text.parse().unwrap()
}
fn food() -> std::sync::Arc<Item> {
    PACK.items[&"food".parse().unwrap()].clone()
}

/// A food-business licence whose papers the town signed for on Monday the 23rd.
struct Counter {
    item: std::sync::Arc<Item>,
    dossier: Dossier,
}

impl Counter {
    fn open() -> Counter {
        let item = food();
        let dossier = opened(&item, vec![]).after;
        Counter { item, dossier }
    }
    fn desk_does(&self, actor: &Actor, command: Command, at: Timestamp) -> Result<Act, Refusal> {
        let network = network();
        let desk = Desk { receipts: Receipts::all_on(NOON.day()), ..desk(&self.item, &network) };
        decide::decide(&self.dossier, &desk, actor, command, at)
    }
    fn does(&mut self, actor: &Actor, command: Command, at: Timestamp) {
        self.dossier = self.desk_does(actor, command, at).unwrap().after;
    }
    fn timer(&self, kind: TimerKind) -> Timer<'_> {
        let timers = timers(&self.item, &self.dossier, Receipts::all_on(NOON.day()));
        timers.into_iter().find(|timer| timer.kind == kind).unwrap()
    }
    fn due(&self, kind: TimerKind) -> Option<String> {
        self.timer(kind).due(&PACK.calendar).map(|due| due.day.to_string())
    }
    /// Passed on by the town on Tuesday, accepted and under review at the hub.
    fn under_review() -> Counter {
        let mut counter = Counter::open();
        let agrees = |stage: &str| Command::Complete {
            stage: id(stage),
            agrees: true,
            opinion: "齐".into(),
            officers: vec!["甲".into(), "乙".into()],
        };
        counter.does(&town(), agrees("town"), on(24));
        let window = actor(Tier::City, Some(&"zw".parse().unwrap()));
        counter.does(&window, Command::Claim { stage: id("accept") }, on(24));
        counter.does(&window, agrees("accept"), on(24));
        counter.does(&handler(), Command::Claim { stage: id("review") }, on(24));
        counter
    }
}

fn id(stage: &str) -> StageId {
    stage.parse().unwrap()
}
fn town() -> Actor {
    actor(Tier::Town, None)
}
fn handler() -> Actor {
    actor(Tier::City, Some(&"sj".parse().unwrap()))
}
fn approver() -> Actor {
    Actor { officer: "sj-head".into(), ..handler() }
}
fn fault(reason: &str) -> Vec<FormFault> {
    vec![FormFault { field: "m1".into(), label: "申请书".into(), reason: reason.into() }]
}
fn back(again: Option<&str>) -> Command {
    Command::Return { stage: id("town"), faults: fault("未签字"), again: again.map(str::to_owned) }
}

#[test]
fn the_check_of_papers_ends_five_working_days_after_the_towns_receipt() {
    let counter = Counter::open();
    assert_eq!(counter.due(TimerKind::Completeness).as_deref(), Some("2026-11-30"));
    assert!(counter.desk_does(&town(), back(None), on(30)).is_ok(), "the last day is still in time");
}

#[test]
fn on_day_six_the_law_has_accepted_as_of_the_receipt_and_no_notice_is_possible_any_more() {
    let mut counter = Counter::open();
    let sixth = on(31);
    assert_eq!(counter.desk_does(&town(), back(None), sixth).unwrap_err(), Refusal::DeemFirst);
    let network = network();
    let item = food();
    let desk = Desk { receipts: Receipts::all_on(NOON.day()), ..desk(&item, &network) };
    let act = by_law::deem_accepted(&counter.dossier, &desk, &town(), sixth).unwrap();
    assert_eq!(act.pages.len(), 1, "one system page, and the dossier stays where it is");
    counter.dossier = act.after;
    let accepted = counter.dossier.accepted.clone().unwrap();
    assert_eq!((accepted.on, accepted.deemed), (NOON.day(), true));
    assert!(by_law::deem_accepted(&counter.dossier, &desk, &town(), sixth).is_none(), "only once");
    assert_eq!(counter.desk_does(&town(), back(None), sixth).unwrap_err(), Refusal::AlreadyAccepted);
    assert!(counter.timer(TimerKind::Statutory).event.contains("视为受理"));
    // The village, whose clock nobody trusts, never deems anything.
    let mut at_village = counter.dossier.clone();
    at_village.holder = "v-1".parse().unwrap();
    at_village.accepted = None;
    assert!(by_law::deem_accepted(&at_village, &desk, &actor(Tier::Village, None), sixth).is_none());
}

#[test]
fn a_second_supplement_notice_needs_a_reason() {
    let mut counter = Counter::open();
    counter.does(&town(), back(None), on(24));
    assert_eq!(counter.dossier.notices, 1);
    // The citizen mended what was asked; the village hands the same case in again.
    counter.dossier.returned = None;
    counter.dossier.holder = "t-1".parse().unwrap();
    assert_eq!(counter.desk_does(&town(), back(None), on(25)).unwrap_err(), Refusal::SecondNotice);
    assert_eq!(counter.desk_does(&town(), back(Some(" ")), on(25)).unwrap_err(), Refusal::SecondNotice);
    assert!(counter.desk_does(&town(), back(Some("新交的租赁合同已过期")), on(25)).is_ok());
}

#[test]
fn what_is_not_ours_is_refused_in_writing_and_the_paper_goes_to_the_village() {
    let mut counter = Counter::open();
    let not_ours = |competent: &str| Command::NotAccept {
        stage: id("town"),
        ground: NotAcceptedGround::NotOurs { competent: competent.into() },
        text: "食品生产许可由州市场监督管理局受理".into(),
    };
    assert_eq!(counter.desk_does(&town(), not_ours(""), on(24)).unwrap_err(), Refusal::NoReason);
    counter.does(&town(), not_ours("黔东南州市场监督管理局"), on(24));
    assert_eq!((counter.dossier.status(), counter.dossier.holder.as_str()), (Status::NotAccepted, "v-1"));
    let ready = plan::ready_stages(&counter.item, &counter.dossier);
    assert!(
        ready.iter().all(|stage| stage.kind == StageKind::Deliver),
        "only the notice is left to hand over"
    );
    let stage = ready.iter().find(|stage| stage.tier == Tier::Village).unwrap().id.clone();
    let (slip, case, by) = (EntryId([5; 16]), counter.dossier.case.clone(), counter.dossier.origin.clone());
    counter.dossier.add_slip(Slip::plain(slip, case, "withdraw", String::new(), by, on(25)));
    let withdraws = counter.desk_does(&actor(Tier::Village, None), Command::Withdraw { slip }, on(25));
    assert_eq!(withdraws.unwrap_err(), Refusal::Over, "I16: the answer has been given");
    let deliver = crate::dossier::tests::handed_over(stage);
    counter.does(&actor(Tier::Village, None), deliver, on(26));
    assert!(
        timers(&counter.item, &counter.dossier, Receipts::all_on(NOON.day())).is_empty(),
        "no clock runs any more"
    );
}

#[test]
fn a_hearing_stops_the_clock_until_it_is_over_and_no_decision_falls_meanwhile() {
    let mut counter = Counter::under_review();
    let finish = Command::Complete {
        stage: id("review"),
        agrees: true,
        opinion: "合格".into(),
        officers: vec!["甲".into(), "乙".into()],
    };
    counter.dossier.accepted =
        Some(crate::dossier::Accepted { on: day("2026-11-24"), by: "hub".parse().unwrap(), deemed: false });
    let before = counter.due(TimerKind::Promised).unwrap();
    let stop = |days| Command::Suspend {
        stage: id("review"),
        procedure: Procedure::Hearing,
        basis: "申请人要求听证".into(),
        days,
    };
    assert_eq!(counter.desk_does(&handler(), stop(10), on(26)).unwrap_err(), Refusal::SamePerson);
    assert!(matches!(
        counter.desk_does(&approver(), stop(0), on(26)),
        Err(Refusal::TooLong { days_max: 180 })
    ));
    counter.does(&approver(), stop(10), on(26));
    assert_eq!(counter.due(TimerKind::Promised), None, "a clock that stands still has no due day");
    assert!(matches!(counter.desk_does(&approver(), stop(10), on(27)), Err(Refusal::Suspended { .. })));
    let resume = |finding: &str| Command::Resume { stage: id("review"), finding: finding.into() };
    assert_eq!(counter.desk_does(&handler(), resume(""), on(30)).unwrap_err(), Refusal::NoReason);
    // Thursday the 26th was the last day that counted; Friday 27th, Monday 30th and Tuesday 1 December do not.
    counter.does(&handler(), resume("听证笔录第1号"), on(31));
    let after = counter.due(TimerKind::Promised).unwrap();
    let left = PACK.calendar.working_days_left(day(&before), day(&after));
    assert_eq!(left, 3, "{before} → {after}");
    let lines = counter.timer(TimerKind::Statutory).explain(&PACK.calendar).lines;
    assert!(lines.iter().any(|line| line.contains("听证") && line.contains("第四十五条")), "{lines:?}");
    counter.does(&handler(), finish, on(31));
}

#[test]
fn a_limit_is_extended_once_by_somebody_else_and_by_no_more_than_the_law_allows() {
    let mut counter = Counter::under_review();
    counter.dossier.accepted =
        Some(crate::dossier::Accepted { on: day("2026-11-24"), by: "hub".parse().unwrap(), deemed: false });
    let longer = |days| Command::Extend { stage: id("review"), days, reason: "案情复杂".into() };
    let most = extension_max(&counter.item);
    assert_eq!(most, 10, "one body handles it");
    let (statutory, promised) = (counter.due(TimerKind::Statutory), counter.due(TimerKind::Promised));
    assert!(
        matches!(counter.desk_does(&approver(), longer(most + 1), on(25)), Err(Refusal::TooLong { days_max }) if days_max == most)
    );
    assert_eq!(counter.desk_does(&handler(), longer(most), on(25)).unwrap_err(), Refusal::SamePerson);
    counter.does(&approver(), longer(most), on(25));
    assert_eq!(counter.desk_does(&approver(), longer(1), on(26)).unwrap_err(), Refusal::AlreadyExtended);
    for (before, kind) in [(statutory, TimerKind::Statutory), (promised, TimerKind::Promised)] {
        let after = counter.due(kind).unwrap();
        assert_eq!(PACK.calendar.working_days_left(day(&before.unwrap()), day(&after)), most as i32);
    }
}

#[test]
fn before_acceptance_and_after_the_decision_nothing_can_be_stopped() {
    let counter = Counter::open();
    let stop = Command::Suspend {
        stage: id("town"),
        procedure: Procedure::ExpertReview,
        basis: "x".into(),
        days: 5,
    };
    assert_eq!(counter.desk_does(&town(), stop, on(24)).unwrap_err(), Refusal::NotAccepted);
}

/// I19: whatever the village's clock says, every due day is the same.
#[test]
fn a_village_clock_that_is_years_off_moves_no_due_day() {
    let right = Counter::under_review();
    let mut wrong = Counter::under_review();
    wrong.dossier.captured_at = NOON.plus_ms(-5 * 365 * 86_400_000);
    for kind in [TimerKind::Completeness, TimerKind::Statutory, TimerKind::Promised] {
        assert_eq!(right.due(kind), wrong.due(kind));
    }
}

#[test]
fn a_limit_that_ends_in_an_unpublished_year_is_provisional_and_deems_nothing() {
    let item = food();
    let dossier = opened(&item, vec![]).after;
    let received = day("2026-12-30");
    let timers = timers(&item, &dossier, Receipts::all_on(received));
    let due = timers[0].due(&PACK.calendar).unwrap();
    assert!(due.provisional);
    assert_eq!(deemed_accepted(&timers, &PACK.calendar, day("2027-02-01")), None);
    assert!(timers[0].explain(&PACK.calendar).lines.iter().any(|line| line.contains("2027 年未公布")));
}

#[test]
fn delivery_has_ten_days_from_the_decision() {
    let mut counter = Counter::under_review();
    let granted = crate::dossier::procedures_tests::granted_by_hub();
    counter.dossier.decision = Some(crate::dossier::Decision { at: on(24), ..granted });
    assert_eq!(counter.due(TimerKind::Delivery).as_deref(), Some("2026-12-08"));
}

/// A limit in natural days is extended by working days all the same (art. 42 knows no others).
#[test]
fn an_extension_is_in_working_days_whatever_the_limit_was_in() {
    let extension = Extension {
        days: 10,
        reason: "案情复杂".into(),
        handler: "a".into(),
        approver: "b".into(),
        on: day("2026-11-25"),
        page: 5,
    };
    let natural = Limit { days: 15, unit: DayUnit::Natural };
    let dossier = opened(&food(), vec![]).after;
    let timer = Timer {
        extension: Some(&extension),
        ..plain(&dossier, TimerKind::Statutory, (NOON.day(), "受理"), natural, "x".into(), None)
    };
    // 15 days from Monday 23 November end on Tuesday 8 December; ten working days later is Tuesday the 22nd.
    assert_eq!(timer.due(&PACK.calendar).unwrap().day, day("2026-12-22"));
}

/// I18: what every receiver would refuse is refused where it is tried.
#[test]
fn a_village_cannot_refuse_or_stop_anything_even_where_a_stage_is_its_own() {
    let mut item = (*food()).clone();
    item.stages.iter_mut().find(|stage| stage.id == id("town")).unwrap().tier = Tier::Village;
    let dossier = opened(&item, vec![]).after;
    assert_eq!(dossier.holder.as_str(), "v-1", "a catalogue that lets the village check the papers");
    let village = actor(Tier::Village, None);
    let network = network();
    let desk = Desk { receipts: Receipts::default(), ..desk(&item, &network) };
    let ground = NotAcceptedGround::Unmet { article: "x".into() };
    let command = Command::NotAccept { stage: id("town"), ground, text: "x".into() };
    assert_eq!(decide::decide(&dossier, &desk, &village, command, NOON).unwrap_err(), Refusal::Overreach);
}

/// The calendar once the arrangement of 2027 is published, with these exceptions.
fn with_2027(exceptions: &str) -> Calendar {
    let cn = include_str!("../../../../deploy/kaili/calendar_cn.csv");
    let years = include_str!("../../../../deploy/kaili/calendar_cn_years.csv");
    let years: String =
        years.lines().map(|line| line.replace("2027,not_announced", "2027,final") + "\n").collect();
    Calendar::parse(&format!("{cn}\n{exceptions}"), &years, "").unwrap()
}

/// A case accepted on 24 December 2026, so that its limits end in a year that is not published yet.
fn over_new_year() -> Counter {
    let mut counter = Counter::under_review();
    counter.dossier.accepted.as_mut().unwrap().on = day("2026-12-24");
    counter
}

fn reproject(counter: &Counter, calendar: &Calendar, at: Timestamp) -> Option<Act> {
    let network = network();
    let desk = Desk { receipts: Receipts::default(), calendar, ..desk(&counter.item, &network) };
    by_law::reproject(&counter.dossier, &desk, (&PACK.calendar, 2), &handler(), at)
}

#[test]
fn a_published_year_moves_what_was_provisional_by_a_page_that_says_so() {
    let mut counter = over_new_year();
    let provisional = counter.timer(TimerKind::Statutory).due(&PACK.calendar).unwrap();
    assert!(provisional.provisional);
    let published = with_2027("2027-01-01,holiday,元旦\n2027-01-04,holiday,元旦");
    let act = reproject(&counter, &published, on(55)).unwrap();
    assert_eq!(act.pages.len(), 1);
    assert_eq!(act.pages[0].officer, "", "nobody's act");
    counter.dossier = act.after;
    let timer = counter.timer(TimerKind::Statutory);
    let due = timer.due(&published).unwrap();
    assert_eq!(due.day, PACK.calendar.working_day_from(provisional.day, 1));
    assert!(!due.provisional);
    let told = timer.explain(&published).lines.join("\n");
    assert!(told.contains("重算") && told.contains(&provisional.day.to_string()), "{told}");
    assert!(reproject(&counter, &published, on(56)).is_none(), "once");
}

#[test]
fn a_published_year_makes_nobody_late() {
    let mut counter = over_new_year();
    let provisional = counter.timer(TimerKind::Promised).due(&PACK.calendar).unwrap().day;
    // The weekend of 2 and 3 January is worked instead, and the notice comes on the very last day.
    let published = with_2027("2027-01-01,holiday,元旦\n2027-01-02,workday,元旦\n2027-01-03,workday,元旦");
    let counted = counter.timer(TimerKind::Promised).due(&published).unwrap().day;
    assert!(counted < provisional, "{counted} {provisional}");
    let last_day = NOON.plus_ms(i64::from(provisional.days_since(NOON.day())) * 86_400_000);
    counter.dossier = reproject(&counter, &published, last_day).unwrap().after;
    assert_eq!(counter.timer(TimerKind::Promised).due(&published).unwrap().day, provisional);
    assert!(
        counter.timer(TimerKind::Promised).explain(&published).lines.join("").contains("不使任何人因此逾期")
    );
}

#[test]
fn a_village_moves_no_limit() {
    let mut counter = over_new_year();
    counter.dossier.holder = actor(Tier::Village, None).node;
    let published = with_2027("");
    let network = network();
    let desk = Desk { receipts: Receipts::default(), calendar: &published, ..desk(&counter.item, &network) };
    let village = actor(Tier::Village, None);
    assert!(by_law::reproject(&counter.dossier, &desk, (&PACK.calendar, 2), &village, on(40)).is_none());
    let page = crate::dossier::PageBody::Reprojected { release: 2, moved: vec![] };
    assert!(crate::plan::overreach(&counter.item, &page, Tier::Village).is_some());
}
