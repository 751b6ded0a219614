//! One list of an item of the draft, a row a line: papers, fields, stages or fees.

use super::item::{Kept, keep, saved, told};
use super::rows::{Choices, Input, LISTS, List, Row};
use crate::api::id;
use crate::fault::Fault;
use crate::page::{Sent, render_with, status_of};
use crate::posted::Posted;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use domain::ItemId;
use serde_json::Value;

#[derive(Template)]
#[template(path = "catalogue_list.html")]
struct ListPage<'a> {
    shell: &'a Shell,
    id: &'a str,
    name: String,
    /// What the form was made from.
    read: &'a str,
    list: &'static List,
    rows: Vec<Row>,
    wrong: &'a str,
}

fn list_of(name: &str) -> Result<&'static List, Fault> {
    LISTS.iter().find(|list| list.name == name).ok_or_else(Fault::no_route)
}

/// The page stands on the item as it is stored; what was typed and not taken is filled in over it.
fn page(
    desk: &Desk,
    (item, list): (&ItemId, &'static List),
    (read, stored): (&str, &Value),
    typed: Option<&Posted>,
    wrong: &str,
) -> Result<Response, Fault> {
    let (_, pack) = desk.console.hall.pack(None)?;
    let said = |name: &str| desk.shell.c(name).into_owned();
    let choices = Choices {
        // Governments of towns and streets, which no stage of the city names, would fill the page.
        bodies: pack
            .orgs
            .values()
            .filter(|org| !org.of_town)
            .map(|org| (org.id.to_string(), said(&org.name)))
            .collect(),
        licences: pack.licence_types.values().map(|one| (one.id.clone(), said(&one.name))).collect(),
    };
    let page = ListPage {
        shell: &desk.shell,
        id: item.as_str(),
        name: said(stored["name"].as_str().unwrap_or_default()),
        read,
        list,
        rows: list.shown(stored, typed, &choices),
        wrong,
    };
    Ok(render_with(status_of(wrong), &page))
}

pub(super) async fn show(Path((item, list)): Path<(String, String)>, desk: Desk) -> Result<Response, Fault> {
    let (item, list) = (id::<ItemId>(&item, "事项编号")?, list_of(&list)?);
    let (read, stored) = desk.console.hall.drafted_item(&item).await?;
    page(&desk, (&item, list), (&read, &stored), None, "")
}

pub(super) async fn save(Path((item, list)): Path<(String, String)>, sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let (item, list) = (id::<ItemId>(&item, "事项编号")?, list_of(&list)?);
    let hall = &desk.console.hall;
    let (_, stored) = hall.drafted_item(&item).await?;
    let mut value = stored.clone();
    let wrong = list.take(&mut value, &posted);
    if !wrong.is_empty() {
        let (read, wrong) = (posted.get("read"), told(&desk, &wrong));
        return page(&desk, (&item, list), (read, &stored), Some(&posted), &wrong);
    }
    match keep(&desk, &item, &value, posted.get("read")).await? {
        Kept::Saved => Ok(saved()),
        Kept::Not { read, wrong } => {
            // By now it may be another's.
            let (_, stored) = hall.drafted_item(&item).await?;
            page(&desk, (&item, list), (&read, &stored), Some(&posted), &desk.t(&wrong))
        }
    }
}
