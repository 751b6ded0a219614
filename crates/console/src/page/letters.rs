//! 授权和印章: who may act for a department, by which letter, and the seals it presses. A new letter is registered here; taking one
//! back, or a seal, needs two.

use super::house::Sought;
use super::pairs::suite_name;
use super::{Sent, bodies_of, items_of, render, render_with, status_of};
use crate::Console;
use crate::fault::Fault;
use crate::page::done::done;
use crate::posted::Posted;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use domain::access::Permission;
use domain::delegation::{Delegate, Letter, Power};
use domain::{Day, NodeId};

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/letters", get(letters).post(register)).route("/letters/new", get(blank))
}

struct LetterRow {
    number: String,
    body: String,
    whom: String,
    powers: String,
    days: String,
    revoked: String,
}

struct SealRow {
    /// Body or node.
    id: String,
    owner: String,
    no: u32,
    suite: &'static str,
    from: String,
    withdrawn: String,
}

#[derive(Template)]
#[template(path = "letters.html")]
struct LettersPage<'a> {
    shell: &'a Shell,
    letters: Vec<LetterRow>,
    seals: Vec<SealRow>,
    further: usize,
    sought: String,
    may_register: bool,
}

const LETTERS_SHOWN: usize = 100;

async fn letters(desk: Desk, Query(Sought { q }): Query<Sought>) -> Result<Response, Fault> {
    let hall = &desk.console.hall;
    let (_, pack) = hall.pack(None)?;
    let network = hall.store.network();
    let sought = q.trim().to_owned();
    let row = |view: &casework::LetterView| {
        let letter = &view.letter;
        let whom =
            |one: &domain::delegation::Delegate| format!("{} {}", network.name_of(&one.node), one.officer);
        let powers: Vec<String> =
            letter.powers.iter().map(|power| desk.t(power.chinese()).into_owned()).collect();
        LetterRow {
            number: letter.number.clone(),
            body: pack.org_name(&letter.body).to_owned(),
            whom: letter.delegates.iter().map(whom).collect::<Vec<_>>().join("、"),
            powers: powers.join("、"),
            days: format!("{} – {}", letter.from, letter.to),
            revoked: view.revocations.first().map_or(String::new(), |one| one.from.to_string()),
        }
    };
    let mut letters: Vec<LetterRow> = hall.letters().iter().map(row).collect();
    letters.retain(|row| {
        sought.is_empty()
            || row.number.contains(&sought)
            || row.body.contains(&sought)
            || row.whom.contains(&sought)
    });
    let further = letters.len().saturating_sub(LETTERS_SHOWN);
    letters.truncate(LETTERS_SHOWN);
    let seals = hall.store.seals();
    let seal = |(name, record): (&domain::paper::SealName, &domain::paper::SealRecord)| SealRow {
        id: name.owner.clone(),
        owner: name.owner.parse().map_or_else(|_| name.owner.clone(), |id| pack.org_name(&id).to_owned()),
        no: name.no,
        suite: trust::Suite::of(record.suite).map_or("", suite_name),
        from: record.from.to_string(),
        withdrawn: record.withdrawn.map_or(String::new(), |day| day.to_string()),
    };
    let page = LettersPage {
        shell: &desk.shell,
        letters,
        seals: seals.iter().map(seal).collect(),
        further,
        sought,
        may_register: desk.may(Permission::Register),
    };
    Ok(render(&page))
}

/// Persons that one form has room for; a longer annex comes by the command line or in a second letter.
const PERSONS: usize = 8;

#[derive(Template)]
#[template(path = "letter.html")]
struct LetterPage<'a> {
    shell: &'a Shell,
    typed: &'a Posted,
    wrong: &'a str,
    bodies: Vec<(String, String)>,
    nodes: Vec<(String, String)>,
    areas: Vec<(String, String)>,
    items: Vec<(String, String)>,
    powers: [Power; 4],
    /// Node and officer of each row.
    persons: Vec<(String, String)>,
}

impl LetterPage<'_> {
    fn has(&self, name: &str, value: &str) -> bool {
        self.typed.all(name).any(|typed| typed == value)
    }
}

async fn blank(desk: Desk) -> Result<Response, Fault> {
    page(&desk, &Posted::default(), "")
}

fn page(desk: &Desk, typed: &Posted, wrong: &str) -> Result<Response, Fault> {
    let hall = &desk.console.hall;
    let (_, pack) = hall.pack(None)?;
    let network = hall.store.network();
    let nodes = || network.iter().map(|node| (node.id.to_string(), node.name.clone()));
    let mut persons = persons(typed);
    persons.resize(PERSONS, Default::default());
    let page = LetterPage {
        shell: &desk.shell,
        typed,
        wrong: &desk.t(wrong),
        bodies: bodies_of(&pack),
        nodes: nodes().collect(),
        areas: network.iter().map(|node| (node.place.clone(), node.name.clone())).collect(),
        items: items_of(&pack),
        powers: Power::ALL,
        persons,
    };
    Ok(render_with(status_of(wrong), &page))
}

fn persons(posted: &Posted) -> Vec<(String, String)> {
    let nodes = posted.all("node").map(str::to_owned);
    nodes.zip(posted.all("officer").map(str::to_owned)).take(PERSONS).collect()
}

/// What the form says; the rest is checked where every letter is.
fn letter_of(posted: &Posted) -> Result<Letter, Fault> {
    let text = |name: &str| posted.get(name).to_owned();
    let day = |name: &str, told: &str| posted.get(name).parse::<Day>().map_err(|_| Fault::unfit(told));
    let half = || Fault::unfit("受托人要写全:在哪个点,用户名是什么");
    let mut delegates = std::collections::BTreeSet::new();
    for (node, officer) in persons(posted) {
        if node.is_empty() && officer.is_empty() {
            continue;
        }
        let node = node.parse::<NodeId>().map_err(|_| half())?;
        if officer.is_empty() {
            return Err(half());
        }
        delegates.insert(Delegate { node, officer });
    }
    Ok(Letter {
        number: text("number"),
        body: posted.get("body").parse().map_err(|_| Fault::unfit("请选择委托部门"))?,
        delegates,
        items: posted.all("item").filter_map(|item| item.parse().ok()).collect(),
        powers: Power::ALL
            .into_iter()
            .filter(|power| posted.all("power").any(|one| one == power.as_str()))
            .collect(),
        area: text("area"),
        from: day("from", "请填写起始日期")?,
        to: day("to", "请填写终止日期")?,
        signed_by: text("signed_by"),
    })
}

async fn register(sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let outcome = match letter_of(&posted) {
        Ok(letter) => {
            let published = desk.console.hall.publish_letters(&desk.officer.name, &[letter]).await;
            published.map_err(Fault::from)
        }
        Err(fault) => Err(fault),
    };
    match outcome {
        Ok(()) => Ok(done(&format!("/letters?q={}", super::encoded(posted.get("number"))), "委托书已登记")),
        Err(fault) if fault.status == StatusCode::UNPROCESSABLE_ENTITY => {
            page(&desk, &posted, &fault.message)
        }
        Err(fault) => Err(fault),
    }
}
