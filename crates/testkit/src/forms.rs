//! Fills any form of the catalogue with values a real applicant could give, valid by the catalogue's own rules.

use crate::people::{Applicant, citizen_no};
use domain::Day;
use domain::catalogue::{Bound, Field, FieldKind, Item};
use domain::expr::{Outcome, Scope};
use domain::form::{self, Form};
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore};
use serde_json::{Value, json};

/// A valid form of `item` for somebody among `people`: who may apply depends on the item (age, for one).
///
/// # Panics
/// When no applicant satisfies the item: the catalogue then asks for something no generated form has.
pub fn fill(item: &Item, people: &[Applicant], today: Day, dice: &mut impl RngCore) -> Form {
    let mut last = Vec::new();
    for _ in 0..600 {
        let person = people.choose(dice).expect("somebody to apply");
        match attempt(item, person, today, dice) {
            Ok(form) => return form,
            Err(faults) => last = faults,
        }
    }
    panic!("no valid form for {}: {last:?}", item.id);
}

/// Valid forms of all items of a bundle for one and the same person, in the order of `items`.
///
/// # Panics
/// When nobody among `people` could apply for all of them.
pub fn fill_bundle(items: &[&Item], people: &[Applicant], today: Day, dice: &mut impl RngCore) -> Vec<Form> {
    const TRIES: usize = 30;
    for _ in 0..600 {
        let person = people.choose(dice).expect("somebody to apply");
        let mut one = |item: &&Item| (0..TRIES).find_map(|_| attempt(item, person, today, dice).ok());
        if let Some(forms) = items.iter().map(&mut one).collect() {
            return forms;
        }
    }
    panic!("nobody can apply for all of {:?}", items.iter().map(|item| &item.id).collect::<Vec<_>>());
}

/// One form filled by chance, or what the catalogue's rules say against it.
fn attempt(
    item: &Item,
    person: &Applicant,
    today: Day,
    dice: &mut impl RngCore,
) -> Result<Form, Vec<form::FormFault>> {
    let form = try_fill(item, person, today, dice);
    let faults = form::check(item, &form, today);
    let can_end = faults.is_empty()
        && domain::plan::can_be_decided(item, &domain::plan::skipped_stages(item, &form, today));
    if can_end { Ok(form) } else { Err(faults) }
}

fn try_fill(item: &Item, person: &Applicant, today: Day, dice: &mut impl RngCore) -> Form {
    let mut form = Form::new();
    form.insert("channel".into(), "village_proxy".into());
    for field in &item.fields {
        let scope = Scope { form: &form, today, rows: None, own: None };
        if field.when.as_ref().is_some_and(|when| !when.holds(&scope))
            || (!field.required && dice.random_bool(0.5))
        {
            continue;
        }
        if let Some(value) = personal(&field.key, person).or_else(|| value(field, &form, person, today, dice))
        {
            form.insert(field.key.clone(), value);
        }
    }
    form
}

fn personal(key: &str, person: &Applicant) -> Option<Value> {
    let text = match key {
        "name" | "legal_rep" | "head" | "account_holder" => &person.name,
        "id_no" | "legal_rep_id" => &person.id_no,
        "id_type" => return Some("居民身份证".into()),
        "gender" => &person.gender,
        "birth" => return Some(person.birth.to_string().into()),
        "mobile" | "org_mobile" => &person.mobile,
        "hukou_region" | "live_region" => &person.village,
        _ => return None,
    };
    Some(text.as_str().into())
}

fn value(
    field: &Field,
    form: &Form,
    person: &Applicant,
    today: Day,
    dice: &mut impl RngCore,
) -> Option<Value> {
    if let Some(computed) = &field.rules.computed {
        return match computed.eval(&Scope { form, today, rows: None, own: None }) {
            Outcome::Number(number) => Some(json!((number * 100.0).round() / 100.0)),
            Outcome::Bool(value) => Some(value.into()),
            Outcome::Text(text) => Some(text.into()),
            Outcome::Unknown => Some(json!(0)),
        };
    }
    Some(match &field.kind {
        FieldKind::Bool => match field.rules.must_be {
            Some(value) => value.into(),
            // The items' simple way: a business that promises, an applicant without special circumstances.
            None => (field.key == "promise" || dice.random_bool(0.3)).into(),
        },
        FieldKind::Select => field.options.choose(dice)?.as_str().into(),
        FieldKind::MultiSelect => json!([field.options.choose(dice)?]),
        FieldKind::Table(columns) => table(field, columns, person, today, dice),
        kind => scalar(kind, Some(field), form, person, today, dice),
    })
}

