//! The parts of the page of a case that only tell: where it stands, what was handed in, what happened.

use super::Read;
use crate::fault::Fault;
use crate::fields;
use crate::page::flow::{self, Shown, State};
use crate::page::papers::Scan;
use crate::shell::Desk;
use crate::timeline::{self, Said};
use domain::catalogue::{FieldKind, Stage};
use domain::dossier::Page;
use domain::form::filling;
use domain::network::Tier;
use domain::{NodeId, OrgId, access::Permission};
use serde_json::Value;
use store::AlertQuery;

pub struct RailPoint {
    pub label: &'static str,
    pub done: bool,
    pub aside: String,
}

pub struct TimerRow {
    pub name: &'static str,
    pub due: String,
    pub class: &'static str,
    pub lines: Vec<String>,
}

pub struct FormRow {
    pub label: String,
    pub value: String,
}

pub struct PaperRow {
    /// The key that opens it.
    pub key: Option<usize>,
    pub name: String,
    pub scan: Option<Scan>,
    pub flag: String,
    pub class: &'static str,
}

pub struct Happened {
    pub said: Said,
    pub by: String,
    pub at: String,
    pub verdict: String,
}

pub(super) async fn flags(desk: &Desk, read: &Read) -> Result<Vec<(String, &'static str)>, Fault> {
    let (dossier, view) = (&read.view.dossier, &read.view);
    let mut flags = Vec::new();
    let mut flag = |text: &str, class| flags.push((desk.t(text).into_owned(), class));
    if !dossier.lacking.is_empty() {
        flag("容缺", "warn");
    }
    if dossier.green.is_some() {
        flag("绿色通道", "ok");
    }
    if dossier.bundle.is_some() {
        flag("一件事", "soft");
    }
    if dossier.recalled {
        flag("上级已调回", "warn");
    }
    if dossier.suspended().is_some() {
        flag("期限停止计算", "warn");
    }
    if view.missing_attachments > 0 {
        flag(&format!("附件未到 {} 份", view.missing_attachments), "warn");
    }
    if view.held_pages > 0 {
        flag(&format!("有 {} 页待接续", view.held_pages), "warn");
    }
    if !view.library.pending.is_empty() {
        flag("等证照库答复", "soft");
    }
    if !view.library.absent.is_empty() {
        flag("证照库没有,须提交", "bad");
    }
    if desk.may(Permission::Warnings) {
        let query =
            AlertQuery { case: Some(read.case.clone()), open_only: true, limit: 20, ..AlertQuery::default() };
        for line in desk.console.hall.store.alerts(query).await? {
            if let Some(raised) = line.alert.raised {
                flag(raised.rung.chinese(), "bad");
            }
        }
    }
    Ok(flags)
}

/// 村 — 镇 — 市 — 受理, each with what shows it.
pub(super) async fn rail(desk: &Desk, read: &Read) -> Result<Vec<RailPoint>, Fault> {
    let (hall, dossier, ticks) = (&desk.console.hall, &read.view.dossier, &read.view.ticks);
    let network = hall.store.network();
    let receipts = hall.store.custody(&dossier.origin).await?;
    let through = |tier: Tier| {
        let node = network.responsible(&dossier.origin, tier)?;
        receipts.iter().find(|line| line.by == *node).map(|line| line.at)
    };
    let at = |tier, done: bool| match through(tier).filter(|_| done) {
        Some(at) => format!("{} {}", desk.t("最近签收"), at.to_minute()),
        None => String::new(),
    };
    let accepted = dossier.accepted.as_ref();
    let captured = |label| RailPoint { label, done: true, aside: dossier.captured_at.to_minute() };
    let mut points = match dossier.intake {
        Tier::Village => vec![
            captured("村里已收"),
            RailPoint { label: "镇里已收", done: ticks.town, aside: at(Tier::Town, ticks.town) },
        ],
        // Taken in by the town itself: at its window, or from home.
        Tier::Town | Tier::City if dossier.online.is_some() => vec![captured("镇里已收网上申请")],
        Tier::Town | Tier::City => vec![captured("窗口已收")],
    };
    points.extend([
        RailPoint { label: "市里已收", done: ticks.hub, aside: at(Tier::City, ticks.hub) },
        RailPoint {
            label: "已受理",
            done: accepted.is_some(),
            aside: accepted.map_or(String::new(), |one| one.on.to_string()),
        },
    ]);
    Ok(points)
}

