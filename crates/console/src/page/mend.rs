//! 待补正: the form of a returned case once more, with the examiner's words at the very field, and the papers that were found
//! wanting. What was right the first time need not be handed in again.

use super::answers::is_typed;
use super::case::read;
use super::{Sent, refusal, render, render_with, see};
use crate::Console;
use crate::fault::Fault;
use crate::fields::{self, Around, FieldView, Input};
use crate::page::done::done;
use crate::posted::{Posted, SCANS_BYTES_MAX};
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use casework::{ActError, FieldName};
use domain::catalogue::Field;
use domain::dossier::decide::Refusal;
use domain::form::{Form, FormFault, filling};
use domain::{EntryId, MaterialId};
use serde_json::{Value, json};
use store::Draft;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/cases/{case}/mend", get(show).post(resubmit).layer(DefaultBodyLimit::max(SCANS_BYTES_MAX)))
        .route("/cases/{case}/mend/look", post(look))
}

struct PaperRow {
    id: String,
    name: String,
    here: bool,
    fault: String,
}

#[derive(Template)]
#[template(path = "mend.html")]
struct MendPage<'a> {
    shell: &'a Shell,
    case: String,
    item: &'a str,
    applicant: &'a str,
    /// What the examiner wrote.
    asked: &'a [FormFault],
    /// What is wrong with the answer.
    wrong: &'a [FormFault],
    fields: Vec<FieldView>,
    papers: Vec<PaperRow>,
}

/// The answer as a draft: the page of a draft shows a form; this one is not saved before it is handed in.
fn as_draft(desk: &Desk, known: &super::case::Read, form: &Form) -> Draft {
    let dossier = &known.view.dossier;
    Draft {
        id: EntryId([0; 16]),
        officer: String::new(),
        item: dossier.item.clone(),
        release: dossier.release,
        form: form.clone(),
        attachments: Vec::new(),
        commitment: None,
        green: None,
        borrowed: Vec::new(),
        wish: None,
        bundle: None,
        online: None,
        version: 0,
        updated: desk.now(),
    }
}

fn page(desk: &Desk, known: &super::case::Read, form: &Form, wrong: &[FormFault], more: &str) -> Response {
    let dossier = &known.view.dossier;
    let asked = dossier.returned.as_ref().map_or(&[][..], |returned| &returned.faults);
    let draft = as_draft(desk, known, form);
    let Ok(draft_form) = desk.console.hall.draft_form(&draft) else {
        return refusal(desk, &Fault::unfit("事项已不在目录中"));
    };
    let faults: Vec<FormFault> = wrong.iter().chain(asked).cloned().collect();
    let around = Around {
        divisions: &known.pack.divisions,
        faults: &faults,
        today: desk.today(),
        lang: desk.shell.taste.lang,
        more,
    };
    let view = |(name, field): &(FieldName, Field)| fields::view(&draft_form, &draft, name, field, &around);
    let fault_of = |id: &str| faults.iter().find(|fault| fault.field == id).map(|fault| fault.reason.clone());
    let paper = |material: &&domain::catalogue::Material| PaperRow {
        id: material.id.to_string(),
        name: material.name.clone(),
        here: dossier.attachments.iter().any(|one| one.material == material.id),
        fault: fault_of(material.id.as_str()).unwrap_or_default(),
    };
    let page = MendPage {
        shell: &desk.shell,
        case: known.case.to_string(),
        item: &known.view.item_name,
        applicant: &dossier.applicant,
        asked,
        wrong,
        fields: draft_form.fields.iter().map(view).collect(),
        papers: domain::plan::asked_materials(&known.item, form, desk.today()).iter().map(paper).collect(),
    };
    match wrong.is_empty() {
        true => render(&page),
        false => render_with(StatusCode::UNPROCESSABLE_ENTITY, &page),
    }
}

async fn show(desk: Desk, Path(case): Path<String>) -> Result<Response, Fault> {
    let known = read(&desk, &case).await?;
    if known.view.dossier.returned.is_none() {
        return Ok(see(&format!("/cases/{case}")));
    }
    let form = known.form.clone();
    Ok(page(&desk, &known, &form, &[], ""))
}

fn typed(known: &super::case::Read, posted: &Posted, today: domain::Day) -> Form {
    let mut form = known.form.clone();
    for field in known.item.fields.iter().filter(|field| field.rules.computed.is_none()) {
        let name = FieldName { item: None, key: field.key.clone() };
        match fields::read(&name, field, posted) {
            Some(value) => drop(form.insert(field.key.clone(), value)),
            None => drop(form.remove(&field.key)),
        }
    }
    let card = domain::form::applicant(&known.form).1.to_owned();
    filling::forget(&known.item, &mut form, &card, today);
    filling::complete(&known.item, &mut form, today);
    form
}

/// A page that comes back cannot keep the files that were chosen on it; whoever chose some is told.
fn files_again(posted: &Posted) -> Vec<FormFault> {
    let reason = "页面刷新后要重新选择文件";
    let again = |(name, _): &(String, axum::body::Bytes)| FormFault {
        field: name.clone(),
        label: "申请材料".to_owned(),
        reason: reason.to_owned(),
    };
    posted.files.iter().map(again).collect()
}

/// For the script of the page: what is asked now and what is wrong with what was typed. Nothing is saved and nothing sent.
async fn look(Path(case): Path<String>, sent: Sent) -> Result<Json<Value>, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let known = read(desk, &case).await?;
    let (today, lang) = (desk.today(), desk.shell.taste.lang);
    let form = typed(&known, posted, today);
    let draft = as_draft(desk, &known, &form);
    let draft_form = desk.console.hall.draft_form(&draft)?;
    let mut faults = domain::form::check(&known.item, &form, today);
    faults.retain(is_typed);
    let around = Around { divisions: &known.pack.divisions, faults: &faults, today, lang, more: "" };
    let fields = fields::told(&draft_form, &draft, draft_form.fields.iter(), &around, posted);
    Ok(Json(json!({ "version": 0, "fields": fields, "told": "" })))
}

async fn resubmit(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let known = read(desk, &case).await?;
    let form = typed(&known, posted, desk.today());
    // One more row, or Enter in a field: the page again, with what was typed. Nothing is handed in.
    if posted.has("_more") {
        return Ok(page(desk, &known, &form, &files_again(posted), posted.get("_more")));
    }
    let (mut scans, mut unfit) = (Vec::new(), Vec::new());
    for (name, bytes) in &posted.files {
        let material: MaterialId = crate::api::id(name, "材料编号")?;
        if let Err(reason) = casework::paper_kind(bytes) {
            let label = known.item.material(&material).map_or(name.clone(), |one| one.name.clone());
            unfit.push(FormFault { field: name.clone(), label, reason: reason.to_owned() });
        }
        scans.push((material, bytes.to_vec()));
    }
    if !unfit.is_empty() {
        return Ok(page(desk, &known, &form, &unfit, ""));
    }
    let hall = &desk.console.hall;
    match hall.resubmit(&desk.officer, &known.case, form.clone(), scans).await {
        Ok(_) => Ok(done(&format!("/cases/{case}"), "补正已收下")),
        Err(ActError::Refused(Refusal::Faulty(faults))) => Ok(page(desk, &known, &form, &faults, "")),
        Err(error) => {
            let fault = Fault::from(error);
            let told = vec![FormFault { field: String::new(), label: String::new(), reason: fault.message }];
            Ok(page(desk, &known, &form, &told, ""))
        }
    }
}
