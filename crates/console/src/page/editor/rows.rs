//! The lists of an item (papers, fields of the form, stages, fees) as rows of a form; nothing here knows of pages.
//! A row keeps what the form does not show; one whose first cell is emptied goes, and the empty row at the end becomes a new one.

use crate::posted::Posted;
use serde_json::{Number, Value, json};

/// How a cell becomes a value of the row.
#[derive(Clone, Copy)]
pub(super) enum Shape {
    /// Left out where it is empty.
    Text,
    Choice(&'static [(&'static str, &'static str)]),
    Flag,
    Days,
    /// Yuan, as people write a price.
    Yuan,
    /// Texts, one a line.
    Lines,
    /// Rows of the same list that it comes after.
    Siblings,
    /// Bodies of the city: one stands as `dept`, several as `depts`.
    Bodies,
    /// A licence type of the city, or none.
    Licence,
}

/// What there is to choose from outside the item: id and name.
pub(super) struct Choices {
    pub bodies: Vec<(String, String)>,
    pub licences: Vec<(String, String)>,
}

pub(super) struct Column {
    pub key: &'static str,
    pub label: &'static str,
    pub shape: Shape,
}

/// Stands for the id of the row that is not there yet. No id of a catalogue is a plus; fields are called `new` now and then.
const NEW: &str = "+";

/// One list of an item.
pub(super) struct List {
    /// What stands before the names of its cells.
    pub name: &'static str,
    pub title: &'static str,
    pub hint: &'static str,
    /// What a new row is called.
    pub fresh: &'static str,
    path: &'static [&'static str],
    /// What tells rows apart; fees have nothing but what they say.
    id: Option<&'static str>,
    pub columns: &'static [Column],
}

const fn column(key: &'static str, label: &'static str, shape: Shape) -> Column {
    Column { key, label, shape }
}

const NECESSITIES: &[(&str, &str)] =
    &[("required", "必要"), ("deferrable", "可容缺"), ("optional", "非必要")];
const TIERS: &[(&str, &str)] = &[("village", "村级"), ("town", "镇级"), ("city", "市级")];
const KINDS: &[(&str, &str)] = &[
    ("intake", "收件"),
    ("appointment", "预约"),
    ("completeness_check", "核对材料"),
    ("accept", "受理"),
    ("review", "审查"),
    ("parallel_review", "并联审查"),
    ("home_visit", "入户核查"),
    ("appraisal", "民主评议"),
    ("publicity", "公示"),
    ("inspection", "现场核查"),
    ("joint_inspection", "联合查验"),
    ("expert_review", "专家评审"),
    ("special", "特别程序"),
    ("hearing", "听证"),
    ("payment", "缴费"),
    ("decision", "决定"),
    ("issue", "制证"),
    ("deliver", "送达"),
    ("post_inspection", "批后检查"),
];
const UNITS: &[(&str, &str)] = &[("workday", "工作日"), ("natural", "自然日")];
const TYPES: &[(&str, &str)] = &[
    ("text", "文字"),
    ("textarea", "长文字"),
    ("bool", "是否"),
    ("integer", "整数"),
    ("decimal", "小数"),
    ("money", "金额"),
    ("date", "日期"),
    ("month", "月份"),
    ("datetime", "日期时间"),
    ("select", "单选"),
    ("multiselect", "多选"),
    ("region", "行政区划"),
    ("id_card", "公民身份号码"),
    ("uscc", "统一社会信用代码"),
    ("mobile", "手机号码"),
    ("list", "列表"),
    ("image", "图片"),
    ("geo_point", "位置"),
    ("geo_polygon", "范围"),
    ("table", "表格"),
];

const CONDITION: &str = "条件写成 项=值,如 has_student=true;空着就是都要。";

