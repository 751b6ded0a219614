//! The lists of an item (papers, fields of the form, stages, fees) as rows of a form; nothing here knows of pages.
//! A row keeps what the form does not show; one whose first cell is emptied goes, and the empty row at the end becomes a new one.

mod lists;

use crate::posted::Posted;
use domain::pack::edit;
pub(super) use lists::LISTS;
use serde_json::{Number, Value};

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
    /// What a new row of this id says beyond its cells.
    blank: fn(String) -> Value,
}

/// A value to choose: as it is sent, as it is said, and whether it is chosen.
pub(super) type Marked = (String, String, bool);

pub(super) enum Input {
    Text(String),
    Area(String),
    Flag(bool),
    One(Vec<Marked>),
    Several(Vec<Marked>),
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

    /// The control that shows what a cell says, and whether its words are ours to translate.
    fn input<'o>(
        &self,
        said: &[String],
        others: impl Iterator<Item = (&'o str, &'o str)>,
        choices: &Choices,
    ) -> (Input, bool) {
        let text = || said.first().cloned().unwrap_or_default();
        match self.shape {
            Shape::Siblings => (Input::Several(marked(others, said)), false),
            Shape::Bodies => (Input::Several(marked(named(&choices.bodies), said)), false),
            Shape::Licence => {
                let all = std::iter::once(("", "—")).chain(named(&choices.licences));
                (Input::One(marked(all, said)), false)
            }
            Shape::Choice(options) => (Input::One(marked(options.iter().copied(), said)), true),
            Shape::Flag => (Input::Flag(!said.is_empty()), true),
            Shape::Lines => (Input::Area(text()), true),
            Shape::Text | Shape::Days | Shape::Yuan => (Input::Text(text()), true),
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
        let name_of = |row: &Value| row["name"].as_str().unwrap_or_default().to_owned();
        let siblings: Vec<(String, String)> = ids.iter().cloned().zip(rows.iter().map(name_of)).collect();
        let row = |id: String, new: bool, value: &Value| {
            let cells = self.columns.iter().map(|column| {
                let name = self.cell(&id, column);
                let sent = typed.filter(|posted| posted.has(&self.cell(&id, &self.columns[0])));
                let said: Vec<String> = match sent {
                    Some(posted) => posted.all(&name).map(str::to_owned).collect(),
                    None => column.get(value),
                };
                let others = named(&siblings).filter(|(other, _)| *other != id);
                let (input, translated) = column.input(&said, others, choices);
                Cell { name, label: column.label, input, translated }
            });
            Row { cells: cells.collect(), new }
        };
        let known = ids.iter().zip(rows).map(|(id, value)| row(id.clone(), false, value));
        // Its choices stand as a new row begins: a browser sends the first one otherwise.
        known.chain([row(NEW.to_owned(), true, &(self.blank)(String::new()))]).collect()
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
            let mut row = (self.blank)(id.unwrap_or_default());
            wrong.extend(self.fill(&mut row, NEW, posted));
            kept.push(row);
        }
        if let (true, Some((last, above))) = (kept != known, self.path.split_last())
            && let Some(object) = edit::within(item, above)
        {
            object.insert((*last).to_owned(), kept.into());
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
}

/// All that can be chosen, and whether it is.
fn marked<'o>(options: impl Iterator<Item = (&'o str, &'o str)>, said: &[String]) -> Vec<Marked> {
    let one = |(value, label): (&str, &str)| {
        (value.to_owned(), label.to_owned(), said.iter().any(|chosen| chosen == value))
    };
    let mut all: Vec<Marked> = options.map(one).collect();
    // What the draft names and nobody knows stays until somebody takes it out.
    for unknown in said.iter().filter(|one| !one.is_empty()) {
        if !all.iter().any(|(value, ..)| value == unknown) {
            all.push((unknown.clone(), unknown.clone(), true));
        }
    }
    all
}

fn named(pairs: &[(String, String)]) -> impl Iterator<Item = (&str, &str)> {
    pairs.iter().map(|(id, name)| (&**id, &**name))
}

#[cfg(test)]
mod tests;
