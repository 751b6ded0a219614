//! The registers of a house: what may be done at all, who may do it for whom, and who did what.

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
use serde::Deserialize;
use store::{AuditQuery, AuditRow};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/catalogue", get(catalogue))
        .route("/letters", get(letters))
        .route("/audit", get(audit))
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
    /// Nodes that have not got this release yet, where anybody can be told.
    behind: Vec<String>,
    above: bool,
}

#[derive(Deserialize)]
struct Sought {
    #[serde(default)]
    q: String,
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
    let above = desk.shell.tier != domain::network::Tier::Village;
    let nodes = if above { desk.console.hall.nodes().await? } else { Vec::new() };
    let behind = nodes.iter().filter(|node| node.catalogue_release.is_some_and(|known| known < release));
    let page = CataloguePage {
        shell: &desk.shell,
        items: pack.items.values().filter(meant).map(row).collect(),
        sought: q.trim().to_owned(),
        release,
        behind: behind.map(|node| node.name.clone()).collect(),
        above,
    };
    Ok(render(&page))
}

struct LetterRow {
    number: String,
    body: String,
    whom: String,
    powers: String,
    days: String,
    revoked: String,
}

struct SealRow {
    owner: String,
    no: u32,
    withdrawn: String,
}

#[derive(Template)]
#[template(path = "letters.html")]
struct LettersPage<'a> {
    shell: &'a Shell,
    letters: Vec<LetterRow>,
    seals: Vec<SealRow>,
    further: usize,
    sought: String,
}

const LETTERS_SHOWN: usize = 100;

async fn letters(desk: Desk, Query(Sought { q }): Query<Sought>) -> Result<Response, Fault> {
    let hall = &desk.console.hall;
    let (_, pack) = hall.pack(None)?;
    let network = hall.store.network();
    let sought = q.trim().to_owned();
    let row = |view: &casework::LetterView| {
        let letter = &view.letter;
        let whom = |one: &domain::delegation::Delegate| {
            let node = network.get(&one.node).map_or_else(|| one.node.to_string(), |node| node.name.clone());
            format!("{node} {}", one.officer)
        };
        let powers: Vec<String> =
            letter.powers.iter().map(|power| desk.t(power.chinese()).into_owned()).collect();
        LetterRow {
            number: letter.number.clone(),
            body: pack.org_name(&letter.body).to_owned(),
            whom: letter.delegates.iter().map(whom).collect::<Vec<_>>().join("、"),
            powers: powers.join("、"),
            days: format!("{} – {}", letter.from, letter.to),
            revoked: view.revocations.first().map_or(String::new(), |one| one.from.to_string()),
        }
    };
    let mut letters: Vec<LetterRow> = hall.letters().iter().map(row).collect();
    letters.retain(|row| {
        sought.is_empty()
            || row.number.contains(&sought)
            || row.body.contains(&sought)
            || row.whom.contains(&sought)
    });
    let further = letters.len().saturating_sub(LETTERS_SHOWN);
    letters.truncate(LETTERS_SHOWN);
    let seals = hall.store.seals();
    let seal = |(name, record): (&domain::paper::SealName, &domain::paper::SealRecord)| SealRow {
        owner: name.owner.parse().map_or_else(|_| name.owner.clone(), |id| pack.org_name(&id).to_owned()),
        no: name.no,
        withdrawn: record.withdrawn.map_or(String::new(), |day| day.to_string()),
    };
    let page =
        LettersPage { shell: &desk.shell, letters, seals: seals.iter().map(seal).collect(), further, sought };
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
