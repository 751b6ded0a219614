//! Walks through whole items, as village, town and hub would together.

use super::decide::{Act, Actor, Command, Desk, Refusal};
use super::walk_tests::walk;
use super::*;
use crate::catalogue::{Item, Stage, StageKind};
use crate::delegation::{Delegate, Delegations, Letter, Power};
use crate::delivery::{Channel, Proof, ProofKind};
use crate::duty::Duty;
use crate::network::{Network, NodeRecord, Tier};
use crate::pack::{CityPack, kaili_pieces};
use crate::plan;
use std::sync::{Arc, LazyLock};

pub(crate) static PACK: LazyLock<CityPack> = LazyLock::new(|| CityPack::parse(&kaili_pieces()).unwrap());

pub(crate) fn network() -> Network {
    let mut network = Network::default();
    for (id, tier, parent) in
        [("hub", Tier::City, None), ("t-1", Tier::Town, Some("hub")), ("v-1", Tier::Village, Some("t-1"))]
    {
        network.insert(NodeRecord::first(
            id.parse().unwrap(),
            tier,
            parent.map(|p| p.parse().unwrap()),
            "522601",
            id,
            "",
        ));
    }
    network
}
pub(crate) fn actor(tier: Tier, body: Option<&crate::OrgId>) -> Actor {
    let node = match tier {
        Tier::Village => "v-1",
        Tier::Town => "t-1",
        Tier::City => "hub",
    };
    let house = body.map_or(node, |body| body.as_str());
    Actor { node: node.parse().unwrap(), tier, officer: format!("{house}-officer"), body: body.cloned() }
}
/// The person of a house for a stage: three of them share the duties of a case.
pub(crate) fn on_duty(actor: Actor, kind: StageKind) -> Actor {
    match Duty::of(kind) {
        Some(Duty::Handle) | None => actor,
        Some(duty) => Actor { officer: format!("{}-{duty:?}", actor.officer), ..actor },
    }
}
pub(crate) const NOON: Timestamp = Timestamp::from_ms(1_795_400_000_000);

/// Opens a case of `item` without checking the form: these tests are about the way, not the papers.
pub(crate) fn opened(item: &Item, skipped: Vec<StageId>) -> Act {
    opened_at(item, skipped, Tier::Village)
}

/// The same, taken in by the village or by the window of its town.
pub(crate) fn opened_at(item: &Item, skipped: Vec<StageId>, intake: Tier) -> Act {
    let node = actor(intake, None).node;
    let closes = item.stages.iter().filter(|s| s.kind.is_capture()).map(|s| s.id.clone()).collect();
    let submission = Submission { skipped, closes, ..Submission::default() };
    let case = CaseNo::make(&node, NOON.day(), 7);
    let (id, bundle) = (item.id.clone(), None);
    let page = Page {
        case,
        no: 1,
        term: 1,
        at: NOON,
        officer: "v".into(),
        delegation: None,
        body: PageBody::Captured(Captured { item: id, release: 1, submission, bundle, intake }),
    };
    let after = Dossier::open(&page, &node).unwrap();
    let mut act = Act { pages: vec![page], ..Act::on(&after) };
    let tier = plan::next_tier(item, &act.after, intake).unwrap();
    if tier != intake {
        let to = network().responsible(&act.after.origin, tier).unwrap().clone();
        let page = Page { no: 2, body: PageBody::HandedOver { to }, ..act.pages[0].clone() };
        assert_eq!(act.after.apply(&page, &node, false), Verdict::Applied);
        act.pages.push(page);
    }
    act
}

pub(crate) fn decide(
    dossier: &Dossier,
    item: &Item,
    network: &Network,
    actor: &Actor,
    command: Command,
    now: Timestamp,
) -> Result<Act, Refusal> {
    super::decide::decide(dossier, &desk(item, network), actor, command, now)
}

/// A desk on which nothing is in the way.
pub(crate) fn desk<'a>(item: &'a Item, network: &'a Network) -> Desk<'a> {
    Desk {
        item,
        network,
        calendar: &PACK.calendar,
        delegations: &LETTERS,
        receipts: Default::default(),
        breached: None,
        doubt: None,
        waiting: &NOTHING,
        form: &NO_FORM,
        press: &super::decide::NoSeal,
    }
}