pub(super) fn timers(desk: &Desk, read: &Read) -> Vec<TimerRow> {
    let today = desk.today();
    let row = |timer: &domain::clock::Explained| {
        let (due, class) = match (timer.met, timer.due) {
            (Some(met), _) => (desk.t(&format!("已于 {met} 完成")).into_owned(), "ok"),
            (None, None) => (desk.t("暂停计算").into_owned(), "soft"),
            (None, Some(due)) => {
                let class = if due.day < today {
                    "bad"
                } else if due.day <= today.plus_days(2) {
                    "warn"
                } else {
                    "soft"
                };
                let text = match due.provisional {
                    true => desk.t(&format!("{} 前(暂定)", due.day)).into_owned(),
                    false => desk.t(&format!("{} 前", due.day)).into_owned(),
                };
                (text, class)
            }
        };
        TimerRow { name: timer.name, due, class, lines: timer.lines.clone() }
    };
    read.view.timers.iter().map(row).collect()
}

pub(super) fn form_rows(desk: &Desk, read: &Read, shown: bool) -> Vec<FormRow> {
    let (lang, today) = (desk.shell.taste.lang, desk.today());
    let row = |field: &domain::catalogue::Field| {
        let value = read.form.get(&field.key).filter(|_| filling::is_asked(field, &read.form, today))?;
        let masked = match (&field.kind, value) {
            (_, value) if shown => value.clone(),
            (FieldKind::CitizenNo | FieldKind::Mobile, Value::String(text)) => masked(text).into(),
            (FieldKind::Table(columns), Value::Array(rows)) => {
                rows.iter().map(|row| masked_row(columns, row)).collect()
            }
            (_, value) => value.clone(),
        };
        Some(FormRow {
            label: field.label.clone(),
            value: fields::spoken(field, &masked, &read.pack.divisions, lang),
        })
    };
    read.item.fields.iter().filter_map(row).collect()
}

/// Enough to recognise a number, not enough to use it.
fn masked(text: &str) -> String {
    match text.chars().count() {
        11 => format!(
            "{}****{}",
            text.chars().take(3).collect::<String>(),
            text.chars().skip(7).collect::<String>()
        ),
        _ => domain::numbers::mask_number(text),
    }
}

fn masked_row(columns: &[domain::catalogue::Column], row: &Value) -> Value {
    let mut row = row.clone();
    for column in
        columns.iter().filter(|column| matches!(column.kind, FieldKind::CitizenNo | FieldKind::Mobile))
    {
        if let Some(cell) = row.get_mut(&column.key)
            && let Some(text) = cell.as_str()
        {
            *cell = masked(text).into();
        }
    }
    row
}

pub(super) fn paper_rows(desk: &Desk, read: &Read) -> Vec<PaperRow> {
    let dossier = &read.view.dossier;
    let name_of = |id: &domain::MaterialId| match id.as_str() {
        domain::delivery::PHOTO => desk.t("交付照片").into_owned(),
        _ => read.item.material(id).map_or(id.to_string(), |one| one.name.clone()),
    };
    let without = |id: &domain::MaterialId, flag: &str, class| PaperRow {
        key: None,
        name: name_of(id),
        scan: None,
        flag: desk.t(flag).into_owned(),
        class,
    };
    let scan = |one: &domain::dossier::Attachment| {
        let (flag, class) =
            if dossier.checked.contains(&one.material) { ("已核对原件", "ok") } else { ("", "soft") };
        if !desk.console.hall.blobs.has(&one.hash) {
            return without(&one.material, "附件未到", "warn");
        }
        PaperRow {
            key: None,
            name: name_of(&one.material),
            scan: Some(Scan::of(one, format!("/cases/{}/papers/{}", read.case, one.hash))),
            flag: if flag.is_empty() { String::new() } else { desk.t(flag).into_owned() },
            class,
        }
    };
    let mut rows: Vec<PaperRow> = dossier.all_attachments().map(scan).collect();
    rows.extend(dossier.lacking.iter().map(|id| without(id, "容缺,稍后补交", "warn")));
    rows.extend(dossier.borrowed.iter().map(|one| without(&one.material, "从证照库调用", "soft")));
    for (row, key) in rows.iter_mut().filter(|row| row.scan.is_some()).zip(1..=9) {
        row.key = Some(key);
    }
    rows
}

