//! The network: all nodes below with their map, the reconciliation, what an operator must look at.

use super::{Sent, render, render_with, status_of};
use crate::Console;
use crate::fault::Fault;
use crate::page::done::done;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use casework::reconcile::{Amount, Balance, VillageBalance};
use casework::{ActError, NodeStatus, Waiting};
use domain::access::Permission;
use domain::network::{Contact, Standing, Tier};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/nodes", get(nodes))
        .route("/nodes/contact", post(set_contact))
        .route("/applications", get(applications))
        .route("/reconciliation", get(reconciliation))
}

struct NodeRow {
    id: String,
    name: String,
    tier: &'static str,
    waiting: u64,
    oldest: String,
    /// What waits there has waited so long that a limit may be missed.
    at_risk: bool,
    last: String,
    class: &'static str,
    skew: String,
    release: String,
    version: String,
    standing: &'static str,
    contact: Option<Contact>,
}

#[derive(Template)]
#[template(path = "nodes.html")]
struct NodesPage<'a> {
    shell: &'a Shell,
    map: String,
    nodes: Vec<NodeRow>,
    /// How people reach a counter can be written down here.
    may_publish: bool,
    /// What was typed and is not right yet.
    typed: Contact,
    chosen: String,
    wrong: String,
}

/// Without a word for so long a node is shown as silent.
const SILENT_MS: i64 = 600_000;
const SKEW_TOLD_MS: i64 = 60_000;

/// When it was last heard, in words.
pub(super) fn last_contact(desk: &Desk, node: &NodeStatus) -> String {
    match node.last_contact {
        _ if node.id == *desk.console.hall.me() => desk.t("本节点").into_owned(),
        Some(at) => desk.shell.ago(at, desk.now()),
        None => desk.t("从未联系").into_owned(),
    }
}

fn row(desk: &Desk, node: &NodeStatus) -> NodeRow {
    let now = desk.now();
    let is_me = node.id == *desk.console.hall.me();
    let silent = !is_me && node.last_contact.is_none_or(|at| now.since(at) > SILENT_MS);
    let skew = node.clock_skew_ms.filter(|ms| ms.abs() >= SKEW_TOLD_MS);
    // It was written by the other clock.
    let real = node.oldest_waiting.map(|at| at.plus_ms(-node.clock_skew_ms.unwrap_or(0)));
    let at_risk = node.standing == Standing::Active && real.is_some_and(|at| desk.is_stale(at));
    NodeRow {
        at_risk,
        version: node.version.clone().unwrap_or_default(),
        id: node.id.to_string(),
        name: node.name.clone(),
        tier: node.tier.chinese(),
        waiting: node.own_head.saturating_sub(node.acknowledged),
        oldest: node.oldest_waiting.map_or(String::new(), |at| desk.shell.ago(at, now)),
        last: last_contact(desk, node),
        class: match (at_risk, silent) {
            (true, _) => "bad",
            (false, true) => "warn",
            (false, false) => "ok",
        },
        skew: skew.map_or(String::new(), |ms| desk.t(&format!("{} 分钟", ms / 60_000)).into_owned()),
        release: node.catalogue_release.map_or(String::new(), |release| release.to_string()),
        standing: node.standing.chinese(),
        contact: desk.console.hall.store.network().get(&node.id).and_then(|record| record.contact.clone()),
    }
}

async fn nodes(desk: Desk) -> Result<Response, Fault> {
    let blank = Contact { person: String::new(), phone: String::new(), hours: String::new() };
    nodes_page(&desk, String::new(), blank, String::new()).await
}

