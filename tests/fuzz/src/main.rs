//! `tongban-fuzz`: one target of `tests::fuzz`, named by the variable `TONGBAN_FUZZ`, under libFuzzer.
//! `tongban-fuzz --samples FOLDER` writes real input to begin with.

#![no_main]

use libfuzzer_sys::fuzz_target;
use std::sync::LazyLock;
use tests::fuzz::Target;

static TARGET: LazyLock<&Target> = LazyLock::new(|| {
    let name = std::env::var("TONGBAN_FUZZ").expect("TONGBAN_FUZZ names the target");
    let target = Target::named(&name).expect("a target of tests::fuzz");
    if let Ok(folder) = std::env::var("TONGBAN_FUZZ_SAMPLES") {
        for (index, sample) in target.corpus().into_iter().enumerate() {
            std::fs::write(format!("{folder}/sample-{index:05}"), sample).expect("write a sample");
        }
        std::process::exit(0);
    }
    target
});

fuzz_target!(|input: &[u8]| (TARGET.feed)(input));
