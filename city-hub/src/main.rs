//! `city-hub`: the city's service centre.

use std::process::ExitCode;

fn main() -> ExitCode {
    city_hub::cli::main()
}
