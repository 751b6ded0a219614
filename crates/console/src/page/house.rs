//! The registers of a house: what may be done at all, and who did what.

use super::{render, render_with, status_of};
use crate::Console;
use crate::fault::Fault;
use crate::lang::audited_acts;
use crate::page::choose::item_is_meant;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use domain::Day;
use domain::access::Permission;
use domain::network::Tier;
use serde::Deserialize;
use store::{AuditFound, AuditQuery, AuditRow};

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
        item_is_meant(item, &pack, &sought, desk.shell.taste.lang)
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
    /// A row, when, and what was done in the reader's language.
    rows: Vec<(AuditRow, String, String)>,
    filter: AuditFilter,
    /// Acts to choose from: as written, and as said.
    acts: Vec<(String, String)>,
    wrong: String,
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
    #[serde(default)]
    from: String,
    #[serde(default)]
    until: String,
    before: Option<u64>,
}

impl AuditFilter {
    /// The two days; what is no day is told rather than left out.
    fn days(&self) -> Result<[Option<Day>; 2], &'static str> {
        let day = |text: &str| match text.trim() {
            "" => Ok(None),
            text => text.parse::<Day>().map(Some).map_err(|_| "日期应写成 2026-11-28 这样"),
        };
        let (from, until) = (day(&self.from)?, day(&self.until)?);
        if from.zip(until).is_some_and(|(from, until)| until < from) {
            return Err("结束日期在开始日期之前;请改一个");
        }
        Ok([from, until])
    }
}

async fn audit(desk: Desk, Query(filter): Query<AuditFilter>) -> Result<Response, Fault> {
    // Whoever watches is watched.
    desk.console.note_read(&desk.officer, "/audit", false).await?;
    let some = |text: &str| (!text.trim().is_empty()).then(|| text.trim().to_owned());
    let (days, wrong) = match filter.days() {
        Ok(days) => (days, ""),
        Err(wrong) => ([None, None], wrong),
    };
    let query = AuditQuery {
        from: days[0],
        until: days[1],
        actor: some(&filter.actor),
        action: some(&filter.action),
        subject: some(&filter.subject),
        before: filter.before,
        limit: Some(50),
    };
    let AuditFound { rows, next } = match wrong.is_empty() {
        true => desk.console.hall.store.audit_rows(query).await?,
        false => AuditFound::default(),
    };
    let encoded = super::home::encoded;
    let next = next.map_or(String::new(), |before| {
        let (actor, action, subject) =
            (encoded(&filter.actor), encoded(&filter.action), encoded(&filter.subject));
        let (from, until) = (encoded(&filter.from), encoded(&filter.until));
        format!(
            "/audit?actor={actor}&action={action}&subject={subject}&from={from}&until={until}&before={before}"
        )
    });
    let lang = desk.shell.taste.lang;
    let rows = rows
        .into_iter()
        .map(|row| {
            let (at, said) = (row.at.to_minute(), lang.audit(&row.action).into_owned());
            (row, at, said)
        })
        .collect();
    let said = |action: &str| (action.to_owned(), lang.audit(action).into_owned());
    let mut acts: Vec<(String, String)> = audited_acts().map(said).collect();
    // One that nobody has named, asked for by its address, stays chosen.
    if !filter.action.is_empty() && !acts.iter().any(|(action, _)| *action == filter.action) {
        acts.push(said(&filter.action));
    }
    let wrong_said = desk.t(wrong).into_owned();
    let page = AuditPage { shell: &desk.shell, rows, filter, acts, wrong: wrong_said, next };
    Ok(render_with(status_of(wrong), &page))
}
