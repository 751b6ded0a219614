//! 目录编辑: the next release of the catalogue, from the first change over what stands in its way and what it would change to its
//! publication. Nothing of a draft counts before that.

mod item;
mod list;
mod rows;
mod text;

use super::{Sent, items_of, render_with, see, told};
use crate::Console;
use crate::api::id;
use crate::auth::Source;
use crate::fault::Fault;
use crate::page::done::done;
use crate::posted::Posted;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use casework::DraftView;
use domain::ItemId;
use domain::pack::piece_of;
use serde_json::Value;
use std::collections::BTreeMap;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/catalogue/draft", get(show_draft))
        .route("/catalogue/draft/publish", post(publish))
        .route("/catalogue/draft/discard", post(discard))
        .route("/catalogue/new", get(blank).post(add))
        .route("/catalogue/items/{item}", get(item::show).post(item::save))
        .route("/catalogue/items/{item}/lists/{list}", get(list::show).post(list::save))
        .route("/catalogue/items/{item}/text", get(text::show).post(text::save))
}

#[derive(Template)]
#[template(path = "catalogue_draft.html")]
struct DraftPage<'a> {
    shell: &'a Shell,
    draft: DraftView,
    /// Names of the items it speaks of, by id.
    names: BTreeMap<String, String>,
    at: String,
    codes: bool,
    wrong: &'a str,
}

async fn show_draft(desk: Desk) -> Result<Response, Fault> {
    draft_page(&desk, None).await
}

async fn draft_page(desk: &Desk, fault: Option<Fault>) -> Result<Response, Fault> {
    let draft = desk.console.hall.catalogue_draft().await?;
    let said = |line: &str| desk.shell.taste.lang.lint(&desk.t(line)).into_owned();
    let wrong = fault
        .as_ref()
        .map_or(String::new(), |fault| fault.message.lines().map(said).collect::<Vec<_>>().join(";"));
    let page = DraftPage {
        shell: &desk.shell,
        at: draft.at.to_minute(),
        names: names(desk, &draft).await?,
        draft,
        codes: desk.officer.second_factor,
        wrong: &wrong,
    };
    Ok(render_with(fault.map_or(StatusCode::OK, |fault| fault.status), &page))
}

/// As the draft has them; of an item that it takes out, as it is in force.
async fn names(desk: &Desk, draft: &DraftView) -> Result<BTreeMap<String, String>, Fault> {
    let hall = &desk.console.hall;
    let ((_, pack), (_, drafted)) = (hall.pack(None)?, hall.drafted_pieces().await?);
    let pieces = draft.pieces.iter().filter_map(|piece| piece.strip_prefix("item/"));
    let listed = draft.diff.added.iter().chain(&draft.diff.removed).map(|item| item.as_str());
    let mut names = BTreeMap::new();
    for item in pieces.chain(listed) {
        let Ok(id) = item.parse::<ItemId>() else { continue };
        let value = drafted.get(&piece_of(&id)).and_then(|text| serde_json::from_str::<Value>(text).ok());
        let name = value.and_then(|value| Some(value["name"].as_str()?.to_owned()));
        let name = name.or_else(|| Some(pack.item(&id)?.name.clone()));
        names.insert(item.to_owned(), name.unwrap_or_else(|| item.to_owned()));
    }
    Ok(names)
}

impl DraftPage<'_> {
    fn name<'a>(&'a self, item: &'a str) -> &'a str {
        self.names.get(item).map_or(item, String::as_str)
    }
}

async fn publish(Source(source): Source, sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let hall = &desk.console.hall;
    match hall.sign_release(&desk.officer, version(&posted), &posted.proof(), &source).await {
        Ok(_) => Ok(done("/catalogue", "新的一版目录已发布,各级联网时收到")),
        Err(error) => {
            let fault = Fault::from(error);
            if fault.status.is_server_error() { Err(fault) } else { draft_page(&desk, Some(fault)).await }
        }
    }
}

async fn discard(sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    desk.console.hall.discard_draft(&desk.officer.name, version(&posted)).await?;
    Ok(done("/catalogue/draft", "草稿已放弃,目录没有改动"))
}

/// The version of the draft that a form was made from.
fn version(posted: &Posted) -> u32 {
    posted.get("version").parse().unwrap_or(0)
}

#[derive(Template)]
#[template(path = "catalogue_new.html")]
struct NewPage<'a> {
    shell: &'a Shell,
    typed: &'a Posted,
    items: Vec<(String, String)>,
    wrong: &'a str,
}

async fn blank(desk: Desk) -> Result<Response, Fault> {
    new_page(&desk, &Posted::default(), None)
}

fn new_page(desk: &Desk, typed: &Posted, fault: Option<Fault>) -> Result<Response, Fault> {
    let (_, pack) = desk.console.hall.pack(None)?;
    let (status, wrong) = told(desk, fault);
    let page = NewPage { shell: &desk.shell, typed, items: items_of(&pack), wrong: &wrong };
    Ok(render_with(status, &page))
}

async fn add(sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let hall = &desk.console.hall;
    let outcome =
        match (id::<ItemId>(posted.get("id"), "事项编号"), id::<ItemId>(posted.get("pattern"), "样本事项"))
        {
            (Ok(item), Ok(pattern)) => {
                let added = hall.draft_new_item(&desk.officer, &item, &pattern, posted.get("name")).await;
                added.map(|()| item).map_err(Fault::from)
            }
            (Err(fault), _) | (_, Err(fault)) => Err(fault),
        };
    match outcome {
        Ok(item) => Ok(see(&format!("/catalogue/items/{item}"))),
        Err(fault) if fault.status.is_server_error() => Err(fault),
        Err(fault) => new_page(&desk, &posted, Some(fault)),
    }
}
