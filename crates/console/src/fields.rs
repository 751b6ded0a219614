//! Fields of the catalogue as controls of a page, and what comes back from them as values of the form.
//!
//! What was typed is kept as it was typed where it cannot be read as what it should be: the check then says what is wrong with it,
//! and nothing is put right behind anybody's back.

mod read;

use crate::lang::Lang;
use crate::posted::Posted;
use casework::{DraftForm, FieldName};
use domain::Day;
use domain::catalogue::{Column, Field, FieldKind};
use domain::division::{DivisionTier, Divisions};
use domain::form::{FormFault, filling};
pub(crate) use read::read;
use serde_json::{Map, Value, json};
use store::Draft;

pub(crate) struct Choice {
    pub value: String,
    pub label: String,
    pub chosen: bool,
}

pub(crate) enum Input {
    Line {
        kind: &'static str,
        value: String,
        /// Which keyboard a phone shows.
        mode: &'static str,
        /// Characters; 0 where nothing bounds them.
        max: usize,
    },
    Area {
        value: String,
        rows: u8,
    },
    Choice {
        options: Vec<Choice>,
    },
    Grouped {
        groups: Vec<(String, Vec<Choice>)>,
    },
    Radios {
        options: Vec<Choice>,
    },
    Checks {
        options: Vec<Choice>,
    },
    Table(Table),
}

pub(crate) struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

pub(crate) struct Cell {
    pub name: String,
    pub label: String,
    pub input: Input,
}

impl Input {
    pub fn is_wide(&self) -> bool {
        matches!(self, Input::Table(_) | Input::Area { .. })
    }
    /// The value that stands in the control.
    fn filled(&self) -> String {
        match self {
            Input::Line { value, .. } | Input::Area { value, .. } => value.clone(),
            Input::Radios { options } | Input::Choice { options } => {
                let chosen = options.iter().find(|option| option.chosen);
                chosen.map(|option| option.value.clone()).unwrap_or_default()
            }
            Input::Grouped { groups } => {
                let chosen = groups.iter().flat_map(|(_, options)| options).find(|option| option.chosen);
                chosen.map(|option| option.value.clone()).unwrap_or_default()
            }
            Input::Checks { .. } | Input::Table(_) => String::new(),
        }
    }
    pub fn has_one_control(&self) -> bool {
        !matches!(self, Input::Table(_) | Input::Radios { .. } | Input::Checks { .. })
    }
}

/// One field as a page shows it.
pub(crate) struct FieldView {
    /// Name and id of the control.
    pub name: String,
    pub label: String,
    pub input: Input,
    pub required: bool,
    pub readonly: bool,
    pub asked: bool,
    pub hint: &'static str,
    pub error: Option<String>,
}

/// Rows of a table that a page shows beyond those that are filled in.
const BLANK_ROWS: usize = 1;
const ROWS_MAX: usize = 100;

/// What the page knows beside the field itself.
pub(crate) struct Around<'a> {
    pub divisions: &'a Divisions,
    pub faults: &'a [FormFault],
    pub today: Day,
    pub lang: Lang,
    /// The table that was asked for one more row.
    pub more: &'a str,
}

pub(crate) fn view(
    form: &DraftForm,
    draft: &Draft,
    name: &FieldName,
    field: &Field,
    around: &Around<'_>,
) -> FieldView {
    let control = name.control();
    let value = DraftForm::value(draft, name).cloned().unwrap_or(Value::Null);
    let error = around.faults.iter().find(|fault| fault.field == control).map(|fault| fault.reason.clone());
    let more = usize::from(around.more == control);
    FieldView {
        input: input(&control, field, &value, around, more),
        label: around.lang.c(&field.label).into_owned(),
        required: field.required,
        readonly: field.rules.computed.is_some(),
        asked: filling::is_asked(field, &form.around(draft, name), around.today),
        hint: hint(field),
        error,
        name: control,
    }
}

fn hint(field: &Field) -> &'static str {
    if field.rules.computed.is_some() {
        return "自动算出";
    }
    match field.kind {
        FieldKind::CitizenNo => "18 位,末位可能是大写 X",
        FieldKind::CreditCode => "18 位统一社会信用代码",
        FieldKind::List => "一行写一个",
        FieldKind::Geo => "每行一个点:经度,纬度(可不填)",
        FieldKind::Image => "照片作为材料上传,这里写说明",
        _ => "",
    }
}

fn choices(options: &[String], lang: Lang, chosen: impl Fn(&str) -> bool) -> Vec<Choice> {
    let one = |option: &String| Choice {
        value: option.clone(),
        label: lang.c(option).into_owned(),
        chosen: chosen(option),
    };
    options.iter().map(one).collect()
}

