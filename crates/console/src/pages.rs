//! The pages for people: which there are, who may open them, at which tiers, and what is asked of a request before its handler
//! sees it. What is not listed is not served.

use crate::Console;
use crate::auth::{case_no, cookie, segment};
use crate::fault::Fault;
use crate::page;
use crate::posted::CSRF_HEADER;
use crate::shell::{Desk, Taste};
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::{Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use casework::Officer;
use domain::access::Permission;
use domain::network::Tier;
use store::Counts;

/// What a page tells about persons, and so what the audit notes when it is read (I37).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tells {
    Nothing,
    /// A list: one row in ten minutes, however often it is looked at.
    List,
    /// Somebody's papers: a row each time. A form that is sent tells nothing when it leads on to another page; it tells when it
    /// comes back with what stands in it.
    One,
}

/// One page, or the form that a page sends.
pub struct Page {
    pub method: &'static str,
    pub path: &'static str,
    pub needs: Permission,
    pub tells: Tells,
    pub tiers: &'static [Tier],
}

const EVERYWHERE: &[Tier] = &[Tier::Village, Tier::Town, Tier::City];
const VILLAGE: &[Tier] = &[Tier::Village];
const ABOVE: &[Tier] = &[Tier::Town, Tier::City];
const BELOW: &[Tier] = &[Tier::Village, Tier::Town];
const CITY: &[Tier] = &[Tier::City];

const fn page(
    method: &'static str,
    path: &'static str,
    needs: Permission,
    tells: Tells,
    tiers: &'static [Tier],
) -> Page {
    Page { method, path, needs, tells, tiers }
}

