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

/// Takes out the answers that are not asked for any more, so that nothing is handed in that nobody was shown.
pub fn ask_only(item: &Item, form: &mut Form, today: Day) {
    // A condition may rest on an answer that goes itself: until nothing goes.
    loop {
        let gone = |field: &&Field| form.contains_key(&field.key) && !is_asked(field, form, today);
        let gone: Vec<String> = item.fields.iter().filter(gone).map(|field| field.key.clone()).collect();
        if gone.is_empty() {
            return;
        }
        form.retain(|key, _| !gone.contains(key));
    }
}

/// What a citizen number tells for a field.
fn told_by(number: &str, field: &Field, today: Day) -> Option<String> {
    let number = CitizenNo::parse(number, today).ok()?;
    match field.prefill? {
        Prefill::Birth => Some(number.birth().to_string()),
        Prefill::Gender => Some(number.gender().to_owned()),
    }
}

/// After another card was scanned: what the number `before` had told goes, what somebody typed against it stays.
pub fn forget(item: &Item, form: &mut Form, before: &str, today: Day) {
    if super::applicant(form).1 == before {
        return;
    }
    for field in &item.fields {
        let told = told_by(before, field, today);
        if told.is_some_and(|told| form.get(&field.key).is_some_and(|value| *value == told)) {
            form.remove(&field.key);
        }
    }
}

/// Fills blanks from the citizen number, and computes what follows from the rest.
pub fn complete(item: &Item, form: &mut Form, today: Day) {
    let number = super::applicant(form).1.to_owned();
    for field in &item.fields {
        let blank = form.get(&field.key).is_none_or(is_blank);
        let Some(value) = told_by(&number, field, today).filter(|_| blank) else { continue };
        form.insert(field.key.clone(), value.into());
    }
    for field in &item.fields {
        let Some(computed) = &field.rules.computed else { continue };
        // An answer that is hidden by now must not go on working from behind.
        let mut asked = form.clone();
        ask_only(item, &mut asked, today);
        let value = match computed.eval(&Scope { form: &asked, today, rows: None, own: None }) {
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
    fn another_card_takes_back_what_the_first_one_told_and_nothing_else() {
        let item = PACK.item(&"dibao".parse().unwrap()).unwrap();
        let mut form = Form::new();
        form.insert("id_no".into(), "522601196705199487".into());
        complete(item, &mut form, today());
        assert_eq!((&form["birth"], &form["gender"]), (&json!("1967-05-19"), &json!("女")));
        form.insert("gender".into(), "男".into());
        forget(item, &mut form, "522601196705199487", today());
        assert!(form.contains_key("birth"), "it is the same card still");
        form.insert("id_no".into(), "11010519491231002X".into());
        forget(item, &mut form, "522601196705199487", today());
        complete(item, &mut form, today());
        assert_eq!((&form["birth"], &form["gender"]), (&json!("1949-12-31"), &json!("男")));
    }

    #[test]
    fn what_is_not_asked_any_more_is_not_handed_in() {
        let item = PACK.item(&"med_pay".parse().unwrap()).unwrap();
        let mut form = Form::new();
        form.insert("accident".into(), true.into());
        form.insert("accident_desc".into(), "摔伤".into());
        ask_only(item, &mut form, today());
        assert!(form.contains_key("accident_desc"));
        form.insert("accident".into(), false.into());
        ask_only(item, &mut form, today());
        assert!(!form.contains_key("accident_desc") && form.contains_key("accident"));
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
