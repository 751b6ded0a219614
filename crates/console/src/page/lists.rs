//! Lists: what waits for this officer, all cases, what was sent back, limits that are near.

use super::home::encoded;
use super::{Table, render};
use crate::Console;
use crate::fault::Fault;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use domain::access::{Jurisdiction, Permission};
use domain::catalogue::StageKind;
use domain::dossier::Status;
use domain::network::Tier;
use domain::{CaseNo, Day, NodeId};
use serde::Deserialize;
use store::{CaseLine, CaseOrder, CaseQuery, TaskLine, TaskQuery};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/queue", get(queue))
        .route("/returned", get(returned))
        .route("/cases", get(cases))
        .route("/warnings", get(warnings))
}

/// One task as a row.
pub(super) struct TaskView {
    pub case: CaseNo,
    pub item: String,
    pub applicant: String,
    pub stage: String,
    pub due: String,
    pub urgency: &'static str,
    pub note: String,
    pub verb: &'static str,
}

pub(super) async fn task_views(desk: &Desk, query: TaskQuery) -> Result<Vec<TaskView>, Fault> {
    let tasks = desk.console.hall.store.tasks(query).await?;
    desk.console.may_list(&desk.officer, tasks.iter().map(|task| &task.case))?;
    Ok(tasks.iter().map(|task| task_view(desk, task)).collect())
}

/// How long there is until a limit ends, and how urgent that is.
pub(super) fn days_left(desk: &Desk, due: Day) -> (String, &'static str) {
    let Some((_, pack)) = desk.console.hall.store.pack(None) else { return (due.to_string(), "soft") };
    let left = pack.calendar.working_days_left(desk.today(), due);
    let class = match left {
        left if left <= 0 => "bad",
        1 | 2 => "warn",
        _ => "soft",
    };
    (left_in_words(left.into()), class)
}

fn left_in_words(left: i64) -> String {
    match left {
        left if left < 0 => format!("超期 {} 个工作日", -left),
        0 => "今天到期".to_owned(),
        left => format!("还剩 {left} 个工作日"),
    }
}

pub(super) fn task_view(desk: &Desk, task: &TaskLine) -> TaskView {
    let hall = &desk.console.hall;
    let known =
        hall.store.pack(None).and_then(|(_, pack)| Some((pack.clone(), pack.item(&task.item)?.clone())));
    let stage = known.as_ref().and_then(|(_, item)| item.stage(&task.stage).cloned());
    let (due, urgency) = task.due.map_or_else(|| ("没有期限".to_owned(), "soft"), |due| days_left(desk, due));
    let mends = task.kind == "returned";
    let note = match (&task.claimed_by, task.missing_attachments) {
        (_, missing) if missing > 0 => format!("附件未到 {missing} 份"),
        (Some(officer), _) if *officer == desk.officer.name => "我已认领".to_owned(),
        (Some(officer), _) => format!("{officer} 已认领"),
        (None, _) => String::new(),
    };
    TaskView {
        case: task.case.clone(),
        item: known.map_or_else(|| task.item.to_string(), |(_, item)| item.name.clone()),
        applicant: task.applicant.clone(),
        verb: match stage.as_ref().map(|stage| stage.kind) {
            _ if mends => "去补正",
            Some(StageKind::Deliver) => "送达",
            _ if hall.tier == Tier::City && task.claimed_by.is_none() => "认领办理",
            _ => "办理",
        },
        stage: match stage {
            Some(stage) => stage.name,
            None if mends => desk.t("待补正").into_owned(),
            None => task.stage.to_string(),
        },
        due: desk.t(&due).into_owned(),
        urgency,
        note: desk.t(&note).into_owned(),
    }
}

#[derive(Template)]
#[template(path = "queue.html")]
struct QueuePage<'a> {
    shell: &'a Shell,
    title: &'static str,
    tasks: Vec<TaskView>,
    all: usize,
    more: bool,
    page: usize,
}

#[derive(Deserialize)]
pub(super) struct Paged {
    #[serde(default)]
    pub page: usize,
    #[serde(default)]
    csv: String,
}

/// What the list of what waits for people is called.
pub(super) fn queue_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Village => "待送达和村里环节",
        Tier::Town => "接件台",
        Tier::City => "我的待办",
    }
}

pub(super) const ROWS: usize = 20;
/// A page of a list of so many; one past its end is the last.
pub(super) fn page_within(page: usize, all: usize) -> usize {
    page.min(all.saturating_sub(1) / ROWS)
}

/// Beyond it a heading says that there are more.
const COUNTED_MAX: u32 = 1_000;
const PAGES_MAX: usize = 45;

