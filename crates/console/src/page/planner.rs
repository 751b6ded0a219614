//! 联合查验: every visit of several departments that is on the way, from the times to propose to the findings that are missing,
//! and one day after another what is agreed. Times are proposed for many cases at once: one trip to a village serves all of them.

use super::lists::task_view;
use super::{Sent, render_with, status_of};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::orders::{is_clock, slots};
use crate::page::done::done;
use crate::posted::Posted;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::response::Response;
use axum::routing::get;
use domain::access::Permission;
use domain::catalogue::StageKind;
use domain::dossier::Dossier;
use domain::dossier::decide::Command;
use domain::inspection::{CHOICE, Inspection, Slot};
use domain::network::Tier;
use domain::{CaseNo, Day, OrgId, StageId};
use std::collections::{BTreeMap, BTreeSet};
use store::{TaskLine, TaskQuery};

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/inspections", get(plan).post(propose))
}

/// Tasks that are looked through: one for each department of a visit.
const LOOKED_MAX: u32 = 1000;
/// Visits that are shown, the most urgent first.
const SHOWN_MAX: usize = 150;

struct Visit {
    case: CaseNo,
    stage: StageId,
    item: String,
    applicant: String,
    place: String,
    due: String,
    urgency: &'static str,
    /// Departments that take part.
    bodies: Vec<OrgId>,
    visit: Option<Inspection>,
    /// The time the applicant can come to.
    chosen: Option<String>,
}

/// A time that was proposed, as it stands.
struct Proposed {
    slot: String,
    confirmed: usize,
    chosen: bool,
}

struct Asked<'a> {
    visit: &'a Visit,
    slots: Vec<Proposed>,
    /// What is waited for, in words.
    waits: String,
    ready: bool,
}

struct Agreed<'a> {
    visit: &'a Visit,
    slot: &'a Slot,
    bodies: String,
    /// Departments that shall be elsewhere at the same time.
    clash: String,
    late: bool,
}

#[derive(Template)]
#[template(path = "inspections.html")]
struct PlanPage<'a> {
    shell: &'a Shell,
    fresh: Vec<&'a Visit>,
    asked: Vec<Asked<'a>>,
    agreed: BTreeMap<Day, Vec<Agreed<'a>>>,
    /// Held, and departments that have not said what they found.
    silent: Vec<(&'a Visit, String)>,
    more: bool,
    may_propose: bool,
    typed: &'a Posted,
    wrong: &'a str,
}

impl PlanPage<'_> {
    fn ticked(&self, visit: &Visit) -> bool {
        self.typed.all("case").any(|one| one == format!("{} {}", visit.case, visit.stage))
    }
}

async fn plan(desk: Desk) -> Result<Response, Fault> {
    page(&desk, &Posted::default(), "").await
}

