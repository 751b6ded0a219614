//! From "选事项" to "收件成功": the list of items, the task list of a draft, the page to read out, the capture.

use super::{Sent, refusal, render, render_with, see};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::fields;
use crate::page::draft_form::Part;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use casework::{ActError, DraftForm};
use domain::form::FormFault;
use domain::form::filling;
use domain::pack::CityPack;
use domain::{CaseNo, ItemId, MaterialId, Timestamp};
use pinyin::ToPinyin;
use serde::Deserialize;
use std::sync::Arc;
use store::Draft;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/new", get(choose))
        .route("/guides/{item}", get(guide))
        .route("/drafts", get(drafts).post(start))
        .route("/drafts/{draft}", get(tasks))
        .route("/drafts/{draft}/check", get(read_aloud))
        .route("/drafts/{draft}/capture", post(capture))
        .route("/cases/{case}/captured", get(captured))
}

/// The initials people type for a name: `dbj` for 低保金.
fn initials(name: &str) -> String {
    let letter = |(c, pinyin): (char, Option<pinyin::Pinyin>)| match pinyin {
        Some(pinyin) => pinyin.first_letter().to_owned(),
        None => c.to_ascii_lowercase().to_string(),
    };
    name.chars().zip(name.to_pinyin()).map(letter).collect()
}

