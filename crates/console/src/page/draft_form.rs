//! ① 申请人 and ② 办理内容: the form of a draft, saved as it is typed, and told at once what is wrong with what was typed.

use super::answers::{self, Differing, Group, compare, is_typed};
use super::{Sent, render, render_with, see};
use crate::Console;
use crate::api::id;
use crate::devices::card;
use crate::fault::Fault;
use crate::fields::{self, Around, Input};
use crate::page::draft::{Opened, open, title};
use crate::posted::Posted;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use casework::{ActError, DraftForm, FieldName};
use domain::EntryId;
use domain::catalogue::Field;
use domain::form::FormFault;
use serde_json::{Value, json};
use store::{Draft, StoreError};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/drafts/{draft}/form/{part}", get(show).post(save))
        .route("/drafts/{draft}/autosave/{part}", post(autosave))
}

/// The two pages of a form: who asks, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Applicant,
    Matter,
}

impl Part {
    /// Fields that many items share stand with the applicant, an item's own with the matter.
    pub fn of(field: &Field) -> Part {
        if field.group.is_empty() { Part::Matter } else { Part::Applicant }
    }
    pub fn as_str(self) -> &'static str {
        match self {
            Part::Applicant => "applicant",
            Part::Matter => "matter",
        }
    }
    fn read(text: &str) -> Result<Part, Fault> {
        match text {
            "applicant" => Ok(Part::Applicant),
            "matter" => Ok(Part::Matter),
            _ => Err(Fault::new(StatusCode::NOT_FOUND, "not_found", "没有这个页面;请从左边的菜单进入")),
        }
    }
    fn title(self) -> &'static str {
        match self {
            Part::Applicant => "申请人",
            Part::Matter => "办理内容",
        }
    }
}

#[derive(Template)]
#[template(path = "draft_form.html")]
struct FormPage<'a> {
    shell: &'a Shell,
    draft: &'a Draft,
    title: String,
    part: &'static str,
    heading: &'static str,
    groups: Vec<Group>,
    /// What the reader mends first: only after they asked for it.
    summary: Vec<&'a FormFault>,
    told: String,
    next: String,
    /// An identity card can be read into this page.
    reads_cards: bool,
}

fn fields_of(form: &DraftForm, part: Part) -> impl Iterator<Item = &(FieldName, Field)> {
    form.fields.iter().filter(move |(_, field)| Part::of(field) == part)
}

fn is_of(opened: &Opened, part: Part, fault: &FormFault) -> bool {
    fields_of(&opened.form, part).any(|(name, _)| name.control() == fault.field)
}

struct Shown<'a> {
    faults: &'a [FormFault],
    summary: bool,
    told: String,
    more: &'a str,
}

fn page(desk: &Desk, opened: &Opened, part: Part, shown: &Shown<'_>) -> Response {
    let around = Around {
        divisions: &opened.pack.divisions,
        faults: shown.faults,
        today: desk.today(),
        lang: desk.shell.taste.lang,
        more: shown.more,
    };
    let fields = fields_of(&opened.form, part);
    let groups = answers::groups(&opened.form, &opened.draft, fields, &opened.pack, &around);
    let summary = shown.faults.iter().filter(|_| shown.summary).collect::<Vec<_>>();
    let next = match part {
        Part::Applicant if fields_of(&opened.form, Part::Matter).next().is_some() => "form/matter",
        _ => "papers",
    };
    let page = FormPage {
        shell: &desk.shell,
        draft: &opened.draft,
        title: title(desk, &opened.draft),
        part: part.as_str(),
        heading: part.title(),
        groups,
        next: format!("/drafts/{}/{next}", opened.draft.id),
        told: shown.told.clone(),
        summary,
        reads_cards: part == Part::Applicant && desk.console.devices.reads_cards(),
    };
    match shown.summary && !shown.faults.is_empty() {
        true => render_with(StatusCode::UNPROCESSABLE_ENTITY, &page),
        false => render(&page),
    }
}

