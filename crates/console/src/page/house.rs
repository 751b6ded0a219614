//! The registers of a house: what may be done at all, and who did what.

use super::render;
use crate::Console;
use crate::fault::Fault;
use crate::page::choose::is_meant;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use domain::access::Permission;
use domain::network::Tier;
use serde::Deserialize;
use store::{AuditQuery, AuditRow};

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/catalogue", get(catalogue)).route("/audit", get(audit))
}

struct ItemRow {
    id: String,
    name: String,
    body: String,
    state: String,
    class: &'static str,
    promised: String,
}

#[derive(Template)]
#[template(path = "catalogue.html")]
struct CataloguePage<'a> {
    shell: &'a Shell,
    sought: String,
    release: u32,
    items: Vec<ItemRow>,
    /// Nodes, those that have this release, and those that have not, where anybody can be told.
    nodes: usize,
    have: usize,
    behind: Vec<String>,
    above: bool,
    may_edit: bool,
}

#[derive(Deserialize)]
pub(super) struct Sought {
    #[serde(default)]
    pub q: String,
}

async fn catalogue(desk: Desk, Query(Sought { q }): Query<Sought>) -> Result<Response, Fault> {
    let (release, pack) = desk.console.hall.pack(None)?;
    let sought = q.trim().to_lowercase();
    let row = |item: &std::sync::Arc<domain::catalogue::Item>| {
        let in_force = item.in_force(desk.today()).is_ok();
        ItemRow {
            id: item.id.to_string(),
            name: item.name.clone(),
            body: pack.org_name(&item.body).to_owned(),
            state: desk.t(item.life.state.chinese()).into_owned(),
            class: if in_force { "ok" } else { "soft" },
            promised: desk.t(&item.promised.chinese()).into_owned(),
        }
    };
    let meant = |item: &&std::sync::Arc<domain::catalogue::Item>| {
        is_meant(&item.name, &sought) || pack.org_name(&item.body).contains(&sought)
    };
    let above = desk.shell.tier != Tier::Village;
    let nodes = if above { desk.console.hall.nodes().await? } else { Vec::new() };
    let behind: Vec<String> = nodes
        .iter()
        .filter(|node| node.catalogue_release.is_none_or(|known| known < release))
        .map(|node| node.name.clone())
        .collect();
    let page = CataloguePage {
        shell: &desk.shell,
        items: pack.items.values().filter(meant).map(row).collect(),
        sought: q.trim().to_owned(),
        release,
        nodes: nodes.len(),
        have: nodes.len() - behind.len(),
        behind,
        above,
        may_edit: desk.shell.tier == Tier::City && desk.may(Permission::Catalogue),
    };
    Ok(render(&page))
}

#[derive(Template)]
#[template(path = "audit.html")]
struct AuditPage<'a> {
    shell: &'a Shell,
    rows: Vec<(AuditRow, String)>,
    actor: String,
    action: String,
    subject: String,
    next: String,
}

#[derive(Deserialize)]
struct AuditFilter {
    #[serde(default)]
    actor: String,
    #[serde(default)]
    action: String,
    #[serde(default)]
    subject: String,
    before: Option<u64>,
}

async fn audit(desk: Desk, Query(filter): Query<AuditFilter>) -> Result<Response, Fault> {
    // Whoever watches is watched.
    desk.console.note_read(&desk.officer, "/audit", false).await?;
    let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let query = AuditQuery {
        actor: some(&filter.actor),
        action: some(&filter.action),
        subject: some(&filter.subject),
        before: filter.before,
        limit: Some(50),
    };
    let rows = desk.console.hall.store.audit_rows(query).await?;
    let encoded = super::home::encoded;
    let next = rows.last().filter(|_| rows.len() == 50).map_or(String::new(), |last| {
        let (actor, action, subject) =
            (encoded(&filter.actor), encoded(&filter.action), encoded(&filter.subject));
        format!("/audit?actor={actor}&action={action}&subject={subject}&before={}", last.seq)
    });
    let rows = rows
        .into_iter()
        .map(|row| {
            let at = row.at.to_minute();
            (row, at)
        })
        .collect();
    let AuditFilter { actor, action, subject, .. } = filter;
    Ok(render(&AuditPage { shell: &desk.shell, rows, actor, action, subject, next }))
}
