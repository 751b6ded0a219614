//! What comes back from a page as values of the form.

use super::ROWS_MAX;
use crate::posted::Posted;
use casework::FieldName;
use domain::catalogue::{Column, Field, FieldKind};
use serde_json::{Map, Value, json};

/// What was typed into a field; `None` for nothing.
pub(crate) fn read(name: &FieldName, field: &Field, posted: &Posted) -> Option<Value> {
    let control = name.control();
    match &field.kind {
        FieldKind::Table(columns) => read_table(&control, columns, posted),
        FieldKind::MultiSelect => {
            let chosen: Vec<&str> = posted.all(&control).filter(|one| !one.is_empty()).collect();
            (!chosen.is_empty()).then(|| json!(chosen))
        }
        kind => read_scalar(kind, posted.get(&control)),
    }
}

fn read_scalar(kind: &FieldKind, text: &str) -> Option<Value> {
    if text.is_empty() {
        return None;
    }
    let as_typed = || Value::from(text);
    Some(match kind {
        FieldKind::Bool => text.parse::<bool>().map_or_else(|_| as_typed(), Value::from),
        FieldKind::Integer => text.parse::<i64>().map_or_else(|_| as_typed(), Value::from),
        // 1,200.50 is how people write sums; anything else that is no number stays as it was typed.
        FieldKind::Decimal | FieldKind::Money => {
            let number = text.replace([',', ','], "").parse::<f64>().ok().filter(|number| number.is_finite());
            number.map_or_else(as_typed, |number| match number.fract() == 0.0 && number.abs() < 1e15 {
                true => json!(number as i64),
                false => json!(number),
            })
        }
        // A scanner or a thumb may send a small x; the check asks for the capital one, and this is the same letter.
        FieldKind::CitizenNo | FieldKind::CreditCode => text.to_uppercase().into(),
        FieldKind::List => {
            json!(text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>())
        }
        FieldKind::Geo => {
            let point = |line: &str| {
                let (x, y) = line.split_once([',', ','])?;
                Some(json!([x.trim().parse::<f64>().ok()?, y.trim().parse::<f64>().ok()?]))
            };
            let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
            lines.map(point).collect::<Option<Vec<_>>>().map_or_else(as_typed, Value::from)
        }
        _ => as_typed(),
    })
}

fn read_table(control: &str, columns: &[Column], posted: &Posted) -> Option<Value> {
    let mut rows: std::collections::BTreeMap<usize, Map<String, Value>> = Default::default();
    for (name, text) in &posted.fields {
        let Some((row, key)) = name
            .strip_prefix(control)
            .and_then(|rest| rest.strip_prefix('.'))
            .and_then(|rest| rest.split_once('.'))
        else {
            continue;
        };
        let (Ok(row), Some(column)) = (row.parse::<usize>(), columns.iter().find(|column| column.key == key))
        else {
            continue;
        };
        if row < ROWS_MAX
            && let Some(value) = read_scalar(&column.kind, text.trim())
        {
            rows.entry(row).or_default().insert(column.key.clone(), value);
        }
    }
    // A row that was left empty is no row.
    (!rows.is_empty()).then(|| Value::Array(rows.into_values().map(Value::Object).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_kept_as_it_was_typed() {
        assert_eq!(read_scalar(&FieldKind::Money, "1,200.50"), Some(json!(1200.5)));
        assert_eq!(read_scalar(&FieldKind::Money, "一千"), Some(json!("一千")));
        assert_eq!(read_scalar(&FieldKind::Integer, "3"), Some(json!(3)));
        assert_eq!(
            read_scalar(&FieldKind::CitizenNo, "11010519491231002x"),
            Some(json!("11010519491231002X"))
        );
        assert_eq!(read_scalar(&FieldKind::Text, ""), None);
        assert_eq!(read_scalar(&FieldKind::Geo, "107.9,26.5"), Some(json!([[107.9, 26.5]])));
    }
}
