//! Checking a filled form against an item: the same answer in the village, at the town and at the hub.
//!
//! Every fault is told at once, each with its field and how to mend it. Nothing is normalised behind the citizen's back:
//! a value is stored as typed or refused. Not here: which papers are handed in (`plan::missing_materials`).

pub mod filling;
mod written;

use crate::Day;
use crate::catalogue::{Bound, Field, FieldKind, Item, Rules};
use crate::expr::{Outcome, Scope};
use crate::numbers::{CitizenNo, check_credit_code};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
pub use written::Written;

pub type Form = Map<String, Value>;

/// One field that must be mended before the form can be captured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FormFault {
    pub field: String,
    pub label: String,
    pub reason: String,
}

/// All faults of a form, in the order of its fields; empty means it may be captured.
///
/// `today` is the checking node's day: it bounds dates and ages, and decides no deadline.
pub fn check(item: &Item, form: &Form, today: Day) -> Vec<FormFault> {
    let mut faults = Vec::new();
    for field in &item.fields {
        if let Some(reason) = fault_of(field, form, today) {
            faults.push(FormFault { field: field.key.clone(), label: field.label.clone(), reason });
        }
    }
    for key in
        form.keys().filter(|key| *key != "channel" && !item.fields.iter().any(|field| field.key == **key))
    {
        let reason = "表单中没有这一项,请删除".to_owned();
        faults.push(FormFault { field: key.clone(), label: key.clone(), reason });
    }
    faults
}

/// The fields an applicant's name stands in; the first that is there counts.
const NAMES: [&str; 3] = ["name", "org_name", "legal_rep"];

/// What stands in the form for people to read lists by: the applicant's name and number.
pub fn applicant(form: &Form) -> (&str, &str) {
    let text = |key: &str| form.get(key).and_then(Value::as_str);
    let name = NAMES.into_iter().find_map(text).unwrap_or("");
    (name, text("id_no").or(text("legal_rep_id")).or(text("uscc")).unwrap_or(""))
}

/// Every number the applicant goes by: a company by its credit code, and by its legal representative's.
pub fn numbers(form: &Form) -> impl Iterator<Item = &str> {
    let text = |key: &str| form.get(key).and_then(Value::as_str).filter(|text| !text.is_empty());
    ["id_no", "legal_rep_id", "uscc"].into_iter().filter_map(text)
}

fn is_blank(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(list) => list.is_empty(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => false,
    }
}

fn fault_of(field: &Field, form: &Form, today: Day) -> Option<String> {
    let scope = Scope { form, today, rows: None, own: None };
    if field.when.as_ref().is_some_and(|when| !when.holds(&scope)) {
        return None;
    }
    let Some(value) = form.get(&field.key).filter(|value| !is_blank(value)) else {
        let may_be_empty = matches!(field.kind, FieldKind::Table(_)) && field.rules.min_count == Some(0);
        return (field.required && !may_be_empty).then(|| "必填".to_owned());
    };
    // The checks are left out only when it is certain that they do not apply: with the kind of paper not yet chosen, a
    // wrong citizen number would otherwise pass unseen.
    if field.rules.when.as_ref().is_some_and(|when| when.eval(&scope) == Outcome::Bool(false)) {
        return None;
    }
    type_fault(field, value, today).or_else(|| rule_fault(&field.rules, field, value, form, today))
}

fn type_fault(field: &Field, value: &Value, today: Day) -> Option<String> {
    match &field.kind {
        FieldKind::Table(columns) => table_fault(columns, value, today),
        FieldKind::Select => choice_fault(&field.options, value),
        FieldKind::MultiSelect => match value.as_array() {
            Some(list) => list.iter().find_map(|one| choice_fault(&field.options, one)),
            None => Some("应为若干选项".to_owned()),
        },
        kind => scalar_fault(kind, value, today),
    }
}

