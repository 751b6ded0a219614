//! 网上申请: the form of an item on a citizen's own phone, its papers, and the page that hands it in.

use super::{Filled, Visitor, answer, steps};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::fields::{self, Around, Input};
use crate::page::answers::{self, Differing, Group, compare, is_typed};
use crate::page::see;
use crate::posted::Posted;
use askama::Template;
use axum::extract::{DefaultBodyLimit, Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use casework::{ActError, DraftForm, FieldName, NEEDS_A_VISIT};
use domain::catalogue::{Field, Item};
use domain::form::FormFault;
use domain::pack::CityPack;
use domain::{CaseNo, EntryId, ItemId};
use serde::Deserialize;
use serde_json::json;
use std::sync::Arc;
use store::{Draft, StoreError};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/hall/apply/{item}", get(begin).post(start))
        .route("/hall/drafts/{draft}", get(show).post(save).layer(DefaultBodyLimit::max(DRAFT_BYTES_MAX)))
        .route("/hall/drafts/{draft}/autosave", post(autosave).layer(DefaultBodyLimit::max(DRAFT_BYTES_MAX)))
        .route("/hall/drafts/{draft}/drop", post(throw_away))
        .route("/hall/cases/{case}/mend", post(mend))
}

/// The longest form has a table of a hundred rows. Whoever is not logged in is refused before it is read.
const DRAFT_BYTES_MAX: usize = 512 * 1024;

/// One's own draft with what is needed to show it.
pub(super) struct Opened {
    pub draft: Draft,
    pub form: DraftForm,
    pub item: Arc<Item>,
    pub pack: Arc<CityPack>,
    pub faults: Vec<FormFault>,
}

impl Opened {
    pub async fn of(visitor: &Visitor, draft: &str) -> Result<Opened, Fault> {
        let hall = &visitor.console.hall;
        let draft = hall.online_draft(visitor.citizen()?, id(draft, "申请编号")?).await?;
        Opened::with(visitor, draft)
    }

    pub fn with(visitor: &Visitor, draft: Draft) -> Result<Opened, Fault> {
        let hall = &visitor.console.hall;
        let (_, pack, item) = hall.item(Some(draft.release), &draft.item)?;
        let (form, faults) = (hall.draft_form(&draft)?, hall.online_faults(visitor.citizen()?, &draft)?);
        Ok(Opened { draft, form, item, pack, faults })
    }

    pub fn is_of_form(&self, fault: &FormFault) -> bool {
        self.form.fields.iter().any(|(name, _)| name.control() == fault.field)
    }

    pub fn is_of_papers(&self, fault: &FormFault) -> bool {
        fault.field.parse().is_ok_and(|id| self.item.material(&id).is_some())
    }
}

#[derive(Template)]
#[template(path = "hall/begin.html")]
struct BeginPage<'a> {
    hall: &'a Visitor,
    item: &'a Item,
    promised: String,
    papers: Vec<&'a str>,
    /// Why it cannot be applied for here.
    wrong: String,
}

fn begin_page(visitor: &Visitor, item: &Item, wrong: &str) -> Response {
    let offered = domain::application::is_offered(item, visitor.today());
    let wrong = if offered { wrong } else { NEEDS_A_VISIT };
    let page = BeginPage {
        hall: visitor,
        item,
        promised: visitor.t(&item.promised.chinese()).into_owned(),
        papers: item.materials.iter().map(|one| one.name.as_str()).collect(),
        wrong: visitor.t(wrong).into_owned(),
    };
    answer(!wrong.is_empty(), &page)
}

async fn begin(visitor: Visitor, Path(item): Path<String>) -> Result<Response, Fault> {
    visitor.citizen()?;
    let (_, _, item) = visitor.console.hall.item(None, &id::<ItemId>(&item, "事项编号")?)?;
    Ok(begin_page(&visitor, &item, ""))
}

async fn start(Path(item): Path<String>, filled: Filled) -> Result<Response, Fault> {
    let visitor = &filled.visitor;
    let item: ItemId = id(&item, "事项编号")?;
    match visitor.console.hall.start_online(visitor.citizen()?, &item).await {
        Ok(draft) => Ok(see(&format!("/hall/drafts/{}", draft.id))),
        Err(ActError::Unfit { reason, .. }) => {
            let (_, _, item) = visitor.console.hall.item(None, &item)?;
            Ok(begin_page(visitor, &item, &reason))
        }
        Err(error) => Err(error.into()),
    }
}

