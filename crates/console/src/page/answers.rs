//! What the pages of a form have in common, at the counter and in the hall: the groups of its fields, what was typed, what a save
//! brings, and both texts when two windows were open on one draft (I23).

use crate::fields::{self, Around, FieldView};
use crate::lang::Lang;
use crate::posted::Posted;
use casework::{DraftForm, FieldName};
use domain::catalogue::Field;
use domain::division::Divisions;
use domain::form::{FormFault, filling};
use domain::pack::CityPack;
use domain::{Day, Timestamp};
use serde_json::{Map, Value};
use store::Draft;

pub(crate) struct Group {
    pub heading: String,
    pub fields: Vec<FieldView>,
}

/// Fields under their headings; an item's own stand under its name where a draft is of several items.
pub(crate) fn groups<'f>(
    form: &DraftForm,
    draft: &Draft,
    shown: impl Iterator<Item = &'f (FieldName, Field)>,
    pack: &CityPack,
    around: &Around<'_>,
) -> Vec<Group> {
    let mut groups: Vec<Group> = Vec::new();
    for (name, field) in shown {
        let heading = match (&name.item, field.group.is_empty()) {
            (Some(item), true) => pack.item(item).map_or(String::new(), |item| item.name.clone()),
            _ => field.group.to_string(),
        };
        let view = fields::view(form, draft, name, field, around);
        match groups.last_mut().filter(|group| group.heading == heading) {
            Some(group) => group.fields.push(view),
            None => groups.push(Group { heading, fields: vec![view] }),
        }
    }
    groups
}

pub(crate) type Typed = Vec<(FieldName, Option<Value>)>;

/// What was typed on a page, by field; a field that the page did not show is not there.
pub(crate) fn typed<'f>(shown: impl Iterator<Item = &'f (FieldName, Field)>, posted: &Posted) -> Typed {
    let of = |(name, field): &(FieldName, Field)| (name.clone(), fields::read(name, field, posted));
    // What is computed is computed here, whatever the page says.
    shown.filter(|(_, field)| field.rules.computed.is_none()).map(of).collect()
}

/// Faults of what was typed; that something is still empty is told when the reader says they are through.
pub(crate) fn is_typed(fault: &FormFault) -> bool {
    fault.reason != "必填"
}

/// Whether answers bring forth further questions on their page.
pub(crate) fn bring_more<'f>(
    form: &DraftForm,
    mut shown: impl Iterator<Item = &'f (FieldName, Field)>,
    (before, after): (&Draft, &Draft),
    today: Day,
) -> bool {
    let asked = |draft: &Draft, name: &FieldName, field: &Field| {
        filling::is_asked(field, &form.around(draft, name), today)
    };
    shown.any(|(name, field)| asked(after, name, field) && !asked(before, name, field))
}

/// An autosave of a page whose answer was lost has saved what is typed on it already: nothing is lost by saying so.
pub(crate) fn are_saved(typed: &[(FieldName, Option<Value>)], draft: &Draft) -> bool {
    typed.iter().all(|(name, value)| DraftForm::value(draft, name) == value.as_ref())
}

/// To be told in the reader's language.
pub(crate) fn saved_at(now: Timestamp) -> String {
    format!("已保存 {}", now.to_clock())
}

/// What was typed here and what another window saved meanwhile.
pub(crate) struct Differing {
    /// The draft as this window has it.
    pub mine: Draft,
    /// Each field that differs, with what the other window saved.
    pub faults: Vec<FormFault>,
}

/// Both texts of a draft (I23).
pub(crate) fn compare(
    form: &DraftForm,
    typed: Typed,
    theirs: &Draft,
    divisions: &Divisions,
    lang: Lang,
) -> Differing {
    let (mut faults, mut mine) = (Vec::new(), theirs.clone());
    for (name, value) in typed {
        let field = form.fields.iter().find(|(known, _)| *known == name).map(|(_, field)| field);
        let (Some(field), known) = (field, DraftForm::value(theirs, &name)) else { continue };
        if known != value.as_ref() {
            let said = known.map(|known| fields::spoken(field, known, divisions, lang));
            let said = said.filter(|said| !said.is_empty()).unwrap_or_else(|| "(空)".to_owned());
            faults.push(FormFault {
                field: name.control(),
                label: field.label.clone(),
                reason: format!("另一个窗口刚才保存的是:{said}"),
            });
        }
        match (&name.item, &mut mine.bundle) {
            (Some(item), Some(bundle)) => put(bundle.own.entry(item.clone()).or_default(), &name.key, value),
            _ => put(&mut mine.form, &name.key, value),
        }
    }
    Differing { mine, faults }
}

fn put(form: &mut Map<String, Value>, key: &str, value: Option<Value>) {
    match value {
        Some(value) => drop(form.insert(key.to_owned(), value)),
        None => drop(form.remove(key)),
    }
}
