//! 办事指南: finding an item by what people call it, what it asks for, and where the next 代办点 is.

use super::{Visitor, answer};
use crate::Console;
use crate::fault::Fault;
use crate::lang::Lang;
use crate::page::choose::{is_meant, item_is_meant};
use crate::page::encoded;
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::get;
use domain::ItemId;
use domain::catalogue::{Handling, Item, Necessity, theme};
use domain::network::{Contact, Standing, Tier};
use domain::pack::CityPack;
use serde::Deserialize;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/hall", get(home))
        .route("/hall/items", get(list))
        .route("/hall/items/{item}", get(guide))
        .route("/hall/proxies", get(proxies))
}

#[derive(Template)]
#[template(path = "hall/home.html")]
struct HomePage<'a> {
    hall: &'a Visitor,
    persons: usize,
    bodies: usize,
    /// 主题 that have items, of persons and of bodies.
    themes: [Themes; 2],
    places: usize,
}

/// The headings of one of the two lists: name, how many items stand there, and the name as an address has it.
struct Themes {
    title: &'static str,
    who: &'static str,
    lines: Vec<(&'static str, usize, String)>,
}

impl Themes {
    fn of(who: &'static str, items: &[&Item]) -> Themes {
        let (title, list): (_, &[&str]) = match who {
            "body" => ("法人办事", &theme::FOR_BODIES),
            _ => ("个人办事", &theme::FOR_PERSONS),
        };
        let mut lines = Vec::new();
        for theme in list {
            let count = items.iter().filter(|item| is_for(who, item) && stands_under(item, theme)).count();
            if count > 0 {
                lines.push((*theme, count, encoded(theme)));
            }
        }
        Themes { title, who, lines }
    }
}

fn is_for(who: &str, item: &Item) -> bool {
    match who {
        "person" => item.for_persons,
        "body" => item.for_bodies,
        _ => true,
    }
}

fn stands_under(item: &Item, theme: &str) -> bool {
    item.themes.iter().any(|known| known == theme)
}

async fn home(visitor: Visitor) -> Result<Response, Fault> {
    let (_, pack) = visitor.console.hall.pack(None)?;
    let today = visitor.today();
    let items: Vec<&Item> =
        pack.items.values().map(|item| &**item).filter(|item| item.in_force(today).is_ok()).collect();
    let page = HomePage {
        persons: items.iter().filter(|item| item.for_persons).count(),
        bodies: items.iter().filter(|item| item.for_bodies).count(),
        themes: [Themes::of("person", &items), Themes::of("body", &items)],
        places: places(&visitor, "").len(),
        hall: &visitor,
    };
    Ok(answer(false, &page))
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Sought {
    q: String,
    /// `person` or `body`.
    who: String,
    /// 主题, of persons' list or bodies'.
    theme: String,
    power: String,
    /// The body that has the power.
    body: String,
    /// `village`, `town` or `city`: where it is decided.
    level: String,
}

struct Row {
    id: String,
    name: String,
    body: String,
    promised: String,
    visits: String,
}

struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "hall/items.html")]
struct ListPage<'a> {
    hall: &'a Visitor,
    sought: &'a Sought,
    rows: Vec<Row>,
    who: Vec<Choice>,
    themes: Vec<Choice>,
    powers: Vec<Choice>,
    bodies: Vec<Choice>,
    levels: Vec<Choice>,
}

const LEVELS: [(&str, &str, Tier); 3] =
    [("village", "村级", Tier::Village), ("town", "镇级", Tier::Town), ("city", "市级", Tier::City)];

impl Sought {
    fn fits(&self, item: &Item, pack: &CityPack, lang: Lang) -> bool {
        let words = self.q.trim().to_lowercase();
        let level = LEVELS.iter().find(|(name, ..)| *name == self.level);
        is_for(&self.who, item)
            && (self.theme.is_empty() || stands_under(item, &self.theme))
            && (self.power.is_empty() || item.power == self.power)
            && (self.body.is_empty() || item.body.as_str() == self.body)
            && level.is_none_or(|(_, _, tier)| item.decision_tier == *tier)
            && item_is_meant(item, pack, &words, lang)
    }
}

