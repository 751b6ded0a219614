//! The drafts of a counter, and the task list of each: what is done, what is left, in any order.

use super::{Sent, render};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::page::done::done;
use crate::page::draft_form::Part;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::{get, post};
use casework::DraftForm;
use domain::MaterialId;
use domain::delivery::Channel;
use domain::form::FormFault;
use domain::pack::CityPack;
use std::sync::Arc;
use store::Draft;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/drafts", get(drafts).post(super::choose::start))
        .route("/drafts/{draft}", get(tasks))
        .route("/drafts/{draft}/drop", post(throw_away))
}

struct DraftLine {
    id: String,
    title: String,
    applicant: String,
    officer: String,
    updated: String,
}

#[derive(Template)]
#[template(path = "drafts.html")]
struct DraftsPage<'a> {
    shell: &'a Shell,
    drafts: Vec<DraftLine>,
}

async fn drafts(desk: Desk) -> Result<Response, Fault> {
    // Those of colleagues too: an officer who has left leaves drafts behind.
    let drafts = desk.console.hall.store.drafts(None).await?;
    let line = |draft: &Draft| DraftLine {
        id: draft.id.to_string(),
        title: title(&desk, draft),
        applicant: domain::form::applicant(&draft.form).0.to_owned(),
        officer: draft.officer.clone(),
        updated: desk.shell.ago(draft.updated, desk.now()),
    };
    Ok(render(&DraftsPage { shell: &desk.shell, drafts: drafts.iter().map(line).collect() }))
}

/// What a draft is about, in words.
pub(super) fn title(desk: &Desk, draft: &Draft) -> String {
    let Ok((_, pack)) = desk.console.hall.pack(Some(draft.release)) else { return draft.item.to_string() };
    let bundle = draft.bundle.as_ref().and_then(|bundle| pack.bundle(&bundle.bundle));
    match (bundle, pack.item(&draft.item)) {
        (Some(bundle), _) => bundle.name.clone(),
        (None, Some(item)) => item.name.clone(),
        (None, None) => draft.item.to_string(),
    }
}

/// A draft with what is needed to show it.
pub(super) struct Opened {
    pub draft: Draft,
    pub form: DraftForm,
    pub pack: Arc<CityPack>,
    pub faults: Vec<FormFault>,
}

pub(super) async fn open(desk: &Desk, draft: &str) -> Result<Opened, Fault> {
    let hall = &desk.console.hall;
    let draft = hall.draft(id(draft, "草稿编号")?).await?;
    let (_, pack) = hall.pack(Some(draft.release))?;
    let (form, faults) = (hall.draft_form(&draft)?, hall.check_draft(draft.id).await?);
    Ok(Opened { draft, form, pack, faults })
}

impl Opened {
    pub fn papers(&self, today: domain::Day) -> Vec<(MaterialId, domain::catalogue::Material)> {
        self.form.papers(&self.draft, today)
    }
    pub fn is_fault_of_paper(&self, fault: &FormFault) -> bool {
        let key = fault.field.rsplit("--").next().unwrap_or("");
        let id = key.parse::<MaterialId>();
        id.is_ok_and(|id| self.form.items.iter().any(|item| item.material(&id).is_some()))
    }
    fn is_fault_of_requests(fault: &FormFault) -> bool {
        matches!(fault.field.rsplit("--").next(), Some("green" | "commitment"))
    }
    fn is_fault_of_wish(fault: &FormFault) -> bool {
        fault.field.rsplit("--").next() == Some("wish")
    }
    /// Which page of the draft mends a fault.
    pub fn page_of(&self, fault: &FormFault) -> String {
        let draft = self.draft.id;
        if Opened::is_fault_of_requests(fault) {
            return format!("/drafts/{draft}/consent");
        }
        if Opened::is_fault_of_wish(fault) {
            return format!("/drafts/{draft}/wish");
        }
        if self.is_fault_of_paper(fault) {
            return format!("/drafts/{draft}/papers#{}", fault.field);
        }
        let part = self.form.fields.iter().find(|(name, _)| name.control() == fault.field);
        let part = part.map_or(Part::Matter, |(_, field)| Part::of(field));
        format!("/drafts/{draft}/form/{}#{}", part.as_str(), fault.field)
    }
}

