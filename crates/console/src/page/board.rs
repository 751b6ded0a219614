//! 并联审批板: what each department has before it, side by side, each with its own clock. Who waits for whom is seen at a glance.

use super::lists::{TaskView, task_view};
use super::render;
use crate::Console;
use crate::fault::Fault;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::OrgId;
use std::collections::BTreeMap;
use store::{TaskLine, TaskQuery};

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/board", get(board))
}

/// Tasks that are looked through, the most urgent first.
const LOOKED_MAX: u32 = 1000;
/// Rows of a lane; the rest is counted.
const SHOWN_MAX: usize = 6;

struct Lane {
    body: String,
    tasks: Vec<TaskView>,
    /// All that wait, those not shown among them.
    count: usize,
    late: usize,
    unclaimed: usize,
}

#[derive(Template)]
#[template(path = "board.html")]
struct BoardPage<'a> {
    shell: &'a Shell,
    lanes: Vec<Lane>,
    /// There are more than were looked through.
    more: bool,
}

async fn board(desk: Desk) -> Result<Response, Fault> {
    let query = TaskQuery { within: desk.within(), limit: LOOKED_MAX, ..TaskQuery::default() };
    let tasks = desk.console.hall.store.tasks(query).await?;
    let more = tasks.len() >= LOOKED_MAX as usize;
    let mut bodies: BTreeMap<OrgId, Vec<TaskLine>> = BTreeMap::new();
    for task in tasks {
        if let Some(body) = task.body.clone() {
            bodies.entry(body).or_default().push(task);
        }
    }
    let (_, pack) = desk.console.hall.pack(None)?;
    let today = desk.today();
    let shown = bodies.values().flat_map(|tasks| tasks.iter().take(SHOWN_MAX));
    desk.console.may_list(&desk.officer, shown.map(|task| &task.case))?;
    let lane = |(body, tasks): (&OrgId, &Vec<TaskLine>)| Lane {
        body: pack.org_name(body).to_owned(),
        tasks: tasks.iter().take(SHOWN_MAX).map(|task| task_view(&desk, task)).collect(),
        count: tasks.len(),
        late: tasks.iter().filter(|task| task.due.is_some_and(|due| due < today)).count(),
        unclaimed: tasks.iter().filter(|task| task.claimed_by.is_none()).count(),
    };
    let mut lanes: Vec<(Option<domain::Day>, Lane)> = bodies
        .iter()
        .map(|(body, tasks)| (tasks.iter().filter_map(|task| task.due).min(), lane((body, tasks))))
        .collect();
    // Where it is most urgent comes first; where nothing has a day, last.
    lanes.sort_by_key(|(due, _)| (due.is_none(), *due));
    let lanes = lanes.into_iter().map(|(_, lane)| lane).collect();
    Ok(render(&BoardPage { shell: &desk.shell, lanes, more }))
}