pub(super) const LISTS: [List; 4] = [
    List {
        name: "paper",
        title: "申请材料",
        hint: CONDITION,
        fresh: "新增一份材料",
        path: &["materials"],
        id: Some("id"),
        columns: &[
            column("name", "材料名称", Shape::Text),
            column("necessity", "必要性", Shape::Choice(NECESSITIES)),
            column("when", "什么情况下要", Shape::Text),
            column("reuse_licence", "可由哪种证照代替", Shape::Licence),
        ],
    },
    List {
        name: "field",
        title: "表单(本事项自己的项)",
        hint: "单选、多选的选项一行写一个;各事项共用的申请人等项不在这里。",
        fresh: "新增一项",
        path: &["form", "fields"],
        id: Some("key"),
        columns: &[
            column("label", "名称", Shape::Text),
            column("type", "种类", Shape::Choice(TYPES)),
            column("required", "必填", Shape::Flag),
            column("options", "选项", Shape::Lines),
            column("when", "什么情况下问", Shape::Text),
        ],
    },
    List {
        name: "stage",
        title: "环节",
        hint: "同一环节之后的几个环节并行;不计入承诺时限的(如公示)不要勾“计时”。",
        fresh: "新增一个环节",
        path: &["stages"],
        id: Some("id"),
        columns: &[
            column("name", "环节", Shape::Text),
            column("tier", "在哪一级办", Shape::Choice(TIERS)),
            column("kind", "种类", Shape::Choice(KINDS)),
            column("after", "在哪些环节之后", Shape::Siblings),
            column("limit_days", "时限(天数)", Shape::Days),
            column("limit_unit", "按什么算", Shape::Choice(UNITS)),
            column("counted", "计时", Shape::Flag),
            column("dept", "由哪些部门办", Shape::Bodies),
            column("when", "什么情况下有", Shape::Text),
        ],
    },
    List {
        name: "fee",
        title: "收费",
        hint: "没有依据的不得收费;不收费就清空名称。",
        fresh: "新增一项收费",
        path: &["fees"],
        id: None,
        columns: &[
            column("name", "收费项目", Shape::Text),
            column("amount", "金额(元)", Shape::Yuan),
            column("unit", "计费单位", Shape::Text),
            column("basis", "依据", Shape::Text),
            column("when", "什么情况下收", Shape::Text),
        ],
    },
];

/// A value to choose: as it is sent, as it is said, and whether it is chosen.
pub(super) type Option3 = (String, String, bool);

pub(super) enum Input {
    Text(String),
    Area(String),
    Flag(bool),
    One(Vec<Option3>),
    Several(Vec<Option3>),
}

pub(super) struct Cell {
    pub name: String,
    pub label: &'static str,
    pub input: Input,
    /// Options are said in words of ours, or are names out of the catalogue.
    pub translated: bool,
}

pub(super) struct Row {
    /// The empty one at the end.
    pub new: bool,
    pub cells: Vec<Cell>,
}