static NOTHING: LazyLock<crate::bundle::Waiting> = LazyLock::new(Default::default);
static NO_FORM: LazyLock<crate::form::Form> = LazyLock::new(Default::default);

/// Every body lets its people, and those of town and village, do everything this year.
static LETTERS: LazyLock<Delegations> = LazyLock::new(|| {
    let mut all = Delegations::default();
    for body in PACK.orgs.keys() {
        let house = body.as_str();
        let houses =
            [("hub", house), ("hub", "hub"), ("t-1", house), ("t-1", "t-1"), ("v-1", house), ("v-1", "v-1")];
        let people = houses.iter().flat_map(|(node, house)| {
            let names = ["-officer", "-officer-Review", "-officer-Approve", "-1", "-2", "-3", "-head"];
            let names = names.map(|duty| format!("{house}{duty}"));
            names.map(|officer| Delegate { node: node.parse().unwrap(), officer })
        });
        all.insert(Letter {
            number: format!("{body}-1"),
            body: body.clone(),
            delegates: people
                .chain([Delegate { node: "hub".parse().unwrap(), officer: "other".into() }])
                .collect(),
            items: Default::default(),
            powers: Power::ALL.into(),
            area: "522601".into(),
            from: "2026-01-01".parse().unwrap(),
            to: "2027-12-31".parse().unwrap(),
            signed_by: "负责人".into(),
        });
    }
    all
});

fn licence(dossier: &Dossier) -> Licence {
    Licence {
        number: "1.2.3".parse().unwrap(),
        kind: "x".into(),
        name: "x".into(),
        holder: dossier.applicant.clone(),
        issuer: "mz".into(),
        issued_on: NOON.day(),
    }
}

/// Does the ready stage number `choice` the way its officer would; returns what was written.
pub(crate) fn step(item: &Item, dossier: &Dossier, choice: usize, outcome: Outcome) -> Option<Act> {
    let network = network();
    let tier = network.get(&dossier.holder).unwrap().tier;
    let mut dossier = dossier.clone();
    let here = |stage: &&Stage| plan::is_done_here(stage, &dossier, tier);
    let ready: Vec<_> = plan::ready_stages(item, &dossier).into_iter().filter(here).cloned().collect();
    let Some(stage) = ready.get(choice % ready.len().max(1)) else {
        let waiting = item.stages.iter().find(|stage| stage.trigger.is_some())?;
        let known = dossier.slips.iter().any(|slip| Some(&slip.kind) == waiting.trigger.as_ref());
        if !known && !plan::is_finished(item, &dossier) {
            let (id, kind) = (EntryId([1; 16]), waiting.trigger.clone().unwrap());
            let (case, by) = (dossier.case.clone(), dossier.origin.clone());
            dossier.add_slip(Slip::plain(id, case, &kind, String::new(), by, NOON));
            return step(item, &dossier, choice, outcome);
        }
        return None;
    };
    let actor = on_duty(actor(tier, stage.bodies.first()), stage.kind);
    let id = stage.id.clone();
    if stage.kind == StageKind::JointInspection {
        let (case, by) = (dossier.case.clone(), dossier.origin.clone());
        dossier.add_slip(Slip::plain(
            EntryId([2; 16]),
            case,
            crate::inspection::CHOICE,
            format!("{} 09:30", NOON.day()),
            by,
            NOON,
        ));
    }
    let dossier_before = dossier.clone();
    let mut act = Act::on(&dossier);
    let claimed = dossier.stages.get(&id).and_then(|state| state.claimed_by.as_ref());
    if tier == Tier::City && claimed.is_none() {
        act = decide(&act.after, item, &network, &actor, Command::Claim { stage: id.clone() }, NOON).unwrap();
    }
    let mut done = |who: &Actor, command: Command, at: Timestamp| {
        let next = decide(&act.after, item, &network, who, command, at).unwrap();
        act.pages.extend(next.pages);
        act.after = next.after;
    };
    let licence = Some(licence(&dossier_before));
    let complete = |officers: &[&str]| Command::Complete {
        stage: id.clone(),
        agrees: true,
        opinion: "同意".into(),
        officers: officers.iter().map(|name| (*name).into()).collect(),
    };
    match stage.kind {
        StageKind::Decision => {
            let article = Some("条款".to_owned());
            done(&actor, Command::Decide { stage: id, outcome, text: "依据".into(), article, licence }, NOON);
        }
        StageKind::Issue => done(&actor, Command::Issue { stage: id, licence, opinion: String::new() }, NOON),
        StageKind::Deliver => done(&actor, handed_over(id), NOON),
        StageKind::Publicity => {
            done(&actor, Command::Post { stage: id.clone(), place: "村务公开栏".into() }, NOON);
            done(&actor, complete(&[]), NOON.plus_ms(60 * 86_400_000));
        }
        StageKind::Hearing => {
            let on = NOON.day().plus_days(7);
            done(&actor, Command::NoticeHearing { stage: id.clone(), on, place: "一楼听证室".into() }, NOON);
            let held = Command::HoldHearing { stage: id.clone(), record: "笔录一份".into() };
            done(&actor, held, NOON.plus_ms(7 * 86_400_000));
            done(&actor, complete(&[]), NOON.plus_ms(7 * 86_400_000));
        }
        StageKind::JointInspection => visit(stage, &actor, &mut done),
        _ => done(&actor, complete(&["甲", "乙"]), NOON),
    }
    Some(act)
}