fn choice_fault(options: &[String], value: &Value) -> Option<String> {
    let chosen = value.as_str().unwrap_or("");
    (!options.iter().any(|option| option == chosen)).then(|| format!("应为其中之一:{}", options.join("、")))
}

fn table_fault(columns: &[crate::catalogue::Column], value: &Value, today: Day) -> Option<String> {
    let Some(rows) = value.as_array() else { return Some("应为表格".to_owned()) };
    for (index, row) in rows.iter().enumerate() {
        let Some(row) = row.as_object() else { return Some(format!("第 {} 行不是表格行", index + 1)) };
        for column in columns {
            let cell = row.get(&column.key).filter(|cell| !is_blank(cell));
            let fault = match cell {
                // A child without a number of its own yet may leave that cell empty; a name may not be.
                None if column.key == "name" => Some("必填".to_owned()),
                None => None,
                Some(cell) if !column.options.is_empty() => choice_fault(&column.options, cell),
                Some(cell) => scalar_fault(&column.kind, cell, today),
            };
            if let Some(reason) = fault {
                return Some(format!("第 {} 行 {}:{reason}", index + 1, column.label));
            }
        }
        if let Some(extra) = row.keys().find(|key| !columns.iter().any(|column| column.key == **key)) {
            return Some(format!("第 {} 行没有 {extra} 这一列", index + 1));
        }
    }
    None
}

fn scalar_fault(kind: &FieldKind, value: &Value, today: Day) -> Option<String> {
    let text = value.as_str();
    let fails = |ok: bool, reason: &str| (!ok).then(|| reason.to_owned());
    match kind {
        FieldKind::Text | FieldKind::TextArea | FieldKind::Image => {
            let long = text.is_some_and(|text| text.chars().count() > 4000);
            fails(text.is_some() && !long, "应为文字,不超过 4000 字")
        }
        FieldKind::Select | FieldKind::MultiSelect => fails(text.is_some(), "应为选项"),
        FieldKind::Bool => fails(value.is_boolean(), "应选择是或否"),
        FieldKind::Integer => fails(value.as_i64().is_some(), "应为整数"),
        FieldKind::Decimal => fails(value.as_f64().is_some(), "应为数字"),
        FieldKind::Money => {
            let cents = value.as_f64().map(|amount| amount * 100.0);
            fails(
                cents.is_some_and(|cents| (cents - cents.round()).abs() < 1e-6),
                "应为金额(元),最多两位小数",
            )
        }
        FieldKind::Date => fails(text.is_some_and(is_day), "应为日期,如 2026-11-23"),
        FieldKind::Month => fails(text.is_some_and(|t| is_day(&format!("{t}-01"))), "应为年月,如 2026-11"),
        FieldKind::DateTime => fails(text.is_some_and(is_date_time), "应为日期和时间,如 2026-11-23T09:30"),
        FieldKind::Region => {
            let ok =
                text.is_some_and(|t| (6..=12).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_digit()));
            fails(ok, "应为行政区划代码")
        }
        FieldKind::CitizenNo => match CitizenNo::parse(text.unwrap_or(""), today) {
            Ok(number) => fails(Some(number.as_str()) == text, "末位 X 应为大写"),
            Err(fault) => Some(format!("公民身份号码{fault}")),
        },
        FieldKind::CreditCode => {
            check_credit_code(text.unwrap_or("")).err().map(|f| format!("统一社会信用代码{f}"))
        }
        FieldKind::Mobile => {
            let ok = text.is_some_and(|t| {
                t.len() == 11 && t.starts_with('1') && t.bytes().all(|b| b.is_ascii_digit())
            });
            fails(ok, "应为 11 位手机号码")
        }
        FieldKind::List => {
            let ok =
                value.as_array().is_some_and(|list| list.iter().all(|one| one.is_string() && !is_blank(one)));
            fails(ok, "应为若干行文字")
        }
        FieldKind::Geo => fails(value.is_array() || value.is_object(), "应为坐标"),
        FieldKind::Table(_) => Some("表格中不能再有表格".to_owned()),
    }
}