fn texts(value: &Value) -> Vec<String> {
    match value {
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

impl Column {
    /// What the cell of a row shows, as it would be sent.
    fn get(&self, row: &Value) -> Vec<String> {
        let value = &row[self.key];
        match self.shape {
            Shape::Text | Shape::Choice(_) | Shape::Licence => texts(value),
            Shape::Flag => value.as_bool().filter(|on| *on).map(|_| "on".to_owned()).into_iter().collect(),
            Shape::Days | Shape::Yuan => {
                if value.is_number() {
                    vec![value.to_string()]
                } else {
                    Vec::new()
                }
            }
            Shape::Lines => match texts(value) {
                lines if lines.is_empty() => Vec::new(),
                lines => vec![lines.join("\n")],
            },
            Shape::Siblings => texts(value),
            Shape::Bodies => {
                let mut bodies = texts(&row["dept"]);
                bodies.extend(texts(&row["depts"]));
                bodies
            }
        }
    }

    /// Writes what was sent into the row; what it says already is not touched.
    fn put(&self, row: &mut Value, sent: &[String]) -> Result<(), String> {
        let mut known = self.get(row);
        // Browsers end lines with both.
        let plain = |one: &String| one.replace('\r', "");
        let mut asked: Vec<String> = sent.iter().filter(|one| !one.is_empty()).map(plain).collect();
        if matches!(self.shape, Shape::Siblings | Shape::Bodies) {
            known.sort_unstable();
            known.dedup();
            asked.sort_unstable();
        }
        if known == asked {
            return Ok(());
        }
        let one = asked.first().map_or("", String::as_str);
        let value = match self.shape {
            Shape::Choice(options) if !options.iter().any(|(value, _)| *value == one) => return Ok(()),
            Shape::Text | Shape::Licence | Shape::Choice(_) if one.is_empty() => None,
            Shape::Text | Shape::Licence | Shape::Choice(_) => Some(one.into()),
            Shape::Flag => Some((!one.is_empty()).into()),
            Shape::Days => match one.parse::<u32>() {
                Ok(days) if days <= 3650 => Some(days.into()),
                _ => return Err(format!("{}应为 0 到 3650 的整数", self.label)),
            },
            Shape::Yuan => Some(yuan(one).ok_or_else(|| format!("{}应为金额,如 20 或 12.50", self.label))?),
            Shape::Lines => {
                let lines: Vec<&str> = one.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
                (!lines.is_empty()).then(|| lines.into())
            }
            Shape::Siblings => Some(asked.into()),
            Shape::Bodies => {
                set(row, "dept", (asked.len() == 1).then(|| one.into()));
                set(row, "depts", (asked.len() > 1).then(|| asked.clone().into()));
                return Ok(());
            }
        };
        set(row, self.key, value);
        Ok(())
    }
}

fn set(row: &mut Value, key: &str, value: Option<Value>) {
    let Some(row) = row.as_object_mut() else { return };
    match value {
        Some(value) => drop(row.insert(key.to_owned(), value)),
        None => drop(row.remove(key)),
    }
}

/// `20` stays a whole number, so that a price that is not changed is no change.
fn yuan(text: &str) -> Option<Value> {
    if let Ok(whole) = text.parse::<u32>() {
        return (whole <= 10_000_000).then(|| whole.into());
    }
    let (_, cents) = text.split_once('.')?;
    let sum: f64 = text.parse().ok().filter(|sum| (0.0..=1e7).contains(sum))?;
    (cents.len() <= 2).then(|| Number::from_f64(sum).map(Value::Number)).flatten()
}

impl List {
    fn rows<'v>(&self, item: &'v Value) -> &'v [Value] {
        let found = self.path.iter().try_fold(item, |at, key| at.get(*key));
        found.and_then(Value::as_array).map_or(&[], Vec::as_slice)
    }

    /// What each row is known by. Rows without an id are known by what they say: a place would mean another row as soon as
    /// somebody takes one out.
    fn ids(&self, rows: &[Value]) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for row in rows {
            let named = self.id.and_then(|key| row[key].as_str()).map(str::to_owned);
            let mut id =
                named.unwrap_or_else(|| blake3::hash(row.to_string().as_bytes()).to_hex()[..12].to_owned());
            // Two that say the same are two.
            while ids.contains(&id) {
                id.push('+');
            }
            ids.push(id);
        }
        ids
    }

    pub fn count(&self, item: &Value) -> usize {
        self.rows(item).len()
    }

    fn cell(&self, id: &str, column: &Column) -> String {
        format!("{}.{id}.{}", self.name, column.key)
    }

    /// The rows as a form shows them, with an empty one at the end. Where a form comes back, what was typed stands in the rows that
    /// `item` has, those among them that were emptied to go; `item` is what the next save begins from.
    pub fn shown(&self, item: &Value, typed: Option<&Posted>, choices: &Choices) -> Vec<Row> {
        let rows = self.rows(item);
        let ids = self.ids(rows);
        let named = |row: &Value| row["name"].as_str().unwrap_or_default().to_owned();
        let siblings: Vec<(String, String)> = ids.iter().cloned().zip(rows.iter().map(named)).collect();
        let row = |id: String, new: bool, value: &Value| {
            let cells = self.columns.iter().map(|column| {
                let name = self.cell(&id, column);
                let sent = typed.filter(|posted| posted.has(&self.cell(&id, &self.columns[0])));
                let said = match sent {
                    Some(posted) => posted.all(&name).map(str::to_owned).collect(),
                    None => column.get(value),
                };
                let others = siblings.iter().filter(|(other, _)| *other != id);
                let (input, translated) = match column.shape {
                    Shape::Siblings => (several(others, &said), false),
                    Shape::Bodies => (several(choices.bodies.iter(), &said), false),
                    Shape::Licence => (one_or_none(&choices.licences, &said), false),
                    Shape::Flag => (Input::Flag(!said.is_empty()), true),
                    Shape::Choice(options) => (one_of(options, &said), true),
                    Shape::Lines => (Input::Area(said.into_iter().next().unwrap_or_default()), true),
                    _ => (Input::Text(said.into_iter().next().unwrap_or_default()), true),
                };
                Cell { name, label: column.label, input, translated }
            });
            Row { cells: cells.collect(), new }
        };
        let known = ids.iter().zip(rows).map(|(id, value)| row(id.clone(), false, value));
        // Its choices stand as a new row begins: a browser sends the first one otherwise.
        known.chain([row(NEW.to_owned(), true, &self.blank(String::new()))]).collect()
    }

    /// Writes the rows that were sent into the item. What is wrong is told by row and cell; the item is of no use then.
    pub fn take(&self, item: &mut Value, posted: &Posted) -> Vec<String> {
        let (known, mut wrong, mut kept) = (self.rows(item).to_vec(), Vec::new(), Vec::new());
        // The id of a row that goes is not given to another in the same release.
        let ids = self.ids(&known);
        let Some(first) = self.columns.first() else { return wrong };
        for (mut row, id) in known.iter().cloned().zip(&ids) {
            let name = self.cell(id, first);
            if !posted.has(&name) {
                kept.push(row);
            } else if !posted.get(&name).is_empty() {
                wrong.extend(self.fill(&mut row, id, posted));
                kept.push(row);
            }
        }
        wrong.extend(self.gone(posted, &ids, first));
        let named = posted.get(&self.cell(NEW, first)).to_owned();
        if !named.is_empty() {
            let id = (1..).map(|no| format!("{}{no}", &self.name[..1])).find(|id| !ids.contains(id));
            let mut row = self.blank(id.unwrap_or_default());
            wrong.extend(self.fill(&mut row, NEW, posted));
            kept.push(row);
        }
        if kept != known {
            put_at(item, self.path, kept.into());
        }
        wrong
    }

    /// Rows that were sent and are there no more, or say something else by now: what was written in them is told, not dropped.
    fn gone(&self, posted: &Posted, ids: &[String], first: &Column) -> Vec<String> {
        let row_of = |name: &str| -> Option<String> {
            let rest = name.strip_prefix(self.name)?.strip_prefix('.')?;
            Some(rest.strip_suffix(first.key)?.strip_suffix('.')?.to_owned())
        };
        let gone = posted.fields.iter().filter_map(|(name, value)| Some((row_of(name)?, value)));
        let gone = gone.filter(|(id, value)| id != NEW && !ids.contains(id) && !value.is_empty());
        gone.map(|(_, value)| format!("“{value}”一行刚被别人改过或取消,您在这一行的改动没有采用")).collect()
    }

    fn fill(&self, row: &mut Value, id: &str, posted: &Posted) -> Vec<String> {
        let mut wrong = Vec::new();
        for column in self.columns {
            let sent: Vec<String> = posted.all(&self.cell(id, column)).map(str::to_owned).collect();
            // A cell of a kind that some rows have not at all, left empty, is no change.
            if let Err(reason) = column.put(row, &sent) {
                let named = posted.get(&self.cell(id, &self.columns[0]));
                wrong.push(format!("“{named}”一行:{reason}"));
            }
        }
        wrong
    }

    /// What a new row says beyond its cells.
    fn blank(&self, id: String) -> Value {
        match self.name {
            "paper" => {
                json!({ "id": id, "necessity": "required", "kind": "other", "form": "either", "source": "self", "originals": 1, "copies": 0 })
            }
            "field" => json!({ "key": id, "type": "text", "required": false }),
            "stage" => {
                json!({ "id": id, "tier": "city", "role": "dept_reviewer", "kind": "review", "after": [], "limit_days": 0, "limit_unit": "workday", "counted": false })
            }
            _ => json!({ "unit": "件" }),
        }
    }
}

