//! Trains the zstd dictionary of the links on simulated traffic and on captures of every item of the catalogue.
//!
//! `cargo run --release -p tests --bin train-dictionary -- crates/link/src/dictionary-N.bin`. A dictionary, once released,
//! is never changed: peers name it by its number, so a better one gets the next number.

#![allow(clippy::unwrap_used)]

use domain::dossier::{Captured, Page, PageBody, Submission};
use domain::{CaseNo, Timestamp};
use rand::rngs::StdRng;
use rand::{RngCore, SeedableRng};
use replication::Frame;
use tests::sim::{Plan, frames};

const SIZE: usize = 64 * 1024;

fn main() {
    let path = std::env::args().nth(1).expect("usage: train-dictionary FILE");
    let mut samples: Vec<Vec<u8>> = Vec::new();
    for seed in 9_001..9_009 {
        for frame in frames(Plan { cases: 40, ..Plan::week(seed) }) {
            if let Frame::Batch(batch) = frame
                && batch.runs.iter().all(|run| run.journal.channel.to_string() != "all")
            {
                samples.push(link::codec::unpacked(batch));
            }
        }
    }
    samples.extend(captures());
    samples.retain(|sample| sample.len() < 20_000);
    let dictionary = zstd::dict::from_samples(&samples, SIZE).unwrap();
    std::fs::write(&path, &dictionary).unwrap();
    println!("{} samples, {} bytes into {path}", samples.len(), dictionary.len());
}

/// Pages of every item, for the words of their forms.
fn captures() -> Vec<Vec<u8>> {
    let pack = domain::pack::CityPack::parse(&domain::pack::kaili_pieces()).unwrap();
    let people = testkit::applicants();
    let mut dice = StdRng::seed_from_u64(9_000);
    let now: Timestamp = testkit::dice::MONDAY;
    let mut samples = Vec::new();
    for item in pack.items.values() {
        for _ in 0..6 {
            let form = testkit::fill(item, &people, now.day(), &mut dice);
            let closes = vec!["intake".parse().unwrap()];
            let submission = Submission { form: form.into(), closes, ..Submission::default() };
            let case = CaseNo::make(&"v-7k3qzpam".parse().unwrap(), now.day(), dice.next_u64());
            let body = PageBody::Captured(Captured {
                item: item.id.clone(),
                release: 1,
                submission,
                bundle: None,
                intake: domain::network::Tier::Village,
            });
            let (officer, delegation) = ("officer".into(), None);
            let page = Page { case, no: 1, term: 1, at: now, officer, delegation, body };
            samples.push(serde_json::to_vec(&page).unwrap());
        }
    }
    samples
}
