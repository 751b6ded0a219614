//! 容缺受理 and 绿色通道 as they happen at the counter. NOON is Monday 23 November 2026.

use super::decide::{Act, Actor, Command, Desk, NoSeal, Refusal};
use super::tests::{NOON, PACK, actor, desk, network, on_duty};
use super::*;
use crate::catalogue::{Item, StageKind};
use crate::clock::{Receipts, TimerKind, timers};
use crate::delegation::Delegations;
use crate::network::Tier;
use crate::{green, plan, tolerance};

fn on(day: i64) -> Timestamp {
    NOON.plus_ms((day - 23) * 86_400_000)
}
fn stage(id: &str) -> StageId {
    id.parse().unwrap()
}

struct Counter {
    item: std::sync::Arc<Item>,
    dossier: Dossier,
}

impl Counter {
    /// Opens a case with these promises; its form is not looked at.
    fn open(item: &str, submission: Submission) -> Counter {
        let item = PACK.items[&item.parse().unwrap()].clone();
        let mut opened = super::tests::opened(&item, vec![]).after;
        opened.lacking = submission.commitment.map(|promise| promise.materials).unwrap_or_default();
        opened.green = submission.green;
        Counter { item, dossier: opened }
    }
    fn tries(&self, by: &Actor, command: Command, at: Timestamp) -> Result<Act, Refusal> {
        let network = network();
        let desk = Desk { receipts: Receipts::all_on(NOON.day()), ..desk(&self.item, &network) };
        decide::decide(&self.dossier, &desk, by, command, at)
    }
    fn does(&mut self, by: &Actor, command: Command, at: Timestamp) {
        self.dossier = self.tries(by, command, at).unwrap().after;
    }
    fn agrees(&mut self, by: &Actor, at_stage: &str, at: Timestamp) {
        let stage = stage(at_stage);
        if by.tier == Tier::City {
            self.does(by, Command::Claim { stage: stage.clone() }, at);
        }
        let officers = vec!["甲".to_owned(), "乙".to_owned()];
        self.does(by, Command::Complete { stage, agrees: true, opinion: "齐".into(), officers }, at);
    }
    fn due(&self, kind: TimerKind) -> Option<String> {
        let timers = timers(&self.item, &self.dossier, Receipts::all_on(NOON.day()));
        Some(timers.iter().find(|timer| timer.kind == kind)?.due(&PACK.calendar)?.day.to_string())
    }
    fn lapses(&self, at: Timestamp) -> Option<Act> {
        let network = network();
        by_law::lapse(&self.dossier, &desk(&self.item, &network), &actor(Tier::City, None), at)
    }
    fn brings(&mut self, material: &str, id: u8) -> EntryId {
        let slip = EntryId([id; 16]);
        let paper = Attachment {
            material: material.parse().unwrap(),
            hash: "00".repeat(32),
            bytes: 1,
            mime: "x".into(),
        };
        let (case, by) = (self.dossier.case.clone(), self.dossier.origin.clone());
        let plain = Slip::plain(slip, case, tolerance::MAKE_UP, String::new(), by, NOON);
        self.dossier.add_slip(Slip { attachments: vec![paper], ..plain });
        slip
    }
}

fn of(body: &str, kind: StageKind) -> Actor {
    on_duty(actor(Tier::City, Some(&body.parse().unwrap())), kind)
}
fn promise() -> Submission {
    let commitment =
        tolerance::Commitment { materials: vec!["m4".parse().unwrap()], signed_by: "杨兰梅".into() };
    Submission { commitment: Some(commitment), ..Submission::default() }
}

/// The food licence, accepted at the city on Tuesday with its hygiene rules promised for later.
fn accepted_tolerantly() -> Counter {
    let mut counter = Counter::open("food", promise());
    counter.agrees(&actor(Tier::Town, None), "town", NOON);
    counter.agrees(&of("zw", StageKind::Accept), "accept", on(24));
    counter
}

