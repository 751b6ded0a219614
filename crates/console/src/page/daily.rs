//! 日报: what this counter did on a day, for the evening and for whoever asks later.

use super::{Table, render};
use crate::Console;
use crate::fault::Fault;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use casework::DayReport;
use domain::Day;
use domain::network::Tier;
use serde::Deserialize;
use store::TaskQuery;

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/daily", get(daily))
}

/// Tasks that are looked through for what is due, the most urgent first; more are told as so many at least.
const LOOKED_MAX: usize = 1_000;

#[derive(Deserialize)]
struct Wanted {
    #[serde(default)]
    day: String,
    #[serde(default)]
    csv: String,
}

#[derive(Template)]
#[template(path = "daily.html")]
struct DailyPage<'a> {
    shell: &'a Shell,
    report: DayReport,
    before: String,
    /// The day after; empty today.
    after: String,
    /// What waits here now, what of it is due today, and what was due before.
    now: Option<(usize, usize, usize)>,
    windows: bool,
}

async fn daily(desk: Desk, Query(wanted): Query<Wanted>) -> Result<Response, Fault> {
    let today = desk.today();
    let day = wanted.day.parse::<Day>().ok().filter(|day| *day <= today).unwrap_or(today);
    let report = desk.console.hall.day_report(day).await?;
    if wanted.csv == "1" {
        return Ok(csv(&desk, &report));
    }
    let page = DailyPage {
        shell: &desk.shell,
        before: day.plus_days(-1).to_string(),
        after: if day < today { day.plus_days(1).to_string() } else { String::new() },
        now: if day == today { Some(waits(&desk, today).await?) } else { None },
        windows: desk.shell.tier != Tier::Village,
        report,
    };
    Ok(render(&page))
}

async fn waits(desk: &Desk, today: Day) -> Result<(usize, usize, usize), Fault> {
    let query = TaskQuery { within: desk.within(), limit: LOOKED_MAX as u32, ..TaskQuery::default() };
    let tasks = desk.console.hall.store.tasks(query).await?;
    let due = |is: fn(Day, Day) -> bool| {
        tasks.iter().filter(|task| task.due.is_some_and(|due| is(due, today))).count()
    };
    Ok((tasks.len(), due(|due, today| due == today), due(|due, today| due < today)))
}

fn csv(desk: &Desk, report: &DayReport) -> Response {
    let mut table = Table::new(["办了什么", "谁办的", "次数"].map(|cell| desk.t(cell)));
    for one in &report.rows {
        let by: u32 = one.officers.values().sum();
        let officers = one.officers.iter().map(|(officer, count)| (officer.as_str(), *count));
        // What the law did by itself.
        let nobody = Some(("", one.count - by)).filter(|(_, count)| *count > 0);
        for (officer, count) in officers.chain(nobody) {
            table.row([desk.t(&one.what).as_ref(), officer, &count.to_string()]);
        }
    }
    table.file(&format!("daily-{}", report.day))
}