/// Every page behind a log-in. Tests crawl it as every role, in both languages.
pub const PAGES: &[Page] = &[
    page("get", "/", Permission::House, Tells::List, EVERYWHERE),
    page("get", "/me", Permission::House, Tells::Nothing, EVERYWHERE),
    page("post", "/me/password", Permission::House, Tells::Nothing, EVERYWHERE),
    page("post", "/me/log-out-everywhere", Permission::House, Tells::Nothing, EVERYWHERE),
    page("get", "/search", Permission::House, Tells::Nothing, EVERYWHERE),
    // Sent, so that nobody's number stands in an address.
    page("post", "/search", Permission::House, Tells::List, EVERYWHERE),
    page("get", "/news", Permission::House, Tells::Nothing, EVERYWHERE),
    // Recording.
    page("get", "/new", Permission::Record, Tells::Nothing, BELOW),
    page("get", "/guides/{item}", Permission::House, Tells::Nothing, EVERYWHERE),
    page("get", "/drafts", Permission::Record, Tells::List, BELOW),
    page("post", "/drafts", Permission::Record, Tells::Nothing, BELOW),
    page("get", "/drafts/{draft}", Permission::Record, Tells::One, BELOW),
    page("post", "/drafts/{draft}/drop", Permission::Record, Tells::Nothing, BELOW),
    page("get", "/drafts/{draft}/form/{part}", Permission::Record, Tells::One, BELOW),
    page("post", "/drafts/{draft}/form/{part}", Permission::Record, Tells::One, BELOW),
    page("post", "/drafts/{draft}/autosave/{part}", Permission::Record, Tells::Nothing, BELOW),
    page("get", "/drafts/{draft}/papers", Permission::Record, Tells::One, BELOW),
    page("post", "/drafts/{draft}/papers", Permission::Record, Tells::One, BELOW),
    page("get", "/drafts/{draft}/papers/{material}", Permission::Record, Tells::One, BELOW),
    page("post", "/drafts/{draft}/scans", Permission::Record, Tells::One, BELOW),
    page("get", "/scans/{name}", Permission::Record, Tells::One, BELOW),
    page("get", "/drafts/{draft}/consent", Permission::Record, Tells::One, BELOW),
    page("post", "/drafts/{draft}/consent", Permission::Record, Tells::One, BELOW),
    page("get", "/drafts/{draft}/wish", Permission::Record, Tells::One, BELOW),
    page("post", "/drafts/{draft}/wish", Permission::Record, Tells::One, BELOW),
    page("get", "/drafts/{draft}/check", Permission::Record, Tells::One, BELOW),
    page("post", "/drafts/{draft}/capture", Permission::Record, Tells::One, BELOW),
    page("get", "/cases/{case}/captured", Permission::ReadCases, Tells::One, BELOW),
    page("get", "/outbox", Permission::ReadCases, Tells::List, BELOW),
    page("get", "/bag", Permission::Assist, Tells::One, BELOW),
    page("post", "/bag", Permission::Assist, Tells::List, BELOW),
    page("post", "/sync", Permission::House, Tells::Nothing, BELOW),
    page("get", "/sync", Permission::House, Tells::Nothing, BELOW),
    page("get", "/returned", Permission::ReadCases, Tells::List, BELOW),
    page("get", "/cases/{case}/mend", Permission::Record, Tells::One, BELOW),
    // What is asked as the form stands now; it tells what was just typed, and is as frequent as the typing.
    page("post", "/cases/{case}/mend/look", Permission::Record, Tells::Nothing, BELOW),
    page("post", "/cases/{case}/mend", Permission::Record, Tells::One, BELOW),
    page("get", "/ledger", Permission::ReadCases, Tells::List, EVERYWHERE),
    page("get", "/ledger/print", Permission::ReadCases, Tells::List, EVERYWHERE),
    // Cases.
    page("get", "/queue", Permission::ReadCases, Tells::List, EVERYWHERE),
    page("get", "/board", Permission::ReadCases, Tells::List, CITY),
    page("get", "/inspections", Permission::ReadCases, Tells::List, ABOVE),
    page("post", "/inspections", Permission::Inspect, Tells::List, ABOVE),
    page("get", "/cases", Permission::ReadCases, Tells::List, EVERYWHERE),
    page("get", "/cases/{case}", Permission::ReadCases, Tells::One, EVERYWHERE),
    page("get", "/cases/{case}/shown", Permission::ReadCases, Tells::One, EVERYWHERE),
    page("get", "/cases/{case}/papers/{hash}", Permission::ReadCases, Tells::One, EVERYWHERE),
    page("get", "/cases/{case}/sheets/{sheet}", Permission::ReadCases, Tells::One, EVERYWHERE),
    page("post", "/cases/{case}/stages/{stage}/{verb}", Permission::ReadCases, Tells::One, EVERYWHERE),
    page("post", "/cases/{case}/slips", Permission::Assist, Tells::Nothing, EVERYWHERE),
    page("post", "/cases/{case}/withdraw", Permission::ReadCases, Tells::Nothing, EVERYWHERE),
    page("post", "/cases/{case}/originals", Permission::Assist, Tells::Nothing, EVERYWHERE),
    page("post", "/cases/{case}/recall", Permission::ReadCases, Tells::Nothing, ABOVE),
    page("post", "/cases/{case}/rate", Permission::Assist, Tells::Nothing, EVERYWHERE),
    page("post", "/cases/{case}/make-up", Permission::Assist, Tells::Nothing, EVERYWHERE),
    page("post", "/cases/{case}/tablet", Permission::Assist, Tells::Nothing, EVERYWHERE),
    page("get", "/tablet", Permission::Assist, Tells::List, EVERYWHERE),
    page("post", "/tablet", Permission::Assist, Tells::Nothing, EVERYWHERE),
    page("get", "/daily", Permission::ReadCases, Tells::Nothing, BELOW),
    // The windows.
    page("get", "/tickets", Permission::Assist, Tells::Nothing, ABOVE),
    page("post", "/tickets", Permission::Assist, Tells::Nothing, ABOVE),
    page("post", "/tickets/call", Permission::Assist, Tells::Nothing, ABOVE),
    page("get", "/tickets/{ticket}", Permission::Assist, Tells::Nothing, ABOVE),
    page("post", "/tickets/{ticket}/{verb}", Permission::Assist, Tells::Nothing, ABOVE),
    page("get", "/screen", Permission::House, Tells::Nothing, ABOVE),
    page("get", "/warnings", Permission::Warnings, Tells::List, EVERYWHERE),
    // The network.
    page("get", "/nodes", Permission::House, Tells::Nothing, ABOVE),
    page("post", "/nodes/contact", Permission::Operate, Tells::Nothing, CITY),
    page("get", "/machines", Permission::Operate, Tells::Nothing, CITY),
    page("get", "/machines/token", Permission::Operate, Tells::Nothing, CITY),
    page("post", "/machines/token", Permission::Operate, Tells::Nothing, CITY),
    page("post", "/machines/tokens/{token}/void", Permission::Operate, Tells::Nothing, CITY),
    page("get", "/reconciliation", Permission::House, Tells::Nothing, EVERYWHERE),
    page("get", "/incidents", Permission::House, Tells::Nothing, EVERYWHERE),
    page("post", "/incidents/retry", Permission::Operate, Tells::Nothing, EVERYWHERE),
    page("post", "/incidents/{no}/retry", Permission::Operate, Tells::Nothing, EVERYWHERE),
    page("post", "/incidents/{no}/settle", Permission::Operate, Tells::Nothing, EVERYWHERE),
    page("get", "/applications", Permission::House, Tells::Nothing, CITY),
    // Supervision and the hub's registers.
    page("get", "/alerts", Permission::Warnings, Tells::List, EVERYWHERE),
    page("post", "/cases/{case}/alerts/appeal", Permission::Appeal, Tells::Nothing, ABOVE),
    page("post", "/cases/{case}/alerts/conclude", Permission::Conclude, Tells::Nothing, CITY),
    page("get", "/rectifications", Permission::Rectify, Tells::List, ABOVE),
    page("get", "/cases/{case}/rectification", Permission::Rectify, Tells::One, ABOVE),
    page("post", "/cases/{case}/rectification", Permission::Rectify, Tells::One, ABOVE),
    page("get", "/catalogue", Permission::House, Tells::Nothing, EVERYWHERE),
    page("get", "/catalogue/draft", Permission::Catalogue, Tells::Nothing, CITY),
    page("post", "/catalogue/draft/publish", Permission::Catalogue, Tells::Nothing, CITY),
    page("post", "/catalogue/draft/discard", Permission::Catalogue, Tells::Nothing, CITY),
    page("get", "/catalogue/new", Permission::Catalogue, Tells::Nothing, CITY),
    page("post", "/catalogue/new", Permission::Catalogue, Tells::Nothing, CITY),
    page("get", "/catalogue/items/{item}", Permission::Catalogue, Tells::Nothing, CITY),
    page("post", "/catalogue/items/{item}", Permission::Catalogue, Tells::Nothing, CITY),
    page("get", "/catalogue/items/{item}/lists/{list}", Permission::Catalogue, Tells::Nothing, CITY),
    page("post", "/catalogue/items/{item}/lists/{list}", Permission::Catalogue, Tells::Nothing, CITY),
    page("get", "/catalogue/items/{item}/text", Permission::Catalogue, Tells::Nothing, CITY),
    page("post", "/catalogue/items/{item}/text", Permission::Catalogue, Tells::Nothing, CITY),
    page("get", "/letters", Permission::House, Tells::Nothing, CITY),
    page("get", "/letters/new", Permission::Register, Tells::Nothing, CITY),
    page("post", "/letters", Permission::Register, Tells::Nothing, CITY),
    page("get", "/accounts", Permission::Accounts, Tells::Nothing, EVERYWHERE),
    page("post", "/accounts", Permission::Accounts, Tells::Nothing, EVERYWHERE),
    page("post", "/accounts/{name}/{verb}", Permission::Accounts, Tells::Nothing, EVERYWHERE),
    // Acts of two: what each asks is asked of whoever signs.
    page("get", "/countersigns", Permission::House, Tells::Nothing, EVERYWHERE),
    page("get", "/countersigns/new", Permission::House, Tells::Nothing, EVERYWHERE),
    page("post", "/countersigns", Permission::House, Tells::Nothing, EVERYWHERE),
    page("post", "/countersigns/{id}", Permission::House, Tells::Nothing, EVERYWHERE),
    page("post", "/countersigns/{id}/collect", Permission::House, Tells::Nothing, EVERYWHERE),
    page("get", "/exports/{id}", Permission::House, Tells::One, EVERYWHERE),
    page("get", "/audit", Permission::Audit, Tells::Nothing, EVERYWHERE),
];