/// A joint inspection from the proposal to the report; the citizen has chosen the first time in `step`.
fn visit(stage: &crate::catalogue::Stage, lead: &Actor, done: &mut impl FnMut(&Actor, Command, Timestamp)) {
    let id = stage.id.clone();
    let slots = vec![crate::inspection::Slot { day: NOON.day(), time: "09:30".into() }];
    done(lead, Command::ProposeInspection { stage: id.clone(), slots }, NOON);
    let of = |body| on_duty(actor(stage.tier, Some(body)), stage.kind);
    for body in &stage.bodies {
        done(
            &of(body),
            Command::ConfirmInspection { stage: id.clone(), body: Some(body.clone()), slots: vec![0] },
            NOON,
        );
    }
    done(lead, Command::FixInspection { stage: id.clone(), slot: 0 }, NOON);
    let officers = vec!["甲".to_owned(), "乙".to_owned()];
    let held = Command::HoldInspection { stage: id.clone(), officers, absent: vec![] };
    done(lead, held, NOON);
    for body in &stage.bodies {
        let (text, body_named) = ("符合".into(), Some(body.clone()));
        let found = Command::FindInspection { stage: id.clone(), body: body_named, passed: true, text };
        done(&of(body), found, NOON);
    }
    let report = Command::Complete { stage: id, agrees: true, opinion: "符合".into(), officers: vec![] };
    done(lead, report, NOON);
}

pub(crate) fn handed_over(stage: StageId) -> Command {
    let proof = Proof { kind: ProofKind::Signature, text: "签名".into() };
    Command::Deliver { stage, receiver: "本人".into(), channel: Channel::Proxy, proof }
}

#[test]
fn every_item_of_the_catalogue_reaches_its_end_granted_and_refused() {
    for item in PACK.items.values() {
        for outcome in [Outcome::Granted, Outcome::Refused] {
            let (dossier, pages) = walk(item, &[0], outcome, vec![]);
            assert!(
                plan::is_finished(item, &dossier),
                "{}: {:?}",
                item.id,
                plan::ready_stages(item, &dossier)
            );
            assert_eq!(dossier.status(), Status::Delivered, "{}", item.id);
            assert_eq!(dossier.decision.as_ref().unwrap().outcome, outcome);
            let should_have = outcome == Outcome::Granted && item.result.licence.is_some();
            assert_eq!(dossier.licence.is_some(), should_have, "{}", item.id);
            let decisions =
                pages.iter().filter(|(page, _)| matches!(page.body, PageBody::Decided { .. })).count();
            assert_eq!(decisions, 1, "I16: {}", item.id);
            let beyond_village = item.stages.iter().any(|s| s.tier != Tier::Village);
            assert_eq!(dossier.accepted.is_some(), beyond_village, "{}", item.id);
        }
    }
}

#[test]
fn conditional_stages_are_left_out() {
    let item = PACK.items[&"zhaijidi".parse().unwrap()].clone();
    let form = serde_json::json!({"land_type": "建设用地"});
    let skipped = plan::skipped_stages(&item, form.as_object().unwrap(), NOON.day());
    assert_eq!(skipped.iter().map(StageId::as_str).collect::<Vec<_>>(), ["rev_ly", "convert"]);
    let (dossier, _) = walk(&item, &[0], Outcome::Granted, skipped);
    assert!(!dossier.stages.contains_key(&"convert".parse().unwrap()));
    assert!(
        dossier.stages.contains_key(&"final".parse().unwrap()),
        "the applicant's notice lets the last visit happen"
    );
}

