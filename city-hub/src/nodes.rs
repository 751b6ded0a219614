//! `enroll-token` and `node`: who belongs to the city, with which machine.

use anyhow::{Context, Result};
use casework::{Place, Seating, SensitiveAct};
use clap::{Args, Subcommand};
use domain::NodeId;
use domain::network::{Contact, Standing, Tier};
use serde_json::json;
use std::path::{Path, PathBuf};
use tier::at_rest::answer_question;
use tier::serve::Opened;
use tier::{Common, TwoPersons};

/// Whom a token lets in.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct Whom {
    /// Division code of the town
    #[arg(long)]
    town: Option<String>,
    /// Division code of the village
    #[arg(long)]
    village: Option<String>,
    /// A node whose machine is replaced: its disk died, it was lost (then `node ban` it first), or it is old
    #[arg(long, value_name = "NODE")]
    replace: Option<NodeId>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeVerb {
    /// All nodes: own head, acknowledged head, last contact, standing
    List,
    /// 挂失: a machine was lost or stolen. It is let in nowhere, and what its key signs from now on is not believed
    Ban {
        node: NodeId,
        #[command(flatten)]
        persons: TwoPersons,
    },
    /// 撤并: a place was closed in good order. It is let in nowhere, and whatever it signed counts
    Evict {
        node: NodeId,
        #[command(flatten)]
        persons: TwoPersons,
    },
    /// How people reach a counter: shown in the citizens' hall, and to the counters below it
    Contact {
        node: NodeId,
        #[arg(long, required_unless_present = "none", requires = "phone")]
        person: Option<String>,
        #[arg(long, requires = "person")]
        phone: Option<String>,
        /// 工作日 9:00–17:00
        #[arg(long, default_value = "")]
        hours: String,
        /// Takes it back: nobody is reached there
        #[arg(long, conflicts_with = "person")]
        none: bool,
    },
    /// The same for many, from a table (CSV): place (division code), person, phone, hours
    Contacts { file: PathBuf },
    /// Take back a ban or a closing: the same machine is let in again
    Readmit {
        node: NodeId,
        #[command(flatten)]
        persons: TwoPersons,
    },
}

pub(crate) async fn enroll_token(common: &Common, whom: Whom, ttl: i64) -> Result<()> {
    let opened = common.open()?;
    let (ca, ttl) = (opened.ca().open()?.fingerprint(), ttl * 3_600_000);
    let at = |tier, place| Seating::At(Place { tier, place, parent: None });
    let seating = match whom {
        Whom { replace: Some(node), .. } => Seating::InPlaceOf { node },
        Whom { town: Some(place), .. } => at(Tier::Town, place),
        Whom { village, .. } => at(Tier::Village, village.unwrap_or_default()),
    };
    let token = opened.hall.issue_token("cli", &seating, &ca, ttl).await?;
    if common.json {
        println!("{}", serde_json::to_string(&token)?);
    } else {
        println!("{}", token.line);
    }
    Ok(())
}

pub(crate) async fn run(common: &Common, verb: NodeVerb) -> Result<()> {
    let opened = common.open()?;
    let (persons, act, node, told) = match verb {
        NodeVerb::List => return list(common, &opened).await,
        NodeVerb::Contact { node, person, phone, hours, none: _ } => {
            let contact = person.zip(phone).map(|(person, phone)| Contact { person, phone, hours });
            return publish_contacts(&opened, vec![(node, contact)]).await;
        }
        NodeVerb::Contacts { file } => {
            let contacts = read_contacts(&opened, &file)?;
            return publish_contacts(&opened, contacts).await;
        }
        NodeVerb::Ban { node, persons } => (
            persons,
            SensitiveAct::BanNode { node: node.clone() },
            node,
            "is banned; for a new machine in its place: enroll-token --replace; look through the letters of delegation of its officers",
        ),
        NodeVerb::Evict { node, persons } => (
            persons,
            SensitiveAct::EvictNode { node: node.clone() },
            node,
            "is closed; recall what it still holds to its town",
        ),
        NodeVerb::Readmit { node, persons } => {
            (persons, SensitiveAct::ReadmitNode { node: node.clone() }, node, "is let in again")
        }
    };
    let done = persons.carry_out(&opened.hall, &act).await?;
    if common.json {
        println!("{done}");
    } else {
        println!("{node} {told}");
    }
    Ok(())
}

async fn publish_contacts(opened: &Opened, contacts: Vec<(NodeId, Option<Contact>)>) -> Result<()> {
    let changed = opened.hall.set_contacts("cli", contacts).await?;
    println!("{changed} published; nodes get them at their next contact");
    Ok(())
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct ContactRow {
    place: String,
    person: String,
    phone: String,
    #[serde(default)]
    hours: String,
}

/// Every row names a place that is on the network; whatever is wrong is told with its line.
fn read_contacts(opened: &Opened, file: &Path) -> Result<Vec<(NodeId, Option<Contact>)>> {
    let network = opened.hall.store.network();
    let mut table = csv::Reader::from_path(file).with_context(|| format!("read {}", file.display()))?;
    let (mut contacts, mut faults) = (Vec::new(), Vec::new());
    for (number, row) in table.deserialize::<ContactRow>().enumerate() {
        let line = number + 2;
        match row {
            Ok(row) => match network.iter().find(|node| node.place == row.place) {
                Some(node) => {
                    let ContactRow { person, phone, hours, .. } = row;
                    contacts.push((node.id.clone(), Some(Contact { person, phone, hours })));
                }
                None => faults.push(format!("line {line}: no node stands at {}", row.place)),
            },
            Err(error) => faults.push(format!("line {line}: {error}")),
        }
    }
    anyhow::ensure!(faults.is_empty(), "nothing was published:\n{}", faults.join("\n"));
    Ok(contacts)
}

/// A machine whose passwords are all forgotten asks for its key: who it is, and the answer, once two administrators have signed.
pub(crate) async fn unlock(common: &Common, question: &str, persons: &TwoPersons) -> Result<()> {
    let opened = common.open()?;
    // Before anybody's code is used up; nobody is shown it before both have signed.
    let (whose, answer) = answer_question(&opened, question)?;
    let act = SensitiveAct::Unlock { machine: whose.clone() };
    let by = persons.sign(&opened.hall, &act).await?;
    opened.hall.store.note_act(opened.hall.now(), &by, "unlock", &whose).await?;
    if common.json {
        println!("{}", json!({ "machine": whose, "answer": answer }));
    } else {
        println!("{whose}\n{answer}");
    }
    Ok(())
}

async fn list(common: &Common, opened: &Opened) -> Result<()> {
    let nodes = opened.hall.nodes().await?;
    if common.json {
        println!("{}", serde_json::to_string(&nodes)?);
        return Ok(());
    }
    for node in nodes {
        let last = node.last_contact.map_or("never".to_owned(), domain::Timestamp::to_minute);
        let standing = match node.standing {
            Standing::Active => "",
            Standing::Evicted => "  CLOSED",
            Standing::Banned => "  BANNED",
        };
        println!(
            "{:<12} {:<7} {:<24} own {:>6} acknowledged {:>6} catalogue {:>3} last {last}{standing}",
            node.id,
            node.tier.as_str(),
            node.name,
            node.own_head,
            node.acknowledged,
            node.catalogue_release.map_or("—".to_owned(), |release| release.to_string())
        );
    }
    Ok(())
}