/// A case that was refused asks for no paper any more: nobody is late with one, however long ago it was promised.
#[test]
fn a_refusal_ends_the_time_for_a_promised_paper() {
    let mut counter = accepted_tolerantly();
    let review = of("sj", StageKind::Review);
    counter.agrees(&review, "review", on(25));
    counter.agrees(&review, "inspect", on(25));
    let head = of("sj", StageKind::Decision);
    counter.does(&head, Command::Claim { stage: stage("decide") }, on(26));
    assert!(counter.due(TimerKind::MakeUp).is_some());
    let command = Command::Decide {
        stage: stage("decide"),
        outcome: Outcome::Refused,
        text: "不符合".into(),
        article: Some("第三十八条".into()),
        licence: None,
    };
    counter.does(&head, command, on(26));
    let timers = timers(&counter.item, &counter.dossier, Receipts::all_on(NOON.day()));
    let make_up = timers.iter().find(|timer| timer.kind == TimerKind::MakeUp).unwrap();
    assert_eq!(make_up.met, Some(on(26).day()));
}

#[test]
fn a_promised_paper_that_comes_in_time_lets_the_licence_be_granted_and_not_before() {
    let mut counter = accepted_tolerantly();
    assert_eq!(
        counter.due(TimerKind::MakeUp).as_deref(),
        Some("2026-11-30"),
        "four working days from the 24th"
    );
    let review = of("sj", StageKind::Review);
    counter.agrees(&review, "review", on(25));
    counter.agrees(&review, "inspect", on(25));
    let head = of("sj", StageKind::Decision);
    counter.does(&head, Command::Claim { stage: stage("decide") }, on(26));
    let grant = |counter: &Counter| {
        let licence = None;
        let command = Command::Decide {
            stage: stage("decide"),
            outcome: Outcome::Granted,
            text: "准予".into(),
            article: None,
            licence,
        };
        counter.tries(&head, command, on(26))
    };
    assert!(
        matches!(grant(&counter), Err(Refusal::Lacking { materials }) if materials == ["食品安全规章制度"])
    );
    let wrong = counter.brings("m1", 1);
    let take = |slip| Command::TakeMakeUp { stage: stage("decide"), slip };
    assert_eq!(counter.tries(&head, take(wrong), on(26)).unwrap_err(), Refusal::NotWhatLacks);
    let refuse =
        Command::RefuseMakeUp { stage: stage("decide"), slip: wrong, reason: "不是规章制度".into() };
    counter.does(&head, refuse, on(26));
    let right = counter.brings("m4", 2);
    counter.does(&head, take(right), on(26));
    assert_eq!(counter.tries(&head, take(right), on(26)).unwrap_err(), Refusal::NoSuchSlip, "taken once");
    assert!(counter.dossier.lacking.is_empty() && counter.dossier.attachments.len() == 1);
    assert!(grant(&counter).is_ok());
    assert!(counter.lapses(on(60)).is_none(), "a kept promise does not lapse");
}

#[test]
fn a_promise_that_is_not_kept_ends_the_case_the_day_after_unless_the_paper_lies_unread() {
    let mut counter = accepted_tolerantly();
    assert!(counter.lapses(on(30)).is_none(), "the last day counts to its end");
    let lapsed = counter.lapses(on(31)).unwrap();
    assert_eq!((lapsed.after.status(), lapsed.pages[0].officer.as_str()), (Status::Lapsed, ""));
    assert!(plan::ready_stages(&counter.item, &lapsed.after).is_empty());
    counter.brings("m4", 1);
    assert!(counter.lapses(on(31)).is_none(), "it lies on the desk: the officer is late, not the applicant");
    let refusal = PageBody::MakeUpRefused { slip: EntryId([1; 16]), reason: "看不清".into() };
    let page = Page {
        case: counter.dossier.case.clone(),
        no: counter.dossier.pages + 1,
        term: counter.dossier.term,
        at: on(33),
        officer: "sj".into(),
        delegation: None,
        body: refusal,
    };
    let holder = counter.dossier.holder.clone();
    assert_eq!(counter.dossier.apply(&page, &holder, false), Verdict::Applied);
    assert!(counter.lapses(on(34)).is_none(), "told on 3 December: two working days to bring the right one");
    assert!(counter.lapses(on(38)).is_some());
}