struct TaskRow {
    href: String,
    name: &'static str,
    aside: String,
    /// Faults that are left; 0 is done.
    left: usize,
    /// Nothing there has to be filled in.
    may_be_left: bool,
}

#[derive(Template)]
#[template(path = "draft.html")]
struct TasksPage<'a> {
    shell: &'a Shell,
    draft: &'a Draft,
    title: String,
    applicant: String,
    rows: Vec<TaskRow>,
    changes: Vec<String>,
    left: usize,
}

async fn tasks(desk: Desk, Path(draft): Path<String>) -> Result<Response, Fault> {
    let opened = open(&desk, &draft).await?;
    let changes = desk.console.hall.draft_changes(opened.draft.id).await?;
    let page = TasksPage {
        shell: &desk.shell,
        title: title(&desk, &opened.draft),
        applicant: domain::form::applicant(&opened.draft.form).0.to_owned(),
        rows: rows(&desk, &opened),
        changes: changes.iter().map(|change| change.to_string()).collect(),
        left: opened.faults.len(),
        draft: &opened.draft,
    };
    Ok(render(&page))
}

async fn throw_away(Path(draft): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let version = posted.get("version").parse().map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
    desk.console.hall.drop_draft(&desk.officer, id(&draft, "草稿编号")?, version).await?;
    Ok(done("/drafts", "草稿已删除"))
}

fn rows(desk: &Desk, opened: &Opened) -> Vec<TaskRow> {
    let draft = opened.draft.id;
    let of_form = |part: Part| {
        let of_part = |fault: &&FormFault| {
            opened
                .form
                .fields
                .iter()
                .any(|(name, field)| name.control() == fault.field && Part::of(field) == part)
        };
        opened.faults.iter().filter(of_part).count()
    };
    let has = |part: Part| opened.form.fields.iter().any(|(_, field)| Part::of(field) == part);
    let count = |is: &dyn Fn(&FormFault) -> bool| opened.faults.iter().filter(|fault| is(fault)).count();
    let handed_in = opened.draft.attachments.len();
    let row = |path: &str, name, aside: String, left, may_be_left| TaskRow {
        href: format!("/drafts/{draft}/{path}"),
        name,
        aside,
        left,
        may_be_left,
    };
    let mut rows = Vec::new();
    if has(Part::Applicant) {
        rows.push(row("form/applicant", "申请人", String::new(), of_form(Part::Applicant), false));
    }
    if has(Part::Matter) {
        rows.push(row("form/matter", "办理内容", String::new(), of_form(Part::Matter), false));
    }
    let papers = desk.t(&format!("已传 {handed_in} 份")).into_owned();
    rows.push(row("papers", "申请材料", papers, count(&|fault| opened.is_fault_of_paper(fault)), false));
    if opened.draft.bundle.is_none() {
        let asked = match (&opened.draft.green, &opened.draft.commitment, opened.draft.borrowed.is_empty()) {
            (None, None, true) => "没有",
            _ => "已填写",
        };
        let aside = desk.t(asked).into_owned();
        rows.push(row(
            "consent",
            "承诺和签字",
            aside,
            count(&|fault| Opened::is_fault_of_requests(fault)),
            true,
        ));
    }
    let wish = Channel::wished(opened.draft.wish.as_ref(), desk.shell.tier);
    let wish = desk.t(wish.chinese()).into_owned();
    rows.push(row("wish", "取件方式", wish, count(&|fault| Opened::is_fault_of_wish(fault)), true));
    rows
}
