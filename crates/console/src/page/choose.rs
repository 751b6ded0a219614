//! 选事项: the list of what can be applied for, the guide of each, and the draft that begins with one.

use super::{Sent, render, see};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::lang::Lang;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::get;
use domain::ItemId;
use domain::catalogue::Item;
use domain::pack::CityPack;
use pinyin::ToPinyin;
use serde::Deserialize;
use std::collections::BTreeMap;
use store::{CaseOrder, CaseQuery};

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/new", get(choose)).route("/guides/{item}", get(guide))
}

/// The initials people type for a name: `dbj` for 低保金.
fn initials(name: &str) -> String {
    let letter = |(c, pinyin): (char, Option<pinyin::Pinyin>)| match pinyin {
        Some(pinyin) => pinyin.first_letter().to_owned(),
        None => c.to_ascii_lowercase().to_string(),
    };
    name.chars().zip(name.to_pinyin()).map(letter).collect()
}

/// Letters that say little when they only stand somewhere in order.
const LETTERS_MIN: usize = 3;

/// Whether somebody who typed `sought` (lower case) may have meant `name`: part of it, its initials, or the short form people say
/// (社保卡 for 社会保障卡, `sbk`).
pub(crate) fn is_meant(name: &str, sought: &str) -> bool {
    let name = name.to_lowercase();
    if name.contains(sought) {
        return true;
    }
    let initials = initials(&name);
    let long_enough = if sought.is_ascii() { LETTERS_MIN } else { 2 };
    let short_form = sought.chars().count() >= long_enough;
    initials.contains(sought) || short_form && (in_order(&name, sought) || in_order(&initials, sought))
}

/// Whether somebody who typed `sought` (lower case) may have meant this item: its name, what people call it, or its body;
/// in Chinese, or as an English page shows it.
pub(crate) fn item_is_meant(item: &Item, pack: &CityPack, sought: &str, lang: Lang) -> bool {
    let (body, english) = (pack.org_name(&item.body), |text: &str| pack.english.get(text));
    let mut names = std::iter::once(&item.name).chain(&item.also_called);
    let said = [english(&item.name), english(body)];
    names.any(|name| is_meant(name, sought))
        || body.contains(sought)
        || lang == Lang::English && said.into_iter().flatten().any(|text| begins_a_word(text, sought))
}

/// `food` in `Small food workshop`, and not `oo`.
fn begins_a_word(text: &str, sought: &str) -> bool {
    format!(" {}", text.to_lowercase()).contains(&format!(" {sought}"))
}

/// Whether all characters of `sought` stand in `text`, one after another.
fn in_order(text: &str, sought: &str) -> bool {
    let mut rest = text.chars();
    sought.chars().all(|wanted| rest.any(|c| c == wanted))
}

struct ItemLine {
    id: String,
    name: String,
    service: &'static str,
    class: &'static str,
    promised: String,
}

#[derive(Template)]
#[template(path = "choose.html")]
struct ChoosePage<'a> {
    shell: &'a Shell,
    sought: &'a str,
    /// What is taken in here most, while nothing is sought.
    frequent: Vec<(String, String)>,
    /// Bodies, each with its items.
    bodies: Vec<(String, Vec<ItemLine>)>,
    bundles: Vec<(String, String, u32)>,
}

/// What a village can do for the citizen with an item (村级直办、代办、协办, 公开告知).
fn service(name: &str) -> (&'static str, &'static str) {
    match name {
        "direct" => ("村里直办", "ok"),
        "proxy" => ("可离线代办", "ok"),
        "assist" => ("村里协办", "ok"),
        _ => ("公开告知,一般去镇里办", "soft"),
    }
}

#[derive(Deserialize)]
struct Sought {
    #[serde(default)]
    q: String,
}

