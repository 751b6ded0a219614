//! One question a page: how the form of an application is filled in large print (长辈版). Every answer is saved as it is given, so
//! whoever stops goes on where they were; the standard page shows the same form at once.

use super::apply::{Opened, kept_or_both};
use super::{Filled, Visitor, answer};
use crate::fault::Fault;
use crate::fields::{self, Around, FieldView, Input};
use crate::page::answers::is_typed;
use crate::page::see;
use askama::Template;
use axum::response::Response;
use casework::{DraftForm, FieldName};
use domain::Day;
use domain::catalogue::Field;
use domain::form::filling;
use store::Draft;

/// The field of the form that says which question it asks.
pub(super) const AT: &str = "_at";

#[derive(Template)]
#[template(path = "hall/step.html")]
struct StepPage<'a> {
    hall: &'a Visitor,
    draft: &'a Draft,
    name: &'a str,
    heading: &'a str,
    field: FieldView,
    number: usize,
    count: usize,
    /// The question before; empty at the first.
    before: String,
    at: &'a str,
}

/// The questions that are asked as the answers stand now, in their order.
fn asked<'f>(form: &'f DraftForm, draft: &'f Draft, today: Day) -> Vec<&'f (FieldName, Field)> {
    let is_asked = |(name, field): &&(FieldName, Field)| {
        field.rules.computed.is_none() && filling::is_asked(field, &form.around(draft, name), today)
    };
    form.fields.iter().filter(is_asked).collect()
}

/// How a question is shown.
#[derive(Clone, Copy, Default)]
pub(super) struct Shown<'a> {
    /// Whoever reads it went past it: that it is empty is told.
    pub through: bool,
    /// The table that shall have one more row.
    pub more: &'a str,
}

/// The question `at`; where none is named, the first that still lacks an answer, or the first of all.
pub(super) async fn page(
    visitor: &Visitor,
    opened: &Opened,
    at: &str,
    shown: Shown<'_>,
) -> Result<Response, Fault> {
    let hall = &visitor.console.hall;
    hall.note_applicant("read", &format!("/hall/drafts/{}", opened.draft.id)).await?;
    let questions = asked(&opened.form, &opened.draft, visitor.today());
    let faulty = |name: &FieldName| opened.faults.iter().any(|fault| fault.field == name.control());
    let place = questions
        .iter()
        .position(|(name, _)| name.control() == at)
        .or_else(|| questions.iter().position(|(name, _)| faulty(name)))
        .unwrap_or(0);
    // A form without a question has nothing to fill in.
    let Some((name, field)) = questions.get(place) else { return Ok(to_papers(opened)) };
    // That something is empty is told to whoever went past it.
    let faults: Vec<_> =
        opened.faults.iter().filter(|fault| shown.through || is_typed(fault)).cloned().collect();
    let (lang, today) = (visitor.taste.lang, visitor.today());
    let around = Around { divisions: &opened.pack.divisions, faults: &faults, today, lang, more: shown.more };
    let heading = &field.group;
    let field = fields::view(&opened.form, &opened.draft, name, field, &around);
    let control = name.control();
    let page = StepPage {
        hall: visitor,
        draft: &opened.draft,
        name: &opened.item.name,
        heading,
        number: place + 1,
        count: questions.len(),
        before: place.checked_sub(1).map_or(String::new(), |before| questions[before].0.control()),
        at: &control,
        field,
    };
    Ok(answer(page.field.error.is_some(), &page))
}

/// One answer. Right or left out where it may be, the next question comes; after the last, what is still wrong, or the papers.
pub(super) async fn save(draft: &str, filled: &Filled) -> Result<Response, Fault> {
    let (visitor, posted) = (&filled.visitor, &filled.posted);
    let at = posted.get(AT);
    let opened = match kept_or_both(visitor, draft, posted).await? {
        Ok(opened) => opened,
        Err(both) => return Ok(both),
    };
    if posted.get("_then") == "leave" {
        return Ok(see("/hall/mine"));
    }
    let more = posted.get("_more");
    if !more.is_empty() {
        return page(visitor, &opened, at, Shown { through: false, more }).await;
    }
    if opened.faults.iter().any(|fault| fault.field == at) {
        return page(visitor, &opened, at, Shown { through: true, more }).await;
    }
    let questions = asked(&opened.form, &opened.draft, visitor.today());
    let here = questions.iter().position(|(name, _)| name.control() == at);
    let next = here.and_then(|here| questions.get(here + 1)).map(|(name, _)| name.control());
    match next {
        Some(next) => Ok(see(&format!("/hall/drafts/{draft}?at={}", crate::page::encoded(&next)))),
        None if opened.faults.iter().any(|fault| opened.is_of_form(fault)) => {
            page(visitor, &opened, "", Shown { through: true, more }).await
        }
        None => Ok(to_papers(&opened)),
    }
}

fn to_papers(opened: &Opened) -> Response {
    see(&format!("/hall/drafts/{}/papers", opened.draft.id))
}
