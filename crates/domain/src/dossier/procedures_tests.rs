//! Site checks, one visit, publicity, hearing, money and parcels, each as it goes wrong. NOON is Monday 23 November 2026.

use super::decide::{Act, Actor, Command, Desk, Refusal};
use super::tests::{NOON, PACK, actor, desk, network, on_duty};
use super::*;
use crate::catalogue::{Item, StageKind};
use crate::delivery::Proof;
use crate::fee::FeeFault;
use crate::form::Form;
use crate::inspection::Slot;
use crate::network::Tier;
use crate::{EntryId, MaterialId, OrgId, inspection, library, plan};
use std::sync::Arc;

fn on(day: i64) -> Timestamp {
    NOON.plus_ms((day - 23) * 86_400_000)
}
fn id(stage: &str) -> StageId {
    stage.parse().unwrap()
}
fn of(body: &str, kind: StageKind) -> Actor {
    on_duty(actor(Tier::City, Some(&body.parse().unwrap())), kind)
}

/// A case of `item` that lies at `holder`, accepted, with these stages done by somebody else.
struct Counter {
    item: Arc<Item>,
    dossier: Dossier,
    form: Form,
}

impl Counter {
    fn at(item: &str, holder: &str, done: &[&str]) -> Counter {
        let item = PACK.items[&item.parse().unwrap()].clone();
        let mut dossier = super::tests::opened(&item, vec![]).after;
        dossier.holder = holder.parse().unwrap();
        dossier.accepted = Some(Accepted { on: NOON.day(), by: dossier.holder.clone(), deemed: false });
        for stage in done {
            let by = Some(dossier.holder.clone());
            let done = StageDone { officer: "somebody".into(), by, at: NOON, agrees: true };
            dossier.stages.insert(id(stage), StageState { claimed_by: None, done: Some(done) });
        }
        Counter { item, dossier, form: Form::new() }
    }
    fn tries(&self, by: &Actor, command: Command, at: Timestamp) -> Result<Act, Refusal> {
        let network = network();
        let desk = Desk { form: &self.form, ..desk(&self.item, &network) };
        decide::decide(&self.dossier, &desk, by, command, at)
    }
    fn does(&mut self, by: &Actor, command: Command, at: Timestamp) {
        self.dossier = self.tries(by, command, at).unwrap().after;
    }
    fn refuses(&self, by: &Actor, command: Command, at: Timestamp) -> Refusal {
        self.tries(by, command, at).unwrap_err()
    }
    fn slip(&mut self, number: u8, kind: &str, text: &str) {
        let (case, by) = (self.dossier.case.clone(), self.dossier.origin.clone());
        self.dossier.add_slip(Slip::plain(EntryId([number; 16]), case, kind, text.into(), by, NOON));
    }
}

pub(crate) fn granted_by_hub() -> Decision {
    Decision {
        outcome: Outcome::Granted,
        text: String::new(),
        article: None,
        stage: None,
        delegation: None,
        officer: "x".into(),
        at: NOON,
        by: "hub".parse().unwrap(),
        page: 9,
    }
}

fn complete(stage: &str, agrees: bool, officers: &[&str]) -> Command {
    let officers = officers.iter().map(|name| (*name).into()).collect();
    Command::Complete { stage: id(stage), agrees, opinion: "意见".into(), officers }
}

#[test]
fn one_officer_is_no_site_check() {
    let mut counter = Counter::at("food", "hub", &["intake", "town", "accept"]);
    let inspector = of("sj", StageKind::Inspection);
    counter.does(&inspector, Command::Claim { stage: id("inspect") }, NOON);
    for alone in [&["吴"][..], &["吴", "吴"], &["吴", " "], &[]] {
        assert_eq!(counter.refuses(&inspector, complete("inspect", true, alone), NOON), Refusal::TwoOfficers);
    }
    counter.does(&inspector, complete("inspect", true, &["吴", "李"]), NOON);
}