fn yes_no(value: &Value, lang: Lang) -> Vec<Choice> {
    let one = |is: bool| Choice {
        value: is.to_string(),
        label: lang.t(if is { "是" } else { "否" }).into_owned(),
        chosen: value.as_bool() == Some(is),
    };
    vec![one(true), one(false)]
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn input(name: &str, field: &Field, value: &Value, around: &Around<'_>, more: usize) -> Input {
    match &field.kind {
        FieldKind::Table(columns) => table(name, columns, field, value, around, more),
        FieldKind::MultiSelect => {
            let has =
                |option: &str| value.as_array().is_some_and(|list| list.iter().any(|one| one == option));
            Input::Checks { options: choices(&field.options, around.lang, has) }
        }
        FieldKind::Select if field.options.len() <= 3 => {
            Input::Radios { options: choices(&field.options, around.lang, |option| value == option) }
        }
        FieldKind::Select => {
            Input::Choice { options: choices(&field.options, around.lang, |option| value == option) }
        }
        kind => scalar(kind, value, field.rules.max_length, around),
    }
}

fn scalar(kind: &FieldKind, value: &Value, max: Option<usize>, around: &Around<'_>) -> Input {
    let line = |kind, mode, max| Input::Line { kind, value: plain(value), mode, max };
    match kind {
        FieldKind::Bool => Input::Radios { options: yes_no(value, around.lang) },
        FieldKind::Integer => line("text", "numeric", 20),
        FieldKind::Decimal | FieldKind::Money => line("text", "decimal", 20),
        FieldKind::Date => line("date", "", 0),
        FieldKind::Month => line("month", "", 0),
        FieldKind::DateTime => line("datetime-local", "", 0),
        FieldKind::Region => Input::Grouped { groups: regions(around.divisions, &plain(value)) },
        // A number that is too long is told, not cut: scanners send what is on the card.
        FieldKind::CitizenNo | FieldKind::CreditCode => line("text", "", 40),
        FieldKind::Mobile => line("text", "tel", 20),
        FieldKind::TextArea => Input::Area { value: plain(value), rows: 4 },
        FieldKind::List => {
            let lines = value.as_array().into_iter().flatten().map(plain);
            Input::Area { value: lines.collect::<Vec<_>>().join("\n"), rows: 3 }
        }
        FieldKind::Geo => Input::Area { value: points(value), rows: 3 },
        FieldKind::Text
        | FieldKind::Image
        | FieldKind::Select
        | FieldKind::MultiSelect
        | FieldKind::Table(_) => line("text", "", max.unwrap_or(4000)),
    }
}

/// Villages under their towns: names repeat, so a village is always shown with its town.
fn regions(divisions: &Divisions, chosen: &str) -> Vec<(String, Vec<Choice>)> {
    let towns = divisions.iter().filter(|division| division.tier == DivisionTier::Town);
    let group = |town: &domain::division::Division| {
        let one = |village: &domain::division::Division| Choice {
            value: village.code.clone(),
            label: village.short.clone(),
            chosen: village.code == chosen,
        };
        (town.name.clone(), divisions.children(&town.code).map(one).collect())
    };
    towns.map(group).collect()
}

fn points(value: &Value) -> String {
    let point = |point: &Value| {
        let pair = point.as_array()?;
        Some(format!("{},{}", plain(pair.first()?), plain(pair.get(1)?)))
    };
    let lines: Vec<String> = value.as_array().into_iter().flatten().filter_map(point).collect();
    if lines.is_empty() { value.as_str().unwrap_or("").to_owned() } else { lines.join("\n") }
}

fn table(
    name: &str,
    columns: &[Column],
    field: &Field,
    value: &Value,
    around: &Around<'_>,
    more: usize,
) -> Input {
    let filled = value.as_array().map_or(&[][..], Vec::as_slice);
    let wanted = field.rules.min_count.unwrap_or(0).max(if filled.is_empty() { BLANK_ROWS } else { 0 });
    let count =
        (filled.len().max(wanted) + more).min(field.rules.max_count.unwrap_or(ROWS_MAX)).min(ROWS_MAX);
    let cell = |row: usize, column: &Column| {
        let value = filled.get(row).and_then(|row| row.get(&column.key)).unwrap_or(&Value::Null);
        let input = match (&column.kind, column.options.is_empty()) {
            (_, false) => {
                Input::Choice { options: choices(&column.options, around.lang, |option| value == option) }
            }
            (FieldKind::Bool, _) => Input::Choice { options: yes_no(value, around.lang) },
            (kind, _) => scalar(kind, value, None, around),
        };
        Cell {
            name: format!("{name}.{row}.{}", column.key),
            label: format!("{} {} {}", around.lang.c(&field.label), row + 1, around.lang.c(&column.label)),
            input,
        }
    };
    Input::Table(Table {
        columns: columns.iter().map(|column| around.lang.c(&column.label).into_owned()).collect(),
        rows: (0..count).map(|row| columns.iter().map(|column| cell(row, column)).collect()).collect(),
    })
}

/// What the page of a form is told while it is typed into: what is asked now, what is wrong, and what the form fills in by itself.
/// Nothing that is typed is ever written over: only what the form computes, reads out of a number, or knows of a person where
/// the page was blank goes back.
pub(crate) fn told<'f>(
    form: &DraftForm,
    draft: &Draft,
    fields: impl Iterator<Item = &'f (FieldName, Field)>,
    around: &Around<'_>,
    posted: &Posted,
) -> Map<String, Value> {
    let mut answer = Map::new();
    for (name, field) in fields {
        let view = view(form, draft, name, field, around);
        let fault = view.error.as_deref().map(|error| around.lang.t(error).into_owned());
        let mut told = json!({ "asked": view.asked, "fault": fault });
        let filled = view.input.filled();
        let was_blank = posted.get(&view.name).is_empty() && !filled.is_empty();
        if field.rules.computed.is_some() || field.prefill.is_some() || was_blank {
            told["fills"] = json!(filled);
        }
        answer.insert(view.name, told);
    }
    answer
}