async fn mend(Path(case): Path<String>, filled: Filled) -> Result<Response, Fault> {
    let visitor = &filled.visitor;
    let case: CaseNo = id(&case, "办件编号")?;
    let draft = visitor.console.hall.mend_online(visitor.citizen()?, &case).await?;
    Ok(see(&format!("/hall/drafts/{}", draft.id)))
}

async fn throw_away(Path(draft): Path<String>, filled: Filled) -> Result<Response, Fault> {
    let visitor = &filled.visitor;
    visitor.console.hall.drop_online(visitor.citizen()?, id(&draft, "申请编号")?).await?;
    Ok(see("/hall/mine"))
}

#[derive(Template)]
#[template(path = "hall/form.html")]
struct FormPage<'a> {
    hall: &'a Visitor,
    draft: &'a Draft,
    item: &'a Item,
    /// What was sent back, in the examiner's words.
    sent_back: Vec<FormFault>,
    groups: Vec<Group>,
    summary: Vec<&'a FormFault>,
    told: String,
}

#[derive(Default)]
struct Shown<'a> {
    faults: &'a [FormFault],
    summary: bool,
    told: String,
    more: &'a str,
}

async fn page(visitor: &Visitor, opened: &Opened, shown: Shown<'_>) -> Result<Response, Fault> {
    let hall = &visitor.console.hall;
    hall.note_applicant("read", &format!("/hall/drafts/{}", opened.draft.id)).await?;
    let around = Around {
        divisions: &opened.pack.divisions,
        faults: shown.faults,
        today: visitor.today(),
        lang: visitor.taste.lang,
        more: shown.more,
    };
    let fields = opened.form.fields.iter();
    let groups = answers::groups(&opened.form, &opened.draft, fields, &opened.pack, &around);
    let mends = opened.draft.online.as_ref().and_then(|online| online.mends.as_ref());
    let sent_back = match mends {
        Some((case, _)) => {
            let dossier = hall.case_of(visitor.citizen()?, case).await?.dossier;
            dossier.returned.map(|returned| returned.faults).unwrap_or_default()
        }
        None => Vec::new(),
    };
    let summary: Vec<&FormFault> = shown.faults.iter().filter(|_| shown.summary).collect();
    let page = FormPage {
        hall: visitor,
        draft: &opened.draft,
        item: &opened.item,
        sent_back,
        groups,
        told: shown.told,
        summary,
    };
    Ok(answer(!page.summary.is_empty(), &page))
}

#[derive(Default, Deserialize)]
struct Where {
    /// The question to show, in large print.
    #[serde(default)]
    at: String,
    /// The whole form, in large print too.
    #[serde(default)]
    whole: String,
}

async fn show(
    visitor: Visitor,
    Path(draft): Path<String>,
    Query(Where { at, whole }): Query<Where>,
) -> Result<Response, Fault> {
    let opened = Opened::of(&visitor, &draft).await?;
    // What is to be mended stands in the middle of what was right: it is seen as a whole.
    let mends = opened.draft.online.as_ref().is_some_and(|online| online.mends.is_some());
    if visitor.taste.large && whole.is_empty() && !mends {
        return steps::page(&visitor, &opened, &at, steps::Shown::default()).await;
    }
    let typed = |fault: &&FormFault| is_typed(fault) && opened.is_of_form(fault);
    let faults: Vec<FormFault> = opened.faults.iter().filter(typed).cloned().collect();
    page(&visitor, &opened, Shown { faults: &faults, ..Shown::default() }).await
}

enum Kept {
    /// `more`: the answers bring forth further questions.
    Saved { draft: Box<Draft>, more: bool },
    /// Another window was quicker, with these answers.
    Stale(Box<Draft>),
}

/// The fields that the page had: all, or the one question it asked.
fn shown<'f>(form: &'f DraftForm, posted: &'f Posted) -> impl Iterator<Item = &'f (FieldName, Field)> {
    let at = posted.get(steps::AT);
    form.fields.iter().filter(move |(name, _)| at.is_empty() || name.control() == at)
}

/// What was saved, or the page with both texts where another window was quicker.
pub(super) async fn kept_or_both(
    visitor: &Visitor,
    draft: &str,
    posted: &Posted,
) -> Result<Result<Opened, Response>, Fault> {
    match keep(visitor, draft, posted).await? {
        Kept::Saved { draft, .. } => Ok(Ok(Opened::with(visitor, *draft)?)),
        Kept::Stale(theirs) => Ok(Err(both_texts(visitor, posted, *theirs).await?)),
    }
}