#[test]
fn departments_come_once_and_who_stays_away_has_waived() {
    let mut counter = Counter::at("hotel", "hub", &["intake", "town", "accept"]);
    let ready: Vec<_> = plan::ready_stages(&counter.item, &counter.dossier).into_iter().cloned().collect();
    let stage = ready.iter().find(|stage| stage.kind == StageKind::JointInspection);
    let Some(stage) = stage.cloned() else { panic!("{ready:?}") };
    let (lead, xf, wj) = (of("ga", stage.kind), of("xf", stage.kind), of("wj", stage.kind));
    let claim = Command::Claim { stage: stage.id.clone() };
    counter.does(&lead, claim, NOON);
    let propose = |day: &str| Command::ProposeInspection {
        stage: stage.id.clone(),
        slots: vec![Slot { day: day.parse().unwrap(), time: "09:30".into() }],
    };
    assert_eq!(counter.refuses(&lead, propose("2026-11-20"), NOON), Refusal::BadSlots, "a day that is over");
    counter.does(&lead, propose("2026-11-25"), NOON);
    let confirm =
        |slot| Command::ConfirmInspection { stage: stage.id.clone(), body: None, slots: vec![slot] };
    assert_eq!(counter.refuses(&xf, confirm(7), NOON), Refusal::BadSlots);
    let fix = || Command::FixInspection { stage: stage.id.clone(), slot: 0 };
    for body in [&lead, &xf] {
        counter.does(body, confirm(0), NOON);
    }
    assert!(
        matches!(counter.refuses(&lead, fix(), NOON), Refusal::NotConfirmed { bodies } if bodies.len() == 1)
    );
    counter.does(&wj, confirm(0), NOON);
    assert_eq!(counter.refuses(&lead, fix(), NOON), Refusal::CitizenNotAsked);
    counter.slip(1, inspection::CHOICE, "2026-11-26 09:30");
    assert_eq!(counter.refuses(&lead, fix(), NOON), Refusal::CitizenNotAsked, "another time");
    counter.slip(2, inspection::CHOICE, "2026-11-25 09:30");
    counter.does(&lead, fix(), NOON);
    assert_eq!(counter.refuses(&lead, propose("2026-11-26"), NOON), Refusal::VisitFixed);

    let held = |officers: &[&str], absent: &[&str]| Command::HoldInspection {
        stage: stage.id.clone(),
        officers: officers.iter().map(|name| (*name).into()).collect(),
        absent: absent.iter().map(|body| body.parse().unwrap()).collect(),
    };
    assert_eq!(counter.refuses(&lead, held(&["吴", "李"], &[]), on(24)), Refusal::BadSlots, "not yet");
    assert_eq!(counter.refuses(&lead, held(&["吴"], &[]), on(25)), Refusal::TwoOfficers);
    assert_eq!(
        counter.refuses(&lead, held(&["吴", "李"], &["ga", "xf", "wj"]), on(25)),
        Refusal::NotInspected
    );
    counter.does(&lead, held(&["吴", "李"], &["wj"]), on(25));
    let found = |passed, text: &str| Command::FindInspection {
        stage: stage.id.clone(),
        body: None,
        passed,
        text: text.into(),
    };
    assert_eq!(counter.refuses(&wj, found(false, "再来一次"), on(26)), Refusal::Waived);
    counter.does(&lead, found(true, "符合"), on(25));
    let report = complete(stage.id.as_str(), true, &[]);
    let silent = counter.refuses(&lead, report.clone(), on(25));
    assert_eq!(silent, Refusal::NoFinding { bodies: vec!["xf".parse::<OrgId>().unwrap()] });
    assert_eq!(counter.refuses(&xf, found(false, " "), on(25)), Refusal::NoReason);
    counter.does(&xf, found(false, "疏散通道不足"), on(25));
    assert_eq!(counter.refuses(&lead, report, on(25)), Refusal::MustRefuse, "the report says what was found");
    counter.does(&lead, complete(stage.id.as_str(), false, &[]), on(25));
}

