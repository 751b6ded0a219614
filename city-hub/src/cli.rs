//! The hub's command line: the common verbs, and what only the hub can do.

use anyhow::{Context, Result};
use casework::SensitiveAct;
use clap::{Parser, Subcommand};
use domain::delegation::{Delegate, Letter, Revocation};
use domain::paper::SealName;
use runtime::config::Listen;
use std::path::PathBuf;
use std::process::ExitCode;

use crate::ca::CaVerb;
use crate::catalogue::CatalogueVerb;
use crate::nodes::{self, NodeVerb, Whom};
use tier::{Common, TwoPersons, Verb};

/// 通办 city hub
#[derive(Parser)]
#[command(name = "city-hub", version)]
struct Cli {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: HubVerb,
}

#[derive(Subcommand)]
enum HubVerb {
    #[command(flatten)]
    Common(Verb),
    /// Make a new city: CA, keys, catalogue
    Init {
        /// Folder of the city pack
        #[arg(long)]
        pack: PathBuf,
        /// Name of the city in certificates
        #[arg(long, default_value = "kaili.tongban")]
        city: String,
        #[arg(long, default_value = "127.0.0.1:7000")]
        web: String,
        #[arg(long, default_value = "0.0.0.0:7001")]
        link: String,
        #[arg(long, default_value = "0.0.0.0:7002")]
        enrol: String,
    },
    /// Make a one-use token for a new node, or for the machine that takes the place of another
    EnrollToken {
        #[command(flatten)]
        whom: Whom,
        /// Hours it is good for
        #[arg(long, default_value_t = 24)]
        ttl: i64,
    },
    /// Electronic supervision
    Supervise {
        #[command(subcommand)]
        verb: SuperviseVerb,
    },
    /// Letters of delegation (行政审批事项授权委托书)
    Delegation {
        #[command(subcommand)]
        verb: DelegationVerb,
    },
    /// Seals of the bodies (审批专用章)
    Seal {
        #[command(subcommand)]
        verb: SealVerb,
    },
    /// The city's certificate authority
    Ca {
        #[command(subcommand)]
        verb: CaVerb,
    },
    /// Every password of a village machine is forgotten: open the line that its `key ask` shows, and print the answer
    Unlock {
        /// The line; it begins with TBK1
        question: String,
        #[command(flatten)]
        persons: TwoPersons,
    },
    /// The nodes of the city
    Node {
        #[command(subcommand)]
        verb: NodeVerb,
    },
    /// Check a city pack without taking it
    CheckPack { folder: PathBuf },
    /// The catalogue: import a draft, compare, publish, export, see the roll-out
    Catalogue {
        #[command(subcommand)]
        verb: CatalogueVerb,
    },
}

#[derive(Subcommand)]
enum DelegationVerb {
    /// Publish letters from a file: a JSON list of {number, body, delegates:[{node, officer}], items, powers, area, from, to, signed_by}
    Import { file: PathBuf },
    /// All letters, with what was revoked
    List,
    /// Take a letter back, from everybody or from one officer
    Revoke {
        number: String,
        #[arg(long, requires = "officer")]
        node: Option<domain::NodeId>,
        #[arg(long, requires = "node")]
        officer: Option<String>,
        #[arg(long)]
        reason: String,
        /// First day on which it no longer holds; today if left out
        #[arg(long)]
        from: Option<domain::Day>,
        #[command(flatten)]
        persons: TwoPersons,
    },
}

#[derive(Subcommand)]
enum SealVerb {
    /// Published seals
    List,
    /// Make a new seal for a body; its earlier one is withdrawn from today on
    Make {
        body: domain::OrgId,
        /// Crypto suite: ed25519 (over SHA-256) or sm2 (over SM3); if left out, that of the seal before
        #[arg(long)]
        suite: Option<trust::Suite>,
        #[command(flatten)]
        persons: TwoPersons,
    },
    /// Withdraw a seal from today on (lost or worn); papers under it from before stay good
    Withdraw {
        body: domain::OrgId,
        no: u32,
        #[command(flatten)]
        persons: TwoPersons,
    },
}

#[derive(Subcommand)]
enum SuperviseVerb {
    /// Compute every alert again from the log and compare with what was raised; exit 3 if they differ
    Scan,
    /// Look through the running and the changed cases now, as the serving hub does every hour
    Sweep,
}

/// Runs the program and maps its end to an exit code.
pub fn main() -> ExitCode {
    tier::cli::run_program(2, run(Cli::parse()))
}

