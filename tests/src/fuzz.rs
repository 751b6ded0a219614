//! What comes from outside, made worse: every decoder is fed with spoilt copies of real input.
//!
//! A [`Target`] takes any bytes and must neither panic nor lose what it holds. `tests/tests/fuzz.rs` feeds each for a bounded
//! number of rounds from a seed; `tests/fuzz.sh` lets libFuzzer look for new paths as long as one likes. What either finds is put
//! into `tests/corpus/TARGET/` and is fed first from then on.

mod api;
mod mutate;
mod nodes;
pub use nodes::look_back;
mod pack;
mod trusted;
mod wire;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use std::path::PathBuf;

/// One decoder.
pub struct Target {
    pub name: &'static str,
    /// Takes anything. Panics when something is broken.
    pub feed: fn(&[u8]),
    /// Real input.
    pub samples: fn() -> Vec<Vec<u8>>,
    /// How many spoilt inputs the test run feeds: the slow ones fewer.
    pub rounds: u64,
}

pub static TARGETS: [Target; 8] = [
    Target { name: "frames", feed: wire::frames, samples: wire::sample_frames, rounds: 20_000 },
    Target { name: "session", feed: wire::session, samples: wire::sample_talk, rounds: 4_000 },
    Target { name: "trusted", feed: trusted::feed, samples: trusted::samples, rounds: 20_000 },
    Target { name: "pack", feed: pack::feed, samples: pack::samples, rounds: 400 },
    Target { name: "bag", feed: nodes::bag, samples: nodes::sample_bags, rounds: 600 },
    Target { name: "pages", feed: nodes::pages, samples: nodes::sample_pages, rounds: 1_500 },
    Target { name: "form", feed: pack::form, samples: pack::sample_forms, rounds: 3_000 },
    Target { name: "api", feed: api::feed, samples: api::samples, rounds: 3_000 },
];

impl Target {
    pub fn named(name: &str) -> Option<&'static Target> {
        TARGETS.iter().find(|target| target.name == name)
    }

    /// What was found before, and real input.
    pub fn corpus(&self) -> Vec<Vec<u8>> {
        let folder = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/corpus")).join(self.name);
        let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
            .map(|folder| folder.filter_map(|file| Some(file.ok()?.path())).collect())
            .unwrap_or_default();
        files.sort();
        let found = files.into_iter().map(|file| std::fs::read(file).unwrap());
        found.chain((self.samples)()).collect()
    }

    /// Feeds the corpus and then `rounds` spoilt copies of it. `noted` is told every input before it is fed.
    pub fn run(&self, seed: u64, rounds: u64, mut noted: impl FnMut(&[u8])) {
        let corpus = self.corpus();
        assert!(!corpus.is_empty(), "{}: nothing to begin with", self.name);
        for input in &corpus {
            noted(input);
            (self.feed)(input);
        }
        let mut dice = StdRng::seed_from_u64(seed);
        for _ in 0..rounds {
            let mut input = corpus.choose(&mut dice).unwrap().clone();
            for _ in 0..dice.random_range(1..6) {
                mutate::spoil(&mut input, &corpus, &mut dice);
            }
            noted(&input);
            (self.feed)(&input);
        }
    }
}
