//! What stands around every page: who is here, how the node stands with its parent, what waits, and the language.

use crate::Console;
use crate::auth::{cookie, cookies};
use crate::badge::Badge;
use crate::fault::Fault;
use crate::lang::Lang;
use crate::pages::Waits;
use crate::posted::csrf_token;
use axum::extract::FromRequestParts;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use casework::{Officer, SensitiveAct};
use domain::access::{Jurisdiction, Permission};
use domain::network::Tier;
use domain::{Day, Timestamp};
use std::borrow::Cow;
use store::{AlertQuery, Counts, TaskQuery};

pub(crate) const LANG_COOKIE: &str = "tongban_lang";
pub(crate) const LARGE_COOKIE: &str = "tongban_large";

/// How a person wants to see pages; kept in cookies of its own, before and after the log-in.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Taste {
    pub lang: Lang,
    /// 长辈版: large letters, large targets.
    pub large: bool,
    /// Nobody's taste, and said on every page alike: a drill is on.
    pub drill: bool,
}

impl Taste {
    pub fn of(headers: &HeaderMap) -> Taste {
        let says = |name: &str, value: &str| cookies(headers).any(|pair| pair == (name, value));
        let lang = if says(LANG_COOKIE, "en") { Lang::English } else { Lang::Chinese };
        Taste { lang, large: says(LARGE_COOKIE, "1"), drill: runtime::is_drill() }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Taste {
    type Rejection = Fault;
    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        Ok(Taste::of(&parts.headers))
    }
}

pub(crate) struct NavLine {
    pub href: &'static str,
    pub label: &'static str,
    /// What waits there; nothing where nothing can wait.
    pub count: Option<String>,
    pub current: bool,
}

pub(crate) struct Shell {
    pub taste: Taste,
    pub place: String,
    pub tier: Tier,
    pub officer: String,
    /// `None` at the hub, which has nobody above.
    pub badge: Option<Badge>,
    pub nav: Vec<NavLine>,
    pub csrf: String,
    /// What the form that led here has done; said once.
    pub done: Option<String>,
    /// This page, for the links that change its language.
    pub here: String,
}

impl Shell {
    pub fn t<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.taste.lang.t(text)
    }
    /// What stands in the catalogue, in the reader's language.
    pub fn c<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.taste.lang.c(text)
    }
    pub fn tier_name(&self) -> &'static str {
        match self.tier {
            Tier::Village => "村级代办点",
            Tier::Town => "镇便民服务中心",
            Tier::City => "市政务服务中心",
        }
    }
    pub fn is_village(&self) -> bool {
        self.tier == Tier::Village
    }
    /// What taking in an application is called here: a village acts for its people, a town's window has them before it.
    pub fn take_in(&self) -> &'static str {
        if self.is_village() { "新代办" } else { "窗口收件" }
    }
    pub fn take(&self) -> &'static str {
        if self.is_village() { "代办" } else { "收件" }
    }
    /// `刚刚`, `3 分钟前`, `今天 17:40`, `昨天 17:40`, a date: how long ago, as people say it.
    pub fn ago(&self, then: Timestamp, now: Timestamp) -> String {
        self.t(&ago(then, now)).into_owned()
    }
}

pub(crate) fn ago(then: Timestamp, now: Timestamp) -> String {
    let (minutes, clock) = ((now.as_ms() - then.as_ms()) / 60_000, then.to_clock());
    match now.day().days_since(then.day()) {
        0 if minutes < 1 => "刚刚".to_owned(),
        0 if minutes < 60 => format!("{minutes} 分钟前"),
        0 => format!("今天 {clock}"),
        1 => format!("昨天 {clock}"),
        _ => then.to_minute(),
    }
}

/// Whoever reads a page, and what they may see of the node.
pub(crate) struct Desk {
    pub console: Console,
    pub officer: Officer,
    pub shell: Shell,
    pub counts: Counts,
}

impl Desk {
    pub fn now(&self) -> Timestamp {
        self.console.hall.now()
    }
    pub fn today(&self) -> Day {
        self.now().day()
    }
    pub fn may(&self, permission: Permission) -> bool {
        self.console.hall.allow(&self.officer, permission).is_ok()
    }
    /// Whether a page is there for this officer.
    pub fn may_open(&self, href: &str) -> bool {
        let path = href.split('?').next().unwrap_or(href);
        let page = crate::pages::Page::of(&axum::http::Method::GET, path);
        page.is_some_and(|page| page.tiers.contains(&self.shell.tier) && self.may(page.needs))
    }
    pub fn t<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.shell.t(text)
    }
    /// Whether any act of two is this officer's to sign.
    fn signs_with_another(&self) -> bool {
        SensitiveAct::PERMISSIONS.into_iter().any(|permission| self.may(permission))
    }
    /// The queue of this officer.
    pub fn queue(&self, limit: u32) -> TaskQuery {
        let hall = &self.console.hall;
        let within = hall.jurisdiction(&self.officer);
        TaskQuery { body: self.officer.body.clone(), within, limit, ..TaskQuery::default() }
    }
    pub fn within(&self) -> Jurisdiction {
        self.console.hall.jurisdiction(&self.officer)
    }
}

