//! What an officer can order at a stage, as forms of a page, and what comes back from them as the order of the API. One list, so that the
//! page offers what the counter takes and nothing else; whether it may be done now is decided by the counter alone.

mod beside;
#[cfg(test)]
mod tests;
mod work;

use crate::fault::Fault;
use crate::fields::{Choice, FieldView, Input};
use crate::posted::Posted;
use casework::{CaseView, Fees, Officer, Preview};
use domain::access::Permission;
use domain::catalogue::Item;
use domain::form::FormFault;
use domain::network::Tier;
use domain::{OrgId, StageId};
use serde_json::{Map, Value, json};

/// How the text of a field becomes a value of the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Shape {
    Text,
    /// Left out where it is empty.
    Maybe,
    Bool,
    Number,
    Day,
    /// Yuan on the page, fen in the order.
    Fen,
    /// One a line.
    Lines,
    /// `2026-12-01 09:30`, one a line.
    Slots,
    /// Chosen boxes.
    Chosen,
    /// Chosen boxes that are numbers.
    Numbers,
}

struct Ask {
    name: &'static str,
    label: &'static str,
    shape: Shape,
    required: bool,
    options: Vec<(String, String)>,
    /// The options are names out of the catalogue, which no phrase book knows.
    names: bool,
    value: String,
    hint: &'static str,
}

/// One order that can be given, with what it asks.
pub(crate) struct Order {
    pub stage: StageId,
    pub verb: &'static str,
    pub label: &'static str,
    asks: Vec<Ask>,
    /// 一次性补正告知: every field and paper of the case, to be marked all at once.
    faults: Vec<(String, String)>,
    /// Shown at once; the others behind a heading.
    pub first: bool,
    pub danger: bool,
}

/// The desk an order is given at.
pub(crate) struct At<'a> {
    pub tier: Tier,
    pub officer: &'a Officer,
    pub item: &'a Item,
    pub view: &'a CaseView,
    pub fees: &'a Fees,
    pub body_name: &'a dyn Fn(&OrgId) -> String,
    pub may: &'a dyn Fn(Permission) -> bool,
}

fn ask(name: &'static str, label: &'static str, shape: Shape) -> Ask {
    let required = !matches!(shape, Shape::Maybe);
    Ask { name, label, shape, required, options: Vec::new(), names: false, value: String::new(), hint: "" }
}

impl Ask {
    fn of(self, options: Vec<(String, String)>) -> Ask {
        Ask { options, ..self }
    }
    fn of_names(self, options: Vec<(String, String)>) -> Ask {
        Ask { options, names: true, ..self }
    }
    fn with(self, value: impl Into<String>) -> Ask {
        Ask { value: value.into(), ..self }
    }
    fn hint(self, hint: &'static str) -> Ask {
        Ask { hint, ..self }
    }
    fn optional(self) -> Ask {
        Ask { required: false, ..self }
    }
}

fn words(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    pairs.iter().map(|(value, label)| ((*value).to_owned(), (*label).to_owned())).collect()
}

/// The order that a photo may go with.
pub(crate) const DELIVER: &str = "deliver";

/// Orders that make a sealed paper.
const SEALING: [&str; 2] = ["decide", "not-accept"];

const AGREES: &[(&str, &str)] = &[("true", "同意"), ("false", "不同意")];

/// An order that was sent and comes back on its page, with what was typed.
pub(crate) struct Tried {
    pub stage: String,
    pub verb: String,
    pub posted: Posted,
    /// `None` where nothing was ordered: somebody pressed Enter in a field.
    pub fault: Option<Fault>,
    /// What it would make, where that was asked for.
    pub preview: Vec<Preview>,
}

