//! What a town's own window takes in: the same stages, one counter fewer. NOON is Monday 23 November 2026.

use super::decide::{self, Command, Opening, Refusal};
use super::tests::{NOON, PACK, actor, decide, desk, network, on_duty, opened, opened_at};
use super::*;
use crate::catalogue::StageKind;
use crate::clock::{self, Receipts, TimerKind};
use crate::form::FormFault;
use crate::plan;

fn id(stage: &str) -> StageId {
    stage.parse().unwrap()
}

fn on(day: i64) -> Timestamp {
    NOON.plus_ms((day - 23) * 86_400_000)
}

/// What is shown of the five days of art. 32.
fn completeness(dossier: &Dossier) -> Option<(Day, &'static str)> {
    let item = PACK.item(&dossier.item).unwrap();
    let receipts = Receipts { submitted: dossier.received, decided: None };
    let timers = clock::timers(item, dossier, receipts);
    timers.iter().find(|timer| timer.kind == TimerKind::Completeness).map(|one| (one.anchor, one.event))
}

#[test]
fn a_window_keeps_what_is_its_own_to_do_and_passes_on_the_rest() {
    let dibao = PACK.items[&"dibao".parse().unwrap()].clone();
    let act = opened_at(&dibao, vec![], Tier::Town);
    assert_eq!(act.pages.len(), 1, "the town accepts itself: nothing to hand over");
    assert_eq!((act.after.holder.as_str(), act.after.intake), ("t-1", Tier::Town));
    // What the village's committee says is noted where the application lies.
    let appraisal = dibao.stages.iter().find(|stage| stage.kind == StageKind::Appraisal).unwrap();
    assert_eq!(plan::tier_of(appraisal, &act.after), Tier::Town);
    let of_a_village = opened(&dibao, vec![]).after;
    assert_eq!(plan::tier_of(appraisal, &of_a_village), Tier::Village);
    // The city's stages are the city's, whoever took it in.
    let decision = dibao.stages.iter().find(|stage| stage.kind == StageKind::Decision).unwrap();
    assert_eq!(plan::tier_of(decision, &act.after), Tier::City);
}

#[test]
fn what_a_window_sends_back_stays_on_its_desk_and_a_mended_one_goes_on() {
    let dibao = PACK.items[&"dibao".parse().unwrap()].clone();
    let (network, window) = (network(), actor(Tier::Town, None));
    let dossier = opened_at(&dibao, vec![], Tier::Town).after;
    let fault = FormFault { field: "m1".into(), label: "申请书".into(), reason: "未签字".into() };
    let back = Command::Return { stage: id("accept"), faults: vec![fault], again: None };
    let act = decide(&dossier, &dibao, &network, &window, back, on(24)).unwrap();
    assert_eq!(act.pages.len(), 1, "no hand-over to itself: {:?}", act.pages);
    assert_eq!((act.after.holder.as_str(), act.after.status()), ("t-1", Status::Returned));
    assert!(completeness(&act.after).is_none(), "the applicant's days are nobody's delay");
    // Mended on the 26th: five days from then on (art. 32).
    let mended = Page {
        case: dossier.case.clone(),
        no: act.after.pages + 1,
        term: 1,
        at: on(26),
        officer: "w".into(),
        delegation: None,
        body: PageBody::Resubmitted(Submission::default()),
    };
    let mut dossier = act.after;
    assert_eq!(dossier.apply(&mended, &"t-1".parse().unwrap(), false), Verdict::Applied);
    assert_eq!(completeness(&dossier), Some((on(26).day(), "镇窗口当面收件")));
}

#[test]
fn the_five_days_start_at_the_window_or_when_the_application_entered_the_citys_system() {
    let dibao = PACK.items[&"dibao".parse().unwrap()].clone();
    let at_window = opened_at(&dibao, vec![], Tier::Town).after;
    assert_eq!(
        completeness(&at_window),
        Some((NOON.day(), "镇窗口当面收件")),
        "I19: the town's clock counts"
    );
    assert_eq!(completeness(&opened(&dibao, vec![]).after), None, "a village's waits for the town's receipt");
    // Applied for on Friday the 20th; the town was cut off until Monday. The applicant does not pay for the line.
    let mut page = opened_at(&dibao, vec![], Tier::Town).pages[0].clone();
    let PageBody::Captured(captured) = &mut page.body else { panic!() };
    captured.submission.online = Some(Online { application: EntryId([5; 16]), on: on(20).day() });
    let online = Dossier::open(&page, &"t-1".parse().unwrap()).unwrap();
    assert_eq!(completeness(&online), Some((on(20).day(), "网上申请进入市系统")));
}

#[test]
fn nobody_takes_in_under_another_tiers_name() {
    let dibao = PACK.items[&"dibao".parse().unwrap()].clone();
    let by = |intake| opened_at(&dibao, vec![], intake).pages[0].body.clone();
    assert!(plan::overreach(&dibao, &by(Tier::Town), Tier::Town).is_none());
    assert!(plan::overreach(&dibao, &by(Tier::Village), Tier::Village).is_none());
    assert!(plan::overreach(&dibao, &by(Tier::Town), Tier::Village).is_some(), "a village is no town");
    assert!(plan::overreach(&dibao, &by(Tier::Village), Tier::Town).is_some(), "a town is no village");
    assert!(plan::overreach(&dibao, &by(Tier::City), Tier::City).is_some(), "the hub takes nothing in");
}

#[test]
fn what_a_village_decides_on_the_spot_a_window_decides_too_and_its_letter_is_asked_for() {
    let item = PACK.items[&"med_reg".parse().unwrap()].clone();
    let (network, case) = (network(), CaseNo::make(&"t-1".parse().unwrap(), NOON.day(), 3));
    let window = on_duty(actor(Tier::Town, None), StageKind::Decision);
    let opening = Opening { case, item: &item, release: 1, bundle: None };
    let refused = decide::capture(opening, Submission::default(), &window, &network, NOON).unwrap_err();
    assert!(
        matches!(refused, Refusal::Faulty(faults) if faults.len() > 2),
        "the form is checked as anywhere"
    );
    let dossier = opened_at(&item, vec![], Tier::Town).after;
    let grant = || Command::Decide {
        stage: id("decide"),
        outcome: Outcome::Granted,
        text: "符合".into(),
        article: None,
        licence: None,
    };
    let act = decide(&dossier, &item, &network, &window, grant(), NOON).unwrap();
    let decision = act.after.decision.clone().unwrap();
    assert!(decision.delegation.is_some(), "I18");
    let timers = clock::timers(&item, &act.after, Receipts::default());
    let delivery = timers.iter().find(|timer| timer.kind == TimerKind::Delivery).unwrap();
    assert_eq!(delivery.anchor, NOON.day(), "the town's clock needs nobody's receipt");
    let stranger = decide::Actor { officer: "nobody".into(), ..window };
    let refused = decide::decide(&dossier, &desk(&item, &network), &stranger, grant(), NOON).unwrap_err();
    assert!(matches!(refused, Refusal::NoDelegation { .. }), "{refused:?}");
}