/// Whether somebody who typed `sought` (lower case) may have meant `name`.
pub(super) fn is_meant(name: &str, sought: &str) -> bool {
    sought.is_empty() || name.to_lowercase().contains(sought) || initials(name).contains(sought)
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
        if item.in_force(today).is_err() || !(is_meant(&item.name, &sought) || body.contains(&sought)) {
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
    Ok(render(&ChoosePage { shell: &desk.shell, sought: q.trim(), bodies, bundles }))
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

async fn start(sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let hall = &desk.console.hall;
    let draft = match posted.get("bundle") {
        "" => hall.start_draft(&desk.officer, &id::<ItemId>(posted.get("item"), "事项编号")?).await?,
        bundle => hall.start_bundle(&desk.officer, bundle).await?,
    };
    Ok(see(&format!("/drafts/{}", draft.id)))
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
    /// The papers that the form asks for as it is filled in: the name each has in the draft, what it is called, and how
    /// necessary it is. In a bundle one copy serves all items that ask for the same paper.
    pub fn papers(&self, today: domain::Day) -> Vec<(MaterialId, domain::catalogue::Material)> {
        let mut papers: Vec<(MaterialId, domain::catalogue::Material)> = Vec::new();
        for item in &self.form.items {
            let form = match &self.draft.bundle {
                Some(bundle) => domain::bundle::form_of(item, &self.draft.form, bundle.own.get(&item.id)),
                None => self.draft.form.clone(),
            };
            for material in domain::plan::asked_materials(item, &form, today) {
                let named = match &self.draft.bundle {
                    Some(_) => domain::bundle::paper_id(&item.id, &material.id),
                    None => Some(material.id.clone()),
                };
                let known = papers.iter().any(|(_, other)| domain::bundle::is_same_paper(other, material));
                if let Some(named) = named.filter(|_| !known || self.draft.bundle.is_none()) {
                    papers.push((named, material.clone()));
                }
            }
        }
        papers
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
        let part = self.form.fields.iter().find(|(name, _)| fields::control_name(name) == fault.field);
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

fn rows(desk: &Desk, opened: &Opened) -> Vec<TaskRow> {
    let draft = opened.draft.id;
    let of_form = |part: Part| {
        let of_part = |fault: &&FormFault| {
            opened
                .form
                .fields
                .iter()
                .any(|(name, field)| fields::control_name(name) == fault.field && Part::of(field) == part)
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
    let wish = opened.draft.wish.as_ref().map_or("代办员送达", |wish| wish.channel.chinese());
    let wish = desk.t(wish).into_owned();
    rows.push(row("wish", "取件方式", wish, count(&|fault| Opened::is_fault_of_wish(fault)), true));
    rows
}

struct Line {
    label: String,
    value: String,
}

struct FaultLine {
    href: String,
    label: String,
    reason: String,
}

#[derive(Template)]
#[template(path = "check.html")]
struct CheckPage<'a> {
    shell: &'a Shell,
    draft: &'a Draft,
    title: String,
    lines: Vec<Line>,
    papers: Vec<(String, bool, String)>,
    faults: Vec<FaultLine>,
    wish: String,
    requests: Vec<String>,
}

fn check_page(desk: &Desk, opened: &Opened) -> Response {
    let (lang, today) = (desk.shell.taste.lang, desk.today());
    let line = |(name, field): &(casework::FieldName, domain::catalogue::Field)| {
        let asked = filling::is_asked(field, &opened.form.around(&opened.draft, name), today);
        let value = DraftForm::value(&opened.draft, name).filter(|_| asked)?;
        let value = fields::spoken(field, value, &opened.pack.divisions, lang);
        Some(Line { label: field.label.clone(), value })
    };
    let paper = |(id, material): &(MaterialId, domain::catalogue::Material)| {
        let draft = &opened.draft;
        let here = draft.attachments.iter().any(|one| one.material == *id);
        let borrowed = draft.borrowed.iter().any(|one| one.material == *id);
        let promised = draft.commitment.as_ref().is_some_and(|promise| promise.materials.contains(id));
        let how = match (here, borrowed, promised) {
            (true, _, _) => "已扫描",
            (_, true, _) => "从证照库调用",
            (_, _, true) => "容缺,稍后补交",
            _ if material.necessity == domain::catalogue::Necessity::Optional => "没有(可以不交)",
            _ => "还没有",
        };
        (material.name.clone(), here || borrowed || promised, desk.t(how).into_owned())
    };
    let fault = |fault: &FormFault| FaultLine {
        href: opened.page_of(fault),
        label: fault.label.clone(),
        reason: desk.t(&fault.reason).into_owned(),
    };
    let wish = opened.draft.wish.as_ref();
    let to = wish.map(|wish| wish.to.clone()).filter(|to| !to.is_empty());
    let wish = desk.t(wish.map_or("代办员送达", |wish| wish.channel.chinese())).into_owned();
    let mut requests = Vec::new();
    if let Some(green) = &opened.draft.green {
        requests.push(format!(
            "{}:{} {}",
            desk.t("绿色通道"),
            desk.t(green.ground.chinese()),
            green.evidence
        ));
    }
    if let Some(promise) = opened.draft.commitment.as_ref().filter(|promise| !promise.materials.is_empty()) {
        requests.push(format!("{}:{}", desk.t("容缺承诺书签名"), promise.signed_by));
    }
    let page = CheckPage {
        shell: &desk.shell,
        draft: &opened.draft,
        title: title(desk, &opened.draft),
        lines: opened.form.fields.iter().filter_map(line).collect(),
        papers: opened.papers(today).iter().map(paper).collect(),
        faults: opened.faults.iter().map(fault).collect(),
        wish: to.map_or(wish.clone(), |to| format!("{wish}:{to}")),
        requests,
    };
    render(&page)
}

async fn read_aloud(desk: Desk, Path(draft): Path<String>) -> Result<Response, Fault> {
    let opened = open(&desk, &draft).await?;
    Ok(check_page(&desk, &opened))
}

async fn capture(Path(draft): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let desk = &sent.desk;
    match desk.console.hall.capture(&desk.officer, id(&draft, "草稿编号")?).await {
        Ok(view) => Ok(see(&format!("/cases/{}/captured", view.case))),
        Err(ActError::Refused(domain::dossier::decide::Refusal::Faulty(_))) => {
            let opened = open(desk, &draft).await?;
            let mut page = check_page(desk, &opened);
            *page.status_mut() = axum::http::StatusCode::UNPROCESSABLE_ENTITY;
            Ok(page)
        }
        Err(error) => Ok(refusal(desk, &error.into())),
    }
}

#[derive(Template)]
#[template(path = "captured.html")]
struct CapturedPage<'a> {
    shell: &'a Shell,
    view: &'a casework::CaseView,
    others: Vec<(String, CaseNo)>,
    sheets: Vec<(&'static str, &'static str)>,
    at: String,
}

async fn captured(desk: Desk, Path(case): Path<String>) -> Result<Response, Fault> {
    let case: CaseNo = id(&case, "办件编号")?;
    let hall = &desk.console.hall;
    let view = hall.view(&case).await?;
    let others = match view.dossier.bundle {
        Some(_) => {
            hall.bundle(&case).await?.members.into_iter().map(|one| (one.item_name, one.case)).collect()
        }
        None => Vec::new(),
    };
    let sheets = hall.printable(&case).await?;
    let at: Timestamp = view.dossier.captured_at;
    let page = CapturedPage {
        shell: &desk.shell,
        sheets: sheets.iter().map(|kind| (kind.as_str(), kind.title())).collect(),
        others,
        at: at.to_minute(),
        view: &view,
    };
    Ok(render_with(axum::http::StatusCode::OK, &page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_found_by_its_name_and_by_the_initials_of_its_pinyin() {
        assert_eq!(initials("最低生活保障"), "zdshbz");
        assert!(is_meant("最低生活保障审核确认", "zdsh") && is_meant("最低生活保障审核确认", "保障"));
        assert!(is_meant("食品经营许可", "") && !is_meant("食品经营许可", "zd"));
    }
}
