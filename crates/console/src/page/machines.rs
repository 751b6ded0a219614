//! 节点与证书: which machine stands where, until when each may be let in, and the tokens (入网令牌) that nobody has come with.

mod token;

use super::network::last_contact;
use super::{Sent, render};
use crate::Console;
use crate::fault::Fault;
use crate::page::done::done;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use casework::{NodeStatus, OpenToken};
use domain::Timestamp;
use domain::network::{Standing, Tier};
use trust::ca_folder::ISSUER_WORRYING_DAYS;
use trust::renewal::{WORRYING_DAYS, days_left};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/machines", get(machines))
        .route("/machines/tokens/{token}/void", post(void))
        .merge(token::routes())
}

struct Lifetime {
    until: String,
    days: i64,
    class: &'static str,
}

impl Lifetime {
    fn of(until: Timestamp, now: Timestamp, worrying: i64) -> Lifetime {
        let days = days_left(until, now);
        let class = match days {
            ..0 => "bad",
            _ if days < worrying => "warn",
            _ => "ok",
        };
        Lifetime { until: until.day().to_string(), days, class }
    }
}

struct Authority {
    fingerprint: String,
    issuer: Lifetime,
    /// The key that makes issuers lies here, not in a safe.
    key_is_here: bool,
    /// A successor is being brought in.
    next: bool,
    believed: usize,
    /// Machines that have not shown a certificate under it.
    behind: usize,
}

struct MachineRow {
    id: String,
    name: String,
    tier: &'static str,
    incarnation: u32,
    last: String,
    certificate: Option<Lifetime>,
    /// Shown under an authority that issues no more.
    former: bool,
    standing: &'static str,
    replaceable: bool,
}

struct TokenRow {
    token: String,
    name: String,
    node: String,
    what: String,
    by: String,
    issued: String,
    expires: String,
}

#[derive(Template)]
#[template(path = "machines.html")]
struct MachinesPage<'a> {
    shell: &'a Shell,
    authority: Option<Authority>,
    /// Why nothing is told of it.
    broken: &'a str,
    tokens: Vec<TokenRow>,
    machines: Vec<MachineRow>,
}

/// What the city believes, and who has not followed yet.
async fn authority(desk: &Desk) -> Result<Authority, Fault> {
    let (console, now) = (&desk.console, desk.now());
    let ca = console.ca()?;
    let present = ca.fingerprint();
    let folder = console.authority.as_ref();
    Ok(Authority {
        issuer: Lifetime::of(ca.issuer_until(), now, ISSUER_WORRYING_DAYS),
        key_is_here: folder.is_some_and(|folder| folder.has_authority_key()),
        next: folder.is_some_and(|folder| folder.has_next()),
        believed: trust::ca_folder::authorities(ca.authorities_pem()).len(),
        behind: console.hall.not_shown_under(&present).await?.len(),
        fingerprint: present,
    })
}

fn machine(desk: &Desk, node: &NodeStatus, present: Option<&str>) -> MachineRow {
    let now = desk.now();
    // The hub shows its own to nobody above it.
    let own = || desk.console.credentials.as_ref().map(|own| own.until());
    let until = if node.id == *desk.console.hall.me() { own() } else { node.shown_until };
    MachineRow {
        id: node.id.to_string(),
        name: node.name.clone(),
        tier: node.tier.chinese(),
        incarnation: node.incarnation,
        last: last_contact(desk, node),
        certificate: until.map(|until| Lifetime::of(until, now, WORRYING_DAYS)),
        former: present.zip(node.shown_under.as_deref()).is_some_and(|(present, shown)| present != shown),
        standing: node.standing.chinese(),
        replaceable: node.tier != Tier::City && node.standing != Standing::Evicted,
    }
}

fn token_row(desk: &Desk, one: OpenToken) -> TokenRow {
    TokenRow {
        what: match one.incarnation {
            1 => desk.t("新设点").into_owned(),
            machine => desk.t(&format!("换成第 {machine} 台电脑")).into_owned(),
        },
        token: one.token,
        name: one.name,
        node: one.node.to_string(),
        by: one.by,
        // Of tokens from before it was written down.
        issued: if one.issued == Timestamp::default() { String::new() } else { one.issued.to_minute() },
        expires: one.expires.to_minute(),
    }
}

/// Those first whose certificate is nearest its end; those shut out last.
fn by_need(row: &MachineRow) -> (bool, i64) {
    (!row.standing.is_empty(), row.certificate.as_ref().map_or(i64::MAX, |life| life.days))
}

async fn machines(desk: Desk) -> Result<Response, Fault> {
    let nodes = desk.console.hall.nodes().await?;
    let (authority, broken) = match authority(&desk).await {
        Ok(authority) => (Some(authority), String::new()),
        Err(fault) => (None, desk.t(&fault.message).into_owned()),
    };
    let present = authority.as_ref().map(|authority| authority.fingerprint.as_str());
    let mut machines: Vec<MachineRow> = nodes.iter().map(|node| machine(&desk, node, present)).collect();
    machines.sort_by_key(by_need);
    let tokens = desk.console.hall.open_tokens().await?;
    let tokens = tokens.into_iter().map(|one| token_row(&desk, one)).collect();
    Ok(render(&MachinesPage { shell: &desk.shell, authority, broken: &broken, tokens, machines }))
}

async fn void(Path(token): Path<String>, sent: Sent) -> Result<Response, Fault> {
    sent.desk.console.hall.void_token(&sent.desk.officer, &token).await?;
    Ok(done("/machines", "令牌已收回,不能再用"))
}