fn scalar(
    kind: &FieldKind,
    field: Option<&Field>,
    form: &Form,
    person: &Applicant,
    today: Day,
    dice: &mut impl RngCore,
) -> Value {
    let rules = field.map(|field| &field.rules);
    let bound = |bound: Option<&Option<Bound>>| match bound {
        Some(Some(Bound::Number(number))) => Some(*number),
        _ => None,
    };
    let low = bound(rules.map(|rules| &rules.min)).unwrap_or(1.0);
    let mut high =
        bound(rules.map(|rules| &rules.max)).unwrap_or(low.max(1.0) * 20.0).min(low + 5000.0).max(low);
    let other = |key: Option<&String>| key.and_then(|key| form.get(key));
    if let Some(limit) = other(rules.and_then(|rules| rules.not_above.as_ref())).and_then(Value::as_f64) {
        high = high.min(limit);
    }
    let earliest =
        other(rules.and_then(|rules| rules.not_before.as_ref())).and_then(Value::as_str).map(str::to_owned);
    let past = |dice: &mut dyn RngCore| today.plus_days(-(200 + (dice.next_u32() % 300) as i32));
    match kind {
        FieldKind::Integer => {
            json!(dice.random_range(low.ceil() as i64..=(high.floor() as i64).max(low.ceil() as i64)))
        }
        FieldKind::Money | FieldKind::Decimal => number(rules.and_then(|rules| rules.step), low, high, dice),
        FieldKind::Date => earliest.unwrap_or_else(|| past(dice).to_string()).into(),
        FieldKind::Month => earliest.unwrap_or_else(|| past(dice).to_string()[..7].to_owned()).into(),
        FieldKind::DateTime => earliest.unwrap_or_else(|| format!("{}T09:30", today.plus_days(3))).into(),
        FieldKind::Region => person.village.as_str().into(),
        FieldKind::CitizenNo => {
            citizen_no(today.plus_days(-365 * dice.random_range(2..10)), dice.random_range(0..100)).into()
        }
        FieldKind::CreditCode => "91522601MBTTX0077A".into(),
        FieldKind::Mobile => person.mobile.as_str().into(),
        FieldKind::List => json!([format!("{}商店", person.name)]),
        FieldKind::Geo => json!([[107.98, 26.58], [107.99, 26.58], [107.99, 26.59]]),
        FieldKind::Bool => dice.random_bool(0.9).into(),
        _ => text(field, person, dice),
    }
}

fn number(step: Option<f64>, low: f64, high: f64, dice: &mut impl RngCore) -> Value {
    let raw = low + (high - low) * dice.random::<f64>();
    match step {
        Some(step) => json!(((raw / step).floor() * step).max((low / step).ceil() * step)),
        None => json!(((raw * 100.0).floor() / 100.0).max(low)),
    }
}

fn text(field: Option<&Field>, person: &Applicant, dice: &mut impl RngCore) -> Value {
    let key = field.map_or("", |field| field.key.as_str());
    let written = match key {
        "disability_no" => format!("{}{}{}", person.id_no, dice.random_range(1..8), dice.random_range(1..5)),
        "project_code" | "invest_code" => {
            format!("2026-522601-{:02}-01-{:06}", dice.random_range(1..90), dice.random_range(1..999_999))
        }
        "org_name" => format!("凯里市{}苗家农产品经营部", person.name),
        "address" | "org_address" => {
            format!("{}组 {} 号", dice.random_range(1..12), dice.random_range(1..200))
        }
        "relation" => ["本人", "配偶", "子女", "父母"][dice.random_range(0..4)].to_owned(),
        _ => format!("{}申报{}", person.name, dice.random_range(1..1000)),
    };
    written.into()
}

fn table(
    field: &Field,
    columns: &[domain::catalogue::Column],
    person: &Applicant,
    today: Day,
    dice: &mut impl RngCore,
) -> Value {
    let rows = field.rules.min_count.unwrap_or(1).max(1);
    let ratio = 100.0 / rows as f64;
    let row = |index: usize, dice: &mut dyn RngCore| {
        let mut dice = dice;
        let cell = |column: &domain::catalogue::Column, dice: &mut dyn RngCore| {
            let mut dice = dice;
            match column.key.as_str() {
                "name" => format!("{}{}", person.name, index + 1).into(),
                "ratio" => json!(ratio),
                "is_farmer" => true.into(),
                _ if !column.options.is_empty() => {
                    column.options.choose(&mut dice).expect("not empty").as_str().into()
                }
                _ => scalar(&column.kind, None, &Form::new(), person, today, &mut dice),
            }
        };
        Value::Object(columns.iter().map(|column| (column.key.clone(), cell(column, &mut dice))).collect())
    };
    Value::Array((0..rows).map(|index| row(index, dice)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    #[test]
    fn every_item_of_the_catalogue_can_be_applied_for() {
        let pack = domain::pack::CityPack::parse(&domain::pack::kaili_pieces()).unwrap();
        let people = crate::applicants();
        let mut dice = rand::rngs::StdRng::seed_from_u64(7);
        for item in pack.items.values() {
            for _ in 0..3 {
                assert!(!fill(item, &people, "2026-11-23".parse().unwrap(), &mut dice).is_empty());
            }
        }
    }
}