fn food_at_hub() -> (Arc<Item>, Dossier) {
    let item = PACK.items[&"food".parse().unwrap()].clone();
    let mut dossier = opened(&item, vec![]).after;
    for _ in 0..2 {
        dossier = step(&item, &dossier, 0, Outcome::Granted).unwrap().after;
    }
    (item, dossier)
}

#[test]
fn wrong_acts_are_refused_and_say_what_would_be_right() {
    let (item, dossier) = food_at_hub();
    let network = network();
    let sj: crate::OrgId = "sj".parse().unwrap();
    let try_as = |who: &Actor, command: Command| {
        decide(&dossier, &item, &network, who, command, NOON).map(|act| act.after)
    };
    let claim = |stage: &str| Command::Claim { stage: stage.parse().unwrap() };
    let mz = "mz".parse().unwrap();
    assert!(matches!(try_as(&actor(Tier::Town, None), claim("review")), Err(Refusal::HeldElsewhere { .. })));
    assert!(matches!(try_as(&actor(Tier::City, Some(&mz)), claim("review")), Err(Refusal::OtherBody { .. })));
    assert!(matches!(try_as(&actor(Tier::City, Some(&sj)), claim("decide")), Err(Refusal::NotReady { .. })));
    let unclaimed = Command::Complete {
        stage: "review".parse().unwrap(),
        agrees: true,
        opinion: String::new(),
        officers: vec![],
    };
    assert!(matches!(
        try_as(&actor(Tier::City, Some(&sj)), unclaimed.clone()),
        Err(Refusal::NotClaimed { .. })
    ));
    let claimed = try_as(&actor(Tier::City, Some(&sj)), claim("review")).unwrap();
    let other = Actor { officer: "other".into(), ..actor(Tier::City, Some(&sj)) };
    assert!(matches!(
        decide(&claimed, &item, &network, &other, unclaimed, NOON),
        Err(Refusal::ClaimedBy { .. })
    ));
    assert!(matches!(
        decide(&claimed, &item, &network, &other, claim("review"), NOON),
        Err(Refusal::ClaimedBy { .. })
    ));
}

#[test]
fn an_objection_leaves_only_a_refusal() {
    let (item, mut dossier) = food_at_hub();
    let sj = actor(Tier::City, Some(&"sj".parse().unwrap()));
    let act = |dossier: &Dossier, command| decide(dossier, &item, &network(), &sj, command, NOON);
    for (stage, agrees) in [("review", true), ("inspect", false)] {
        dossier = act(&dossier, Command::Claim { stage: stage.parse().unwrap() }).unwrap().after;
        let opinion = "现场不符合要求".to_owned();
        let officers = vec!["甲".to_owned(), "乙".to_owned()];
        let done = Command::Complete { stage: stage.parse().unwrap(), agrees, opinion, officers };
        dossier = act(&dossier, done).unwrap().after;
    }
    let stage: StageId = "decide".parse().unwrap();
    let claim = Command::Claim { stage: stage.clone() };
    assert!(
        matches!(act(&dossier, claim).unwrap_err(), Refusal::OtherDuty { .. }),
        "who reviewed does not approve"
    );
    let head = on_duty(sj.clone(), StageKind::Decision);
    let act = |dossier: &Dossier, command| decide(dossier, &item, &network(), &head, command, NOON);
    dossier = act(&dossier, Command::Claim { stage: stage.clone() }).unwrap().after;
    let decision = |outcome, text: &str| Command::Decide {
        stage: stage.clone(),
        outcome,
        text: text.into(),
        article: (text != "现场").then(|| "食品安全法第三十三条".into()),
        licence: None,
    };
    assert_eq!(act(&dossier, decision(Outcome::Refused, "现场")).unwrap_err(), Refusal::NoArticle);
    assert_eq!(act(&dossier, decision(Outcome::Granted, "x")).unwrap_err(), Refusal::MustRefuse);
    assert_eq!(act(&dossier, decision(Outcome::Refused, " ")).unwrap_err(), Refusal::NoReason);
    let refused = act(&dossier, decision(Outcome::Refused, "现场不符合要求")).unwrap().after;
    assert_eq!((refused.status(), refused.holder.as_str()), (Status::Refused, "v-1"));
}

