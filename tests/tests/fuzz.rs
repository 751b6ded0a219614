//! Every decoder against spoilt copies of real input, for a bounded number of rounds. A failure prints its seed and leaves the input
//! in `target/fuzz-finds`; put into `tests/corpus/TARGET/` it is fed first from then on. `tests/fuzz.sh` looks longer.

#![allow(clippy::unwrap_used)]

use peak_alloc::PeakAlloc;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Mutex, PoisonError};
use tests::fuzz::Target;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// What one input may cost in memory: limits stand before allocation (I39).
const BYTES_MAX: usize = 64 << 20;
/// A log-in at a village costs so much on purpose: the slot in its keyring (docs/decisions/0010).
const LOGIN_BYTES: usize = 64 << 20;
const SEED: u64 = 20_261_126;

/// One target at a time, so that what is measured is its own.
static ALONE: Mutex<()> = Mutex::new(());

fn run(name: &str) {
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let target = Target::named(name).unwrap();
    let most = if name == "api" { BYTES_MAX + LOGIN_BYTES } else { BYTES_MAX };
    println!("{name}: seed {SEED}");
    let (mut last, mut before) = (Vec::new(), None);
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        target.run(SEED, target.rounds, |input| {
            if let Some(before) = before {
                let cost = MEMORY.peak_usage().saturating_sub(before);
                assert!(cost < most, "I39: the input before this one took {} MiB", cost >> 20);
            }
            last = input.to_vec();
            MEMORY.reset_peak_usage();
            before = Some(MEMORY.current_usage());
        });
    }));
    if let Err(panic) = outcome {
        let folder = format!("{}/../target/fuzz-finds/{name}", env!("CARGO_MANIFEST_DIR"));
        std::fs::create_dir_all(&folder).unwrap();
        let path = format!("{folder}/{}", &blake3::hash(&last).to_hex()[..16]);
        std::fs::write(&path, &last).unwrap();
        eprintln!("{name}: seed {SEED}: the input is in {path}");
        resume_unwind(panic);
    }
}

#[test]
fn frames_that_are_no_frames_are_refused() {
    run("frames");
}

#[test]
fn a_peer_that_says_anything_ends_its_own_conversation_only() {
    run("session");
}

#[test]
fn certificates_tokens_and_codes_that_nobody_gave_convince_nobody() {
    run("trusted");
}

#[test]
fn a_broken_city_pack_is_refused_whole() {
    run("pack");
}

#[test]
fn a_form_may_hold_anything() {
    run("form");
}

/// The three that need a whole city, one after the other, and then a look at what they left.
#[test]
fn bags_signed_pages_and_requests_of_any_kind_leave_the_nodes_whole() {
    for name in ["bag", "pages", "api"] {
        run(name);
    }
    tests::fuzz::look_back();
}
