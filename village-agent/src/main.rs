//! `village-agent`: the village's proxy officer.

use std::process::ExitCode;

fn main() -> ExitCode {
    village_agent::cli::main()
}