async fn queue(desk: Desk, Query(Paged { page, csv }): Query<Paged>) -> Result<Response, Fault> {
    if csv == "1" {
        return queue_table(&desk).await;
    }
    let page = page.min(PAGES_MAX);
    // The most urgent first; what lies further back is few pages away, and comes to the front by itself.
    let limit = ((page + 1) * ROWS + 1) as u32;
    let tasks = desk.console.hall.store.tasks(desk.queue(limit)).await?;
    let more = tasks.len() >= limit as usize;
    let rows: Vec<&TaskLine> = tasks.iter().skip(page * ROWS).take(ROWS).collect();
    desk.console.may_list(&desk.officer, rows.iter().map(|task| &task.case))?;
    let views = rows.into_iter().map(|task| task_view(&desk, task)).collect();
    Ok(render(&QueuePage {
        shell: &desk.shell,
        title: queue_name(desk.shell.tier),
        tasks: views,
        all: tasks.len().min(limit as usize - 1),
        more,
        page,
    }))
}

pub(super) const CUT: &str = "超出一张表能列的数量:这里只有前面的部分";

/// The queue as far as its pages go, for a spreadsheet.
async fn queue_table(desk: &Desk) -> Result<Response, Fault> {
    const ROWS_MAX: usize = PAGES_MAX * ROWS;
    let tasks = desk.console.hall.store.tasks(desk.queue(ROWS_MAX as u32 + 1)).await?;
    let cases = tasks.iter().map(|task| &task.case);
    desk.console.note_table(&desk.officer, cases, "/queue?csv=1").await?;
    let head = ["办件编号", "事项", "申请人", "环节", "期限", "说明"];
    let mut table = Table::new(head.map(|cell| desk.t(cell)));
    for task in tasks.iter().take(ROWS_MAX) {
        // The day itself: "in three days" is wrong tomorrow.
        let due = task.due.map_or(String::new(), |due| due.to_string());
        let task = task_view(desk, task);
        table.row([task.case.as_str(), &task.item, &task.applicant, &task.stage, &due, &task.note]);
    }
    if tasks.len() > ROWS_MAX {
        table.row([desk.t(CUT)]);
    }
    Ok(table.file("queue"))
}

/// A case as a row.
pub(super) struct CaseView {
    pub case: CaseNo,
    pub item: String,
    pub applicant: String,
    pub status: String,
    pub status_class: &'static str,
    pub holder: String,
    pub at: String,
    pub note: String,
}

pub(super) fn case_view(desk: &Desk, line: &CaseLine) -> CaseView {
    let hall = &desk.console.hall;
    let pack = hall.store.pack(None);
    let item = pack.and_then(|(_, pack)| Some(pack.item(&line.item)?.name.clone()));
    let network = hall.store.network();
    let name = |id: &NodeId| network.name_of(id);
    let note = match line.missing_attachments {
        0 => String::new(),
        missing => desk.t(&format!("附件未到 {missing} 份")).into_owned(),
    };
    CaseView {
        case: line.case.clone(),
        item: item.unwrap_or_else(|| line.item.to_string()),
        applicant: line.applicant.clone(),
        status: desk.t(line.status.chinese()).into_owned(),
        status_class: match line.status {
            Status::Returned => "warn",
            Status::NotAccepted | Status::Refused | Status::Lapsed => "bad",
            Status::Granted | Status::Delivered => "ok",
            Status::Captured | Status::Accepted | Status::Withdrawn => "soft",
        },
        holder: name(&line.holder),
        at: line.captured_at.to_minute(),
        note,
    }
}

struct StatusChoice {
    value: &'static str,
    label: &'static str,
    chosen: bool,
}

pub(super) const STATUSES: [Status; 9] = [
    Status::Captured,
    Status::Returned,
    Status::Accepted,
    Status::NotAccepted,
    Status::Granted,
    Status::Refused,
    Status::Delivered,
    Status::Withdrawn,
    Status::Lapsed,
];

#[derive(Template)]
#[template(path = "cases.html")]
struct CasesPage<'a> {
    shell: &'a Shell,
    cases: Vec<CaseView>,
    /// How many there are on all pages; empty where nobody knows.
    all: String,
    statuses: Vec<StatusChoice>,
    applicant: String,
    /// Link to the next page; empty at the end.
    next: String,
    /// Not the first page.
    further: bool,
    may_export: bool,
}

#[derive(Deserialize)]
struct CaseFilter {
    #[serde(default)]
    status: String,
    #[serde(default)]
    applicant: String,
    #[serde(default)]
    after: String,
}

fn status_of(text: &str) -> Option<Status> {
    STATUSES.into_iter().find(|status| status.as_str() == text)
}