fn is_day(text: &str) -> bool {
    text.parse::<Day>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    let Some((day, time)) = text.split_once(['T', ' ']) else { return false };
    let Some((hour, minute)) = time.split_once(':') else { return false };
    let below = |part: &str, limit: u8| part.len() == 2 && part.parse::<u8>().is_ok_and(|n| n < limit);
    is_day(day) && below(hour, 24) && below(minute.get(..2).unwrap_or(""), 60)
}

fn rule_fault(rules: &Rules, field: &Field, value: &Value, form: &Form, today: Day) -> Option<String> {
    size_fault(rules, value)
        .or_else(|| bound_fault(rules, value, form, today))
        .or_else(|| expression_fault(rules, field, value, form, today))
}

fn size_fault(rules: &Rules, value: &Value) -> Option<String> {
    let count = match value {
        Value::Array(list) => list.len(),
        Value::String(text) => text.chars().count(),
        _ => return None,
    };
    let (low, high, unit) = match value {
        Value::Array(_) => (rules.min_count, rules.max_count, "行"),
        _ => (rules.min_length, rules.max_length, "字"),
    };
    if low.is_some_and(|low| count < low) {
        return low.map(|low| format!("至少 {low} {unit},现在是 {count} {unit}"));
    }
    high.filter(|high| count > *high).map(|high| format!("至多 {high} {unit},现在是 {count} {unit}"))
}

fn bound_fault(rules: &Rules, value: &Value, form: &Form, today: Day) -> Option<String> {
    if let (Some(min), Some(number)) = (&rules.min, value.as_f64())
        && let Bound::Number(min) = min
        && number < *min
    {
        return Some(format!("不能小于 {min}"));
    }
    match (&rules.max, value.as_f64(), value.as_str()) {
        (Some(Bound::Number(max)), Some(number), _) if number > *max => {
            return Some(format!("不能大于 {max}"));
        }
        (Some(Bound::Word(word)), _, Some(text)) if word == "today" && text > today.to_string().as_str() => {
            return Some("不能晚于今天".to_owned());
        }
        _ => {}
    }
    if let (Some(step), Some(number)) = (rules.step, value.as_f64())
        && ((number / step).round() * step - number).abs() > 1e-6
    {
        return Some(format!("应为 {step} 的整数倍"));
    }
    let other = |key: &Option<String>| {
        key.as_ref().and_then(|key| form.get(key)).filter(|other| !is_blank(other)).cloned()
    };
    if let Some(other) = other(&rules.not_before)
        && is_less(value, &other)
    {
        return Some(format!("不能早于(小于){}", plain(&other)));
    }
    let other = other(&rules.not_above)?;
    is_less(&other, value).then(|| format!("不能大于 {}", plain(&other)))
}

