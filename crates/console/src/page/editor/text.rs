//! One item of the draft as it lies in the pack, for what the form has no cell for.

use super::item::{Kept, keep, saved};
use crate::api::id;
use crate::fault::Fault;
use crate::page::{Sent, render_with, status_of};
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use domain::ItemId;
use serde_json::Value;

#[derive(Template)]
#[template(path = "catalogue_text.html")]
struct TextPage<'a> {
    shell: &'a Shell,
    id: &'a str,
    /// What the text was made from.
    read: &'a str,
    text: &'a str,
    wrong: String,
}

fn page(desk: &Desk, item: &ItemId, read: &str, text: &str, wrong: &str) -> Response {
    let told = desk.t(wrong).into_owned();
    let page = TextPage { shell: &desk.shell, id: item.as_str(), read, text, wrong: told };
    render_with(status_of(wrong), &page)
}

pub(super) async fn show(Path(item): Path<String>, desk: Desk) -> Result<Response, Fault> {
    let item: ItemId = id(&item, "事项编号")?;
    let (read, value) = desk.console.hall.drafted_item(&item).await?;
    let text = serde_json::to_string_pretty(&value).unwrap_or_default();
    Ok(page(&desk, &item, &read, &text, ""))
}

pub(super) async fn save(Path(item): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let item: ItemId = id(&item, "事项编号")?;
    let (read, text) = (posted.get("read"), posted.get("text"));
    let value = match serde_json::from_str::<Value>(text) {
        Ok(value) => value,
        Err(error) => {
            let wrong = format!("不是合法的 JSON:第 {} 行第 {} 列", error.line(), error.column());
            return Ok(page(&desk, &item, read, text, &wrong));
        }
    };
    match keep(&desk, &item, &value, read).await? {
        Kept::Saved => Ok(saved()),
        Kept::Not { read, wrong } => Ok(page(&desk, &item, &read, text, &wrong)),
    }
}