/// One line of the navigation.
pub(crate) struct Entry {
    pub href: &'static str,
    pub label: &'static str,
    pub needs: Permission,
    tiers: &'static [Tier],
    /// What waits behind it.
    pub count: Option<fn(&Waits<'_>) -> u64>,
}

impl Entry {
    pub fn is_for(&self, tier: Tier) -> bool {
        self.tiers.contains(&tier)
    }
}

const fn entry(
    href: &'static str,
    label: &'static str,
    needs: Permission,
    tiers: &'static [Tier],
    count: Option<fn(&Waits<'_>) -> u64>,
) -> Entry {
    Entry { href, label, needs, tiers, count }
}

/// What waits: at this node, and for the officer who looks.
pub(crate) struct Waits<'a> {
    pub counts: &'a Counts,
    pub tasks: u64,
    pub alerts: u64,
}

fn returned(waits: &Waits<'_>) -> u64 {
    waits.counts.by_status.get("returned").copied().unwrap_or(0)
}

pub(crate) const NAVIGATION: &[Entry] = &[
    entry("/", "工作台", Permission::House, VILLAGE, None),
    entry("/", "首页", Permission::House, ABOVE, None),
    entry("/new", "新代办", Permission::Record, VILLAGE, None),
    entry("/new", "窗口收件", Permission::Record, &[Tier::Town], None),
    entry("/drafts", "草稿", Permission::Record, BELOW, Some(|waits| waits.counts.drafts)),
    entry("/outbox", "发件箱", Permission::ReadCases, BELOW, None),
    entry("/returned", "待补正", Permission::ReadCases, VILLAGE, Some(returned)),
    entry("/returned", "待补正", Permission::ReadCases, &[Tier::Town], None),
    entry("/queue", "待送达和村里环节", Permission::ReadCases, VILLAGE, Some(|waits| waits.tasks)),
    entry("/tickets", "取号叫号", Permission::Assist, ABOVE, None),
    entry("/queue", "接件台", Permission::ReadCases, &[Tier::Town], Some(|waits| waits.tasks)),
    entry("/queue", "我的待办", Permission::ReadCases, CITY, Some(|waits| waits.tasks)),
    entry("/board", "并联审批板", Permission::ReadCases, CITY, None),
    entry("/inspections", "联合查验", Permission::ReadCases, ABOVE, None),
    entry("/cases", "全部办件", Permission::ReadCases, EVERYWHERE, None),
    entry("/warnings", "临期提醒", Permission::Warnings, EVERYWHERE, None),
    entry("/alerts", "电子监察", Permission::Warnings, EVERYWHERE, Some(|waits| waits.alerts)),
    entry("/rectifications", "好差评", Permission::Rectify, ABOVE, None),
    entry("/ledger", "台账", Permission::ReadCases, EVERYWHERE, None),
    entry("/daily", "日报", Permission::ReadCases, BELOW, None),
    entry("/nodes", "各村状态", Permission::House, &[Tier::Town], None),
    entry("/nodes", "运行图", Permission::House, CITY, None),
    entry("/machines", "节点与证书", Permission::Operate, CITY, None),
    entry("/reconciliation", "对账", Permission::House, ABOVE, None),
    entry("/incidents", "运行事件", Permission::House, ABOVE, Some(|waits| waits.counts.quarantined)),
    entry("/applications", "网上申请", Permission::House, CITY, Some(|waits| waits.counts.applications_open)),
    entry("/sync", "同步", Permission::House, BELOW, None),
    entry("/catalogue", "事项目录", Permission::House, EVERYWHERE, None),
    entry("/letters", "授权和印章", Permission::House, CITY, None),
    entry("/accounts", "账号", Permission::Accounts, EVERYWHERE, None),
    entry("/countersigns", "双人复核", Permission::House, EVERYWHERE, None),
    entry("/audit", "审计", Permission::Audit, EVERYWHERE, None),
];

impl Page {
    /// The page behind a request.
    pub fn of(method: &Method, pattern: &str) -> Option<&'static Page> {
        // A browser may ask for the head of a page alone.
        let method = if *method == Method::HEAD { "get" } else { method.as_str() };
        PAGES.iter().find(|page| page.path == pattern && page.method.eq_ignore_ascii_case(method))
    }
}