async fn show(desk: Desk, Path((draft, part)): Path<(String, String)>) -> Result<Response, Fault> {
    let (opened, part) = (open(&desk, &draft).await?, Part::read(&part)?);
    let faults: Vec<FormFault> = opened
        .faults
        .iter()
        .filter(|fault| is_typed(fault) && is_of(&opened, part, fault))
        .cloned()
        .collect();
    Ok(page(&desk, &opened, part, &Shown { faults: &faults, summary: false, told: String::new(), more: "" }))
}

/// What became of a save.
enum Kept {
    /// `told`: what the page shows now beside what was typed on it, if anything.
    Saved { told: Option<&'static str> },
    /// Another window was quicker, with these answers.
    Stale(Box<Draft>),
}

async fn keep(desk: &Desk, draft: &str, part: Part, posted: &Posted) -> Result<Kept, Fault> {
    let hall = &desk.console.hall;
    let before = hall.draft(id::<EntryId>(draft, "草稿编号")?).await?;
    let form = hall.draft_form(&before)?;
    let version = posted.get("version").parse().map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
    let typed = answers::typed(fields_of(&form, part), posted);
    match hall.fill(&desk.officer, before.id, version, typed.clone()).await {
        Ok(after) => {
            let more = answers::bring_more(&form, fields_of(&form, part), (&before, &after), desk.today());
            let from_before = |(name, field): &(FieldName, Field)| {
                let own = field.rules.computed.is_none() && field.prefill.is_none();
                let typed = typed.iter().any(|(known, value)| known == name && value.is_some());
                own && !typed && DraftForm::value(&after, name).is_some()
            };
            let told = match (fields_of(&form, part).any(from_before), more) {
                (true, _) => Some("这位申请人以前在这里办过,空着的已照上次填好,请核对"),
                (false, true) => Some("已保存;按刚才的回答还要填几项,请看下面"),
                (false, false) => None,
            };
            Ok(Kept::Saved { told })
        }
        Err(ActError::Store(StoreError::StaleDraft { .. })) => {
            let theirs = hall.draft(before.id).await?;
            // An autosave of this very page whose answer was lost has saved the same: nothing is lost by saying so.
            let same = answers::are_saved(&typed, &theirs);
            Ok(if same { Kept::Saved { told: None } } else { Kept::Stale(Box::new(theirs)) })
        }
        Err(error) => Err(error.into()),
    }
}

async fn save(Path((draft, part)): Path<(String, String)>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted, part) = (&sent.desk, &sent.posted, Part::read(&part)?);
    let kept = keep(desk, &draft, part, posted).await?;
    let mut opened = open(desk, &draft).await?;
    let shows_more = match kept {
        Kept::Saved { told } => told,
        Kept::Stale(theirs) => return Ok(both_texts(desk, &mut opened, part, posted, &theirs)),
    };
    let (more, then) = (posted.get("_more"), posted.get("_then"));
    if !posted.get("_card").is_empty() {
        return read_card(desk, &opened, part).await;
    }
    let faults: Vec<FormFault> =
        opened.faults.iter().filter(|fault| is_of(&opened, part, fault)).cloned().collect();
    if !more.is_empty() || (shows_more.is_some() && then != "leave") {
        let told = shows_more.map_or_else(|| saved(desk), |told| desk.t(told).into_owned());
        let typed: Vec<FormFault> = faults.into_iter().filter(is_typed).collect();
        return Ok(page(desk, &opened, part, &Shown { faults: &typed, summary: false, told, more }));
    }
    if !faults.is_empty() && then != "leave" {
        let told = saved(desk);
        return Ok(page(desk, &opened, part, &Shown { faults: &faults, summary: true, told, more: "" }));
    }
    let next = match (then, part) {
        ("leave", _) => format!("/drafts/{draft}"),
        (_, Part::Applicant) if fields_of(&opened.form, Part::Matter).next().is_some() => {
            format!("/drafts/{draft}/form/matter")
        }
        _ => format!("/drafts/{draft}/papers"),
    };
    Ok(see(&next))
}