#[test]
fn a_returned_case_goes_back_with_all_its_faults_and_comes_again_mended() {
    let item = PACK.items[&"food".parse().unwrap()].clone();
    let dossier = opened(&item, vec![]).after;
    let town = actor(Tier::Town, None);
    let fault =
        crate::form::FormFault { field: "m1".into(), label: "申请书".into(), reason: "未签字".into() };
    let stage: StageId = "town".parse().unwrap();
    let empty = Command::Return { stage: stage.clone(), faults: vec![], again: None };
    assert_eq!(decide(&dossier, &item, &network(), &town, empty, NOON).unwrap_err(), Refusal::NoReason);
    let back = Command::Return { stage, faults: vec![fault], again: None };
    let returned = decide(&dossier, &item, &network(), &town, back, NOON).unwrap().after;
    assert_eq!((returned.status(), returned.holder.as_str()), (Status::Returned, "v-1"));
    assert!(plan::ready_stages(&item, &returned).is_empty());
    let empty = Submission::default();
    let village = actor(Tier::Village, None);
    let again = decide(&returned, &item, &network(), &village, Command::Resubmit(empty), NOON);
    assert!(matches!(again, Err(Refusal::Faulty(faults)) if faults.len() > 5));
}

#[test]
fn a_recall_makes_the_lost_holders_later_pages_late() {
    let item = PACK.items[&"weifang".parse().unwrap()].clone();
    let dossier = opened(&item, vec![]).after;
    let hub = actor(Tier::City, None);
    let village = actor(Tier::Village, None);
    assert_eq!(
        decide(&dossier, &item, &network(), &village, Command::Recall, NOON).unwrap_err(),
        Refusal::NotSuperior
    );
    let recalled = decide(&dossier, &item, &network(), &hub, Command::Recall, NOON).unwrap();
    let town_page = step(&item, &dossier, 0, Outcome::Granted).unwrap().pages[0].clone();
    // Whichever of the two arrives first, the end is the same (I10).
    let mut one = dossier.clone();
    assert_eq!(one.apply(&recalled.pages[0], &hub.node, true), Verdict::Applied);
    assert_eq!(one.apply(&town_page, &"t-1".parse().unwrap(), false), Verdict::Late);
    let mut two = dossier.clone();
    assert_eq!(two.apply(&town_page, &"t-1".parse().unwrap(), false), Verdict::Applied);
    assert_eq!(two.apply(&recalled.pages[0], &hub.node, true), Verdict::Rewind { keep: dossier.pages });
}

#[test]
fn after_a_recall_the_superior_does_what_the_lost_node_would_have_done() {
    let item = PACK.items[&"weifang".parse().unwrap()].clone();
    let dossier = opened(&item, vec![]).after;
    let hub = actor(Tier::City, None);
    let mut dossier = decide(&dossier, &item, &network(), &hub, Command::Recall, NOON).unwrap().after;
    for _ in 0..20 {
        let ready = plan::ready_stages(&item, &dossier);
        let Some(stage) = ready.first().map(|stage| (*stage).clone()) else { break };
        assert_eq!(dossier.holder.as_str(), "hub", "nothing goes back to a node that is lost");
        let hub = on_duty(actor(Tier::City, stage.bodies.first()), stage.kind);
        let id = stage.id.clone();
        let command = match stage.kind {
            StageKind::Decision => Command::Decide {
                stage: id.clone(),
                outcome: Outcome::Granted,
                text: "准予".into(),
                article: None,
                licence: None,
            },
            StageKind::Deliver => handed_over(id.clone()),
            _ => {
                let (opinion, officers) = (String::new(), vec![]);
                Command::Complete { stage: id.clone(), agrees: true, opinion, officers }
            }
        };
        let mut does = |command: Command, at: Timestamp| {
            dossier = decide(&dossier, &item, &network(), &hub, command, at).unwrap().after;
        };
        does(Command::Claim { stage: id.clone() }, NOON);
        let publicity = stage.kind == StageKind::Publicity;
        if publicity {
            does(Command::Post { stage: id, place: "村务公开栏".into() }, NOON);
        }
        does(command, if publicity { NOON.plus_ms(30 * 86_400_000) } else { NOON });
    }
    assert_eq!(dossier.status(), Status::Delivered);
}