/// After a restore the answer to a proposal may be filed again where the proposal itself lost its place (I17).
#[test]
fn an_answer_to_a_proposal_that_is_not_there_answers_nothing() {
    let mut counter = Counter::at("hotel", "hub", &["intake", "town", "accept"]);
    let ready: Vec<_> = plan::ready_stages(&counter.item, &counter.dossier).into_iter().cloned().collect();
    let stage = ready.iter().find(|stage| stage.kind == StageKind::JointInspection).cloned().unwrap();
    let lead = of("ga", stage.kind);
    counter.does(&lead, Command::Claim { stage: stage.id.clone() }, NOON);
    let mut without = counter.dossier.clone();
    let slots = vec![Slot { day: "2026-11-25".parse().unwrap(), time: "09:30".into() }];
    let propose = Command::ProposeInspection { stage: stage.id.clone(), slots };
    counter.does(&lead, propose.clone(), NOON);
    let confirm = Command::ConfirmInspection { stage: stage.id.clone(), body: None, slots: vec![0] };
    let confirmed = counter.tries(&lead, confirm, NOON).unwrap().pages;
    let page = Page { no: without.pages + 1, ..confirmed[0].clone() };
    let author = without.holder.clone();
    assert_eq!(without.apply(&page, &author, false), Verdict::Applied, "its place in the dossier is its own");
    assert_eq!(without.inspections.get(&stage.id), None, "and it has nothing to say");
    let again = Counter { dossier: without, ..counter };
    assert!(again.tries(&lead, propose, NOON).is_ok(), "the visit is proposed anew");
}

#[test]
fn a_publicity_runs_its_days_before_anybody_goes_on() {
    let mut counter = Counter::at("linshi", "v-1", &["intake", "accept", "survey"]);
    let village = actor(Tier::Village, None);
    assert_eq!(counter.refuses(&village, complete("notice", true, &[]), NOON), Refusal::NotPosted);
    counter.does(&village, Command::Post { stage: id("notice"), place: "村务公开栏".into() }, NOON);
    let until = "2026-11-30".parse().unwrap();
    assert_eq!(
        counter.refuses(&village, complete("notice", true, &[]), on(30)),
        Refusal::StillPosted { until }
    );
    let again = Command::Post { stage: id("notice"), place: "别处".into() };
    assert!(matches!(counter.refuses(&village, again, on(24)), Refusal::StillPosted { .. }));
    counter.does(&village, complete("notice", true, &[]), on(31));
}

#[test]
fn a_hearing_is_noticed_a_week_before_and_held_by_somebody_who_did_not_examine() {
    let mut counter = Counter::at("food", "hub", &["intake", "town", "accept", "inspect"]);
    let (reviewer, head) = (of("sj", StageKind::Review), of("sj", StageKind::Decision));
    counter.does(&reviewer, Command::Claim { stage: id("review") }, NOON);
    counter.does(&reviewer, complete("review", true, &[]), NOON);
    counter.does(&head, Command::Claim { stage: id("decide") }, NOON);
    let notice = |day: &str| Command::NoticeHearing {
        stage: id("decide"),
        on: day.parse().unwrap(),
        place: "二楼".into(),
    };
    assert_eq!(
        counter.refuses(&head, notice("2026-12-01"), NOON),
        Refusal::NoSuchSlip,
        "nobody asked for one"
    );
    counter.slip(1, procedures::HEARING_REQUEST, "要求听证");
    let grant = Command::Decide {
        stage: id("decide"),
        outcome: Outcome::Granted,
        text: String::new(),
        article: None,
        licence: None,
    };
    assert_eq!(counter.refuses(&head, grant.clone(), NOON), Refusal::HearingAsked, "nobody decides past it");
    let first = "2026-11-30".parse().unwrap();
    assert_eq!(counter.refuses(&head, notice("2026-11-29"), NOON), Refusal::HearingTooSoon { first });
    assert!(matches!(counter.refuses(&head, notice("2027-03-01"), NOON), Refusal::HearingTooLate { .. }));
    counter.does(&head, notice("2026-11-30"), NOON);
    assert_eq!(counter.refuses(&head, grant.clone(), NOON), Refusal::HearingOpen);
    let hold = || Command::HoldHearing { stage: id("decide"), record: "笔录".into() };
    assert!(matches!(counter.refuses(&head, hold(), NOON), Refusal::HearingTooSoon { .. }));
    // The reviewer has claimed nothing here, so ask as if the stage were theirs.
    let mut theirs =
        Counter { item: counter.item.clone(), dossier: counter.dossier.clone(), form: Form::new() };
    theirs.dossier.stages.get_mut(&id("decide")).unwrap().claimed_by = Some(reviewer.officer.clone());
    assert_eq!(theirs.refuses(&reviewer, hold(), on(30)), Refusal::SamePerson);
    counter.does(&head, hold(), on(30));
    counter.does(&head, grant, on(30));
}