/// The nearest page at or above a path that can be opened: `/cases/1` for what was sent to `/cases/1/stages/accept/complete`.
pub(crate) fn opened_above(path: &str) -> &str {
    let fits = |pattern: &str, path: &str| {
        let (pattern, path) = (pattern.split('/'), path.split('/'));
        pattern.clone().count() == path.clone().count()
            && pattern.zip(path).all(|(wanted, part)| wanted == part || wanted.starts_with('{'))
    };
    let mut at = path;
    while !PAGES.iter().any(|page| page.method == "get" && fits(page.path, at)) {
        match at.rsplit_once('/') {
            Some((above, _)) if !above.is_empty() => at = above,
            _ => return "/",
        }
    }
    at
}

/// Default deny, as for the API; what is wrong is told as a page.
pub(crate) async fn admit(State(console): State<Console>, request: Request, next: Next) -> Response {
    let (mut parts, body) = request.into_parts();
    let taste = Taste::of(&parts.headers);
    // The script of a page reads JSON; a page around it would tell it nothing.
    let by_script = parts.headers.contains_key(CSRF_HEADER);
    let outcome = admitted(&console, &mut parts).await;
    let answer = match outcome {
        Ok(officer) => {
            parts.extensions.insert(officer);
            let mut around = parts.clone();
            let mut answer = next.run(Request::from_parts(parts, body)).await;
            page::forget_done(&around, &mut answer);
            let answer = match note_answer(&console, &around, answer).await {
                Ok(answer) => answer,
                Err(fault) => return page::bare_refusal(taste, &fault).into_response(),
            };
            match answer.extensions().get::<Fault>().cloned().filter(|_| !by_script) {
                Some(fault) if around.uri.path() == TURNED_AWAY => page::bare_refusal(taste, &fault),
                // Only now is it certain that the page around a refusal is needed.
                Some(fault) => match Desk::from_request_parts(&mut around, &console).await {
                    Ok(desk) => page::refusal(&desk, &fault),
                    Err(_) => page::bare_refusal(taste, &fault),
                },
                None => answer,
            }
        }
        Err(fault) if by_script => fault.into_response(),
        Err(fault) if fault.status == StatusCode::UNAUTHORIZED => to_log_in(&console, &parts, taste),
        Err(fault) => page::bare_refusal(taste, &fault),
    };
    answer.into_response()
}