#[test]
fn of_two_recalls_at_once_the_higher_stands_in_either_order() {
    let item = PACK.items[&"dibao".parse().unwrap()].clone();
    let dossier = Dossier { holder: "v-1".parse().unwrap(), ..opened(&item, vec![]).after };
    let (town, hub) = (actor(Tier::Town, None), actor(Tier::City, None));
    let recall = |who: &Actor| {
        decide(&dossier, &item, &network(), who, Command::Recall, NOON).unwrap().pages[0].clone()
    };
    let (by_town, by_hub) = (recall(&town), recall(&hub));
    let mut one = dossier.clone();
    assert_eq!(one.apply(&by_hub, &hub.node, true), Verdict::Applied);
    assert_eq!(
        one.apply(&by_town, &town.node, false),
        Verdict::Late,
        "the town does not stand above the hub"
    );
    let mut two = dossier.clone();
    assert_eq!(two.apply(&by_town, &town.node, true), Verdict::Applied);
    assert_eq!(two.apply(&by_hub, &hub.node, true), Verdict::Rewind { keep: dossier.pages });
    assert_eq!(one.holder.as_str(), "hub");
}

#[test]
fn a_village_cannot_write_what_only_the_city_may_decide() {
    let item = PACK.items[&"food".parse().unwrap()].clone();
    let (dossier, pages) = walk(&item, &[0], Outcome::Granted, vec![]);
    let licence = licence(&dossier);
    let decided = pages.iter().find(|(page, _)| matches!(page.body, PageBody::Decided { .. })).unwrap();
    for body in [
        &decided.0.body,
        &PageBody::Accepted { on: NOON.day(), lacking: vec![] },
        &PageBody::Issued { licence },
    ] {
        assert!(plan::overreach(&item, body, Tier::Village).is_some(), "I18: {body:?}");
    }
    for (page, writer) in &pages {
        let tier = network().get(writer).unwrap().tier;
        assert_eq!(plan::overreach(&item, &page.body, tier), None, "{page:?}");
    }
    // Nor by a page at a stage of another kind, which would pass by whoever decides there.
    let stage = |id: &str| id.parse::<StageId>().unwrap();
    let PageBody::Decided { outcome, text, article, .. } = decided.0.body.clone() else { unreachable!() };
    let elsewhere = PageBody::Decided { stage: stage("deliver"), outcome, text, article };
    assert!(plan::overreach(&item, &elsewhere, Tier::Village).is_some());
    let done = |id: &str| {
        let (opinion, officers) = (String::new(), Vec::new());
        PageBody::StageDone { stage: stage(id), agrees: true, opinion, officers }
    };
    assert!(plan::overreach(&item, &done("decide"), Tier::City).is_some(), "a decision is not skipped");
    assert!(plan::overreach(&item, &done("deliver"), Tier::Village).is_some(), "nor a delivery");
    let originals = PageBody::OriginalsChecked { stage: stage("intake"), materials: vec![] };
    assert!(plan::overreach(&item, &originals, Tier::Village).is_some());
    let all = item.stages.iter().map(|stage| stage.id.clone()).collect();
    let greedy = Submission { closes: all, ..Submission::default() };
    assert!(plan::overreach(&item, &PageBody::Resubmitted(greedy), Tier::Village).is_some());
}

/// Only the holder writes; whoever else does is refused, and the same page by the holder still stands after it.
#[test]
fn a_page_by_somebody_who_does_not_hold_the_dossier_is_refused() {
    let act = opened(&PACK.items[&"food".parse().unwrap()], vec![]);
    let mut dossier = act.after;
    let no = dossier.pages + 1;
    let next = Page { no, body: PageBody::HandedOver { to: "hub".parse().unwrap() }, ..act.pages[0].clone() };
    for stranger in ["v-1", "hub"] {
        let verdict = dossier.clone().apply(&next, &stranger.parse().unwrap(), stranger == "hub");
        assert_eq!(verdict, Verdict::Refused("its writer does not hold the dossier"));
    }
    let holder = dossier.holder.clone();
    assert_eq!(dossier.apply(&next, &holder, false), Verdict::Applied);
}