#[test]
fn money_is_taken_as_listed_after_acceptance_and_once() {
    let mut counter = Counter::at("idcard", "t-1", &["intake"]);
    counter.form = serde_json::json!({ "op": "补领" }).as_object().cloned().unwrap();
    let ready = plan::ready_stages(&counter.item, &counter.dossier)[0].clone();
    counter.dossier.holder = if ready.tier == Tier::City { "hub" } else { "t-1" }.parse().unwrap();
    let who = on_duty(actor(ready.tier, ready.bodies.first()), ready.kind);
    if ready.tier == Tier::City {
        counter.does(&who, Command::Claim { stage: ready.id.clone() }, NOON);
    }
    let charge = |fee: &str, amount_fen: i64, receipt: &str| Command::Charge {
        stage: ready.id.clone(),
        charge: Charge { fee: fee.into(), amount_fen, receipt: receipt.into(), waived: None, page: 0 },
    };
    let listed = "居民身份证工本费(补领)";
    let told = counter.refuses(&who, charge("加急费", 5000, "票1"), NOON);
    assert_eq!(told, Refusal::Fee(FeeFault::NotListed));
    let told = counter.refuses(&who, charge(listed, 5000, "票1"), NOON);
    assert_eq!(told, Refusal::Fee(FeeFault::Amount { want: 4000, got: 5000 }));
    assert!(told.to_string().contains("应收 40.00 元,实收 50.00 元"), "{told}");
    assert_eq!(counter.refuses(&who, charge(listed, 4000, " "), NOON), Refusal::NoReason, "no receipt");
    let accepted = counter.dossier.accepted.take();
    assert_eq!(counter.refuses(&who, charge(listed, 4000, "票1"), NOON), Refusal::FeeBeforeAcceptance);
    counter.dossier.accepted = accepted;
    counter.does(&who, charge(listed, 4000, "票1"), NOON);
    assert_eq!(counter.refuses(&who, charge(listed, 4000, "票2"), NOON), Refusal::FeeTwice);
}

#[test]
fn a_parcel_is_delivered_by_its_own_waybill_and_failed_attempts_are_kept() {
    let mut counter =
        Counter::at("food", "v-1", &["intake", "town", "accept", "review", "inspect", "decide", "issue"]);
    counter.dossier.decision = Some(granted_by_hub());
    let village = actor(Tier::Village, None);
    let by_post = |waybill: &str| Command::Deliver {
        stage: id("deliver"),
        receiver: "本人".into(),
        channel: Channel::Post,
        proof: Proof { kind: ProofKind::Waybill, text: waybill.into() },
    };
    assert!(matches!(counter.refuses(&village, by_post("EA123456789CN"), NOON), Refusal::Proof(_)));
    let fail =
        Command::FailDelivery {
            stage: id("deliver"), channel: Channel::Proxy, reason: "家中无人".into()
        };
    counter.does(&village, fail, NOON);
    let send = |waybill: &str| Command::Dispatch {
        stage: id("deliver"),
        carrier: "邮政".into(),
        waybill: waybill.into(),
    };
    assert!(matches!(counter.refuses(&village, send("EA 1"), NOON), Refusal::Proof(_)));
    counter.does(&village, send("EA123456789CN"), NOON);
    assert!(matches!(counter.refuses(&village, by_post("EA987654321CN"), NOON), Refusal::Proof(_)));
    counter.does(&village, by_post("EA123456789CN"), on(25));
    assert_eq!((counter.dossier.status(), counter.dossier.attempts.len()), (Status::Delivered, 1));

    // A result whose seal or letter does not verify goes out by no way.
    let doubtful =
        Counter::at("food", "v-1", &["intake", "town", "accept", "review", "inspect", "decide", "issue"]);
    let (item, network) = (doubtful.item.clone(), network());
    let dossier = Dossier { decision: counter.dossier.decision.clone(), ..doubtful.dossier };
    let desk = Desk { doubt: Some("印章与内容不符"), ..desk(&item, &network) };
    let told = decide::decide(&dossier, &desk, &village, super::tests::handed_over(id("deliver")), NOON);
    assert!(told.unwrap_err().to_string().contains("印章与内容不符"), "I18");
}