/// What the script of an open page asks by itself says so in this header: it keeps no log-in alive either.
const UNASKED_HEADER: &str = "x-unasked";

/// What a script, or the screen in a citizen's hands, asks by itself: it keeps no log-in alive. The screen of the hall does: it hangs
/// where nobody reaches it, and must go on all day.
const UNASKED: [&str; 2] = ["/news", TURNED_AWAY];

/// The screen that is turned to a citizen: nothing of the house stands on it, refusals included.
const TURNED_AWAY: &str = "/tablet";

/// A form that came back as a page has told what stands in it (I37): the row is there before the answer goes out.
async fn note_answer(
    console: &Console,
    parts: &axum::http::request::Parts,
    answer: axum::response::Response,
) -> Result<axum::response::Response, Fault> {
    let pattern = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let page = pattern.and_then(|pattern| Page::of(&parts.method, &pattern));
    let tells = page.map_or(Tells::Nothing, |page| page.tells);
    let tells = if parts.method == Method::POST { tells } else { Tells::Nothing };
    let led_on = answer.status().is_redirection() || answer.extensions().get::<Fault>().is_some();
    if let Some(officer) = parts.extensions.get::<Officer>().filter(|_| tells != Tells::Nothing && !led_on) {
        console.note_read(officer, parts.uri.path(), tells == Tells::One).await?;
    }
    Ok(answer)
}

