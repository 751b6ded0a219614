//! What a form fills in by itself: defaults, what the citizen number tells, values that follow from others; and which of its
//! fields are asked at all.
//!
//! Pure. Whatever is filled in stands on the page and is read out before capture; a field that somebody has answered is never
//! changed, except one that is computed, which has a single right answer.

use super::{Form, is_blank};
use crate::Day;
use crate::catalogue::{Field, FieldKind, Item, Prefill};
use crate::expr::{Outcome, Scope};
use crate::numbers::CitizenNo;
use serde_json::{Value, json};

/// Does the form ask for this field, as it is filled in so far?
pub fn is_asked(field: &Field, form: &Form, today: Day) -> bool {
    field.when.as_ref().is_none_or(|when| when.holds(&Scope { form, today, rows: None, own: None }))
}

/// What stands in a new form. `here` is the division code of the place where it is filled in: most applicants live there.
pub fn begin(item: &Item, form: &mut Form, here: &str) {
    for field in &item.fields {
        let value = match (&field.default, &field.kind) {
            (Some(default), _) => default.as_str(),
            (None, FieldKind::Region) if !here.is_empty() => here,
            (None, _) => continue,
        };
        form.entry(field.key.clone()).or_insert_with(|| value.into());
    }
}

/// Fills blanks from the citizen number, and computes what follows from the rest.
pub fn complete(item: &Item, form: &mut Form, today: Day) {
    let number = super::applicant(form).1.to_owned();
    if let Ok(number) = CitizenNo::parse(&number, today) {
        for field in &item.fields {
            let told = match field.prefill {
                Some(Prefill::Birth) => Some(number.birth().to_string()),
                Some(Prefill::Gender) => Some(number.gender().to_owned()),
                None => None,
            };
            let blank = form.get(&field.key).is_none_or(is_blank);
            let Some(value) = told.filter(|_| blank) else { continue };
            form.insert(field.key.clone(), value.into());
        }
    }
    for field in &item.fields {
        let Some(computed) = &field.rules.computed else { continue };
        let value = match computed.eval(&Scope { form, today, rows: None, own: None }) {
            Outcome::Number(number) if number.is_finite() => rounded(&field.kind, number),
            Outcome::Bool(value) => value.into(),
            Outcome::Text(text) => text.into(),
            // Something it needs is missing: better blank than what it was before.
            Outcome::Number(_) | Outcome::Unknown => {
                form.remove(&field.key);
                continue;
            }
        };
        form.insert(field.key.clone(), value);
    }
}

/// Money to the cent, counts whole.
fn rounded(kind: &FieldKind, number: f64) -> Value {
    match kind {
        FieldKind::Integer => json!(number.round() as i64),
        _ => json!((number * 100.0).round() / 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dossier::tests::PACK;

    fn today() -> Day {
        Day::new(2026, 11, 24).unwrap()
    }

    #[test]
    fn the_citizen_number_tells_birth_and_gender_and_overwrites_nothing() {
        let item = PACK.item(&"dibao".parse().unwrap()).unwrap();
        let mut form = Form::new();
        begin(item, &mut form, "522601108201");
        assert_eq!(form["id_type"], "居民身份证");
        assert_eq!(form["live_region"], "522601108201", "most people who come live here");
        form.insert("id_no".into(), "522601196705199487".into());
        form.insert("gender".into(), "男".into());
        complete(item, &mut form, today());
        assert_eq!((&form["birth"], &form["gender"]), (&json!("1967-05-19"), &json!("男")), "typed, kept");
        let mut wrong = Form::new();
        wrong.insert("id_no".into(), "522601196705199488".into());
        complete(item, &mut wrong, today());
        assert!(!wrong.contains_key("birth"), "nothing is read out of a number that fails its check");
    }

    #[test]
    fn what_is_computed_follows_and_goes_when_its_ground_goes() {
        let item = PACK.item(&"dibao".parse().unwrap()).unwrap();
        let mut form = Form::new();
        form.insert("annual_income".into(), json!(10000));
        form.insert("family".into(), json!([{ "name": "甲" }, { "name": "乙" }, { "name": "丙" }]));
        complete(item, &mut form, today());
        assert_eq!(form["income_per_head"], json!(277.78), "to the cent");
        form.remove("annual_income");
        complete(item, &mut form, today());
        assert!(!form.contains_key("income_per_head"));
    }

    #[test]
    fn a_condition_decides_whether_a_field_is_asked() {
        let item = PACK.item(&"med_pay".parse().unwrap()).unwrap();
        let field = item.fields.iter().find(|field| field.key == "accident_desc").unwrap();
        let mut form = Form::new();
        assert!(!is_asked(field, &form, today()));
        form.insert("accident".into(), true.into());
        assert!(is_asked(field, &form, today()));
    }
}