/// Nobody answered in time and the law accepted the case; meanwhile the library had said that it holds no business licence.
#[test]
fn what_the_library_lacks_is_brought_even_after_the_law_has_accepted() {
    let mut counter = Counter::at("food", "hub", &["intake", "town", "accept", "review", "inspect"]);
    let paper: MaterialId = "m2".parse().unwrap();
    counter.dossier.borrowed =
        vec![library::Borrowed { material: paper.clone(), consent: "杨兰梅".into() }];
    let decide = || Command::Decide {
        stage: id("decide"),
        outcome: Outcome::Granted,
        text: "准予".into(),
        article: None,
        licence: None,
    };
    let approver = of("sj", StageKind::Decision);
    counter.does(&approver, Command::Claim { stage: id("decide") }, NOON);
    assert!(matches!(counter.refuses(&approver, decide(), NOON), Refusal::LibraryPending { .. }));
    let (case, origin) = (counter.dossier.case.clone(), counter.dossier.origin.clone());
    let plain = |number: u8, kind: &str| {
        Slip::plain(EntryId([number; 16]), case.clone(), kind, String::new(), origin.clone(), NOON)
    };
    let answers = vec![library::Answer { material: paper.clone(), found: None }];
    let about_page = counter.dossier.submitted_page;
    counter.dossier.add_slip(Slip { answers, about_page, ..plain(1, library::ANSWER) });
    assert!(matches!(counter.refuses(&approver, decide(), NOON), Refusal::NotInLibrary { .. }));

    let scan = Attachment { material: paper, hash: "ab".repeat(32), bytes: 9, mime: "image/jpeg".into() };
    counter.dossier.add_slip(Slip { attachments: vec![scan], ..plain(2, crate::tolerance::MAKE_UP) });
    let taken = Command::TakeMakeUp { stage: id("decide"), slip: EntryId([2; 16]) };
    counter.does(&approver, taken, NOON);
    counter.does(&approver, decide(), NOON);
    assert_eq!(counter.dossier.made_up, None, "nothing had been promised, so no promise was kept");
}

/// A holder further down the road cannot put a seal of its own under what another has decided.
#[test]
fn a_seal_counts_only_from_whoever_answered() {
    let mut counter =
        Counter::at("food", "v-1", &["intake", "town", "accept", "review", "inspect", "decide"]);
    counter.dossier.decision = Some(granted_by_hub());
    let paper = crate::paper::SealedPaper {
        kind: crate::paper::PaperKind::Decision,
        number: "1".into(),
        seal: crate::paper::SealName { owner: "v-1".into(), no: 0 },
        ledger_no: 1,
        suite: 1,
        content: "{}".into(),
        signature: String::new(),
    };
    let page = Page {
        case: counter.dossier.case.clone(),
        no: counter.dossier.pages + 1,
        term: counter.dossier.term,
        at: NOON,
        officer: "officer".into(),
        delegation: None,
        body: PageBody::Sealed { paper },
    };
    assert_eq!(counter.dossier.apply(&page, &"v-1".parse().unwrap(), false), Verdict::Applied);
    assert!(counter.dossier.papers.is_empty());
}

#[test]
fn a_payment_ends_when_every_fee_of_the_form_has_been_charged() {
    let done = ["intake", "town", "accept", "review", "rev_jj", "inspect"];
    let mut counter = Counter::at("road", "hub", &done);
    counter.form = serde_json::json!({ "kind": "挖掘", "area": 10 }).as_object().cloned().unwrap();
    let stage = counter.item.stage(&id("fee")).unwrap().clone();
    let who = on_duty(actor(Tier::City, stage.bodies.first()), stage.kind);
    counter.does(&who, Command::Claim { stage: id("fee") }, NOON);
    let open = counter.refuses(&who, complete("fee", true, &[]), NOON);
    assert!(open.to_string().contains("应收 1800.00 元,尚未收取"), "{open}");
    let (fee, receipt) = ("城市道路挖掘修复费".to_owned(), "票1".to_owned());
    let charge = Charge { fee, amount_fen: 180_000, receipt, waived: None, page: 0 };
    counter.does(&who, Command::Charge { stage: id("fee"), charge }, NOON);
    counter.does(&who, complete("fee", true, &[]), NOON);
}