fn put_at(item: &mut Value, path: &[&str], value: Value) {
    let Some((last, above)) = path.split_last() else { return };
    let mut at = item;
    for key in above {
        let Some(object) = at.as_object_mut() else { return };
        at = object.entry(*key).or_insert_with(|| json!({}));
    }
    set(at, last, Some(value));
}

fn several<'o>(options: impl Iterator<Item = &'o (String, String)>, said: &[String]) -> Input {
    let mut all: Vec<Option3> =
        options.map(|(value, label)| (value.clone(), label.clone(), said.contains(value))).collect();
    // What the draft names and nobody knows stays until somebody takes it out.
    for unknown in said.iter().filter(|one| !one.is_empty()) {
        if !all.iter().any(|(value, ..)| value == unknown) {
            all.push((unknown.clone(), unknown.clone(), true));
        }
    }
    Input::Several(all)
}

fn one_of(options: &[(&str, &str)], said: &[String]) -> Input {
    let options: Vec<(String, String)> =
        options.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect();
    one(several(options.iter(), said))
}

fn one_or_none(options: &[(String, String)], said: &[String]) -> Input {
    let none = (String::new(), "—".to_owned());
    one(several(std::iter::once(&none).chain(options), said))
}

fn one(all: Input) -> Input {
    match all {
        Input::Several(all) => Input::One(all),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::catalogue::StageKind;

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
        for (name, text) in domain::pack::kaili_pieces().iter().filter(|(name, _)| name.starts_with("item/"))
        {
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
        let typed =
            shown.iter().flat_map(|row| &row.cells).find(|cell| cell.name == "stage.accept.limit_days");
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
}