/// An order as the page shows it.
pub(crate) struct OrderView {
    pub action: String,
    pub id: String,
    /// The act this form would be: two orders of one page are two acts.
    pub key: String,
    pub label: &'static str,
    pub fields: Vec<FieldView>,
    pub hidden: Vec<(&'static str, String)>,
    pub faults: Vec<FaultRow>,
    /// A photo may go with it.
    pub photo: bool,
    /// It makes a sealed paper, which can be read first.
    pub seals: bool,
    pub first: bool,
    pub danger: bool,
    /// What was refused, where this is the order that was tried.
    pub refused: String,
}

pub(crate) struct FaultRow {
    pub name: String,
    pub label: String,
    pub value: String,
}

impl Order {
    /// `tried`: what was sent, and why it was refused.
    pub fn view(
        &self,
        case: &str,
        key: String,
        t: &dyn Fn(&str) -> String,
        tried: Option<&Tried>,
    ) -> OrderView {
        let tried_with = tried.map(|tried| &tried.posted);
        let fault_at = |ask: &Ask| {
            let faults = &tried?.fault.as_ref()?.faults;
            faults.iter().find(|fault| fault.field == ask.name).map(|fault| fault.reason.clone())
        };
        let id = format!("{}-{}", self.stage, self.verb);
        let value = |ask: &Ask| match tried_with {
            Some(posted) if posted.has(ask.name) => posted.get(ask.name).to_owned(),
            _ => ask.value.clone(),
        };
        let is_hidden = |ask: &&Ask| ask.label.is_empty();
        let field = |ask: &Ask| FieldView {
            name: ask.name.to_owned(),
            label: t(ask.label),
            input: ask.input(&value(ask), t, tried_with),
            required: ask.required,
            readonly: false,
            asked: true,
            hint: ask.hint,
            error: fault_at(ask),
        };
        let fault = |(key, label): &(String, String)| {
            let name = format!("fault.{key}");
            let value = tried_with.map(|posted| posted.get(&name).to_owned()).unwrap_or_default();
            FaultRow { name, label: label.clone(), value }
        };
        OrderView {
            action: format!("/cases/{case}/stages/{}/{}", self.stage, self.verb),
            fields: self.asks.iter().filter(|ask| !is_hidden(ask)).map(field).collect(),
            hidden: self.asks.iter().filter(is_hidden).map(|ask| (ask.name, value(ask))).collect(),
            faults: self.faults.iter().map(fault).collect(),
            label: self.label,
            photo: self.verb == DELIVER,
            seals: SEALING.contains(&self.verb),
            first: self.first || tried.is_some(),
            danger: self.danger,
            refused: tried
                .and_then(|tried| tried.fault.as_ref())
                .map(|fault| t(&fault.message))
                .unwrap_or_default(),
            id,
            key,
        }
    }

    /// What was left out or cannot be read, each at its field.
    pub fn faults_of(&self, posted: &Posted) -> Vec<FormFault> {
        let fault = |ask: &Ask| {
            let reason = ask.fault(posted)?.to_owned();
            Some(FormFault { field: ask.name.to_owned(), label: ask.label.to_owned(), reason })
        };
        self.asks.iter().filter_map(fault).collect()
    }

    /// The body of the API's order.
    pub fn body(&self, posted: &Posted) -> Value {
        let mut body = Map::new();
        for ask in &self.asks {
            let text = posted.get(ask.name);
            if let Some(value) = ask.value_of(text, posted) {
                body.insert(ask.name.to_owned(), value);
            }
        }
        if self.verb == "return" {
            let faults = self.faults.iter().filter_map(|(key, label)| {
                let reason = posted.get(&format!("fault.{key}"));
                (!reason.is_empty()).then(|| json!({ "field": key, "label": label, "reason": reason }))
            });
            body.insert("faults".to_owned(), faults.collect());
        }
        if self.verb == "not-accept" {
            let word = body.remove("word").unwrap_or_default();
            let word = word.as_str().unwrap_or("").to_owned();
            let ground = match posted.get("ground") {
                "not_needed" => json!("not_needed"),
                "not_ours" => json!({ "not_ours": { "competent": word } }),
                "unmet" => json!({ "unmet": { "article": word } }),
                // No ground is no refusal: the applicant would be told a reason that nobody gave.
                _ => Value::Null,
            };
            body.insert("ground".to_owned(), ground);
        }
        Value::Object(body)
    }
}

impl Ask {
    fn input(&self, value: &str, t: &dyn Fn(&str) -> String, tried: Option<&Posted>) -> Input {
        let chosen = |option: &str| match (self.shape, tried) {
            (Shape::Chosen | Shape::Numbers, Some(posted)) => posted.all(self.name).any(|one| one == option),
            _ => option == value,
        };
        let options = || -> Vec<Choice> {
            let one = |(value, label): &(String, String)| {
                let label = if self.names { label.clone() } else { t(label) };
                Choice { value: value.clone(), label, chosen: chosen(value) }
            };
            self.options.iter().map(one).collect()
        };
        match self.shape {
            Shape::Chosen | Shape::Numbers => Input::Checks { options: options() },
            Shape::Bool => Input::Radios { options: options() },
            Shape::Day => Input::Line { kind: "date", value: value.to_owned(), mode: "", max: 0 },
            _ if self.options.len() > 3 => Input::Choice { options: options() },
            _ if !self.options.is_empty() => Input::Radios { options: options() },
            Shape::Lines | Shape::Slots => Input::Area { value: value.to_owned(), rows: 3 },
            Shape::Number => Input::Line { kind: "text", value: value.to_owned(), mode: "numeric", max: 6 },
            Shape::Fen => Input::Line { kind: "text", value: value.to_owned(), mode: "decimal", max: 16 },
            Shape::Text | Shape::Maybe if is_long(self.name) => {
                Input::Area { value: value.to_owned(), rows: 3 }
            }
            Shape::Text | Shape::Maybe => {
                Input::Line { kind: "text", value: value.to_owned(), mode: "", max: 400 }
            }
        }
    }

