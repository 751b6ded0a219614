//! One item of the draft: the values people change as lines of a form, and the whole of it as text.

use super::rows::{Choices, Input, LISTS, List, Row};
use crate::api::id;
use crate::fault::Fault;
use crate::page::done::done;
use crate::page::{Sent, bodies_of, render_with, status_of};
use crate::posted::Posted;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::extract::Path;
use axum::response::Response;
use casework::ActError;
use domain::ItemId;
use domain::catalogue::life::State;
use domain::pack::{CityPack, edit};
use serde_json::Value;
use store::StoreError;

struct Line {
    name: &'static str,
    label: &'static str,
    kind: &'static str,
    value: String,
}

/// One list of the item, as rows of the form.
struct ListView {
    list: &'static List,
    rows: Vec<Row>,
}

#[derive(Template)]
#[template(path = "catalogue_item.html")]
struct ItemPage<'a> {
    shell: &'a Shell,
    id: &'a str,
    /// What the form was made from.
    read: String,
    lines: Vec<Line>,
    state: String,
    states: [(&'static str, State); 5],
    department: String,
    bodies: Vec<(String, String)>,
    conditions: String,
    basis: String,
    /// 主题 and 俗称, one after another.
    themes: String,
    also_called: String,
    lists: Vec<ListView>,
    text: String,
    /// The whole text was what was sent.
    by_text: bool,
    wrong: &'a str,
}

/// Lines of the form, by the column each changes.
const LINES: [(&str, &str, &str); 7] = [
    ("name", "事项名称", "text"),
    ("effective_from", "施行日期", "date"),
    ("effective_until", "终止日期", "date"),
    ("promised_days", "承诺时限(天数)", "number"),
    ("statutory_days", "法定时限(天数)", "number"),
    ("deferral_days", "容缺期限(天数)", "number"),
    ("green_days", "绿色通道(天数)", "number"),
];

pub(super) async fn show(Path(item): Path<String>, desk: Desk) -> Result<Response, Fault> {
    let item: ItemId = id(&item, "事项编号")?;
    let (read, value) = desk.console.hall.drafted_item(&item).await?;
    let text = pretty(&value);
    item_page(&desk, &item, read, &value, Typed { text, ..Typed::default() })
}

fn pretty(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

#[derive(Default)]
struct Typed<'a> {
    text: String,
    by_text: bool,
    /// The form of lines, as it was sent.
    lines: Option<&'a Posted>,
    wrong: &'a str,
}

fn lines_of(value: &Value) -> String {
    let lines = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    lines.collect::<Vec<_>>().join("\n")
}

fn words_of(value: &Value) -> String {
    let words = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    words.collect::<Vec<_>>().join("、")
}

fn item_page(
    desk: &Desk,
    item: &ItemId,
    read: String,
    value: &Value,
    typed: Typed<'_>,
) -> Result<Response, Fault> {
    let (_, pack) = desk.console.hall.pack(None)?;
    let line = |(name, label, kind): (&'static str, &'static str, &'static str)| Line {
        name,
        label,
        kind,
        value: match typed.lines {
            Some(posted) if posted.has(name) => posted.get(name).to_owned(),
            _ => edit::get(value, name),
        },
    };
    let choices = Choices {
        bodies: bodies_of(&pack),
        licences: pack.licence_types.values().map(|one| (one.id.clone(), one.name.clone())).collect(),
    };
    let list = |list: &'static List| ListView { rows: list.shown(value, typed.lines, &choices), list };
    let wrong = desk.t(typed.wrong).into_owned();
    let page = ItemPage {
        shell: &desk.shell,
        id: item.as_str(),
        read,
        lines: LINES.into_iter().map(line).collect(),
        state: value["state"].as_str().unwrap_or("published").to_owned(),
        states: State::ALL,
        department: edit::get(value, "department"),
        bodies: bodies(&pack, &edit::get(value, "department")),
        conditions: lines_of(&value["accept_conditions"]),
        basis: lines_of(&value["legal_basis"]),
        themes: words_of(&value["themes"]),
        also_called: words_of(&value["also_called"]),
        lists: LISTS.iter().map(list).collect(),
        text: typed.text,
        by_text: typed.by_text,
        wrong: &wrong,
    };
    Ok(render_with(status_of(&wrong), &page))
}

/// Those of the release in force, and the one the item names, which a draft may know alone.
fn bodies(pack: &CityPack, of_item: &str) -> Vec<(String, String)> {
    let mut all = bodies_of(pack);
    if !all.iter().any(|(id, _)| id == of_item) {
        all.insert(0, (of_item.to_owned(), of_item.to_owned()));
    }
    all
}

pub(super) async fn save(Path(item): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let item: ItemId = id(&item, "事项编号")?;
    let (_, mut value) = desk.console.hall.drafted_item(&item).await?;
    let wrong = changed(&mut value, &posted).err().unwrap_or_default();
    if wrong.is_empty() {
        return keep(&desk, &item, &value, &posted, false).await;
    }
    let wrong = wrong.iter().map(|one| desk.t(one).into_owned()).collect::<Vec<_>>().join(";");
    let typed = Typed { text: pretty(&value), lines: Some(&posted), wrong: &wrong, ..Typed::default() };
    item_page(&desk, &item, posted.get("read").to_owned(), &value, typed)
}

pub(super) async fn save_text(Path(item): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let item: ItemId = id(&item, "事项编号")?;
    match serde_json::from_str::<Value>(posted.get("text")) {
        Ok(value) => keep(&desk, &item, &value, &posted, true).await,
        Err(error) => {
            let (_, value) = desk.console.hall.drafted_item(&item).await?;
            let wrong = format!("不是合法的 JSON:第 {} 行第 {} 列", error.line(), error.column());
            let text = posted.get("text").to_owned();
            let typed = Typed { text, by_text: true, wrong: &wrong, ..Typed::default() };
            item_page(&desk, &item, posted.get("read").to_owned(), &value, typed)
        }
    }
}

async fn keep(
    desk: &Desk,
    item: &ItemId,
    value: &Value,
    posted: &Posted,
    by_text: bool,
) -> Result<Response, Fault> {
    let hall = &desk.console.hall;
    match hall.draft_item(&desk.officer, item, posted.get("read"), value).await {
        Ok(()) => Ok(done("/catalogue/draft", "已保存到草稿,还没有发布")),
        // Saved by somebody else meanwhile: what was typed stays on the page, and whoever looked at both may save it.
        Err(ActError::Store(StoreError::StalePackDraft)) => {
            let (now, _) = hall.drafted_item(item).await?;
            let wrong =
                "这个事项刚刚被另一个人改过。下面是您写的;请在另一个窗口打开对照,再按保存即以本页为准";
            let typed = Typed { text: pretty(value), by_text, wrong, ..Typed::default() };
            item_page(desk, item, now, value, typed)
        }
        Err(error) => {
            let fault = Fault::from(error);
            if fault.status.is_server_error() {
                return Err(fault);
            }
            let typed = Typed { text: pretty(value), by_text, wrong: &fault.message, ..Typed::default() };
            item_page(desk, item, posted.get("read").to_owned(), value, typed)
        }
    }
}

/// The item with what the form says; what cannot be is told by its label.
fn changed(value: &mut Value, posted: &Posted) -> Result<(), Vec<String>> {
    let mut wrong = Vec::new();
    for (column, label, _) in LINES {
        match posted.get(column) {
            // What the item has by a general rule is not taken from it by a box that was empty before.
            "" if edit::get(value, column).is_empty() => {}
            "" => edit::clear(value, column),
            cell if cell == edit::get(value, column) => {}
            cell => {
                if edit::put(value, column, cell).is_err() {
                    wrong.push(format!("{label}应为 0 到 3650 的整数"));
                }
            }
        }
    }
    for column in ["state", "department"].into_iter().filter(|column| !posted.get(column).is_empty()) {
        // An item that says nothing of its state is published.
        if column == "state" && value["state"].is_null() && posted.get(column) == "published" {
            continue;
        }
        if edit::put(value, column, posted.get(column)).is_err() {
            wrong.push("事项的内容不完整".to_owned());
        }
    }
    let lines = |name: &str| -> Vec<Value> {
        let lines = posted.get(name).lines().map(str::trim).filter(|line| !line.is_empty());
        lines.map(Value::from).collect()
    };
    for (key, name) in [("accept_conditions", "conditions"), ("legal_basis", "basis")] {
        if !(value[key].is_null() && lines(name).is_empty()) {
            value[key] = lines(name).into();
        }
    }
    for key in ["themes", "also_called"] {
        if posted.has(key) && posted.get(key) != words_of(&value[key]) {
            let words = posted.get(key).split(['、', ',', ',', ' ']).filter(|word| !word.is_empty());
            value[key] = words.map(Value::from).collect();
        }
    }
    for list in &LISTS {
        wrong.extend(list.take(value, posted));
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}
