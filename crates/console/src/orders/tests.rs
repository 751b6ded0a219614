//! What a page sends is what the counter reads.

use super::*;
use crate::api::Act;
use casework::ReadyStage;
use domain::access::{Role, Roles};
use domain::dossier::decide::{self, Actor, Opening};
use domain::dossier::{Attachment, Dossier, Submission};
use domain::network::{Network, NodeRecord};
use domain::pack::{CityPack, kaili_pieces};
use domain::{CaseNo, Timestamp};
use rand::SeedableRng;
use rand::rngs::StdRng;

fn network() -> Network {
    let mut network = Network::default();
    for (id, tier, parent) in
        [("hub", Tier::City, None), ("t-1", Tier::Town, Some("hub")), ("v-1", Tier::Village, Some("t-1"))]
    {
        let parent = parent.map(|parent| parent.parse().unwrap());
        network.insert(NodeRecord::first(id.parse().unwrap(), tier, parent, "522601", id, ""));
    }
    network
}

fn captured(item: &Item) -> Dossier {
    let now = Timestamp::from_ms(1_795_744_800_000);
    let form = testkit::fill(item, &testkit::applicants(), now.day(), &mut StdRng::seed_from_u64(3));
    let paper = |material: &domain::catalogue::Material| Attachment {
        material: material.id.clone(),
        hash: "0".repeat(64),
        bytes: 1,
        mime: "image/jpeg".into(),
    };
    let attachments = domain::plan::asked_materials(item, &form, now.day()).into_iter().map(paper).collect();
    let submission = Submission { form: form.into(), attachments, ..Submission::default() };
    let node: domain::NodeId = "v-1".parse().unwrap();
    let village = Actor { node: node.clone(), tier: Tier::Village, officer: "v".into(), body: None };
    let case = CaseNo::make(&node, now.day(), 1);
    let opening = Opening { case, item, release: 1, bundle: None };
    decide::capture(opening, submission, &village, &network(), now).unwrap().after
}

fn view_of(item: &Item, dossier: Dossier) -> CaseView {
    CaseView {
        case: dossier.case.clone(),
        item_name: item.name.clone(),
        status: dossier.status(),
        status_text: "",
        ticks: Default::default(),
        ticks_text: "",
        finished: false,
        ready: Vec::new(),
        library: Default::default(),
        originals: Vec::new(),
        timers: Vec::new(),
        doubt: None,
        missing_attachments: 0,
        held_pages: 0,
        dossier,
    }
}

/// What an officer would send: what is asked filled in, what may be left out left out.
fn filled(order: &Order) -> Posted {
    let mut posted = Posted::default();
    for ask in order.asks.iter() {
        let first = ask.options.iter().map(|(value, _)| value.clone()).find(|value| !value.is_empty());
        let value = match ask.shape {
            _ if !ask.value.is_empty() => ask.value.clone(),
            _ if !ask.options.is_empty() => first.unwrap_or_default(),
            _ if !ask.required => String::new(),
            Shape::Number => "3".to_owned(),
            Shape::Day => "2026-12-10".to_owned(),
            Shape::Fen => "12.50".to_owned(),
            Shape::Slots => "2026-12-01 09:30\n2026-12-02 14:00".to_owned(),
            _ => "写明".to_owned(),
        };
        posted.fields.push((ask.name.to_owned(), value));
    }
    for (key, _) in order.faults.iter().take(1) {
        posted.fields.push((format!("fault.{key}"), "请重拍".to_owned()));
    }
    posted
}

/// Every order of every stage of the catalogue, at each desk, claimed by this officer or by somebody else.
fn every_order(mut see: impl FnMut(&Item, &Order)) {
    let pack = CityPack::parse(&kaili_pieces()).unwrap();
    let officer = Officer::of_house("wang", None, Roles::new([Role::TownWindow]));
    let due = casework::FeeLine {
        fee: "工本费".into(),
        amount_fen: 1250,
        unit: "件".into(),
        basis: String::new(),
        waive: vec!["低保户".into()],
    };
    for item in pack.items.values() {
        let dossier = captured(item);
        for stage in &item.stages {
            let ready = ReadyStage {
                stage: stage.id.clone(),
                name: stage.name.clone(),
                kind: "",
                tier: stage.tier,
                bodies: pack.orgs.keys().take(2).cloned().collect(),
            };
            for (tier, claimed, fees) in [
                (Tier::City, Some("wang"), vec![due.clone()]),
                (Tier::City, Some("wang"), Vec::new()),
                (Tier::City, Some("yang"), Vec::new()),
                (Tier::Town, None, vec![due.clone()]),
                (Tier::Town, None, Vec::new()),
            ] {
                let mut dossier = dossier.clone();
                dossier.stages.entry(stage.id.clone()).or_default().claimed_by = claimed.map(str::to_owned);
                let view = view_of(item, dossier);
                let at = At {
                    tier,
                    officer: &officer,
                    item,
                    view: &view,
                    fees: &Fees { due: fees, charged: Vec::new() },
                    body_name: &|body| body.to_string(),
                    may: &|_| true,
                };
                at.orders(&[&ready]).iter().for_each(|order| see(item, order));
            }
        }
    }
}

#[test]
fn every_order_that_is_filled_in_is_one_the_counter_reads() {
    let mut verbs = std::collections::BTreeSet::new();
    every_order(|item, order| {
        let posted = filled(order);
        let faults = order.faults_of(&posted);
        assert!(faults.is_empty(), "{} {} {}: {faults:?}", item.id, order.stage, order.verb);
        let read = Act::read(order.verb, order.body(&posted).to_string().as_bytes());
        assert!(read.is_ok(), "{} {} {}: {:?}", item.id, order.stage, order.verb, read.err());
        verbs.insert(order.verb);
    });
    for verb in
        ["complete", "charge", "decide", "issue", "deliver", "return", "not-accept", "propose-inspection"]
    {
        assert!(verbs.contains(verb), "{verb} is offered somewhere: {verbs:?}");
    }
}

#[test]
fn what_is_left_out_is_told_at_its_field_and_nothing_is_put_in_its_place() {
    let mut refusals = 0;
    every_order(|_, order| {
        if order.verb != "not-accept" {
            return;
        }
        let mut posted = Posted::default();
        posted.fields.push(("text".to_owned(), "不属于本局".to_owned()));
        let faults = order.faults_of(&posted);
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!((faults[0].field.as_str(), faults[0].reason.as_str()), ("ground", "必填"));
        // Nor does a ground that nobody offered become one.
        posted.fields.push(("ground".to_owned(), "because".to_owned()));
        assert!(Act::read(order.verb, order.body(&posted).to_string().as_bytes()).is_err());
        refusals += 1;
    });
    assert!(refusals > 0);
    let days = Ask { ..ask("days", "所需工作日", Shape::Number) };
    let mut posted = Posted::default();
    posted.fields.push(("days".to_owned(), "两周".to_owned()));
    assert_eq!(days.fault(&posted), Some("应为整数"));
}