async fn cases(desk: Desk, Query(filter): Query<CaseFilter>) -> Result<Response, Fault> {
    let status = status_of(&filter.status);
    let applicant = filter.applicant.trim().to_owned();
    let query = CaseQuery {
        status,
        applicant: (!applicant.is_empty()).then(|| applicant.clone()),
        order: CaseOrder::NewestFirst,
        after: filter.after.parse().ok(),
        within: desk.within(),
        limit: ROWS as u32 + 1,
        ..CaseQuery::default()
    };
    let store = &desk.console.hall.store;
    let counted = CaseQuery { after: None, limit: COUNTED_MAX, ..query.clone() };
    // By status and node there is an index. Names and departments would be looked for in every row of a city: the page says then
    // that there are more, and not how many.
    let counts = applicant.is_empty() && counted.within == Jurisdiction::Everything;
    let mut lines = store.cases(query).await?;
    let more = lines.len() > ROWS;
    let all = match counts {
        true => match store.count_cases(counted).await? {
            all if all >= u64::from(COUNTED_MAX) => format!("{}+", COUNTED_MAX - 1),
            all => all.to_string(),
        },
        // Of a later page it is not known how many stand before it.
        false if !filter.after.is_empty() => String::new(),
        false => format!("{}{}", lines.len().min(ROWS), if more { "+" } else { "" }),
    };
    lines.truncate(ROWS);
    desk.console.may_list(&desk.officer, lines.iter().map(|line| &line.case))?;
    let next = lines.last().filter(|_| more).map_or(String::new(), |last| {
        format!("/cases?status={}&applicant={}&after={}", filter.status, encoded(&applicant), last.case)
    });
    let choice =
        |one: Status| StatusChoice { value: one.as_str(), label: one.chinese(), chosen: Some(one) == status };
    let page = CasesPage {
        may_export: desk.may(Permission::Conclude),
        shell: &desk.shell,
        cases: lines.iter().map(|line| case_view(&desk, line)).collect(),
        all,
        statuses: STATUSES.into_iter().map(choice).collect(),
        applicant,
        next,
        further: !filter.after.is_empty(),
    };
    Ok(render(&page))
}

#[derive(Template)]
#[template(path = "found.html")]
struct FoundPage<'a> {
    shell: &'a Shell,
    cases: Vec<CaseView>,
}

/// Cases of a person or a company, by number, that the officer may see; the newest first.
pub(super) async fn of_person(desk: &Desk, number: &str) -> Result<Response, Fault> {
    let (hall, within) = (&desk.console.hall, desk.within());
    let mut lines = Vec::new();
    for stored in hall.cases_of_number(&number.to_uppercase()).await? {
        if hall.lies_within(&within, &stored.dossier.case).await? {
            lines.push(CaseLine::from(stored));
        }
    }
    desk.console.may_list(&desk.officer, lines.iter().map(|line| &line.case))?;
    let cases = lines.iter().map(|line| case_view(desk, line)).collect();
    Ok(render(&FoundPage { shell: &desk.shell, cases }))
}

#[derive(Template)]
#[template(path = "returned.html")]
struct ReturnedPage<'a> {
    shell: &'a Shell,
    cases: Vec<(CaseView, Vec<domain::form::FormFault>)>,
}

/// 待补正: what was sent back, with what has to be mended in the examiner's own words.
async fn returned(desk: Desk) -> Result<Response, Fault> {
    let hall = &desk.console.hall;
    let query = CaseQuery {
        status: Some(Status::Returned),
        // At a town also those are known that its villages mend.
        holder: Some(hall.me().clone()),
        order: CaseOrder::NewestFirst,
        limit: 100,
        ..CaseQuery::default()
    };
    let mut cases = Vec::new();
    for line in hall.store.cases(query).await? {
        let view = hall.view(&line.case).await?;
        let faults = view.dossier.returned.map(|returned| returned.faults).unwrap_or_default();
        cases.push((case_view(&desk, &line), faults));
    }
    Ok(render(&ReturnedPage { shell: &desk.shell, cases }))
}

struct WarningRow {
    case: CaseNo,
    item: String,
    left: String,
    class: &'static str,
    limits: String,
}

#[derive(Template)]
#[template(path = "warnings.html")]
struct WarningsPage<'a> {
    shell: &'a Shell,
    warnings: Vec<WarningRow>,
}

async fn warnings(desk: Desk) -> Result<Response, Fault> {
    let warnings = desk.console.hall.warnings(desk.within(), 100).await?;
    desk.console.may_list(&desk.officer, warnings.iter().map(|warning| &warning.case))?;
    let row = |warning: &casework::Warning| {
        let limits: Vec<String> = warning
            .limits
            .iter()
            .map(|one| format!("{} {} {}", desk.t(one.timer.chinese()), one.due, desk.t(one.rung.chinese())))
            .collect();
        let left = left_in_words(warning.days_left.into());
        let class = if warning.days_left <= 0 { "bad" } else { "warn" };
        WarningRow {
            case: warning.case.clone(),
            item: warning.item_name.clone(),
            left: desk.t(&left).into_owned(),
            class,
            limits: limits.join(";"),
        }
    };
    Ok(render(&WarningsPage { shell: &desk.shell, warnings: warnings.iter().map(row).collect() }))
}