async fn list(visitor: Visitor, Query(sought): Query<Sought>) -> Result<Response, Fault> {
    let (_, pack) = visitor.console.hall.pack(None)?;
    let today = visitor.today();
    let open = || pack.items.values().filter(|item| item.in_force(today).is_ok());
    let row = |item: &std::sync::Arc<Item>| Row {
        id: item.id.to_string(),
        name: item.name.clone(),
        body: pack.org_name(&item.body).to_owned(),
        promised: visitor.t(&format!("承诺 {}", item.promised.chinese())).into_owned(),
        visits: visits(&visitor, item),
    };
    let fitting = open().filter(|item| sought.fits(item, &pack, visitor.taste.lang));
    let choice = |value: &str, label: String, chosen: &str| Choice {
        chosen: value == chosen,
        value: value.to_owned(),
        label,
    };
    let said = |text: &str| visitor.t(text).into_owned();
    let mut powers: Vec<&str> =
        open().map(|item| item.power.as_str()).filter(|power| !power.is_empty()).collect();
    powers.sort_unstable();
    powers.dedup();
    let mut themes: Vec<&str> = theme::FOR_PERSONS.iter().chain(&theme::FOR_BODIES).copied().collect();
    themes.retain(|theme| open().any(|item| is_for(&sought.who, item) && stands_under(item, theme)));
    let mut once = std::collections::BTreeSet::new();
    themes.retain(|theme| once.insert(*theme));
    let mut bodies: Vec<&domain::OrgId> = open().map(|item| &item.body).collect();
    bodies.sort_unstable();
    bodies.dedup();
    let page = ListPage {
        hall: &visitor,
        rows: fitting.map(row).collect(),
        who: vec![
            choice("", said("全部"), &sought.who),
            choice("person", said("个人办事"), &sought.who),
            choice("body", said("法人办事"), &sought.who),
        ],
        themes: themes.iter().map(|theme| choice(theme, said(theme), &sought.theme)).collect(),
        powers: powers.iter().map(|power| choice(power, said(power), &sought.power)).collect(),
        bodies: bodies
            .iter()
            .map(|body| choice(body.as_str(), visitor.c(pack.org_name(body)).into_owned(), &sought.body))
            .collect(),
        levels: LEVELS.iter().map(|(value, label, _)| choice(value, said(label), &sought.level)).collect(),
        sought: &sought,
    };
    Ok(answer(false, &page))
}

fn visits(visitor: &Visitor, item: &Item) -> String {
    match item.visits {
        Some(0) => visitor.t("不用跑现场").into_owned(),
        Some(times) => visitor.t(&format!("到现场 {times} 次")).into_owned(),
        None => String::new(),
    }
}

struct PaperRow {
    name: String,
    need: &'static str,
    class: &'static str,
    on_condition: bool,
    from_library: bool,
}

#[derive(Template)]
#[template(path = "hall/guide.html")]
struct GuidePage<'a> {
    hall: &'a Visitor,
    item: &'a Item,
    body: &'a str,
    promised: String,
    statutory: String,
    visits: String,
    handling: &'static str,
    papers: Vec<PaperRow>,
    /// Whether a village's proxy officer takes it in.
    by_proxy: bool,
    /// Whether it can be applied for from home.
    online: bool,
}

async fn guide(visitor: Visitor, Path(item): Path<String>) -> Result<Response, Fault> {
    let id = crate::api::id::<ItemId>(&item, "事项编号")?;
    let (_, pack, item) = visitor.console.hall.item(None, &id)?;
    let days = |limit: domain::calendar::Limit| visitor.t(&limit.chinese()).into_owned();
    let paper = |material: &domain::catalogue::Material| {
        let (need, class) = match material.necessity {
            Necessity::Required => ("必要", "bad"),
            Necessity::Deferrable => ("必要,可容缺", "warn"),
            Necessity::Optional => ("可不交", "soft"),
        };
        PaperRow {
            name: material.name.clone(),
            need,
            class,
            on_condition: material.when.is_some(),
            from_library: material.reuse_licence.is_some(),
        }
    };
    let page = GuidePage {
        hall: &visitor,
        body: pack.org_name(&item.body),
        promised: days(item.promised),
        statutory: days(item.statutory_or_general()),
        visits: visits(&visitor, &item),
        handling: if item.handling == Handling::Instant { "即办件" } else { "承诺件" },
        papers: item.materials.iter().map(paper).collect(),
        online: domain::application::is_offered(&item, visitor.today())
            && visitor.console.citizens.are_let_in(),
        by_proxy: matches!(item.village_service.as_str(), "direct" | "proxy" | "assist"),
        item: &item,
    };
    Ok(answer(false, &page))
}

/// A counter as a citizen finds it: a village's 代办点, or the window of a town.
struct Place {
    name: String,
    town: String,
    contact: Option<Contact>,
}

/// Counters that are on the network and not shut out, villages under their towns.
fn places(visitor: &Visitor, sought: &str) -> Vec<Place> {
    let network = visitor.console.hall.store.network();
    let mut places: Vec<Place> = network
        .iter()
        .filter(|node| node.tier != Tier::City && node.standing == Standing::Active)
        .map(|node| {
            let town = node.parent.as_ref().and_then(|id| network.get(id));
            let town = match node.tier {
                Tier::Village => town.map_or(String::new(), |town| town.name.clone()),
                Tier::Town | Tier::City => node.name.clone(),
            };
            Place { name: node.name.clone(), town, contact: node.contact.clone() }
        })
        .filter(|place| is_meant(&place.name, sought) || is_meant(&place.town, sought))
        .collect();
    // The window of a town stands before its villages.
    places.sort_by_key(|place| (place.town.clone(), place.name != place.town, place.name.clone()));
    places
}

#[derive(Template)]
#[template(path = "hall/proxies.html")]
struct ProxiesPage<'a> {
    hall: &'a Visitor,
    sought: &'a str,
    places: Vec<Place>,
}

async fn proxies(visitor: Visitor, Query(sought): Query<Sought>) -> Response {
    let q = sought.q.trim();
    let places = places(&visitor, &q.to_lowercase());
    answer(false, &ProxiesPage { hall: &visitor, sought: q, places })
}