async fn page(desk: &Desk, typed: &Posted, wrong: &str) -> Result<Response, Fault> {
    let (visits, more) = visits(desk).await?;
    desk.console.may_list(&desk.officer, visits.iter().map(|visit| &visit.case))?;
    let (_, pack) = desk.console.hall.pack(None)?;
    let names = |bodies: &mut dyn Iterator<Item = &OrgId>| {
        bodies.map(|body| pack.org_name(body).to_owned()).collect::<Vec<_>>().join("、")
    };
    let taken = taken(&visits);
    let (mut fresh, mut asked, mut silent) = (Vec::new(), Vec::new(), Vec::new());
    let mut agreed: BTreeMap<Day, Vec<Agreed<'_>>> = BTreeMap::new();
    for visit in &visits {
        let Some(known) = &visit.visit else {
            fresh.push(visit);
            continue;
        };
        match (fixed(known), &known.held) {
            (_, Some(_)) => silent.push((visit, names(&mut known.silent(&visit.bodies)))),
            (Some(slot), None) => {
                let elsewhere =
                    |body: &&OrgId| taken.get(&(slot.to_string(), (*body).clone())).is_some_and(|n| *n > 1);
                agreed.entry(slot.day).or_default().push(Agreed {
                    visit,
                    slot,
                    bodies: names(&mut visit.bodies.iter()),
                    clash: names(&mut visit.bodies.iter().filter(elsewhere)),
                    late: slot.day < desk.today(),
                });
            }
            (None, None) => {
                let open = visit.bodies.iter().filter(|body| !known.confirmed.contains_key(*body));
                let unsure = names(&mut { open });
                let (slots, ready) = (proposed(visit, known), is_ready(visit, known));
                let waits = match (unsure.is_empty(), &visit.chosen) {
                    _ if ready => desk.t("可以定下").into_owned(),
                    (false, _) => format!("{} {unsure}", desk.t("等部门确认:")),
                    (true, None) => desk.t("等申请人选定时间").into_owned(),
                    (true, Some(_)) => desk.t("各部门和申请人选的时间不一致,请另提时间").into_owned(),
                };
                asked.push(Asked { visit, slots, waits, ready });
            }
        }
    }
    for day in agreed.values_mut() {
        day.sort_by(|one, other| one.slot.time.cmp(&other.slot.time));
    }
    let may_propose = desk.may(Permission::Inspect);
    let wrong = desk.t(wrong).into_owned();
    let shell = &desk.shell;
    let page = PlanPage { shell, fresh, asked, agreed, silent, more, may_propose, typed, wrong: &wrong };
    Ok(render_with(status_of(&wrong), &page))
}

/// The visits within reach, the most urgent first; whether there are more.
async fn visits(desk: &Desk) -> Result<(Vec<Visit>, bool), Fault> {
    let hall = &desk.console.hall;
    let kind = Some(StageKind::JointInspection.as_str());
    let query = TaskQuery { kind, within: desk.within(), limit: LOOKED_MAX, ..TaskQuery::default() };
    let tasks = hall.store.tasks(query).await?;
    let (mut seen, mut visits, network) = (BTreeSet::new(), Vec::new(), hall.store.network());
    let mut more = tasks.len() >= LOOKED_MAX as usize;
    for task in &tasks {
        if !seen.insert((&task.case, &task.stage)) {
            continue;
        }
        if visits.len() >= SHOWN_MAX {
            more = true;
            break;
        }
        let Some(stored) = hall.store.dossier(&task.case).await? else { continue };
        let dossier = &stored.dossier;
        let Ok((_, _, item)) = hall.item(Some(dossier.release), &dossier.item) else { continue };
        let Some(stage) = item.stage(&task.stage) else { continue };
        visits.push(visit_of(desk, task, dossier, stage.bodies.clone(), network.name_of(&dossier.origin)));
    }
    Ok((visits, more))
}

fn visit_of(desk: &Desk, task: &TaskLine, dossier: &Dossier, bodies: Vec<OrgId>, place: String) -> Visit {
    let row = task_view(desk, task);
    let chosen = dossier.slips.iter().rev().find(|slip| slip.kind == CHOICE);
    Visit {
        case: task.case.clone(),
        stage: task.stage.clone(),
        item: row.item,
        applicant: row.applicant,
        place,
        due: row.due,
        urgency: row.urgency,
        bodies,
        visit: dossier.inspections.get(&task.stage).cloned(),
        chosen: chosen.map(|slip| slip.text.trim().to_owned()),
    }
}

fn fixed(visit: &Inspection) -> Option<&Slot> {
    visit.slots.get(visit.fixed.as_ref()?.0 as usize)
}

/// How many agreed visits each department has at each time.
fn taken(visits: &[Visit]) -> BTreeMap<(String, OrgId), usize> {
    let mut taken = BTreeMap::new();
    for visit in visits {
        let Some(known) = visit.visit.as_ref().filter(|known| known.held.is_none()) else { continue };
        let Some(slot) = fixed(known) else { continue };
        for body in &visit.bodies {
            *taken.entry((slot.to_string(), body.clone())).or_default() += 1;
        }
    }
    taken
}

