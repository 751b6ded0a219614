//! What the proxy officers of all villages record, and what kinds of cases came of it.

use crate::city::City;
use crate::staff::{Papers, Staff};
use crate::story::{LANES, told};
use anyhow::Result;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Records `count` cases, all items in turn, spread over all villages.
pub async fn record(
    city: &Arc<City>,
    staff: &Arc<Staff>,
    count: usize,
    say: &(dyn Fn(String) + Sync),
) -> Result<()> {
    let items = staff.items();
    let villages: Vec<usize> = city
        .sites
        .iter()
        .enumerate()
        .filter(|(_, s)| s.kind == crate::city::Kind::Village)
        .map(|(i, _)| i)
        .collect();
    let next = Arc::new(AtomicUsize::new(0));
    let mut dice = StdRng::seed_from_u64(city.options.seed);
    let offset: u64 = dice.random();
    let already = told(staff).len();
    let mut desks = Vec::new();
    for _ in 0..LANES {
        let (staff, items, villages, next) = (staff.clone(), items.clone(), villages.clone(), next.clone());
        desks.push(tokio::spawn(async move {
            loop {
                let number = next.fetch_add(1, Ordering::Relaxed);
                if number >= count {
                    return Ok::<(), anyhow::Error>(());
                }
                let item = &items[(already + number) % items.len()];
                staff
                    .record(
                        villages[number % villages.len()],
                        item,
                        offset.wrapping_add((already + number) as u64),
                        Papers::AsLifeIs,
                    )
                    .await?;
            }
        }));
    }
    for desk in desks {
        desk.await??;
    }
    say(format!("{count} cases of {} items recorded", items.len().min(count)));
    Ok(())
}

/// Every bundle (一件事) of the catalogue once, each in another village.
pub async fn bundles(city: &City, staff: &Staff, say: &(dyn Fn(String) + Sync)) -> Result<()> {
    let mut cases = 0;
    for (number, bundle) in staff.bundles().iter().enumerate() {
        let village = 1 + city.options.towns + number % city.options.villages;
        cases += staff.record_bundle(village, bundle, city.options.seed + number as u64).await?.len();
    }
    say(format!(
        "{} bundles (一件事) recorded: {cases} cases, one receipt each bundle",
        staff.bundles().len()
    ));
    Ok(())
}

/// Some come to the window of their town instead: two to each, every time with another matter.
pub async fn at_windows(city: &City, staff: &Staff, say: &(dyn Fn(String) + Sync)) -> Result<()> {
    let (items, towns) = (staff.items(), 1..=city.options.towns);
    for (number, town) in towns.clone().chain(towns).enumerate() {
        let (item, seed) = (&items[number * 5 % items.len()], 2_000_000 + number as u64);
        staff.record(town, item, seed, Papers::AsLifeIs).await?;
    }
    say(format!("{} more taken in at the windows of the towns themselves", 2 * city.options.towns));
    Ok(())
}

/// How many cases went which of the ways that the law knows.
///
/// # Errors
/// When a village does not answer.
pub async fn kinds(staff: &Staff) -> Result<String> {
    let mut counts = BTreeMap::<&str, usize>::new();
    for told in told(staff) {
        let dossier = staff.at_counter(&told).await?["dossier"].take();
        let slips = dossier["slips"].as_array().cloned().unwrap_or_default();
        let made_up = slips.iter().any(|slip| slip["kind"] == "make_up");
        let inspected = dossier["inspections"].as_object().is_some_and(|all| !all.is_empty());
        for (kind, found) in [
            ("supplement 补正", dossier["notices"].as_u64() > Some(0)),
            ("tolerance 容缺", made_up),
            ("parallel 并联", staff.ran_in_parallel(&dossier)),
            ("inspection 联合查验", inspected),
            ("refusal 不予", dossier["decision"]["outcome"] == "refused"),
            ("bundle 一件事", !dossier["bundle"].is_null()),
            ("accepted by law 视为受理", dossier["accepted"]["deemed"] == true),
        ] {
            *counts.entry(kind).or_default() += usize::from(found);
        }
    }
    Ok(counts.iter().map(|(kind, count)| format!("{count} {kind}")).collect::<Vec<_>>().join(", "))
}
