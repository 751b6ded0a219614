//! Reading one item of the catalogue from its JSON, collecting every fault on the way.

use super::Faults;
use crate::Day;
use crate::calendar::{DayUnit, Limit};
use crate::catalogue::life::State;
use crate::catalogue::*;
use crate::expr::Expr;
use crate::fee::Fee;
use crate::network::Tier;
use serde_json::Value;
use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

const FILE: &str = "items.json";

/// A cursor into one object of an item: reads a value or notes what is wrong with it.
struct Reader<'a> {
    value: &'a Value,
    item: &'a str,
    field: String,
    faults: &'a mut Faults,
}

impl Reader<'_> {
    fn fault(&mut self, reason: impl Into<String>) {
        self.faults.add(FILE, self.item, &self.field, reason);
    }
    fn optional_text(&self, key: &str) -> Option<&str> {
        self.value.get(key).and_then(Value::as_str)
    }
    fn text(&mut self, key: &str) -> String {
        match self.optional_text(key) {
            Some(text) if !text.is_empty() => text.to_owned(),
            _ => {
                self.fault(format!("{key} is missing or not text"));
                String::new()
            }
        }
    }
    fn id<T: FromStr<Err = crate::ids::BadId>>(&mut self, key: &str) -> Option<T> {
        let text = self.text(key);
        text.parse().map_err(|error| self.fault(format!("{key}: {error}"))).ok()
    }
    fn number(&mut self, key: &str) -> u32 {
        let number = self.value.get(key).and_then(Value::as_u64);
        number.and_then(|n| u32::try_from(n).ok()).filter(|n| *n <= 3650).unwrap_or_else(|| {
            self.fault(format!("{key} is missing or not a number from 0 to 3650"));
            0
        })
    }
    fn expr(&mut self, key: &str) -> Option<Expr> {
        let text = self.optional_text(key)?.to_owned();
        Expr::parse(&text).map_err(|error| self.fault(format!("{key} {text:?}: {error}"))).ok()
    }
    fn texts(&self, key: &str) -> Vec<String> {
        let list = self.value.get(key).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    }
    fn one_of<T: Copy>(&mut self, key: &str, options: &[(&str, T)]) -> Option<T> {
        let text = self.text(key);
        let found = options.iter().find(|(name, _)| *name == text).map(|(_, value)| *value);
        if found.is_none() && !text.is_empty() {
            self.fault(format!("{key} {text:?} is unknown"));
        }
        found
    }
}

const TIERS: [(&str, Tier); 3] = [("village", Tier::Village), ("town", Tier::Town), ("city", Tier::City)];
const UNITS: [(&str, DayUnit); 2] = [("workday", DayUnit::Workday), ("natural", DayUnit::Natural)];