fn confirmed(visit: &Visit, known: &Inspection, no: usize) -> usize {
    let can = |body: &&OrgId| known.confirmed.get(*body).is_some_and(|slots| slots.contains(&(no as u32)));
    visit.bodies.iter().filter(can).count()
}

fn proposed(visit: &Visit, known: &Inspection) -> Vec<Proposed> {
    let one = |(no, slot): (usize, &Slot)| Proposed {
        confirmed: confirmed(visit, known, no),
        chosen: visit.chosen.as_deref() == Some(slot.to_string().as_str()),
        slot: slot.to_string(),
    };
    known.slots.iter().enumerate().map(one).collect()
}

/// Whether all can come to the time that the applicant chose.
fn is_ready(visit: &Visit, known: &Inspection) -> bool {
    proposed(visit, known).iter().any(|one| one.chosen && one.confirmed == visit.bodies.len())
}

fn slots_of(desk: &Desk, posted: &Posted) -> Result<Vec<Slot>, Fault> {
    let wrong = || Fault::unfit("每行写一个时间,如 2026-12-01 09:30");
    let slot = |(day, time): (&str, &str)| {
        let day = day.parse::<Day>().map_err(|_| wrong())?;
        // The clock is written with two digits each, as the counter compares it.
        let time = if time.len() == 4 { format!("0{time}") } else { time.to_owned() };
        if !is_clock(&time) || time.len() != 5 {
            return Err(wrong());
        }
        if day < desk.today() {
            return Err(Fault::unfit("查验时间不能早于今天"));
        }
        Ok(Slot { day, time })
    };
    let slots = slots(posted.get("slots")).map(slot).collect::<Result<Vec<_>, _>>()?;
    if slots.is_empty() { Err(wrong()) } else { Ok(slots) }
}

/// The same times for each of the chosen cases. What is refused for one holds up no other, and is told.
async fn propose(sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let chosen: Vec<(&str, &str)> = posted.all("case").filter_map(|one| one.split_once(' ')).collect();
    let slots = match slots_of(&desk, &posted) {
        Err(fault) => return page(&desk, &posted, &fault.message).await,
        Ok(_) if chosen.is_empty() => return page(&desk, &posted, "请勾选要安排的办件").await,
        Ok(slots) => slots,
    };
    let mut refused = Vec::new();
    for (case, stage) in chosen {
        let (case, stage): (CaseNo, StageId) = (id(case, "办件编号")?, id(stage, "环节编号")?);
        if let Err(fault) = propose_for(&desk, &case, stage, slots.clone()).await {
            refused.push(format!("{case}:{}", fault.message));
        }
    }
    match refused.is_empty() {
        true => Ok(done("/inspections", "查验时间已提出,等各部门确认")),
        false => page(&desk, &posted, &refused.join(";")).await,
    }
}

/// Times are proposed here once: what departments have confirmed since is not to be wiped out by an old page. Whoever must propose
/// others does it on the page of the case.
async fn propose_for(desk: &Desk, case: &CaseNo, stage: StageId, slots: Vec<Slot>) -> Result<(), Fault> {
    let hall = &desk.console.hall;
    hall.within_reach(&desk.officer, case).await?;
    let stored = hall.store.dossier(case).await?;
    let dossier = stored.as_ref().map(|stored| &stored.dossier);
    if dossier.is_some_and(|dossier| dossier.inspections.contains_key(&stage)) {
        return Err(Fault::unfit("已经提出过时间;要改请打开这一件"));
    }
    let claimed =
        dossier.and_then(|dossier| dossier.stages.get(&stage)).and_then(|state| state.claimed_by.clone());
    // At the city whoever plans a visit leads it, and is seen to.
    if hall.tier == Tier::City && claimed.is_none() {
        hall.perform(&desk.officer, case, Command::Claim { stage: stage.clone() }, None).await?;
    }
    hall.perform(&desk.officer, case, Command::ProposeInspection { stage, slots }, None).await?;
    Ok(())
}