/// How many tasks are counted one by one for the navigation.
const COUNTED_MAX: u32 = 99;

impl FromRequestParts<Console> for Desk {
    type Rejection = Fault;
    async fn from_request_parts(parts: &mut Parts, console: &Console) -> Result<Self, Fault> {
        let officer = parts.extensions.get::<Officer>().cloned().ok_or_else(Fault::logged_out)?;
        let csrf = cookie(parts).map(csrf_token).unwrap_or_default();
        let here = match parts.method.is_safe() {
            true => parts.uri.path_and_query().map_or("/".to_owned(), |path| path.as_str().to_owned()),
            // A form that came back: the nearest page above it that can be opened.
            false => crate::pages::opened_above(parts.uri.path()).to_owned(),
        };
        let hall = &console.hall;
        let counts = console.counts().await?;
        let shell = Shell {
            taste: console.taste(&parts.headers),
            place: console.name.clone(),
            tier: hall.tier,
            officer: officer.display.clone(),
            badge: None,
            nav: Vec::new(),
            csrf,
            done: crate::page::said_done(parts),
            here,
        };
        let mut desk = Desk { console: console.clone(), officer, shell, counts };
        desk.shell.badge = desk.badge().await?;
        desk.shell.nav = desk.navigation(parts.uri.path()).await?;
        Ok(desk)
    }
}

impl Desk {
    async fn navigation(&self, path: &str) -> Result<Vec<NavLine>, Fault> {
        let store = &self.console.hall.store;
        let tasks = match self.may(Permission::ReadCases) {
            true => store.tasks(self.queue(COUNTED_MAX + 1)).await?.len() as u64,
            false => 0,
        };
        // As many as the list behind it will show to this officer, not as many as the node has.
        let alerts = match self.may(Permission::Warnings) {
            true => {
                let (within, limit) = (self.within(), COUNTED_MAX + 1);
                let query = AlertQuery { open_only: true, within, limit, ..AlertQuery::default() };
                store.alerts(query).await?.len() as u64
            }
            false => 0,
        };
        let waits = Waits { counts: &self.counts, tasks, alerts };
        let mut lines = Vec::new();
        for entry in crate::pages::NAVIGATION.iter().filter(|entry| entry.is_for(self.shell.tier)) {
            if !self.may(entry.needs) || entry.href == "/countersigns" && !self.signs_with_another() {
                continue;
            }
            let count = entry.count.map(|count| count(&waits)).filter(|count| *count > 0);
            let shown = count.map(|count| match count > u64::from(COUNTED_MAX) {
                true => format!("{COUNTED_MAX}+"),
                false => count.to_string(),
            });
            let current = match entry.href {
                "/" => path == "/",
                href => path == href || path.starts_with(&format!("{href}/")),
            };
            lines.push(NavLine { href: entry.href, label: entry.label, count: shown, current });
        }
        Ok(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::header::COOKIE;

    #[test]
    fn times_are_told_as_people_say_them() {
        let at = |text: &str| {
            let (day, clock) = text.split_once(' ').unwrap();
            let (hour, minute) = clock.split_once(':').unwrap();
            let end = day.parse::<Day>().unwrap().end().as_ms() + 1 - 86_400_000;
            let minutes = hour.parse::<i64>().unwrap() * 60 + minute.parse::<i64>().unwrap();
            Timestamp::from_ms(end + minutes * 60_000)
        };
        let now = at("2026-11-28 09:30");
        assert_eq!(ago(at("2026-11-28 09:30"), now), "刚刚");
        assert_eq!(ago(at("2026-11-28 09:27"), now), "3 分钟前");
        assert_eq!(ago(at("2026-11-28 07:05"), now), "今天 07:05");
        assert_eq!(ago(at("2026-11-27 17:40"), now), "昨天 17:40");
        assert_eq!(ago(at("2026-11-20 17:40"), now), "2026-11-20 17:40");
    }

    #[test]
    fn a_taste_is_read_from_its_own_cookies() {
        let mut headers = HeaderMap::new();
        headers.insert(COOKIE, "tongban_session=ab; tongban_lang=en; tongban_large=1".parse().unwrap());
        let taste = Taste::of(&headers);
        assert!(taste.large && taste.lang == Lang::English);
        assert!(!Taste::of(&HeaderMap::new()).large);
    }
}
