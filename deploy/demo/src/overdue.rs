//! A case that nobody takes up until its limit is over, and what electronic supervision (电子监察) says of the whole story.

use crate::city::{City, OFFICER};
use crate::staff::{Papers, Staff, Told};
use crate::story::until;
use anyhow::{Context, Result};
use serde_json::Value;
use std::sync::Arc;

/// So many days are always more than five working days and one.
const DAYS: i64 = 14;
const ITEM: &str = "food";

/// Nobody is at work yet and a citizen waits for an answer: the law accepts (art. 32), the town gets its yellow card, and the
/// card is read where the case was recorded. Later the case is worked through like any other.
///
/// `None`, and nothing is told, when these days reach into a year whose calendar is not final: no card rests on such a day.
///
/// # Errors
/// When nobody is told of the limit that passed.
pub async fn neglect(city: &City, staff: &Arc<Staff>, say: &(dyn Fn(String) + Sync)) -> Result<Option<Told>> {
    if !staff.calendar_is_final_for(DAYS) {
        say("the days ahead are of a year whose calendar is not published: no card can be shown".to_owned());
        return Ok(None);
    }
    let village = city.sites.iter().position(|site| site.place == "522601108201");
    let told = staff.record(village.context("柿花村")?, ITEM, 2_000_000, Papers::All).await?;
    until("the hub has the case", 120, async || Ok(staff.at_counter(&told).await?["ticks"]["hub"] == true))
        .await?;
    staff.pass_days(DAYS)?;
    let (path, mut raised) = (format!("/cases/{}/alerts", told.case), Value::Null);
    until("the village reads of the yellow card", 120, async || {
        let alerts = staff.get(&city.sites[told.site], OFFICER, &path).await?;
        let mut raisings = alerts.as_array().into_iter().flatten().map(|line| &line["alert"]["raised"]);
        raised = raisings.find(|raised| raised["rung"] == "yellow").cloned().unwrap_or_default();
        Ok(!raised.is_null())
    })
    .await?;
    say(format!(
        "{}: {DAYS} days without an answer: 黄牌 {} {}",
        told.case, raised["rule"], raised["responsible"]
    ));
    Ok(Some(told))
}

/// What was raised against what the log says, once all processes have ended.
pub struct Supervised {
    pub yellow_cards: u64,
    pub agrees: bool,
}

/// # Errors
/// When the hub's own programs cannot read its log.
pub async fn supervised(city: &City, say: &(dyn Fn(String) + Sync)) -> Result<Supervised> {
    city.verb(city.hub(), &["--json", "supervise", "sweep"], None).await?;
    let scanned = city.verb(city.hub(), &["--json", "supervise", "scan"], None).await;
    let agrees = scanned.is_ok();
    let scan: Value = serde_json::from_str(&scanned.unwrap_or_default()).unwrap_or_default();
    say(format!(
        "electronic supervision: {} cases, {} findings {}, computed again from the log: {}",
        scan["cases"],
        scan["findings"],
        scan["rungs"],
        if agrees { "the same" } else { "NOT the same" }
    ));
    Ok(Supervised { yellow_cards: scan["rungs"]["yellow"].as_u64().unwrap_or(0), agrees })
}
