//! The main job from beginning to end: recorded with no network, decided in the city, handed over in the village.

use crate::Options;
use crate::city::City;
use crate::staff::{Papers, Staff, Told};
use crate::{overdue, recording};
use anyhow::{Result, bail, ensure};
use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Value, json};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Villages whose links stay cut until everybody else is done.
const LATE: usize = 8;
pub(crate) const LANES: usize = 6;

pub async fn once(options: Options) -> Result<ExitCode> {
    let started = Instant::now();
    let quiet = options.quiet;
    let say = move |text: String| {
        if !quiet {
            eprintln!("[{:>6.1} s] {text}", started.elapsed().as_secs_f32());
        }
    };
    let city = Arc::new(City::plan(options)?);
    say(format!("1 hub, {} towns, {} villages", city.towns().count(), city.villages().count()));
    city.build(&say).await?;
    let staff = Arc::new(Staff::new(city.clone())?);
    say(format!("{} letters of delegation published", staff.delegate().await?));
    let told = tell(&city, &staff, &say).await;
    staff.stop.store(true, Ordering::Relaxed);
    city.stop().await;
    let neglected = match told {
        Ok(neglected) => neglected,
        Err(error) => {
            say(format!("the story broke off: {error:#}"));
            return Ok(ExitCode::FAILURE);
        }
    };
    say("all processes have ended; the verifier reads their disks".to_owned());
    let mut verdict = city.verify(&city.options.dir.join("oracle.jsonl"))?;
    let faults = verdict.as_object_mut().and_then(|verdict| verdict.remove("faults")).unwrap_or_default();
    for fault in faults.as_array().into_iter().flatten().take(20) {
        eprintln!("FAULT {}", fault.as_str().unwrap_or(""));
    }
    let leaks = city.citizens_in_logs()?;
    for leak in leaks.iter().take(20) {
        eprintln!("FAULT {leak}");
    }
    let whole = leaks.is_empty()
        && faults.as_array().is_some_and(Vec::is_empty)
        && verdict["lost"] == 0
        && verdict["duplicated"] == 0;
    let done = verdict["delivered"] == verdict["recorded"]
        && verdict["recorded"].as_u64() >= Some(city.options.cases as u64);
    let supervised = overdue::supervised(&city, &say).await?;
    verdict["yellow_cards"] = json!(supervised.yellow_cards);
    let seen = supervised.agrees && (supervised.yellow_cards > 0 || !neglected);
    println!("{}", in_order(&verdict, started.elapsed().as_secs()));
    Ok(if whole && done && seen { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn in_order(verdict: &Value, seconds: u64) -> Value {
    let mut line = serde_json::Map::new();
    for key in [
        "nodes",
        "recorded",
        "at_town",
        "at_hub",
        "decided",
        "delivered",
        "lost",
        "duplicated",
        "journals_verified",
        "yellow_cards",
    ] {
        line.insert(key.to_owned(), verdict[key].clone());
    }
    line.insert("seconds".to_owned(), json!(seconds));
    Value::Object(line)
}

/// Tells whether a limit was let pass on purpose.
async fn tell(city: &Arc<City>, staff: &Arc<Staff>, say: &(dyn Fn(String) + Sync)) -> Result<bool> {
    let letters = staff.status(city.hub()).await?["letters"].clone();
    until("every village has the catalogue and the letters", 120, async || {
        for site in city.villages() {
            let status = staff.status(site).await?;
            if status["catalogue_release"].is_null() || status["letters"] != letters {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await?;
    say("every village has the catalogue".to_owned());
    let known_above = overdue::neglect(city, staff, say).await?;
    let neglected = known_above.map(|told| told.case);
    say("now all villages are cut off".to_owned());
    city.villages().for_each(cut);
    recording::record(city, staff, city.options.cases, say).await?;
    recording::bundles(city, staff, say).await?;
    let offline: Vec<Told> =
        told(staff).into_iter().filter(|told| Some(&told.case) != neglected.as_ref()).collect();
    everything_is_here_only(staff, &offline).await?;
    say("every case reads 仅存本机".to_owned());
    let chaos = Arc::new(AtomicBool::new(city.options.chaos));
    let kills = tokio::spawn(trouble(city.clone(), chaos.clone()));
    let late = late_sites(city, staff);
    let prompt_sites = (0..city.sites.len()).filter(|index| !late.contains(index));
    prompt_sites.for_each(|index| heal(&city.sites[index]));
    say(format!("all links but {} healed; towns and departments go to work", late.len()));
    let shifts: Vec<_> = (0..LANES).map(|lane| tokio::spawn(staff.clone().shift(lane, LANES))).collect();
    recording::at_windows(city, staff, say).await?;
    let prompt: Vec<Told> = told(staff).into_iter().filter(|told| !late.contains(&told.site)).collect();
    until_delivered(staff, &prompt, say).await?;
    work_on_offline(staff, &late, &offline, say).await?;
    late.iter().for_each(|index| heal(&city.sites[*index]));
    say("the last links heal".to_owned());
    until_delivered(staff, &told(staff), say).await?;
    say(format!("of these: {}", recording::kinds(staff).await?));
    chaos.store(false, Ordering::Relaxed);
    let kills = kills.await?;
    if city.options.chaos {
        say(format!("{kills} processes were killed and started again"));
    }
    staff.stop.store(true, Ordering::Relaxed);
    for shift in shifts {
        shift.await?;
    }
    staff.stop.store(false, Ordering::Relaxed);
    quiet(city, staff).await?;
    Ok(neglected.is_some())
}

fn cut(site: &crate::city::Site) {
    if let Some(proxy) = site.proxy.get() {
        proxy.cut();
    }
}

fn heal(site: &crate::city::Site) {
    if let Some(proxy) = site.proxy.get() {
        proxy.heal();
    }
}

pub(crate) fn told(staff: &Staff) -> Vec<Told> {
    staff.told.lock().map(|told| told.clone()).unwrap_or_default()
}

/// Villages that recorded something and stay cut off.
fn late_sites(city: &City, staff: &Staff) -> Vec<usize> {
    let mut with_cases: Vec<usize> = told(staff).iter().map(|told| told.site).collect();
    with_cases.sort_unstable();
    with_cases.dedup();
    with_cases.shuffle(&mut StdRng::seed_from_u64(city.options.seed));
    with_cases.truncate(LATE.min(city.options.villages / 2));
    with_cases
}

async fn everything_is_here_only(staff: &Staff, cases: &[Told]) -> Result<()> {
    for told in cases {
        let view = staff.at_counter(told).await?;
        let ticks = &view["ticks"];
        // A village-decided item is decided on the spot; its tick for the town must still be open.
        ensure!(ticks["town"] == false && ticks["hub"] == false, "{}: cut off, and yet {ticks}", told.case);
    }
    Ok(())
}

async fn work_on_offline(
    staff: &Arc<Staff>,
    late: &[usize],
    offline: &[Told],
    say: &(dyn Fn(String) + Sync),
) -> Result<()> {
    for told in offline.iter().filter(|told| late.contains(&told.site)) {
        let ticks = staff.at_counter(told).await?["ticks"].clone();
        ensure!(
            ticks["town"] == false,
            "{} claims to have been received while its village is cut off",
            told.case
        );
    }
    let items = staff.items();
    for (number, index) in late.iter().enumerate() {
        staff
            .record(*index, &items[number * 7 % items.len()], 1_000_000 + number as u64, Papers::AsLifeIs)
            .await?;
    }
    say(format!("{} villages still read 仅存本机 and have recorded more meanwhile", late.len()));
    Ok(())
}

/// A publicity of seven days is over after so many.
const DAYS_AT_ONCE: i64 = 8;
const NIGHTS_MAX: u32 = 8;

async fn until_delivered(staff: &Staff, cases: &[Told], say: &(dyn Fn(String) + Sync)) -> Result<()> {
    let mut open: Vec<Told> = cases.to_vec();
    let (mut last, mut quiet_since) = (usize::MAX, Instant::now());
    let (mut said, mut nights) = (Instant::now(), 0);
    while !open.is_empty() {
        let mut still = Vec::new();
        for told in open {
            match staff.at_counter(&told).await {
                Ok(view) if view["status"] == "delivered" => {}
                _ => still.push(told),
            }
        }
        open = still;
        let mark = open.len() + staff.acts.load(Ordering::Relaxed);
        if mark != last {
            (last, quiet_since) = (mark, Instant::now());
        }
        if said.elapsed() > Duration::from_secs(5) {
            say(format!(
                "{} of {} delivered, {} acts",
                cases.len() - open.len(),
                cases.len(),
                staff.acts.load(Ordering::Relaxed)
            ));
            said = Instant::now();
        }
        // Nothing can be done but wait: nights pass until a publicity or the notice of a hearing has run its time.
        if quiet_since.elapsed() > Duration::from_secs(4) && nights < NIGHTS_MAX {
            nights += 1;
            staff.pass_days(DAYS_AT_ONCE)?;
            say(format!("{} cases wait for a day to come: it is now {}", open.len(), staff.today()));
            quiet_since = Instant::now();
        }
        if quiet_since.elapsed() > Duration::from_secs(120) {
            let stuck = staff.at_counter(&open[0]).await.unwrap_or_default();
            bail!("{} cases do not move; the first: {stuck}", open.len());
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    say(format!("{} cases delivered", cases.len()));
    Ok(())
}

/// Kills a random node of every tier again and again.
async fn trouble(city: Arc<City>, on: Arc<AtomicBool>) -> usize {
    let mut dice = StdRng::seed_from_u64(city.options.seed ^ 0xdead);
    let mut kills = 0;
    while on.load(Ordering::Relaxed) {
        let towns = 1..=city.options.towns;
        let villages = city.options.towns + 1..city.sites.len();
        let index = match kills % 3 {
            0 => dice.random_range(villages),
            1 => dice.random_range(towns),
            _ => 0,
        };
        let site = &city.sites[index];
        city.kill(site).await;
        tokio::time::sleep(Duration::from_millis(dice.random_range(50..400))).await;
        if let Err(error) = city.start(site).await {
            eprintln!("{error:#}");
        }
        kills += 1;
        tokio::time::sleep(Duration::from_millis(dice.random_range(300..1200))).await;
    }
    kills
}

/// Waits until nothing is on its way any more.
pub async fn quiet(city: &City, staff: &Staff) -> Result<()> {
    until("everything is at rest", 120, async || {
        for site in &city.sites {
            let status = staff.status(site).await?;
            if status["outbox"]["waiting"] != 0 || status["counts"]["attachments_missing"] != 0 {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await
}

pub(crate) async fn until(
    what: &str,
    seconds: u64,
    mut check: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let started = Instant::now();
    while !check().await? {
        if started.elapsed().as_secs() > seconds {
            bail!("waited {seconds} s in vain until {what}");
        }
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    Ok(())
}
