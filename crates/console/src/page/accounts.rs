//! Accounts of this node: who they are, what they may do, and the half of a new password that each of two administrators is shown.

use super::{Sent, bodies_of, refusal, render_with, see, status_of};
use crate::Console;
use crate::fault::Fault;
use crate::page::choose::is_meant;
use crate::page::done::done;
use crate::page::lists::{ROWS, page_within};
use crate::posted::Posted;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use casework::{Issued, NewAccount, Persons};
use domain::access::{Role, Roles};
use serde::Deserialize;
use store::Account;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/accounts", get(accounts).post(put_account))
        .route("/accounts/{name}/{verb}", post(change_account))
}

struct AccountRow {
    name: String,
    display: String,
    body: String,
    roles: String,
    disabled: bool,
    is_me: bool,
}

#[derive(Template)]
#[template(path = "accounts.html")]
struct AccountsPage<'a> {
    shell: &'a Shell,
    accounts: Vec<AccountRow>,
    /// How many there are that were sought, on all pages.
    all: usize,
    seen: Seen,
    roles: Vec<(&'static str, &'static str)>,
    bodies: Vec<(String, String)>,
    /// Shown once: name, password, and the secret for the phone.
    issued: Option<(String, String, String)>,
    wrong: String,
    typed: [String; 2],
}

/// Which of the accounts are looked at: words of a name, post or department, and which page of them.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Seen {
    q: String,
    page: usize,
}

impl Seen {
    /// Where the form stood.
    fn of(posted: &Posted) -> Seen {
        Seen { q: posted.get("q").to_owned(), page: posted.get("page").parse().unwrap_or(0) }
    }
}

impl AccountRow {
    fn is_meant(&self, sought: &str) -> bool {
        [&self.name, &self.display, &self.body, &self.roles].iter().any(|text| is_meant(text, sought))
    }
}

async fn page(
    desk: &Desk,
    seen: Seen,
    issued: Option<(String, String, String)>,
    wrong: &str,
    typed: [String; 2],
) -> Result<Response, Fault> {
    let hall = &desk.console.hall;
    let pack = hall.store.pack(None).map(|(_, pack)| pack);
    let org = |id: &domain::OrgId| {
        pack.as_ref().map_or_else(|| id.to_string(), |pack| pack.org_name(id).to_owned())
    };
    let row = |account: &Account| AccountRow {
        name: account.name.clone(),
        display: account.display.clone(),
        body: account.body.as_ref().map(org).unwrap_or_default(),
        roles: account
            .roles
            .iter()
            .flat_map(|roles| roles.0.iter())
            .map(|role| desk.t(role.chinese()).into_owned())
            .collect::<Vec<_>>()
            .join("、"),
        disabled: account.disabled,
        is_me: account.name == desk.officer.name,
    };
    let sought = seen.q.trim().to_lowercase();
    let mut accounts: Vec<AccountRow> = hall.store.accounts().await?.iter().map(row).collect();
    accounts.retain(|account| account.is_meant(&sought));
    let all = accounts.len();
    let seen = Seen { page: page_within(seen.page, all), ..seen };
    let accounts: Vec<AccountRow> = accounts.into_iter().skip(seen.page * ROWS).take(ROWS).collect();
    let bodies = match hall.tier {
        domain::network::Tier::City => pack.iter().flat_map(|pack| bodies_of(pack)).collect(),
        _ => Vec::new(),
    };
    let page = AccountsPage {
        shell: &desk.shell,
        accounts,
        all,
        seen,
        roles: Role::ALL
            .into_iter()
            .filter(|role| role.is_at(hall.tier))
            .map(|role| (role.as_str(), role.chinese()))
            .collect(),
        bodies,
        issued,
        wrong: desk.t(wrong).into_owned(),
        typed,
    };
    Ok(render_with(status_of(wrong), &page))
}

async fn accounts(desk: Desk, Query(seen): Query<Seen>) -> Result<Response, Fault> {
    page(&desk, seen, None, "", Default::default()).await
}

fn shown(issued: &Issued, password: String) -> Option<(String, String, String)> {
    Some((issued.name.clone(), password, issued.code_uri.clone().unwrap_or_default()))
}

async fn put_account(sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let typed = [posted.get("name").to_owned(), posted.get("display").to_owned()];
    if desk.console.hall.needs_two(&typed[0], &roles_of(posted)).await? {
        return by_two(sent);
    }
    match made(desk, posted).await {
        Ok((issued, password)) => {
            page(desk, Seen::default(), shown(&issued, password), "", Default::default()).await
        }
        Err(fault) => page(desk, Seen::default(), None, &fault.message, typed).await,
    }
}

/// The posts that were ticked.
pub(super) fn roles_of(posted: &Posted) -> Roles {
    Roles::new(posted.all("role").filter_map(|name| name.parse().ok()))
}

/// The page where two do it, with what was typed: names stand in no address.
fn by_two(sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, mut posted } = sent;
    posted.set("kind", "give_account");
    super::pairs::ask_page(&desk, &posted, None)
}

async fn made(desk: &Desk, posted: &Posted) -> Result<(Issued, String), Fault> {
    let hall = &desk.console.hall;
    let (name, roles) = (posted.get("name").to_owned(), roles_of(posted));
    if roles.0.is_empty() {
        return Err(Fault::unfit("请至少选一个岗位"));
    }
    hall.may_be_changed(&desk.officer.name, &name, Persons::One).await?;
    hall.may_be_given(&roles, Persons::One)?;
    let password = hall.random_password();
    let new = NewAccount {
        name,
        display: posted.get("display").to_owned(),
        body: posted.get("body").parse().ok(),
        roles,
    };
    Ok((hall.put_account(&desk.officer.name, new, &password, None).await?, password))
}

async fn change_account(Path((name, verb)): Path<(String, String)>, sent: Sent) -> Result<Response, Fault> {
    let desk = &sent.desk;
    let hall = &desk.console.hall;
    match verb.as_str() {
        "reset" if hall.needs_two(&name, &Roles::default()).await? => {
            Ok(see(&format!("/countersigns/new?kind=reset_account&name={}", super::encoded(&name))))
        }
        "reset" => {
            hall.may_be_changed(&desk.officer.name, &name, Persons::One).await?;
            let password = hall.random_password();
            let issued = hall.reset_account(&desk.officer.name, &name, &password).await?;
            page(desk, Seen::of(&sent.posted), shown(&issued, password), "", Default::default()).await
        }
        "disable" | "enable" => {
            hall.may_be_changed(&desk.officer.name, &name, Persons::Two).await?;
            hall.set_disabled(&desk.officer.name, &name, verb == "disable").await?;
            let seen = Seen::of(&sent.posted);
            let back = format!("/accounts?q={}&page={}", super::encoded(&seen.q), seen.page);
            Ok(done(&back, if verb == "disable" { "账号已停用,登录已退出" } else { "账号已启用" }))
        }
        _ => Ok(refusal(desk, &Fault::no_route())),
    }
}