/// One stage of the case: a box of the picture, and a row of the table beside it.
pub struct Step {
    pub name: String,
    pub who: String,
    pub state: State,
    /// When, and by whom.
    pub done: String,
}

/// Names of bodies, in the reader's language.
pub(super) fn bodies(desk: &Desk, read: &Read, bodies: &[OrgId]) -> String {
    bodies.iter().map(|body| desk.shell.c(read.pack.org_name(body))).collect::<Vec<_>>().join("、")
}

pub(super) fn steps(desk: &Desk, read: &Read) -> Vec<Step> {
    let (network, dossier) = (desk.console.hall.store.network(), &read.view.dossier);
    let step = |(stage, state): (&Stage, State)| {
        let done = dossier.stages.get(&stage.id).and_then(|state| state.done.as_ref());
        Step {
            name: desk.shell.c(&stage.name).into_owned(),
            who: match stage.bodies.is_empty() {
                true => desk.t(domain::plan::tier_of(stage, dossier).chinese()).into_owned(),
                false => bodies(desk, read, &stage.bodies),
            },
            state,
            done: done.map_or(String::new(), |done| {
                let place = done.by.as_ref().map_or(String::new(), |by| network.name_of(by));
                format!("{} {place} {}", done.at.to_minute(), done.officer)
            }),
        }
    };
    read.item.stages.iter().zip(flow::states(&read.item, dossier)).map(step).collect()
}

pub(super) fn flow(desk: &Desk, read: &Read, steps: &[Step]) -> String {
    let told = |state: State| desk.t(state.chinese()).into_owned();
    let mut shown = Vec::new();
    for (stage, Step { name, state, .. }) in read.item.stages.iter().zip(steps) {
        shown.push(Shown { stage, name: name.clone(), state: *state, told: told(*state) });
    }
    flow::svg(&desk.t("流程图"), &shown)
}

pub(super) async fn happened(desk: &Desk, read: &Read) -> Result<Vec<Happened>, Fault> {
    let hall = &desk.console.hall;
    let network = hall.store.network();
    let name = |id: &NodeId| network.name_of(id);
    let mut lines = Vec::new();
    for line in hall.history(&desk.officer, &read.case).await? {
        let page = line.page.clone().and_then(|page| serde_json::from_value::<Page>(page).ok());
        let (said, officer, at) = match (page, &line.slip) {
            (Some(page), _) => {
                (timeline::page(&page.body, &read.item, &read.pack, &name), page.officer, page.at)
            }
            (None, Some(slip)) => (timeline::slip(slip), String::new(), line.claimed_at),
            (None, None) => continue,
        };
        let verdict = match line.verdict.as_str() {
            "applied" | "slip" => String::new(),
            "held" => desk.t("等前面的页").into_owned(),
            "late" => desk.t("案卷已调回,留待人工处理").into_owned(),
            _ => desk.t("未采用").into_owned(),
        };
        let by = [name(&line.author), officer].join(" ");
        let said = Said { what: desk.t(&said.what).into_owned(), words: said.words };
        lines.push(Happened { said, by: by.trim().to_owned(), at: at.to_minute(), verdict });
    }
    lines.reverse();
    Ok(lines)
}
