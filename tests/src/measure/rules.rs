//! What the rules cost without a disk: catalogue, decisions, supervision.

use super::round;
use domain::CaseNo;
use domain::clock;
use domain::delegation::{Delegate, Delegations};
use domain::dossier::Dossier;
use domain::dossier::decide::{self, Actor, Command, Desk, NoSeal, Opening};
use domain::network::{Network, NodeRecord, Tier};
use domain::pack::{CityPack, kaili_pieces};
use domain::supervision;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::Instant;
use testkit::dice::MONDAY;

fn network() -> Network {
    let mut network = Network::default();
    for (id, tier, parent) in
        [("hub", Tier::City, None), ("t-1", Tier::Town, Some("hub")), ("v-1", Tier::Village, Some("t-1"))]
    {
        network.insert(NodeRecord::first(
            id.parse().unwrap(),
            tier,
            parent.map(|parent| parent.parse().unwrap()),
            "522601",
            id,
            "",
        ));
    }
    network
}

fn actor(node: &str, tier: Tier) -> Actor {
    Actor { node: node.parse().unwrap(), tier, officer: node.into(), body: None }
}

/// A food-business licence, captured and passed on to the town.
fn captured(pack: &CityPack, network: &Network, number: u64) -> Dossier {
    let item = &pack.items[&"food".parse().unwrap()];
    let mut dice = StdRng::seed_from_u64(number);
    let form = testkit::fill(item, &testkit::applicants()[..200], MONDAY.day(), &mut dice);
    let attachments = domain::plan::asked_materials(item, &form, MONDAY.day())
        .into_iter()
        .map(|material| domain::dossier::Attachment {
            material: material.id.clone(),
            hash: "0".repeat(64),
            bytes: 1,
            mime: "image/jpeg".into(),
        })
        .collect();
    let submission = domain::dossier::Submission { form: form.into(), attachments, ..Default::default() };
    let village = actor("v-1", Tier::Village);
    let case = CaseNo::make(&village.node, MONDAY.day(), number);
    decide::capture(Opening { case, item, release: 1, bundle: None }, submission, &village, network, MONDAY)
        .unwrap()
        .after
}

/// Catalogue load; commands decided and folded a second; supervision over 100,000 running cases.
pub fn rules() -> Vec<Value> {
    let pieces = kaili_pieces();
    let started = Instant::now();
    let pack = CityPack::parse(&pieces).unwrap();
    let load = started.elapsed().as_secs_f64() * 1000.0;
    let started = Instant::now();
    for text in pieces.values().filter(|text| text.starts_with(['{', '['])) {
        black_box(serde_json::from_str::<Value>(text).unwrap());
    }
    let parse = started.elapsed().as_secs_f64() * 1000.0;

    let network = network();
    let item = pack.items[&"food".parse().unwrap()].clone();
    let dossier = captured(&pack, &network, 1);
    let (town, day) = (actor("t-1", Tier::Town), MONDAY.day());
    let person = testkit::letters::Person {
        at: Delegate { node: town.node.clone(), officer: town.officer.clone() },
        tier: Tier::Town,
        body: None,
    };
    let mut delegations = Delegations::default();
    let (from, to) = (day.plus_days(-1), day.plus_days(1));
    testkit::letters::for_everybody(&pack, &[person], "委", from, to)
        .into_iter()
        .for_each(|letter| delegations.insert(letter));
    let (form, waiting) = (domain::form::Form::new(), domain::bundle::Waiting::default());
    let desk = Desk {
        item: &item,
        network: &network,
        calendar: &pack.calendar,
        delegations: &delegations,
        receipts: clock::Receipts::all_on(day),
        breached: None,
        doubt: None,
        waiting: &waiting,
        form: &form,
        press: &NoSeal,
    };
    let rounds = 50_000;
    let started = Instant::now();
    for _ in 0..rounds {
        let stage = "town".parse().unwrap();
        let command = Command::Complete { stage, agrees: true, opinion: "齐".into(), officers: vec![] };
        black_box(decide::decide(&dossier, &desk, &town, command, MONDAY).unwrap());
    }
    let decided = f64::from(rounds) / started.elapsed().as_secs_f64();
    let started = Instant::now();
    for _ in 0..rounds {
        black_box(dossier.clone());
    }
    let cloned = f64::from(rounds) / started.elapsed().as_secs_f64();

    let states: Vec<String> =
        (0..100).map(|number| serde_json::to_string(&captured(&pack, &network, number)).unwrap()).collect();
    let cases = 100_000;
    let each = || states.iter().cycle().take(cases);
    let started = Instant::now();
    for state in each() {
        black_box(serde_json::from_str::<Dossier>(state).unwrap());
    }
    let read = started.elapsed().as_secs_f64();
    let started = Instant::now();
    let mut near = 0;
    for (index, state) in each().enumerate() {
        let dossier: Dossier = serde_json::from_str(state).unwrap();
        let today = day.plus_days((index % 8) as i32);
        let rules = (&pack.supervision, &pack.calendar);
        near += usize::from(supervision::may_have_findings(
            rules.0,
            &item,
            &dossier,
            clock::Receipts::all_on(day),
            rules.1,
            today,
        ));
        black_box(clock::next_due(
            &clock::timers(&item, &dossier, clock::Receipts::all_on(day)),
            &pack.calendar,
        ));
    }
    let scanned = started.elapsed().as_secs_f64();
    vec![
        json!({ "what": "catalogue load, 64 items", "value": round(load), "unit": "ms", "floor": round(parse),
            "floor_is": "the same texts parsed as JSON", "ratio": round(load / parse) }),
        json!({ "what": "commands decided and folded", "value": round(decided), "unit": "commands/s", "floor": round(cloned),
            "floor_is": "the dossier copied", "ratio": round(decided / cloned) }),
        json!({ "what": "supervision of 100,000 running cases", "value": round(scanned), "unit": "s", "cases_near_a_limit": near,
            "floor": round(read), "floor_is": "the cases read from JSON", "ratio": round(scanned / read) }),
    ]
}