    fn fault(&self, posted: &Posted) -> Option<&'static str> {
        let text = posted.get(self.name);
        let blank = match self.shape {
            Shape::Chosen | Shape::Numbers => !posted.all(self.name).any(|one| !one.is_empty()),
            _ => text.is_empty(),
        };
        if blank {
            return self.required.then_some("必填");
        }
        let fits = match self.shape {
            Shape::Number => text.parse::<u32>().is_ok(),
            Shape::Fen => fen(text).is_some(),
            Shape::Day => text.parse::<domain::Day>().is_ok(),
            Shape::Slots => {
                slots(text).all(|(day, time)| day.parse::<domain::Day>().is_ok() && is_clock(time))
            }
            _ => true,
        };
        if fits {
            return None;
        }
        Some(match self.shape {
            Shape::Number => "应为整数",
            Shape::Fen => "应为金额,如 12.50",
            Shape::Day => "日期应如 2026-12-10",
            _ => "每行写一个时间,如 2026-12-01 09:30",
        })
    }

    fn value_of(&self, text: &str, posted: &Posted) -> Option<Value> {
        let lines = || text.lines().map(str::trim).filter(|line| !line.is_empty());
        Some(match self.shape {
            Shape::Text | Shape::Day => text.into(),
            Shape::Maybe if text.is_empty() => return None,
            Shape::Maybe => text.into(),
            Shape::Bool => match text {
                "true" => true.into(),
                "false" => false.into(),
                // Left out: the counter says which field is missing.
                _ => return None,
            },
            Shape::Number => text.parse::<u32>().map_or_else(|_| Value::from(text), Value::from),
            Shape::Fen => fen(text).map_or_else(|| Value::from(text), Value::from),
            Shape::Lines => lines().map(Value::from).collect(),
            Shape::Slots => slots(text).map(|(day, time)| json!({ "day": day, "time": time })).collect(),
            Shape::Chosen => posted.all(self.name).filter(|one| !one.is_empty()).map(Value::from).collect(),
            Shape::Numbers => {
                posted.all(self.name).filter_map(|one| one.parse::<u32>().ok()).map(Value::from).collect()
            }
        })
    }
}

/// Yuan as people write them, in fen.
fn fen(text: &str) -> Option<i64> {
    let yuan =
        text.replace([',', ','], "").parse::<f64>().ok().filter(|yuan| yuan.is_finite() && *yuan >= 0.0)?;
    Some((yuan * 100.0).round() as i64)
}

/// Day and time of each line.
pub(crate) fn slots(text: &str) -> impl Iterator<Item = (&str, &str)> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.map(|line| line.split_once([' ', 'T']).map_or((line, ""), |(day, time)| (day, time.trim())))
}

/// `09:30`, by the clock on the wall.
pub(crate) fn is_clock(time: &str) -> bool {
    let clock = time.split_once(':').and_then(|(h, m)| Some((h.parse().ok()?, m.parse().ok()?)));
    clock.is_some_and(|(h, m): (u8, u8)| h < 24 && m < 60)
}

fn is_long(name: &str) -> bool {
    matches!(name, "opinion" | "text" | "reason" | "record" | "finding" | "again")
}