/// A value as it is read out and printed.
pub(crate) fn spoken(field: &Field, value: &Value, divisions: &Divisions, lang: Lang) -> String {
    let yes = |is: bool| lang.t(if is { "是" } else { "否" }).into_owned();
    match (&field.kind, value) {
        (_, Value::Null) => String::new(),
        (FieldKind::Region, Value::String(code)) => divisions.full_name(code),
        (FieldKind::Table(columns), Value::Array(rows)) => {
            let cell = |row: &Value, column: &Column| {
                let text = match row.get(&column.key)? {
                    Value::Bool(is) => yes(*is),
                    other => plain(other),
                };
                Some(format!("{} {text}", lang.c(&column.label)))
            };
            let line = |row: &Value| {
                let cells: Vec<String> = columns.iter().filter_map(|column| cell(row, column)).collect();
                cells.join(",")
            };
            rows.iter()
                .enumerate()
                .map(|(no, row)| format!("{}. {}", no + 1, line(row)))
                .collect::<Vec<_>>()
                .join("\n")
        }
        (_, Value::Bool(is)) => yes(*is),
        (FieldKind::Geo, value) => points(value),
        (FieldKind::MultiSelect, Value::Array(list)) => {
            list.iter().map(|one| lang.c(&plain(one)).into_owned()).collect::<Vec<_>>().join("、")
        }
        (_, Value::Array(list)) => list.iter().map(plain).collect::<Vec<_>>().join("、"),
        (FieldKind::Select, Value::String(option)) => lang.c(option).into_owned(),
        (_, other) => plain(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use rand::rngs::StdRng;

    /// What a browser would send back of a page, untouched.
    fn sent(name: &str, input: &Input, into: &mut Posted) {
        let mut put = |value: &str| into.fields.push((name.to_owned(), value.to_owned()));
        match input {
            Input::Line { value, .. } | Input::Area { value, .. } => put(value),
            Input::Choice { options } | Input::Radios { options } | Input::Checks { options } => {
                options.iter().filter(|option| option.chosen).for_each(|option| put(&option.value));
            }
            Input::Grouped { groups } => {
                let options = groups.iter().flat_map(|(_, options)| options);
                options.filter(|option| option.chosen).for_each(|option| put(&option.value));
            }
            Input::Table(table) => {
                table.rows.iter().flatten().for_each(|cell| sent(&cell.name, &cell.input, into));
            }
        }
    }

    #[test]
    fn every_form_of_the_catalogue_comes_back_from_its_page_as_it_was() {
        let pack = domain::pack::CityPack::parse(&domain::pack::kaili_pieces()).unwrap();
        let (people, today) = (testkit::applicants(), "2026-11-23".parse().unwrap());
        let mut dice = StdRng::seed_from_u64(11);
        for item in pack.items.values() {
            let form = testkit::fill(item, &people, today, &mut dice);
            let around =
                Around { divisions: &pack.divisions, faults: &[], today, lang: Lang::Chinese, more: "" };
            let mut posted = Posted::default();
            for field in &item.fields {
                let value = form.get(&field.key).cloned().unwrap_or(Value::Null);
                sent(&field.key, &input(&field.key, field, &value, &around, 0), &mut posted);
            }
            for field in &item.fields {
                let name = FieldName { item: None, key: field.key.clone() };
                let (before, after) = (form.get(&field.key), read(&name, field, &posted));
                let same = match (before, &after) {
                    (Some(a), Some(b)) if a.is_number() => a.as_f64() == b.as_f64(),
                    (a, b) => {
                        json!(a) == json!(b)
                            || plain(a.unwrap_or(&Value::Null)) == plain(b.as_ref().unwrap_or(&Value::Null))
                    }
                };
                let numbers_in_cells = matches!(field.kind, FieldKind::Table(_) | FieldKind::Geo);
                assert!(same || numbers_in_cells, "{} {}: {before:?} → {after:?}", item.id, field.key);
            }
        }
    }
}