/// Reads an item; `None` when too much is missing to go on (the faults say what).
pub(super) fn read(name: &str, value: &Value, groups: &Value, faults: &mut Faults) -> Option<Item> {
    let before = faults.0.len();
    let mut reader = Reader { value, item: name, field: "id".into(), faults };
    let id = reader.id("id");
    let body = reader.id("department");
    let title = reader.text("name");
    reader.field = "implement_code".into();
    // Items that the national catalogue does not number carry no code; a code that is given must be whole.
    let code = reader.optional_text("implement_code").map(ImplementCode::parse);
    if code == Some(None) {
        reader.fault("must be 31 characters: credit code, level, 12 digits");
    }
    reader.field = "decision_tier".into();
    let decision_tier = reader.one_of("decision_tier", &TIERS);
    let handling =
        reader.one_of("project_type", &[("即办件", Handling::Instant), ("承诺件", Handling::Promised)]);
    let village_service = reader.text("village_service");
    let (also_called, themes) = (reader.texts("also_called"), themes(&mut reader));
    let power = reader.optional_text("task_type").unwrap_or("").to_owned();
    // 1 is a natural person; an item that does not say is for everybody.
    let serves = reader.texts("service_object_codes");
    let for_persons = serves.is_empty() || serves.iter().any(|code| code == "1");
    let for_bodies = serves.is_empty() || serves.iter().any(|code| code != "1");
    let visits = value.get("visits_to_site").and_then(Value::as_u64).and_then(|n| u32::try_from(n).ok());
    let (accept_conditions, legal_basis) = (reader.texts("accept_conditions"), reader.texts("legal_basis"));
    let statutory = limit(name, value, "statutory_limit", faults).ok()?;
    let promised = limit(name, value, "promised_limit", faults).ok()?;
    let statutory_basis = statutory_basis(value, statutory.is_some());
    if promised.is_none() {
        faults.add(FILE, name, "promised_limit", "days is missing");
    }
    let life = life(name, value, faults);
    let materials = list(name, value, "materials", faults, material);
    let (deferral_days, green_days) = channels(name, value, promised, faults);
    let mut stages = list(name, value, "stages", faults, stage);
    stages.extend(implied_delivery(&stages));
    let fields = fields(name, value, groups, faults);
    let fees = list(name, value, "fees", faults, fee);
    let joint = stages.iter().any(|stage| stage.kind == StageKind::JointInspection);
    if value.get("joint_inspection").and_then(Value::as_bool).is_some_and(|says| says != joint) {
        faults.add(FILE, name, "joint_inspection", "the flag and the stages contradict each other");
    }
    for paper in value.get("conditions").and_then(Value::as_array).into_iter().flatten() {
        // A condition that is shown by a paper names it; a paper nobody is asked for can show nothing.
        let shown_by = paper.get("material").and_then(Value::as_str);
        let known = |id: &str| materials.iter().any(|material: &Material| material.id.as_str() == id);
        if let Some(id) = shown_by.filter(|id| !known(id)) {
            faults.add(FILE, name, "conditions", format!("needs material {id}, which is not asked for"));
        }
    }
    let result = result(name, value, faults);
    if faults.0.len() > before {
        return None;
    }
    Some(Item {
        id: id?,
        name: title,
        also_called,
        themes,
        life,
        body: body?,
        implement_code: code.flatten(),
        decision_tier: decision_tier?,
        handling: handling?,
        statutory,
        statutory_basis,
        promised: promised?,
        deferral_days,
        green_days,
        power,
        for_persons,
        for_bodies,
        visits,
        village_service,
        accept_conditions,
        legal_basis,
        materials,
        fields,
        stages,
        fees,
        result,
    })
}

/// Headings that the national lists have; an item that names none is found by its name alone.
fn themes(reader: &mut Reader<'_>) -> Vec<String> {
    reader.field = "themes".into();
    let themes = reader.texts("themes");
    for unknown in themes.iter().filter(|theme| !theme::is_known(theme)) {
        reader.fault(format!("{unknown} is not a theme of GB/T 39554.2"));
    }
    themes
}

/// What the statutory limit rests on; the general limit where the item names none.
fn statutory_basis(value: &Value, named: bool) -> String {
    let basis = value.pointer("/statutory_limit/basis").and_then(Value::as_str).filter(|_| named);
    basis.unwrap_or("《行政许可法》第四十二条").to_owned()
}

/// State and days of a version; an item that says nothing is published.
fn life(name: &str, value: &Value, faults: &mut Faults) -> Life {
    let mut reader = Reader { value, item: name, field: "state".into(), faults };
    let state = match value.get("state") {
        None => Some(State::Published),
        Some(_) => reader.one_of("state", &State::ALL),
    };
    let mut day = |key: &str| {
        let text = reader.optional_text(key)?.to_owned();
        text.parse::<Day>().map_err(|error| reader.fault(format!("{key}: {error}"))).ok()
    };
    let (from, until) = (day("effective_from"), day("effective_until"));
    if from.zip(until).is_some_and(|(from, until)| until < from) {
        reader.fault("effective_until lies before effective_from");
    }
    Life { state: state.unwrap_or_default(), from, until }
}

/// Days of tolerant acceptance and of the green channel, each `None` where the item has no such thing.
fn channels(
    name: &str,
    value: &Value,
    promised: Option<Limit>,
    faults: &mut Faults,
) -> (Option<u32>, Option<u32>) {
    let deferral = value.get("deferral").filter(|deferral| deferral["allowed"] == true);
    let deferral_days = deferral.map(|deferral| {
        Reader { value: deferral, item: name, field: "deferral".into(), faults }.number("max_days")
    });
    let green = value.get("green_channel").is_some_and(|green| green == true);
    let own = value
        .get("green_days")
        .map(|_| Reader { value, item: name, field: "green_days".into(), faults }.number("green_days"));
    let by_rule = promised.filter(|limit| limit.days > 0).map(|limit| crate::green::default_days(limit.days));
    (deferral_days, own.or(by_rule).filter(|_| green))
}