/// Whoever is not logged in is asked to, and comes back to where they wanted to go.
fn to_log_in(console: &Console, parts: &axum::http::request::Parts, taste: Taste) -> Response {
    let path = parts.uri.path();
    if let Some(again) = page::come_again(&parts.method, &parts.headers, &parts.uri) {
        return again;
    }
    if path == "/" {
        return page::login_page(console, taste, "", "", "/");
    }
    // A form cannot be sent again; the page it stood on can be opened.
    let back = if parts.method == Method::GET { path } else { "/" };
    Redirect::to(&format!("/login?to={back}")).into_response()
}

async fn admitted(console: &Console, parts: &mut axum::http::request::Parts) -> Result<Officer, Fault> {
    let pattern = parts.extensions.get::<MatchedPath>().map(|path| path.as_str().to_owned());
    let token = cookie(parts).map(str::to_owned).ok_or_else(Fault::logged_out)?;
    let by_itself = parts.headers.contains_key(UNASKED_HEADER);
    let officer = match pattern.as_deref() {
        Some(path) if parts.method == Method::GET && (UNASKED.contains(&path) || by_itself) => {
            console.hall.officer_unasked(&token).await?
        }
        _ => console.hall.officer(&token).await?,
    };
    let officer = officer.ok_or_else(Fault::logged_out)?;
    let not_here = || Fault::new(StatusCode::NOT_FOUND, "not_found", "没有这个页面;请从左边的菜单进入");
    let pattern = pattern.ok_or_else(not_here)?;
    let page = Page::of(&parts.method, &pattern).ok_or_else(not_here)?;
    if !page.tiers.contains(&console.hall.tier) {
        return Err(not_here());
    }
    console.hall.allow(&officer, page.needs)?;
    let path = parts.uri.path();
    if let Some(case) = segment(&pattern, path, "{case}") {
        console.hall.within_reach(&officer, &case_no(case)?).await?;
    }
    if page.tells != Tells::Nothing && parts.method != Method::POST {
        console.note_read(&officer, path, page.tells == Tells::One).await?;
    }
    Ok(officer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_navigation_leads_to_a_page_of_its_tier_that_its_reader_may_open() {
        for tier in [Tier::Village, Tier::Town, Tier::City] {
            for entry in NAVIGATION.iter().filter(|entry| entry.is_for(tier)) {
                let page = Page::of(&Method::GET, entry.href).expect("a page");
                assert!(page.tiers.contains(&tier), "{} at {tier:?}", entry.href);
                assert_eq!(page.needs, entry.needs, "{}", entry.href);
            }
        }
    }

    #[test]
    fn a_form_that_came_back_has_a_page_it_stood_on() {
        assert_eq!(opened_above("/cases/1/stages/accept/complete"), "/cases/1");
        assert_eq!(opened_above("/drafts/1/form/matter"), "/drafts/1/form/matter");
        assert_eq!(opened_above("/accounts/wang/disable"), "/accounts");
        assert_eq!(opened_above("/nowhere/at/all"), "/");
    }

    #[test]
    fn whatever_changes_something_is_sent_by_post_and_each_page_stands_once() {
        let mut seen = std::collections::BTreeSet::new();
        for page in PAGES {
            assert!(matches!(page.method, "get" | "post"), "{}", page.path);
            assert!(seen.insert((page.method, page.path)), "{} {} stands twice", page.method, page.path);
        }
    }
}
