//! What a form of rows does to an item.

use super::lists::KINDS;
use super::*;
use domain::catalogue::StageKind;
use serde_json::json;

const NONE: Choices = Choices { bodies: Vec::new(), licences: Vec::new() };

fn food() -> Value {
    serde_json::from_str(&domain::pack::kaili_pieces()["item/food"]).unwrap()
}

/// What a browser would send of the rows as they are shown.
fn sent(item: &Value) -> Posted {
    let mut posted = Posted::default();
    for list in &LISTS {
        for cell in list.shown(item, None, &NONE).into_iter().flat_map(|row| row.cells) {
            match cell.input {
                Input::Text(text) | Input::Area(text) => posted.set(&cell.name, &text),
                Input::Flag(true) => posted.set(&cell.name, "on"),
                Input::Flag(false) => {}
                Input::One(all) => {
                    // A list to choose one from sends its first where none is chosen.
                    let sent = all.iter().find(|one| one.2).or(all.first());
                    posted.fields.extend(sent.map(|one| (cell.name.clone(), one.0.clone())));
                }
                Input::Several(all) => {
                    let chosen = all.into_iter().filter(|one| one.2);
                    posted.fields.extend(chosen.map(|one| (cell.name.clone(), one.0)));
                }
            }
        }
    }
    posted
}

#[test]
fn a_form_that_comes_back_as_it_went_out_changes_no_item_of_the_city() {
    for (name, text) in domain::pack::kaili_pieces().iter().filter(|(name, _)| name.starts_with("item/")) {
        let item: Value = serde_json::from_str(text).unwrap();
        let mut after = item.clone();
        for list in &LISTS {
            assert_eq!(list.take(&mut after, &sent(&item)), Vec::<String>::new(), "{name}");
        }
        for list in &LISTS {
            assert_eq!(list.rows(&after), list.rows(&item), "{name} {}", list.name);
        }
        assert_eq!(after, item, "{name}");
    }
}

#[test]
fn rows_are_changed_added_and_taken_out() {
    let mut item = food();
    let mut posted = sent(&item);
    posted.set("stage.accept.limit_days", "2");
    posted.set("field.+.label", "经营面积说明");
    posted.set("field.+.type", "select");
    posted.set("field.+.options", "堂食\r\n外卖、自取");
    posted.set("paper.m3.name", "");
    posted.set("fee.+.name", "工本费");
    posted.set("fee.+.amount", "12.50");
    posted.set("fee.+.unit", "证");
    posted.set("fee.+.basis", "黔价费〔2020〕1号");
    for list in &LISTS {
        assert_eq!(list.take(&mut item, &posted), Vec::<String>::new());
    }
    let found = |list: usize, id: &str| {
        LISTS[list].rows(&item).iter().find(|row| row["id"] == id || row["key"] == id).cloned()
    };
    assert_eq!(found(2, "accept").unwrap()["limit_days"], 2);
    let field = found(1, "f1").unwrap();
    assert_eq!((&field["type"], &field["options"]), (&json!("select"), &json!(["堂食", "外卖、自取"])));
    assert_eq!(found(0, "m3"), None);
    assert_eq!(LISTS[3].rows(&item).last().unwrap()["amount"], 12.5);
}

#[test]
fn what_cannot_be_is_told_by_row_and_cell_and_stays_on_the_page() {
    let mut item = food();
    let mut posted = sent(&item);
    posted.set("stage.accept.limit_days", "soon");
    let wrong = LISTS[2].take(&mut item, &posted);
    assert_eq!(wrong.len(), 1);
    assert!(wrong[0].contains("时限(天数)应为 0 到 3650 的整数"), "{wrong:?}");
    let shown = LISTS[2].shown(&item, Some(&posted), &NONE);
    let typed = shown.iter().flat_map(|row| &row.cells).find(|cell| cell.name == "stage.accept.limit_days");
    assert!(matches!(&typed.unwrap().input, Input::Text(text) if text == "soon"));
    assert_eq!((yuan("20"), yuan("1.234"), yuan("-1"), yuan("x")), (Some(json!(20)), None, None, None));
}

/// A save that was refused is mended and sent again: what was taken out stays out, what was added is there once.
#[test]
fn a_form_that_was_refused_and_mended_does_what_it_said() {
    let item: Value = serde_json::from_str(&domain::pack::kaili_pieces()["item/idcard"]).unwrap();
    let fees = &LISTS[3];
    let ids = fees.ids(fees.rows(&item));
    assert!(ids.len() > 1, "it has several fees");
    let mut posted = sent(&item);
    posted.set(&format!("fee.{}.name", ids[0]), "");
    posted.set(&format!("fee.{}.amount", ids[1]), "many");
    posted.set("fee.+.name", "加急费");
    posted.set("fee.+.amount", "3");
    let mut tried = item.clone();
    assert_eq!(fees.take(&mut tried, &posted).len(), 1);
    // The page that comes back stands on the item as it is stored.
    let mut again = Posted::default();
    for cell in fees.shown(&item, Some(&posted), &NONE).into_iter().flat_map(|row| row.cells) {
        if let Input::Text(text) = cell.input {
            again.set(&cell.name, &text);
        }
    }
    assert_eq!(again.get(&format!("fee.{}.amount", ids[1])), "many");
    again.set(&format!("fee.{}.amount", ids[1]), "40");
    let mut after = item.clone();
    assert_eq!(fees.take(&mut after, &again), Vec::<String>::new());
    let names: Vec<&str> = fees.rows(&after).iter().filter_map(|fee| fee["name"].as_str()).collect();
    let before = fees.rows(&item);
    assert_eq!(names.len(), before.len(), "one went, one came: {names:?}");
    assert!(!names.contains(&before[0]["name"].as_str().unwrap()) && names.contains(&"加急费"));
    assert_eq!(fees.rows(&after)[0]["amount"], 40);
    // By another's hand the second fee is another by now: what was typed in it is told, not dropped.
    let mut theirs = item.clone();
    theirs["fees"][1]["amount"] = 7.into();
    let told = fees.take(&mut theirs, &posted);
    assert!(told.iter().any(|one| one.contains("刚被别人改过或取消")), "{told:?}");
}

#[test]
fn a_new_stage_begins_as_a_review_of_the_city() {
    let mut item = food();
    let mut posted = sent(&item);
    posted.set("stage.+.name", "复核");
    assert_eq!(LISTS[2].take(&mut item, &posted), Vec::<String>::new());
    let fresh = LISTS[2].rows(&item).last().unwrap();
    assert_eq!((&fresh["tier"], &fresh["kind"]), (&json!("city"), &json!("review")));
}

#[test]
fn every_kind_of_stage_can_be_chosen() {
    for kind in StageKind::ALL {
        assert!(KINDS.iter().any(|(name, _)| *name == kind.as_str()), "{}", kind.as_str());
    }
}