/// What stands on the identity card goes into the fields of its names, whatever stood there: the card is the original. Its address alone
/// may be an old one.
async fn read_card(desk: &Desk, opened: &Opened, part: Part) -> Result<Response, Fault> {
    let (hall, draft) = (&desk.console.hall, &opened.draft);
    let told = match card::read(&desk.console.devices, desk.now(), !desk.shell.taste.drill).await {
        Ok(card) => {
            let said = [
                ("name", &card.name),
                ("id_no", &card.id_no),
                ("gender", &card.gender),
                ("ethnic", &card.ethnic),
                ("birth", &card.birth),
                ("address", &card.address),
            ];
            let asked = |key: &str| {
                fields_of(&opened.form, part).any(|(name, _)| name.item.is_none() && name.key == key)
            };
            // The address on a card is the registered one; what the applicant has said of where they live stays.
            let stays = |key: &str| key == "address" && draft.form.get(key).is_some();
            let typed =
                said.into_iter().filter(|(key, value)| asked(key) && !value.is_empty() && !stays(key));
            let name = |key: &str| FieldName { item: None, key: key.to_owned() };
            let typed = typed.map(|(key, value)| (name(key), Some(Value::from(value.as_str())))).collect();
            hall.fill(&desk.officer, draft.id, draft.version, typed).await?;
            "已读卡,请与申请人核对"
        }
        Err(error) => &error.to_string(),
    };
    let opened = open(desk, &draft.id.to_string()).await?;
    let told = desk.t(told).into_owned();
    let typed = |fault: &&FormFault| is_typed(fault) && is_of(&opened, part, fault);
    let faults: Vec<FormFault> = opened.faults.iter().filter(typed).cloned().collect();
    Ok(page(desk, &opened, part, &Shown { faults: &faults, summary: false, told, more: "" }))
}

fn saved(desk: &Desk) -> String {
    desk.t(&answers::saved_at(desk.now())).into_owned()
}

/// Two windows on one draft: what was typed here stays on the page, and beside each field that differs stands what the other
/// window saved (I23). Saving again keeps what stands on the page.
fn both_texts(desk: &Desk, opened: &mut Opened, part: Part, posted: &Posted, theirs: &Draft) -> Response {
    let typed = answers::typed(fields_of(&opened.form, part), posted);
    let Differing { mine, faults: differing } =
        compare(&opened.form, typed, theirs, &opened.pack.divisions, desk.shell.taste.lang);
    opened.draft = mine;
    let told = desk
        .t("这份草稿刚才在另一个窗口改过。下面是您写的,不同之处已标出;再按保存即以本页为准。")
        .into_owned();
    let mut answer = page(desk, opened, part, &Shown { faults: &differing, summary: true, told, more: "" });
    *answer.status_mut() = StatusCode::CONFLICT;
    answer
}

/// As [`save`], for the script of the page: what is asked now, what was computed, what is wrong with what was typed.
async fn autosave(Path((draft, part)): Path<(String, String)>, sent: Sent) -> Result<Json<Value>, Fault> {
    let (desk, posted, part) = (&sent.desk, &sent.posted, Part::read(&part)?);
    let Kept::Saved { told } = keep(desk, &draft, part, posted).await? else {
        let told = desk.t("这份草稿刚才在另一个窗口改过;请按“保存并继续”对照").into_owned();
        return Err(Fault::new(StatusCode::CONFLICT, "stale", told));
    };
    let opened = open(desk, &draft).await?;
    let faults: Vec<FormFault> = opened.faults.iter().filter(|fault| is_typed(fault)).cloned().collect();
    let (lang, today) = (desk.shell.taste.lang, desk.today());
    let around = Around { divisions: &opened.pack.divisions, faults: &faults, today, lang, more: "" };
    let answer = fields::told(&opened.form, &opened.draft, fields_of(&opened.form, part), &around, posted);
    let told =
        told.filter(|_| !answer.is_empty()).map_or_else(|| saved(desk), |told| desk.t(told).into_owned());
    Ok(Json(json!({ "version": opened.draft.version, "fields": answer, "told": told })))
}
