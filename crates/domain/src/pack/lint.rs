//! What a well-formed item can still get wrong: stages that go nowhere, limits that cannot be kept.

use super::Faults;
use crate::calendar::DayUnit;
use crate::catalogue::*;
use crate::{OrgId, StageId};
use std::collections::{BTreeMap, BTreeSet};

const FILE: &str = "items.json";

pub(super) fn check(
    item: &Item,
    orgs: &BTreeMap<OrgId, Org>,
    licences: &BTreeMap<String, LicenceType>,
    faults: &mut Faults,
) {
    let mut fault = |field: &str, reason: String| faults.add(FILE, item.id.as_str(), field, reason);
    if !orgs.contains_key(&item.body) {
        fault("department", format!("{} is not a body of the pack", item.body));
    }
    for body in item.stages.iter().flat_map(|stage| &stage.bodies).filter(|body| !orgs.contains_key(*body)) {
        fault("stages", format!("{body} is not a body of the pack"));
    }
    let used =
        item.materials.iter().filter_map(|m| m.reuse_licence.as_ref()).chain(item.result.licence.as_ref());
    for kind in used.filter(|kind| !licences.contains_key(*kind)) {
        fault("materials", format!("licence type {kind} is not in the pack"));
    }
    if let (Some(statutory), promised) = (item.statutory, item.promised)
        && statutory.unit == promised.unit
        && promised.days > statutory.days
    {
        fault(
            "promised_limit",
            format!("{} days is more than the statutory {}", promised.days, statutory.days),
        );
    }
    if item.handling == Handling::Instant && item.promised.days > 1 {
        fault("promised_limit", "an instant item (即办件) may not take more than one day".into());
    }
    for fee in item.fees.iter().filter(|fee| fee.basis.trim().is_empty()) {
        fault("fees", format!("{} has no basis: nothing may be charged without one", fee.name));
    }
    for word in unknown_words(item) {
        fault("when", format!("a condition asks for {word}, which is no field of the form"));
    }
    if item.green_days.is_some_and(|days| days > item.promised.days) {
        fault("green_days", "the green channel may not be slower than the promised limit".into());
    }
    if item.materials.iter().any(|material| material.necessity == Necessity::Deferrable)
        && item.deferral_days.is_none()
    {
        fault("deferral", "a material is deferrable, but the item allows no deferral".into());
    }
    let visits = item.stages.iter().filter(|stage| stage.kind == StageKind::JointInspection);
    for stage in visits.filter(|stage| stage.bodies.is_empty()) {
        fault("stages", format!("{} is a joint inspection of no body", stage.id));
    }
    let accepting = crate::plan::accepting_stage(item).map(|stage| &stage.id);
    let payments = item.stages.iter().filter(|stage| stage.kind == StageKind::Payment);
    for stage in
        payments.filter(|stage| stage.tier == crate::network::Tier::Village || Some(&stage.id) == accepting)
    {
        fault("stages", format!("{}: nothing is charged in a village or before acceptance", stage.id));
    }
    for problem in stage_faults(item) {
        fault("stages", problem);
    }
}

/// Names in conditions of materials and stages that no field has: such a condition never holds, and nobody would see why.
fn unknown_words(item: &Item) -> BTreeSet<String> {
    let conditions = item.materials.iter().filter_map(|one| one.when.as_ref());
    let conditions = conditions.chain(item.stages.iter().filter_map(|one| one.when.as_ref()));
    let known = |word: &str| {
        let field = word.split('.').next().unwrap_or(word);
        matches!(field, "channel" | "today" | "id_card" | "true" | "false")
            || item.fields.iter().any(|known| known.key == field)
    };
    conditions.flat_map(|one| one.asked_fields()).filter(|word| !known(word)).map(str::to_owned).collect()
}

fn stage_faults(item: &Item) -> Vec<String> {
    let mut found = Vec::new();
    let ids: BTreeSet<&StageId> = item.stages.iter().map(|stage| &stage.id).collect();
    if ids.len() != item.stages.len() {
        found.push("two stages have one id".to_owned());
    }
    for stage in &item.stages {
        for before in stage.after.iter().filter(|id| !ids.contains(id)) {
            found.push(format!("{} comes after {before}, which does not exist", stage.id));
        }
    }
    if !item.stages.iter().any(|stage| stage.kind == StageKind::Decision) {
        found.push("no stage decides".to_owned());
    }
    if !item.stages.first().is_some_and(|stage| stage.after.is_empty() && stage.kind.is_capture()) {
        found.push("the first stage must be the capture (intake or appointment)".to_owned());
    }
    match critical_path(item) {
        Some(days) if days > item.promised.days && item.promised.unit == DayUnit::Workday => {
            found.push(format!(
                "the longest way through takes {days} working days, promised are {}",
                item.promised.days
            ));
        }
        Some(_) => {}
        None => found.push("the stages form a circle".to_owned()),
    }
    found
}

/// Counted working days along the longest way; `None` for a circle.
fn critical_path(item: &Item) -> Option<u32> {
    let mut finished: BTreeMap<&StageId, u32> = BTreeMap::new();
    // Each round must settle at least one stage; a circle (or a dangling name) settles none.
    for _ in 0..item.stages.len() {
        for stage in &item.stages {
            let known = |id: &StageId| {
                finished.get(id).copied().or((!item.stages.iter().any(|s| s.id == *id)).then_some(0))
            };
            let start = stage.after.iter().map(known).collect::<Option<Vec<u32>>>();
            if let Some(start) = start {
                let own = if stage.counted { stage.limit.days } else { 0 };
                finished.insert(&stage.id, start.into_iter().max().unwrap_or(0) + own);
            }
        }
    }
    (finished.len() == item.stages.len()).then(|| finished.into_values().max().unwrap_or(0))
}
