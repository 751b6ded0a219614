//! The village node's command line: the common verbs and `join`.

use anyhow::Result;
use casework::NewAccount;
use clap::{Parser, Subcommand};
use domain::access::Roles;
use domain::network::Tier;
use domain::seams::Clock;
use runtime::config::Listen;
use runtime::{OsRandom, SystemClock};
use std::process::ExitCode;
use tier::at_rest::{self, FirstOpener};
use tier::join::{JoinOrder, join, link_beside};
use tier::serve::{Opened, Parts};
use tier::{Common, Verb};
use trust::JoinToken;

/// 通办 village agent
#[derive(Parser)]
#[command(name = "village-agent", version)]
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
        /// `host:port` of the town's enrolment door
        url: String,
        /// The whole line that `city-hub enroll-token` printed
        #[arg(long)]
        token: String,
        /// `host:port` of the town's link door; the port before the enrolment door's if left out
        #[arg(long)]
        parent: Option<String>,
        #[arg(long, default_value = "127.0.0.1:7020")]
        web: String,
        /// Log-in name of the first officer: the password, printed once, opens the data of this machine, which is encrypted. With
        /// --key-file the key file opens it too; it is made if it is not there
        #[arg(long)]
        officer: Option<String>,
        /// The officer's name as others see it
        #[arg(long, requires = "officer")]
        display: Option<String>,
        /// Read the officer's password from standard input; otherwise one is made
        #[arg(long, requires = "officer")]
        password_stdin: bool,
    },
}

/// Runs the program and maps its end to an exit code.
pub fn main() -> ExitCode {
    tier::cli::run_program(1, run(Cli::parse()))
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let Cli { common, verb } = cli;
    match verb {
        OwnVerb::Common(verb) => tier::verbs::run(&common, verb).await,
        OwnVerb::Join { url, token, parent, web, officer, display, password_stdin } => {
            let parent = parent.map_or_else(|| link_beside(&url), Ok)?;
            let (data, random) = (&common.data_dir, OsRandom);
            let first = officer.map(|name| first_officer(name, display, password_stdin)).transpose()?;
            let opener = FirstOpener {
                officer: first.as_ref().map(|(new, password)| (new.name.as_str(), password.as_str())),
                key_file: common.unlock.key_file.as_deref(),
            };
            let node = JoinToken::decode(&token)?.node;
            let key = at_rest::found(data, &node, &opener, &random)?;
            if let (Some((new, password)), false) = (&first, password_stdin) {
                // Before the city is asked: whoever has to try again needs it.
                println!("{} {password}", new.name);
            }
            let order = JoinOrder {
                data,
                door: &url,
                token: &token,
                parent: &parent,
                listen: Listen::new(web, None, None),
                tier: Tier::Village,
                now: SystemClock.now(),
                key: Some(key.clone()),
            };
            let config = join(order).await?;
            let opened = Opened::open(data, &Parts::default(), Some(key))?;
            let next = match first {
                Some((new, password)) => {
                    opened.hall.put_account("join", new, &password, None).await?;
                    "village-agent serve"
                }
                None => "village-agent user add NAME, then village-agent serve",
            };
            println!("{} {} joined; next: {next}", config.id, config.name);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// The account of the officer who joins the machine, and the password that opens its data.
fn first_officer(name: String, display: Option<String>, from_stdin: bool) -> Result<(NewAccount, String)> {
    let password = tier::users::password(&OsRandom, from_stdin)?;
    trust::account::check_name(&name)?;
    trust::account::check_password(&name, &password)?;
    let roles = Roles::everyday(Tier::Village).expect("a village has an everyday officer");
    let display = display.unwrap_or_else(|| name.clone());
    Ok((NewAccount { name, display, body: None, roles }, password))
}
