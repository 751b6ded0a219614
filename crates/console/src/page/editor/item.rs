//! One item of the draft: the values people change, as lines of a form. Its lists have pages of their own.

use super::rows::{LISTS, List};
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
    /// Its lists, each on a page of its own, and how many rows each has.
    lists: Vec<(&'static List, usize)>,
    wrong: &'a str,
}

/// 、 and the commas of both kinds of keyboard.
const BETWEEN_WORDS: [char; 3] = ['、', '\u{ff0c}', ','];

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
    item_page(&desk, &item, read, &value, None, "")
}

fn joined(value: &Value, between: &str) -> String {
    let texts = value.as_array().into_iter().flatten().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(between)
}

/// Faults as a page tells them.
pub(super) fn told(desk: &Desk, wrong: &[String]) -> String {
    wrong.iter().map(|one| desk.t(one).into_owned()).collect::<Vec<_>>().join(";")
}

fn item_page(
    desk: &Desk,
    item: &ItemId,
    read: String,
    value: &Value,
    typed: Option<&Posted>,
    wrong: &str,
) -> Result<Response, Fault> {
    let (_, pack) = desk.console.hall.pack(None)?;
    let line = |(name, label, kind): (&'static str, &'static str, &'static str)| Line {
        name,
        label,
        kind,
        value: match typed {
            Some(posted) if posted.has(name) => posted.get(name).to_owned(),
            _ => edit::get(value, name),
        },
    };
    let wrong = desk.t(wrong).into_owned();
    let page = ItemPage {
        shell: &desk.shell,
        id: item.as_str(),
        read,
        lines: LINES.into_iter().map(line).collect(),
        state: value["state"].as_str().unwrap_or("published").to_owned(),
        states: State::ALL,
        department: edit::get(value, "department"),
        bodies: bodies(&pack, &edit::get(value, "department")),
        conditions: joined(&value["accept_conditions"], "\n"),
        basis: joined(&value["legal_basis"], "\n"),
        themes: joined(&value["themes"], "、"),
        also_called: joined(&value["also_called"], "、"),
        lists: LISTS.iter().map(|list| (list, list.count(value))).collect(),
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
    if !wrong.is_empty() {
        let (read, wrong) = (posted.get("read").to_owned(), told(&desk, &wrong));
        return item_page(&desk, &item, read, &value, Some(&posted), &wrong);
    }
    match keep(&desk, &item, &value, posted.get("read")).await? {
        Kept::Saved => Ok(saved()),
        Kept::Not { read, wrong } => item_page(&desk, &item, read, &value, None, &wrong),
    }
}

/// How a save ended: what was typed stays on the page unless it is in the draft.
pub(super) enum Kept {
    Saved,
    /// With the fingerprint that saving again begins from.
    Not {
        read: String,
        wrong: String,
    },
}

pub(super) fn saved() -> Response {
    done("/catalogue/draft", "已保存到草稿,还没有发布")
}

pub(super) async fn keep(desk: &Desk, item: &ItemId, value: &Value, read: &str) -> Result<Kept, Fault> {
    let hall = &desk.console.hall;
    match hall.draft_item(&desk.officer, item, read, value).await {
        Ok(()) => Ok(Kept::Saved),
        // Saved by somebody else meanwhile: whoever looked at both may save it.
        Err(ActError::Store(StoreError::StalePackDraft)) => {
            let (read, _) = hall.drafted_item(item).await?;
            let wrong =
                "这个事项刚刚被另一个人改过。下面是您写的;请在另一个窗口打开对照,再按保存即以本页为准";
            Ok(Kept::Not { read, wrong: wrong.to_owned() })
        }
        Err(error) => {
            let fault = Fault::from(error);
            match fault.status.is_server_error() {
                true => Err(fault),
                false => Ok(Kept::Not { read: read.to_owned(), wrong: fault.message }),
            }
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
        if posted.has(key) && posted.get(key) != joined(&value[key], "、") {
            let words = posted.get(key).split(BETWEEN_WORDS).map(str::trim).filter(|word| !word.is_empty());
            value[key] = words.map(Value::from).collect();
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}