async fn run(cli: Cli) -> Result<ExitCode> {
    let Cli { common, verb } = cli;
    match verb {
        HubVerb::Common(verb) => {
            // Only a serving hub has citizens; what is wrong with their provider is in no other verb's way.
            let parts = match verb {
                Verb::Serve => crate::parts_of(&common.data_dir)?,
                _ => tier::Parts::default(),
            };
            return tier::verbs::run_with(&common, verb, parts).await;
        }
        HubVerb::Init { pack, city, web, link, enrol } => {
            let listen = Listen::new(web, Some(link), Some(enrol));
            crate::init::init(&common.data_dir, &pack, &city, listen).await?;
            println!(
                "a city was made in {}; next: city-hub user add NAME --role administrator (twice: some acts need two), then city-hub serve",
                common.data_dir.display()
            );
        }
        HubVerb::CheckPack { folder } => {
            crate::init::read_pack(&folder)?;
            println!("the pack is whole");
        }
        HubVerb::Catalogue { verb } => crate::catalogue::run(&common, verb).await?,
        HubVerb::EnrollToken { whom, ttl } => nodes::enroll_token(&common, whom, ttl).await?,
        HubVerb::Delegation { verb } => delegation(&common, verb).await?,
        HubVerb::Seal { verb } => seal(&common, verb).await?,
        HubVerb::Supervise { verb } => return supervise(&common, verb).await,
        HubVerb::Ca { verb } => crate::ca::run(&common, verb).await?,
        HubVerb::Unlock { question, persons } => nodes::unlock(&common, &question, &persons).await?,
        HubVerb::Node { verb } => nodes::run(&common, verb).await?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn delegation(common: &Common, verb: DelegationVerb) -> Result<()> {
    let opened = common.open()?;
    match verb {
        DelegationVerb::Import { file } => {
            let text = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
            let letters: Vec<Letter> = serde_json::from_str(&text)
                .with_context(|| format!("{} is no list of letters", file.display()))?;
            opened.hall.publish_letters("cli", &letters).await?;
            println!("{} letters are published; nodes get them at their next contact", letters.len());
        }
        DelegationVerb::Revoke { number, node, officer, reason, from, persons } => {
            let delegate = node.zip(officer).map(|(node, officer)| Delegate { node, officer });
            let from = from.unwrap_or_else(|| opened.hall.now().day());
            let revocation = Revocation { number, delegate, from, reason };
            persons.carry_out(&opened.hall, &SensitiveAct::RevokeLetter(revocation)).await?;
            println!("revoked from {from} on");
        }
        DelegationVerb::List if common.json => println!("{}", serde_json::to_string(&opened.hall.letters())?),
        DelegationVerb::List => {
            for view in opened.hall.letters() {
                let state = if view.in_force { "in force" } else { "not in force" };
                let (letter, persons) = (&view.letter, view.letter.delegates.len());
                println!(
                    "{:<24} {:<6} {persons:>4} persons {} … {} {state}",
                    letter.number, letter.body, letter.from, letter.to
                );
            }
        }
    }
    Ok(())
}

async fn seal(common: &Common, verb: SealVerb) -> Result<()> {
    let opened = common.open()?;
    match verb {
        SealVerb::Make { body, suite, persons } => {
            let done = persons.carry_out(&opened.hall, &SensitiveAct::RenewSeal { body, suite }).await?;
            println!("seal {} of {} is made and published", done["made"]["no"], done["made"]["owner"]);
        }
        SealVerb::Withdraw { body, no, persons } => {
            let seal = SealName { owner: body.to_string(), no };
            persons.carry_out(&opened.hall, &SensitiveAct::WithdrawSeal(seal)).await?;
            println!("seal {no} of {body} is withdrawn from today on");
        }
        SealVerb::List => {
            let seals = opened.hall.store.seals();
            if common.json {
                println!("{}", serde_json::to_string(&seals.values().collect::<Vec<_>>())?);
                return Ok(());
            }
            for record in seals.values() {
                let until = record.withdrawn.map_or("in use".to_owned(), |day| format!("withdrawn {day}"));
                let suite = trust::Suite::of(record.suite).map_or("unknown", trust::Suite::name);
                let SealName { owner, no } = &record.seal;
                println!("{owner:<8} {no:>3} {suite:<7} from {} {until}", record.from);
            }
        }
    }
    Ok(())
}

async fn supervise(common: &Common, verb: SuperviseVerb) -> Result<ExitCode> {
    let opened = common.open()?;
    match verb {
        SuperviseVerb::Sweep => {
            let sweep = opened.hall.supervise().await?;
            if common.json {
                println!("{}", serde_json::to_string(&sweep)?);
            } else {
                println!(
                    "{} cases, {} alerts raised, {} disproved",
                    sweep.cases, sweep.raised, sweep.disproved
                );
            }
            Ok(ExitCode::SUCCESS)
        }
        SuperviseVerb::Scan => {
            let scan = opened.hall.scan_supervision().await?;
            let agrees = scan.missing.is_empty() && scan.unfounded.is_empty();
            if common.json {
                println!("{}", serde_json::to_string(&scan)?);
            } else {
                println!("{} cases, {} findings, {} raised", scan.cases, scan.findings, scan.agreed);
                scan.rungs.iter().for_each(|(rung, count)| println!("{:<10} {count}", rung.as_str()));
                scan.missing.iter().for_each(|one| println!("NOT RAISED {} {}", one.case, one.key));
                scan.unfounded.iter().for_each(|one| println!("UNFOUNDED {} {}", one.case, one.key));
            }
            Ok(if agrees { ExitCode::SUCCESS } else { ExitCode::from(tier::verbs::DEGRADED) })
        }
    }
}
