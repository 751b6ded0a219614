//! `town-node`: the town's service centre.

use std::process::ExitCode;

fn main() -> ExitCode {
    town_node::cli::main()
}
