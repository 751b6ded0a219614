//! What differs between two versions of an item, in the words of the counter.

use crate::calendar::Limit;
use crate::catalogue::{Item, Necessity};
use crate::clock::unit_name;
use serde::Serialize;
use std::collections::BTreeSet;

/// One difference. `before` or `after` is empty where something was added or taken away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// `limit`, `material`, `field`, `stage`, `fee`, `life`, `name`, `condition`, `basis`, `body`.
    pub what: &'static str,
    pub name: String,
    pub before: String,
    pub after: String,
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.before.is_empty(), self.after.is_empty()) {
            (true, _) => write!(f, "新增 {}:{}", self.name, self.after),
            (false, true) => write!(f, "取消 {}:{}", self.name, self.before),
            (false, false) => write!(f, "{}:{} → {}", self.name, self.before, self.after),
        }
    }
}

fn limit(limit: Limit) -> String {
    format!("{} 个{}", limit.days, unit_name(limit.unit))
}

fn necessity(necessity: Necessity) -> &'static str {
    match necessity {
        Necessity::Required => "必要",
        Necessity::Deferrable => "可容缺",
        Necessity::Optional => "非必要",
    }
}

/// Named things of both versions, each as text; what stands in one only is added or taken away.
fn compare(
    changes: &mut Vec<Change>,
    what: &'static str,
    before: Vec<(String, String)>,
    after: Vec<(String, String)>,
) {
    let names: BTreeSet<&String> = before.iter().chain(&after).map(|(name, _)| name).collect();
    for name in names {
        let find = |list: &[(String, String)]| {
            list.iter().find(|(known, _)| known == name).map(|(_, text)| text.clone()).unwrap_or_default()
        };
        let (before, after) = (find(&before), find(&after));
        if before != after {
            changes.push(Change { what, name: name.clone(), before, after });
        }
    }
}

/// Empty when an officer and a citizen would notice nothing.
pub fn diff(before: &Item, after: &Item) -> Vec<Change> {
    let mut changes = Vec::new();
    let one = |name: &str, text: String| vec![(name.to_owned(), text)];
    compare(&mut changes, "name", one("名称", before.name.clone()), one("名称", after.name.clone()));
    let headings = |item: &Item| {
        let list = |texts: &[String]| texts.join("、");
        vec![("俗称".to_owned(), list(&item.also_called)), ("主题".to_owned(), list(&item.themes))]
    };
    compare(&mut changes, "name", headings(before), headings(after));
    let life = |item: &Item| {
        let day = |day: Option<crate::Day>| day.map_or("—".to_owned(), |day| day.to_string());
        let life = item.life;
        one("状态", format!("{}({} 至 {})", life.state.chinese(), day(life.from), day(life.until)))
    };
    compare(&mut changes, "life", life(before), life(after));
    let limits = |item: &Item| {
        let green = item.green_days.map_or("无".to_owned(), |days| format!("{days} 日"));
        vec![
            ("承诺时限".to_owned(), limit(item.promised)),
            ("法定时限".to_owned(), limit(item.statutory_or_general())),
            ("绿色通道".to_owned(), green),
            ("容缺期限".to_owned(), item.deferral_days.map_or("无".to_owned(), |days| format!("{days} 日"))),
        ]
    };
    compare(&mut changes, "limit", limits(before), limits(after));
    let materials = |item: &Item| {
        item.materials
            .iter()
            .map(|one| (format!("材料 {} {}", one.id, one.name), necessity(one.necessity).to_owned()))
            .collect()
    };
    compare(&mut changes, "material", materials(before), materials(after));
    let fields = |item: &Item| {
        let text = |required: bool| if required { "必填" } else { "选填" }.to_owned();
        item.fields.iter().map(|one| (format!("表单项 {}", one.label), text(one.required))).collect()
    };
    compare(&mut changes, "field", fields(before), fields(after));
    let stages = |item: &Item| {
        let after = |one: &crate::catalogue::Stage| {
            one.after.iter().map(|id| id.as_str()).collect::<Vec<_>>().join("、")
        };
        let text = |one: &crate::catalogue::Stage| {
            format!("{} {} 在[{}]之后", one.name, limit(one.limit), after(one))
        };
        item.stages.iter().map(|one| (format!("环节 {}", one.id), text(one))).collect()
    };
    compare(&mut changes, "stage", stages(before), stages(after));
    let fees = |item: &Item| {
        let text = |fen: i64, unit: &str| format!("{}.{:02} {unit}", fen / 100, fen % 100);
        item.fees.iter().map(|one| (format!("收费 {}", one.name), text(one.amount_fen, &one.unit))).collect()
    };
    compare(&mut changes, "fee", fees(before), fees(after));
    let lines = |heading: &str, texts: &[String]| {
        texts.iter().map(|text| (format!("{heading} {text}"), "有".to_owned())).collect::<Vec<_>>()
    };
    let conditions = |item: &Item| lines("受理条件", &item.accept_conditions);
    compare(&mut changes, "condition", conditions(before), conditions(after));
    let basis = |item: &Item| lines("依据", &item.legal_basis);
    compare(&mut changes, "basis", basis(before), basis(after));
    let body = |item: &Item| one("实施部门", item.body.to_string());
    compare(&mut changes, "body", body(before), body(after));
    changes
}
