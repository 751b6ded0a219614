//! The town node's command line: the common verbs and `join`.

use anyhow::Result;
use clap::{Parser, Subcommand};
use domain::network::Tier;
use domain::seams::Clock;
use runtime::SystemClock;
use runtime::config::Listen;
use std::process::ExitCode;
use tier::join::{JoinOrder, join, link_beside};
use tier::{Common, Verb};

/// 通办 town node
#[derive(Parser)]
#[command(name = "town-node", version)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: OwnVerb,
}

#[derive(Subcommand)]
enum OwnVerb {
    #[command(flatten)]
    Common(Verb),
    /// Become a node of the city with a one-use token
    Join {
        /// `host:port` of the hub's enrolment door
        url: String,
        /// The whole line that `city-hub enroll-token` printed
        #[arg(long)]
        token: String,
        /// `host:port` of the hub's link door; the port before the enrolment door's if left out
        #[arg(long)]
        parent: Option<String>,
        #[arg(long, default_value = "127.0.0.1:7010")]
        web: String,
        #[arg(long, default_value = "0.0.0.0:7011")]
        link: String,
        #[arg(long, default_value = "0.0.0.0:7012")]
        enrol: String,
    },
}

/// Runs the program and maps its end to an exit code.
pub fn main() -> ExitCode {
    tier::cli::run_program(2, run(Cli::parse()))
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let Cli { common, verb } = cli;
    match verb {
        OwnVerb::Common(verb) => tier::verbs::run(&common, verb).await,
        OwnVerb::Join { url, token, parent, web, link, enrol } => {
            let parent = parent.map_or_else(|| link_beside(&url), Ok)?;
            let listen = Listen::new(web, Some(link), Some(enrol));
            let order = JoinOrder {
                data: &common.data_dir,
                door: &url,
                token: &token,
                parent: &parent,
                listen,
                tier: Tier::Town,
                now: SystemClock.now(),
                key: None,
            };
            let config = join(order).await?;
            println!(
                "{} {} joined; next: town-node user add NAME, then town-node serve",
                config.id, config.name
            );
            Ok(ExitCode::SUCCESS)
        }
    }
}