async fn keep(visitor: &Visitor, draft: &str, posted: &Posted) -> Result<Kept, Fault> {
    let (hall, citizen) = (&visitor.console.hall, visitor.citizen()?);
    let before = hall.online_draft(citizen, id::<EntryId>(draft, "申请编号")?).await?;
    let form = hall.draft_form(&before)?;
    let version = posted.get("version").parse().map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
    let typed = answers::typed(shown(&form, posted), posted);
    match hall.fill_online(citizen, before.id, version, typed.clone()).await {
        Ok(after) => {
            let more = answers::bring_more(&form, form.fields.iter(), (&before, &after), visitor.today());
            Ok(Kept::Saved { draft: Box::new(after), more })
        }
        Err(ActError::Store(StoreError::StaleDraft { .. })) => {
            let theirs = hall.online_draft(citizen, before.id).await?;
            let same = answers::are_saved(&typed, &theirs);
            let theirs = Box::new(theirs);
            Ok(if same { Kept::Saved { draft: theirs, more: false } } else { Kept::Stale(theirs) })
        }
        Err(error) => Err(error.into()),
    }
}

async fn save(Path(draft): Path<String>, filled: Filled) -> Result<Response, Fault> {
    if filled.posted.has(steps::AT) {
        return steps::save(&draft, &filled).await;
    }
    let (visitor, posted) = (&filled.visitor, &filled.posted);
    let (saved, brings_more) = match keep(visitor, &draft, posted).await? {
        Kept::Saved { draft, more } => (*draft, more),
        Kept::Stale(theirs) => return both_texts(visitor, posted, *theirs).await,
    };
    let opened = Opened::with(visitor, saved)?;
    let more = posted.get("_more");
    let faults: Vec<FormFault> =
        opened.faults.iter().filter(|fault| opened.is_of_form(fault)).cloned().collect();
    if posted.get("_then") == "leave" {
        return Ok(see("/hall/mine"));
    }
    if !more.is_empty() || brings_more {
        let told = if brings_more { "已保存;按刚才的回答还要填几项,请看下面" } else { "" };
        let typed: Vec<FormFault> = faults.into_iter().filter(is_typed).collect();
        let shown = Shown { faults: &typed, told: visitor.t(told).into_owned(), more, ..Shown::default() };
        return page(visitor, &opened, shown).await;
    }
    if !faults.is_empty() {
        return page(visitor, &opened, Shown { faults: &faults, summary: true, ..Shown::default() }).await;
    }
    Ok(see(&format!("/hall/drafts/{draft}/papers")))
}

/// Two windows on one draft: what was typed here stays on the page, what differs is marked (I23).
async fn both_texts(visitor: &Visitor, posted: &Posted, theirs: Draft) -> Result<Response, Fault> {
    let mut opened = Opened::with(visitor, theirs)?;
    let (typed, lang) = (answers::typed(shown(&opened.form, posted), posted), visitor.taste.lang);
    let Differing { mine, faults } =
        compare(&opened.form, typed, &opened.draft, &opened.pack.divisions, lang);
    opened.draft = mine;
    let told = "这份申请刚才在另一个窗口改过。下面是您写的,不同之处已标出;再按保存即以本页为准。";
    let told = visitor.t(told).into_owned();
    let mut answer = page(visitor, &opened, Shown { faults: &faults, summary: true, told, more: "" }).await?;
    *answer.status_mut() = StatusCode::CONFLICT;
    Ok(answer)
}

/// As [`save`], for the script of the page.
async fn autosave(Path(draft): Path<String>, filled: Filled) -> Result<Response, Fault> {
    let (visitor, posted) = (&filled.visitor, &filled.posted);
    let saved = match keep(visitor, &draft, posted).await? {
        Kept::Saved { draft, .. } => *draft,
        Kept::Stale(_) => {
            let told = visitor.t("这份申请刚才在另一个窗口改过;请按“保存并继续”对照");
            let error = json!({ "error": { "code": "stale", "message": told } });
            return Ok((StatusCode::CONFLICT, Json(error)).into_response());
        }
    };
    let opened = Opened::with(visitor, saved)?;
    let faults: Vec<FormFault> = opened.faults.iter().filter(|fault| is_typed(fault)).cloned().collect();
    let (lang, today) = (visitor.taste.lang, visitor.today());
    let around = Around { divisions: &opened.pack.divisions, faults: &faults, today, lang, more: "" };
    let answer = fields::told(&opened.form, &opened.draft, opened.form.fields.iter(), &around, posted);
    let told = visitor.t(&answers::saved_at(visitor.now())).into_owned();
    Ok(Json(json!({ "version": opened.draft.version, "fields": answer, "told": told })).into_response())
}