#[test]
fn who_broke_a_commitment_is_not_accepted_tolerantly_again() {
    let mut counter = accepted_tolerantly();
    let review = of("sj", StageKind::Review);
    counter.does(&review, Command::Claim { stage: stage("review") }, on(25));
    let untrue = |finding: &str| Command::BreakCommitment { stage: stage("review"), finding: finding.into() };
    assert_eq!(counter.tries(&review, untrue(" "), on(25)).unwrap_err(), Refusal::NoReason);
    counter.does(&review, untrue("所称规章制度系伪造"), on(25));
    assert!(counter.dossier.breach.is_some());

    let mut again = Counter::open("food", promise());
    again.agrees(&actor(Tier::Town, None), "town", NOON);
    let zw = of("zw", StageKind::Accept);
    again.does(&zw, Command::Claim { stage: stage("accept") }, on(24));
    let network = network();
    let earlier = counter.dossier.case.clone();
    let desk = Desk { breached: Some(&earlier), ..desk(&again.item, &network) };
    let accept =
        Command::Complete { stage: stage("accept"), agrees: true, opinion: "齐".into(), officers: vec![] };
    let refused = decide::decide(&again.dossier, &desk, &zw, accept, on(24)).unwrap_err();
    assert!(matches!(&refused, Refusal::BrokenWord { case } if *case == earlier), "{refused}");
}

#[test]
fn the_green_channel_has_its_own_limit_and_may_be_declined_before_acceptance_only() {
    let claim = green::Claim { ground: green::Ground::Urgent, evidence: "住院".into() };
    let submission = Submission { green: Some(claim), ..Submission::default() };
    // Hardship relief: ten working days promised, one in the green channel.
    let mut counter = Counter::open("linshi", submission);
    let accepting = plan::accepting_stage(&counter.item).unwrap().id.clone();
    let town = actor(Tier::Town, None);
    let decline = |reason: &str| Command::DeclineGreen { stage: accepting.clone(), reason: reason.into() };
    let mut declined = Counter { item: counter.item.clone(), dossier: counter.dossier.clone() };
    declined.does(&town, decline("并非急诊"), NOON);
    for counter in [&mut counter, &mut declined] {
        let done = Command::Complete {
            stage: accepting.clone(),
            agrees: true,
            opinion: "齐".into(),
            officers: vec![],
        };
        counter.does(&town, done, NOON);
    }
    assert_eq!(counter.due(TimerKind::Promised).as_deref(), Some("2026-11-24"));
    assert_eq!(declined.due(TimerKind::Promised).as_deref(), Some("2026-12-07"));
    assert_eq!(declined.dossier.green_declined.as_ref().unwrap().reason, "并非急诊");
}

#[test]
fn nobody_acts_without_a_letter_of_delegation_and_the_refusal_says_where_to_get_one() {
    let counter = Counter::open("food", Submission::default());
    let (network, nobody) = (network(), Delegations::default());
    let desk = Desk { delegations: &nobody, press: &NoSeal, ..desk(&counter.item, &network) };
    let act =
        Command::Complete { stage: stage("town"), agrees: true, opinion: "齐".into(), officers: vec![] };
    let refused = decide::decide(&counter.dossier, &desk, &actor(Tier::Town, None), act, NOON).unwrap_err();
    assert!(refused.to_string().contains("没有授权委托书"), "I18: {refused}");
    let lawful = counter.tries(
        &actor(Tier::Town, None),
        Command::Complete { stage: stage("town"), agrees: true, opinion: "齐".into(), officers: vec![] },
        NOON,
    );
    assert_eq!(lawful.unwrap().pages[0].delegation.as_deref(), Some("sj-1"), "the page names the letter");
}