/// How people reach a counter, for citizens and for the counters below.
async fn set_contact(sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let text = |name: &str| posted.get(name).to_owned();
    let contact = Contact { person: text("person"), phone: text("phone"), hours: text("hours") };
    let node = posted.get("node");
    let outcome = match node.parse() {
        // Nothing in the fields takes back what was published.
        Ok(id) => {
            let blank = contact.person.is_empty() && contact.phone.is_empty() && contact.hours.is_empty();
            let said = (!blank).then(|| contact.clone());
            desk.console.hall.set_contacts(&desk.officer.name, vec![(id, said)]).await
        }
        Err(_) => return nodes_page(desk, String::new(), contact, "请选择是哪个点".to_owned()).await,
    };
    match outcome {
        Ok(_) => Ok(done("/nodes#contacts", "联系方式已保存,各级联网时收到")),
        Err(ActError::Unfit { .. }) => {
            let wrong = contact.fault().unwrap_or_default().to_owned();
            nodes_page(desk, node.to_owned(), contact, wrong).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn nodes_page(desk: &Desk, chosen: String, typed: Contact, wrong: String) -> Result<Response, Fault> {
    let nodes = desk.console.hall.nodes().await?;
    let map = match desk.shell.tier {
        Tier::City => super::map::svg(&nodes, desk.now(), desk.shell.taste.lang),
        Tier::Town | Tier::Village => String::new(),
    };
    let wrong = desk.t(&wrong).into_owned();
    let page = NodesPage {
        shell: &desk.shell,
        map,
        nodes: nodes.iter().map(|node| row(desk, node)).collect(),
        may_publish: desk.shell.tier == Tier::City && desk.may(Permission::Operate),
        typed,
        chosen,
        wrong,
    };
    Ok(render_with(status_of(&page.wrong), &page))
}

#[derive(Template)]
#[template(path = "reconciliation.html")]
struct ReconciliationPage<'a> {
    shell: &'a Shell,
    totals: Vec<(String, u64)>,
    villages: Vec<VillageRow>,
}

struct VillageRow {
    name: String,
    captured: String,
    town: String,
    hub: String,
    balance: String,
    class: &'static str,
    since: String,
}

async fn reconciliation(desk: Desk) -> Result<Response, Fault> {
    let known = desk.console.hall.reconcile().await?;
    let amount = |amount: Amount| match amount.cases {
        Some(cases) => desk.t(&format!("{cases} 件")).into_owned(),
        None => desk.t(&format!("{} 条记录", amount.entries)).into_owned(),
    };
    let village = |line: &VillageBalance| VillageRow {
        name: line.name.clone(),
        captured: amount(line.captured),
        town: amount(line.at_town),
        hub: amount(line.at_hub),
        balance: desk.t(line.balance.chinese()).into_owned(),
        class: match line.balance {
            Balance::Balanced => "ok",
            Balance::OnTheWay => "soft",
            Balance::Quarantined | Balance::Withheld => "bad",
        },
        since: line.since.map_or(String::new(), |at| desk.shell.ago(at, desk.now())),
    };
    let total = |(balance, count): (&Balance, &u64)| (desk.t(balance.chinese()).into_owned(), *count);
    let page = ReconciliationPage {
        shell: &desk.shell,
        totals: known.totals.iter().map(total).collect(),
        villages: known.villages.iter().map(village).collect(),
    };
    Ok(render(&page))
}

struct ApplicationRow {
    case: String,
    item: String,
    town: String,
    since: String,
    overdue: bool,
    /// An answer to what was sent back.
    mends: bool,
}

#[derive(Template)]
#[template(path = "applications.html")]
struct ApplicationsPage<'a> {
    shell: &'a Shell,
    rows: Vec<ApplicationRow>,
}

/// What citizens handed in and their town has not taken in yet. Whose it is stands in the case alone.
async fn applications(desk: Desk) -> Result<Response, Fault> {
    let waiting = desk.console.hall.waiting_applications().await?;
    let row = |one: &Waiting| ApplicationRow {
        case: one.application.case.to_string(),
        item: one.item_name.clone(),
        town: one.town_name.clone(),
        since: desk.shell.ago(one.application.at, desk.now()),
        overdue: one.overdue,
        mends: one.application.mends.is_some(),
    };
    Ok(render(&ApplicationsPage { shell: &desk.shell, rows: waiting.iter().map(row).collect() }))
}