async fn choose(desk: Desk, Query(Sought { q }): Query<Sought>) -> Result<Response, Fault> {
    let (_, pack) = desk.console.hall.pack(None)?;
    let sought = q.trim().to_lowercase();
    let today = desk.today();
    let mut bodies: Vec<(String, Vec<ItemLine>)> = Vec::new();
    for item in pack.items.values() {
        let body = pack.org_name(&item.body);
        if item.in_force(today).is_err() || !item_is_meant(item, &pack, &sought, desk.shell.taste.lang) {
            continue;
        }
        let (service, class) = service(&item.village_service);
        let line = ItemLine {
            id: item.id.to_string(),
            name: item.name.clone(),
            service,
            class,
            promised: desk.t(&format!("承诺 {}", item.promised.chinese())).into_owned(),
        };
        match bodies.iter_mut().find(|(known, _)| known == body) {
            Some((_, lines)) => lines.push(line),
            None => bodies.push((body.to_owned(), vec![line])),
        }
    }
    let bundles = pack.bundles.iter().filter(|bundle| is_meant(&bundle.name, &sought));
    let bundles =
        bundles.map(|bundle| (bundle.id.clone(), bundle.name.clone(), bundle.promised_days)).collect();
    let frequent = if sought.is_empty() { frequent(&desk, &pack).await? } else { Vec::new() };
    Ok(render(&ChoosePage { shell: &desk.shell, sought: q.trim(), frequent, bodies, bundles }))
}

/// Newest cases that are counted, and how many items they bring to the top.
const COUNTED: u32 = 200;
const FREQUENT: usize = 6;

/// What this counter took in most of late: id and name.
async fn frequent(desk: &Desk, pack: &CityPack) -> Result<Vec<(String, String)>, Fault> {
    let query = CaseQuery { order: CaseOrder::NewestFirst, limit: COUNTED, ..CaseQuery::default() };
    let mut counts: BTreeMap<ItemId, u32> = BTreeMap::new();
    let here = desk.console.hall.me();
    for line in desk.console.hall.store.cases(query).await?.into_iter().filter(|line| line.origin == *here) {
        *counts.entry(line.item).or_default() += 1;
    }
    let mut items: Vec<(ItemId, u32)> = counts.into_iter().collect();
    items.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let today = desk.today();
    let open = items.iter().filter_map(|(id, _)| pack.item(id)).filter(|item| item.in_force(today).is_ok());
    Ok(open.take(FREQUENT).map(|item| (item.id.to_string(), item.name.clone())).collect())
}

#[derive(Template)]
#[template(path = "guide.html")]
struct GuidePage<'a> {
    shell: &'a Shell,
    item: &'a domain::catalogue::Item,
    body: &'a str,
    promised: String,
    statutory: String,
    may_record: bool,
}

async fn guide(desk: Desk, Path(item): Path<String>) -> Result<Response, Fault> {
    let (_, pack, item) = desk.console.hall.item(None, &id::<ItemId>(&item, "事项编号")?)?;
    let days = |limit: domain::calendar::Limit| desk.t(&limit.chinese()).into_owned();
    Ok(render(&GuidePage {
        shell: &desk.shell,
        body: pack.org_name(&item.body),
        promised: days(item.promised),
        statutory: days(item.statutory_or_general()),
        may_record: desk.may(domain::access::Permission::Record),
        item: &item,
    }))
}

pub(super) async fn start(sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let hall = &desk.console.hall;
    let draft = match posted.get("bundle") {
        "" => hall.start_draft(&desk.officer, &id::<ItemId>(posted.get("item"), "事项编号")?).await?,
        bundle => hall.start_bundle(&desk.officer, bundle).await?,
    };
    Ok(see(&format!("/drafts/{}", draft.id)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_found_by_its_name_and_by_the_initials_of_its_pinyin() {
        assert_eq!(initials("最低生活保障"), "zdshbz");
        assert!(is_meant("最低生活保障审核确认", "zdsh") && is_meant("最低生活保障审核确认", "保障"));
        assert!(is_meant("食品经营许可", "") && !is_meant("食品经营许可", "zd"));
        assert!(
            begins_a_word("Small food workshop", "food w") && !begins_a_word("Small food workshop", "oo")
        );
        // As people say it.
        assert!(is_meant("社会保障卡申领", "社保卡") && is_meant("社会保障卡申领", "sbk"));
        assert!(is_meant("最低生活保障审核确认", "低保") && !is_meant("最低生活保障审核确认", "保低"));
    }
}