/// `Ok(None)` when the item names no number of days.
fn limit(name: &str, value: &Value, key: &str, faults: &mut Faults) -> Result<Option<Limit>, ()> {
    let Some(limit) = value.get(key).filter(|limit| limit.is_object()) else {
        faults.add(FILE, name, key, "missing");
        return Err(());
    };
    if limit.get("days").is_none_or(Value::is_null) {
        return Ok(None);
    }
    let mut reader = Reader { value: limit, item: name, field: key.into(), faults };
    let days = reader.number("days");
    Ok(reader.one_of("unit", &UNITS).map(|unit| Limit { days, unit }))
}

fn list<T>(
    name: &str,
    value: &Value,
    key: &str,
    faults: &mut Faults,
    read: fn(&mut Reader<'_>) -> Option<T>,
) -> Vec<T> {
    let Some(entries) = value.get(key).and_then(Value::as_array) else {
        faults.add(FILE, name, key, "missing or not a list");
        return Vec::new();
    };
    let read_one = |entry| read(&mut Reader { value: entry, item: name, field: key.into(), faults });
    entries.iter().filter_map(read_one).collect()
}

fn material(reader: &mut Reader<'_>) -> Option<Material> {
    let options = [
        ("required", Necessity::Required),
        ("deferrable", Necessity::Deferrable),
        ("optional", Necessity::Optional),
    ];
    Some(Material {
        id: reader.id("id")?,
        name: reader.text("name"),
        necessity: reader.one_of("necessity", &options)?,
        when: reader.expr("when"),
        reuse_licence: reader.optional_text("reuse_licence").map(str::to_owned),
    })
}

fn stage(reader: &mut Reader<'_>) -> Option<Stage> {
    let kinds = StageKind::ALL.map(|kind| (kind.as_str(), kind));
    let after = reader.texts("after");
    let mut bodies = reader.texts("depts");
    bodies.extend(reader.optional_text("dept").map(str::to_owned));
    // `town` and `village` stand for the officers of that tier, not for a body of the city.
    bodies.retain(|body| !matches!(body.as_str(), "town" | "village"));
    Some(Stage {
        id: reader.id("id")?,
        name: reader.text("name"),
        tier: reader.one_of("tier", &TIERS)?,
        role: reader.text("role"),
        kind: reader.one_of("kind", &kinds)?,
        after: after
            .iter()
            .filter_map(|id| id.parse().map_err(|e| reader.fault(format!("after: {e}"))).ok())
            .collect(),
        limit: Limit { days: reader.number("limit_days"), unit: reader.one_of("limit_unit", &UNITS)? },
        counted: reader.value.get("counted").and_then(Value::as_bool).unwrap_or(true),
        bodies: bodies
            .iter()
            .filter_map(|id| id.parse().map_err(|e| reader.fault(format!("dept: {e}"))).ok())
            .collect(),
        when: reader.expr("when"),
        trigger: reader.optional_text("trigger").map(str::to_owned),
    })
}

fn fee(reader: &mut Reader<'_>) -> Option<Fee> {
    let yuan = reader.value.get("amount").and_then(Value::as_f64);
    if yuan.is_none_or(|yuan| !(0.0..=1e7).contains(&yuan)) {
        reader.fault("amount is missing or not a sum of money");
    }
    Some(Fee {
        name: reader.text("name"),
        amount_fen: (yuan? * 100.0).round() as i64,
        unit: reader.text("unit"),
        basis: reader.text("basis"),
        when: reader.expr("when"),
        quantity: reader.expr("quantity"),
        waive: reader.texts("waive"),
        collector: reader.optional_text("collector").map(str::to_owned),
    })
}

/// The hand-over that every decided case needs, for items that do not list it themselves.
///
/// # Source
/// 《行政许可法》 art. 44: the result is delivered within ten days of the decision.
fn implied_delivery(stages: &[Stage]) -> Option<Stage> {
    if stages.iter().any(|stage| stage.kind == StageKind::Deliver) {
        return None;
    }
    // Checks after the fact (批后检查) may take weeks; the citizen does not wait for them.
    let before = |stage: &&Stage| stage.kind != StageKind::PostInspection;
    let is_last = |stage: &&Stage| !stages.iter().filter(before).any(|later| later.after.contains(&stage.id));
    let after = stages.iter().filter(before).filter(is_last).map(|stage| stage.id.clone()).collect();
    Some(Stage {
        id: "handover".parse().expect("a slug"),
        name: "结果送达".to_owned(),
        tier: Tier::Village,
        role: "proxy_officer".to_owned(),
        kind: StageKind::Deliver,
        after,
        limit: Limit { days: 10, unit: DayUnit::Workday },
        counted: false,
        bodies: Vec::new(),
        when: None,
        trigger: None,
    })
}

fn fields(name: &str, value: &Value, groups: &Value, faults: &mut Faults) -> Vec<Field> {
    let Some(form) = value.get("form").filter(|form| form.is_object()) else {
        faults.add(FILE, name, "form", "missing");
        return Vec::new();
    };
    let mut entries: Vec<(Arc<str>, &Value)> = Vec::new();
    for group in form.get("groups").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
    {
        let known = groups.get(group);
        let label: Arc<str> =
            known.and_then(|group| group.get("label")).and_then(Value::as_str).unwrap_or("").into();
        match known.and_then(|group| group.get("fields")).and_then(Value::as_array) {
            Some(fields) => entries.extend(fields.iter().map(|field| (label.clone(), field))),
            None => faults.add(FILE, name, "form", format!("group {group:?} is not in form_groups")),
        }
    }
    let own = form.get("fields").and_then(Value::as_array).into_iter().flatten();
    entries.extend(own.map(|field| (Arc::from(""), field)));
    let mut fields: Vec<Field> = Vec::new();
    for (group, entry) in entries {
        let read = field(group, &mut Reader { value: entry, item: name, field: "form".into(), faults });
        // An item may restate a field of a shared group (birth date with its own rule): the later, narrower one stands.
        if let Some(field) = read {
            fields.retain(|known| known.key != field.key);
            fields.push(field);
        }
    }
    fields
}

fn field_kind(reader: &mut Reader<'_>) -> Option<FieldKind> {
    let text = reader.text("type");
    if text != "table" {
        return scalar_kind(&text).or_else(|| {
            reader.fault(format!("field type {text:?} is unknown"));
            None
        });
    }
    let mut columns = Vec::new();
    for text in reader.texts("columns") {
        match column(&text) {
            Some(column) => columns.push(column),
            None => reader.fault(format!("column {text:?} must be name:type[:label[:option|option]]")),
        }
    }
    Some(FieldKind::Table(columns))
}

fn column(text: &str) -> Option<Column> {
    let mut parts = text.splitn(4, ':');
    let (key, kind) = (parts.next()?, scalar_kind(parts.next()?)?);
    let label = parts.next().unwrap_or(key);
    let options = parts.next().into_iter().flat_map(|options| options.split('|')).map(str::to_owned);
    Some(Column { key: key.to_owned(), kind, label: label.to_owned(), options: options.collect() })
}

fn scalar_kind(text: &str) -> Option<FieldKind> {
    Some(match text {
        "text" => FieldKind::Text,
        "textarea" => FieldKind::TextArea,
        "bool" => FieldKind::Bool,
        "integer" => FieldKind::Integer,
        "decimal" => FieldKind::Decimal,
        "money" => FieldKind::Money,
        "date" => FieldKind::Date,
        "month" => FieldKind::Month,
        "datetime" => FieldKind::DateTime,
        "select" => FieldKind::Select,
        "multiselect" => FieldKind::MultiSelect,
        "region" => FieldKind::Region,
        "id_card" => FieldKind::CitizenNo,
        "uscc" => FieldKind::CreditCode,
        "mobile" => FieldKind::Mobile,
        "list" => FieldKind::List,
        "image" => FieldKind::Image,
        "geo_point" | "geo_polygon" => FieldKind::Geo,
        _ => return None,
    })
}

fn field(group: Arc<str>, reader: &mut Reader<'_>) -> Option<Field> {
    let key = reader.text("key");
    reader.field = format!("form.{key}");
    let kind = field_kind(reader)?;
    let required = reader.value.get("required").and_then(Value::as_bool).unwrap_or(false);
    let rules = match reader.value.get("rules") {
        Some(rules) => {
            let field = reader.field.clone();
            self::rules(&mut Reader { value: rules, item: reader.item, field, faults: reader.faults })
        }
        None => Rules::default(),
    };
    let (label, options, when) = (reader.text("label"), reader.texts("options"), reader.expr("when"));
    if matches!(kind, FieldKind::Select | FieldKind::MultiSelect) && options.is_empty() {
        reader.fault("a choice without options");
    }
    // Other sources of prefilling (a licence of the library) are answered by the hub, not by the form.
    let prefill = match reader.optional_text("prefill") {
        Some("id_card.birth") => Some(Prefill::Birth),
        Some("id_card.gender") => Some(Prefill::Gender),
        _ => None,
    };
    let default = reader.optional_text("default").map(str::to_owned);
    Some(Field { key, label, group, prefill, default, kind, required, options, when, rules })
}

/// Items share a handful of patterns, and a compiled one takes tens of kilobytes: each is kept once.
fn compiled(pattern: &str) -> Result<Arc<regex::Regex>, regex::Error> {
    static KEPT: LazyLock<Mutex<BTreeMap<String, Arc<regex::Regex>>>> = LazyLock::new(Mutex::default);
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = kept.get(pattern) {
        return Ok(known.clone());
    }
    let fresh = Arc::new(regex::Regex::new(pattern)?);
    kept.insert(pattern.to_owned(), fresh.clone());
    Ok(fresh)
}

fn rules(reader: &mut Reader<'_>) -> Rules {
    let bound = |value: &Value| match value {
        Value::Number(number) => number.as_f64().map(Bound::Number),
        Value::String(word) => Some(Bound::Word(word.clone())),
        _ => None,
    };
    let mut rules = Rules::default();
    for (key, value) in reader.value.as_object().into_iter().flatten() {
        let text = || value.as_str().map(str::to_owned);
        let size = || value.as_u64().map(|n| n as usize);
        match key.as_str() {
            "min" => rules.min = bound(value),
            "max" => rules.max = bound(value),
            "step" => rules.step = value.as_f64(),
            "gte" => rules.not_before = text(),
            "lte" => rules.not_above = text(),
            "minlen" => rules.min_length = size(),
            "maxlen" => rules.max_length = size(),
            "min_rows" | "min_items" => rules.min_count = size(),
            "max_rows" | "max_items" => rules.max_count = size(),
            "age_max" => rules.age_max = value.as_i64().map(|n| n as i32),
            "must_be" => rules.must_be = value.as_bool(),
            "when" => rules.when = reader.expr("when"),
            "computed" => rules.computed = reader.expr("computed"),
            "rule" => rules.rule = reader.expr("rule").zip(text()),
            "pattern" => match compiled(value.as_str().unwrap_or("")) {
                Ok(pattern) => rules.pattern = Some(pattern),
                Err(error) => reader.fault(format!("pattern: {error}")),
            },
            // The check of a number follows from its type; the tier of a region and the size of a picture from their use.
            "check" | "tier" | "max_kb" => {}
            other => reader.fault(format!("rule {other:?} is unknown")),
        }
    }
    rules
}

fn result(name: &str, value: &Value, faults: &mut Faults) -> ItemResult {
    let Some(result) = value.get("result").filter(|result| result.is_object()) else {
        faults.add(FILE, name, "result", "missing");
        return ItemResult { kind: String::new(), name: String::new(), licence: None };
    };
    let mut reader = Reader { value: result, item: name, field: "result".into(), faults };
    let (kind, title) = (reader.text("kind"), reader.text("name"));
    let several = result.get("licences").and_then(Value::as_array).and_then(|list| list.first()?.as_str());
    let licence = reader.optional_text("licence").or(several).map(str::to_owned);
    ItemResult { kind, name: title, licence }
}