fn is_less(a: &Value, b: &Value) -> bool {
    match (a.as_f64(), b.as_f64(), a.as_str(), b.as_str()) {
        (Some(a), Some(b), _, _) => a < b,
        (_, _, Some(a), Some(b)) => a < b,
        _ => false,
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn expression_fault(rules: &Rules, field: &Field, value: &Value, form: &Form, today: Day) -> Option<String> {
    if let Some(pattern) = &rules.pattern
        && !pattern.is_match(value.as_str().unwrap_or(""))
    {
        return Some("格式不符,请对照证件填写".to_owned());
    }
    if let Some(oldest) = rules.age_max
        && let Ok(number) = CitizenNo::parse(value.as_str().unwrap_or(""), today)
        && today.years_since(number.birth()) > oldest
    {
        return Some(format!("应不满 {} 周岁", oldest + 1));
    }
    if let Some(want) = rules.must_be
        && value.as_bool() != Some(want)
    {
        return Some(format!("不符合条件:{}应为“{}”", field.label, if want { "是" } else { "否" }));
    }
    let scope = Scope { form, today, rows: value.as_array().map(Vec::as_slice), own: Some(value) };
    if let Some(computed) = &rules.computed {
        let whole_form = Scope { rows: None, ..scope };
        let agrees = match computed.eval(&whole_form) {
            // A computed amount is rounded to the cent by whoever fills it in.
            Outcome::Number(want) => value.as_f64().is_some_and(|have| (have - want).abs() < 0.01),
            Outcome::Bool(want) => value.as_bool() == Some(want),
            Outcome::Text(want) => value.as_str() == Some(&want),
            Outcome::Unknown => true,
        };
        if !agrees {
            return Some("与表中其他内容算出的结果不一致".to_owned());
        }
    }
    let (rule, text) = rules.rule.as_ref()?;
    (!rule.holds(&scope)).then(|| format!("不满足规则:{text}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pack::{CityPack, kaili_pieces};
    use serde_json::json;

    fn faults(item: &str, form: Value) -> Vec<String> {
        let pack = CityPack::parse(&kaili_pieces()).unwrap();
        let item = pack.items[&item.parse().unwrap()].clone();
        let list = check(&item, form.as_object().unwrap(), "2026-11-23".parse().unwrap());
        list.into_iter().map(|fault| format!("{}:{}", fault.field, fault.reason)).collect()
    }
    fn person() -> Value {
        json!({"name": "杨兰梅", "id_type": "居民身份证", "id_no": "522601196705199487", "gender": "女", "birth": "1967-05-19",
               "mobile": "15400000001", "hukou_region": "522601104207", "live_region": "522601104207", "address": "一组 3 号"})
    }
    fn with(mut form: Value, more: Value) -> Value {
        form.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        form
    }

    #[test]
    fn a_good_form_passes_and_an_empty_one_names_every_missing_field() {
        let good = with(
            person(),
            json!({"living_place": "522601104207", "age_check": true, "id_no": "522601194001019041",
            "birth": "1940-01-01", "account_holder": "本人"}),
        );
        let told = faults("gaoling", json!({}));
        assert!(told.len() >= 10 && told.iter().all(|t| t.ends_with("必填")), "{told:?}");
        let told = faults("gaoling", good);
        assert!(!told.iter().any(|t| t.starts_with("age_check") || t.starts_with("name")), "{told:?}");
    }

    #[test]
    fn a_wrong_citizen_number_says_what_is_wrong() {
        let told = faults("gaoling", with(person(), json!({"id_no": "52260119670519948"})));
        assert!(told.contains(&"id_no:公民身份号码应为 18 位,现在是 17 位".to_owned()), "{told:?}");
    }

    #[test]
    fn a_wrong_number_is_seen_even_before_the_kind_of_paper_is_chosen() {
        let told = faults("gaoling", json!({"id_no": "52260119670519948"}));
        assert!(told.iter().any(|t| t.starts_with("id_no:公民身份号码应为 18 位")), "{told:?}");
        let passport = faults("gaoling", with(person(), json!({"id_type": "护照", "id_no": "E12345678"})));
        assert!(!passport.iter().any(|t| t.starts_with("id_no")), "{passport:?}");
    }

    #[test]
    fn a_person_of_fifty_nine_cannot_claim_the_allowance_of_eighty() {
        let told = faults("gaoling", with(person(), json!({"age_check": true})));
        assert!(told.iter().any(|t| t.starts_with("age_check:与表中")), "{told:?}");
    }

    #[test]
    fn tables_are_checked_row_by_row() {
        let told = faults(
            "dibao",
            with(person(), json!({"family": [{"name": "甲", "id_card": "1"}, {"nick": "乙"}]})),
        );
        assert!(told.iter().any(|t| t.contains("第 1 行 公民身份号码")), "{told:?}");
    }

    #[test]
    fn unknown_fields_are_named_not_swallowed() {
        assert!(
            faults("gaoling", with(person(), json!({"hobby": "x"}))).iter().any(|t| t.starts_with("hobby:"))
        );
    }
}
