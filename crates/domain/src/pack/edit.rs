//! Changing one value of an item's JSON, by the name of a column: what a table of the command line and the editor's page both do.

use serde_json::{Map, Value};

/// Values that can be changed by name, and the place each has in an item.
pub const COLUMNS: [(&str, &[&str]); 9] = [
    ("name", &["name"]),
    ("state", &["state"]),
    ("effective_from", &["effective_from"]),
    ("effective_until", &["effective_until"]),
    ("promised_days", &["promised_limit", "days"]),
    ("statutory_days", &["statutory_limit", "days"]),
    ("deferral_days", &["deferral", "max_days"]),
    ("green_days", &["green_days"]),
    ("department", &["department"]),
];

fn place(column: &str) -> Option<&'static [&'static str]> {
    COLUMNS.iter().find(|(name, _)| *name == column).map(|(_, place)| *place)
}

/// What says whether an item has such a thing at all, beside the number of days it takes.
fn switch(column: &str) -> Option<(&'static str, Option<&'static str>)> {
    match column {
        "deferral_days" => Some(("deferral", Some("allowed"))),
        "green_days" => Some(("green_channel", None)),
        _ => None,
    }
}

fn turn(item: &mut Value, column: &str, on: bool) {
    let (Some((key, part)), Some(object)) = (switch(column), item.as_object_mut()) else { return };
    match part {
        None => drop(object.insert(key.to_owned(), on.into())),
        Some(part) => {
            let inner = object.entry(key).or_insert_with(|| Map::new().into());
            if let Some(inner) = inner.as_object_mut() {
                inner.insert(part.to_owned(), on.into());
            }
        }
    }
}

/// The value as a cell shows it; empty where the item has none.
pub fn get(item: &Value, column: &str) -> String {
    if column == "deferral_days" && item["deferral"]["allowed"] != true {
        return String::new();
    }
    let found = place(column).and_then(|place| place.iter().try_fold(item, |at, key| at.get(*key)));
    match found {
        None | Some(Value::Null) => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

/// The object at a place, made where it is not there yet; `None` where something else stands in the way.
pub fn within<'v>(item: &'v mut Value, place: &[&str]) -> Option<&'v mut Map<String, Value>> {
    let mut at = item;
    for key in place {
        at = at.as_object_mut()?.entry(*key).or_insert_with(|| Map::new().into());
    }
    at.as_object_mut()
}

/// Writes a cell into its place; days of what an item did not have give it that.
///
/// # Errors
/// What is wrong with the cell; nothing was changed.
pub fn put(item: &mut Value, column: &str, cell: &str) -> Result<(), String> {
    let Some([above @ .., last]) = place(column) else { return Err(format!("{column:?} is unknown")) };
    let value = if last.ends_with("days") {
        // A spreadsheet writes whole numbers as 5 or as 5.0.
        let number: f64 = cell.parse().map_err(|_| format!("{cell:?} is no number"))?;
        if number.fract() != 0.0 || !(0.0..=3650.0).contains(&number) {
            return Err(format!("{cell} is no number of days"));
        }
        Value::from(number as u64)
    } else {
        Value::from(cell)
    };
    within(item, above).ok_or("the item is no object")?.insert((*last).to_owned(), value);
    turn(item, column, true);
    Ok(())
}

/// Takes a value out of its place, and what it was the days of with it.
pub fn clear(item: &mut Value, column: &str) {
    let Some([above @ .., last]) = place(column) else { return };
    let part = above.iter().try_fold(&mut *item, |at, key| at.get_mut(*key));
    if let Some(part) = part.and_then(Value::as_object_mut) {
        part.remove(*last);
    }
    turn(item, column, false);
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_put_is_got_and_can_be_taken_out() {
        let mut item = json!({ "name": "食品经营许可", "promised_limit": { "days": 6, "unit": "workday" } });
        put(&mut item, "promised_days", "5.0").unwrap();
        put(&mut item, "deferral_days", "3").unwrap();
        assert_eq!((get(&item, "promised_days"), get(&item, "deferral_days")), ("5".into(), "3".into()));
        assert_eq!(item["promised_limit"]["unit"], "workday", "its neighbours stay");
        assert_eq!(item["deferral"]["allowed"], true, "days of it mean that there is such a thing");
        clear(&mut item, "deferral_days");
        assert_eq!(
            (get(&item, "deferral_days"), &item["deferral"]["allowed"]),
            (String::new(), &json!(false))
        );
        put(&mut item, "green_days", "2").unwrap();
        assert_eq!(item["green_channel"], true);
        assert!(put(&mut item, "promised_days", "4000").is_err() && put(&mut item, "colour", "red").is_err());
        assert_eq!(get(&item, "promised_days"), "5");
    }
}
