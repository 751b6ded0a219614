//! 月度台账: the cases taken in during a month, as a page and for a spreadsheet.

use super::lists::{CaseView, STATUSES, case_view};
use super::{Table, render};
use crate::Console;
use crate::fault::Fault;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use domain::network::Tier;
use serde::Deserialize;
use store::{CaseLine, CaseOrder, CaseQuery};

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/ledger", get(ledger)).route("/ledger/print", get(print))
}

/// Said on the page and in the file alike: nobody takes a part for the whole.
const CUT: &str = "本月办件超出一页能列的数量:这里只有最近的部分,合计也只计这些;完整台账请由两人办理导出";

#[derive(Template)]
#[template(path = "ledger.html")]
struct LedgerPage<'a> {
    shell: &'a Shell,
    month: String,
    cases: Vec<CaseView>,
    totals: Vec<(String, usize)>,
    /// All of the month, as far as the ledger goes; the page lists the newest of them.
    all: usize,
    /// The month has more than the ledger goes.
    cut: Option<&'static str>,
}

#[derive(Deserialize)]
struct LedgerFilter {
    #[serde(default)]
    month: String,
    #[serde(default)]
    csv: String,
    /// Which piece of the printed ledger, from 0.
    #[serde(default)]
    part: usize,
}

impl LedgerFilter {
    /// The month that is asked for; this one where none is named.
    fn month(&self, desk: &Desk) -> String {
        match format!("{}-01", self.month).parse::<domain::Day>() {
            Ok(_) => self.month.clone(),
            Err(_) => desk.today().to_string()[..7].to_owned(),
        }
    }
}

/// Rows of the page; the file and the printed ledger have them all.
const LISTED_MAX: usize = 100;
/// Rows of one piece of the printed ledger: about six sheets of paper, and no page that an old machine chokes on.
const PRINTED: usize = 200;

/// What a ledger takes of a month at most. At the hub the rest is an export, which two persons sign; below it no month is so full.
fn ledger_max(tier: Tier) -> usize {
    if tier == Tier::City { 1_000 } else { 20_000 }
}

/// 月度台账: the cases taken in during a month, as a page and for a spreadsheet.
async fn ledger(desk: Desk, Query(filter): Query<LedgerFilter>) -> Result<Response, Fault> {
    let month = filter.month(&desk);
    let (lines, cut) = month_of(&desk, &month).await?;
    let listed = lines.iter().map(|line| &line.case);
    let mut cases: Vec<CaseView> = lines.iter().map(|line| case_view(&desk, line)).collect();
    if filter.csv == "1" {
        desk.console.note_table(&desk.officer, listed, &format!("/ledger?month={month}&csv=1")).await?;
        return Ok(csv(&desk, &month, &cases, cut));
    }
    desk.console.may_list(&desk.officer, listed)?;
    let totals = totals(&lines).map(|(name, count)| (desk.t(name).into_owned(), count)).collect();
    let (all, cut) = (cases.len(), cut.then_some(CUT));
    cases.truncate(LISTED_MAX);
    Ok(render(&LedgerPage { shell: &desk.shell, month, cases, totals, all, cut }))
}

/// How many cases stand how, for those that there are.
fn totals(lines: &[CaseLine]) -> impl Iterator<Item = (&'static str, usize)> + '_ {
    let of = |status| lines.iter().filter(move |line| line.status == status).count();
    STATUSES.into_iter().map(move |status| (status.chinese(), of(status))).filter(|(_, count)| *count > 0)
}

#[derive(Template)]
#[template(path = "ledger_sheet.html")]
struct LedgerSheet<'a> {
    shell: &'a Shell,
    month: String,
    today: String,
    /// With its number in the ledger.
    rows: Vec<(usize, CaseView)>,
    totals: Vec<(&'static str, usize)>,
    all: usize,
    part: usize,
    parts: usize,
    code: String,
    qr: String,
    cut: Option<&'static str>,
}

/// The ledger on paper: in the order in which it was taken in, signed by whoever keeps it. Its code holds a digest of what the rows
/// of the month say, in whatever language they are printed, so that a sheet can be told from one that was printed of other entries.
async fn print(desk: Desk, Query(filter): Query<LedgerFilter>) -> Result<Response, Fault> {
    let month = filter.month(&desk);
    let (mut lines, cut) = month_of(&desk, &month).await?;
    lines.reverse();
    let listed = lines.iter().map(|line| &line.case);
    desk.console.note_table(&desk.officer, listed, &format!("/ledger/print?month={month}")).await?;
    let parts = lines.len().div_ceil(PRINTED).max(1);
    let part = filter.part.min(parts - 1);
    let views: Vec<CaseView> = lines.iter().map(|line| case_view(&desk, line)).collect();
    let mut digest = blake3::Hasher::new();
    for line in &lines {
        let (item, status, holder) = (line.item.as_str(), line.status.as_str(), line.holder.as_str());
        let cells =
            [line.case.as_str(), item, &line.applicant, &line.captured_at.to_minute(), status, holder];
        digest.update(format!("{}\n", cells.join("\t")).as_bytes());
    }
    let digest = &digest.finalize().to_hex()[..32];
    // A month that is longer than a ledger goes is not passed off as a whole one.
    let whole = if cut { "PART" } else { "WHOLE" };
    let code = format!("TONGBAN-LEDGER {} {month} {whole} {} {digest}", desk.console.hall.me(), views.len());
    let rows = views.into_iter().enumerate().skip(part * PRINTED).take(PRINTED);
    let sheet = LedgerSheet {
        shell: &desk.shell,
        today: desk.today().to_string(),
        rows: rows.map(|(index, one)| (index + 1, one)).collect(),
        totals: totals(&lines).collect(),
        all: lines.len(),
        part,
        parts,
        qr: crate::print::qr(&code).unwrap_or_default(),
        code,
        cut: cut.then_some(CUT),
        month,
    };
    Ok(render(&sheet))
}

/// The cases of a month, newest first, and whether there are more than can be shown.
async fn month_of(desk: &Desk, month: &str) -> Result<(Vec<CaseLine>, bool), Fault> {
    let most = ledger_max(desk.shell.tier);
    let mut lines: Vec<CaseLine> = Vec::new();
    let mut query = CaseQuery {
        order: CaseOrder::NewestFirst,
        within: desk.within(),
        limit: 200,
        ..CaseQuery::default()
    };
    loop {
        let piece = desk.console.hall.store.cases(query.clone()).await?;
        for line in &piece {
            let captured = line.captured_at.day();
            if captured.to_string().starts_with(month) {
                if lines.len() == most {
                    return Ok((lines, true));
                }
                lines.push(line.clone());
            }
            // Villages' clocks and delays mix the order a little: a case from well before the month ends the search.
            if is_long_before(captured, month) {
                return Ok((lines, false));
            }
        }
        match piece.last().filter(|_| piece.len() == 200) {
            Some(last) => query.after = Some(last.case.clone()),
            None => return Ok((lines, false)),
        }
    }
}

fn is_long_before(day: domain::Day, month: &str) -> bool {
    format!("{month}-01").parse::<domain::Day>().is_ok_and(|first| first.days_since(day) > 62)
}

fn csv(desk: &Desk, month: &str, cases: &[CaseView], cut: bool) -> Response {
    let head = ["办件编号", "事项", "申请人", "状态", "现在何处", "收件时间"];
    let mut table = Table::new(head.map(|cell| desk.t(cell)));
    for case in cases {
        table.row([case.case.as_str(), &case.item, &case.applicant, &case.status, &case.holder, &case.at]);
    }
    if cut {
        table.row([desk.t(CUT)]);
    }
    table.file(&format!("ledger-{month}"))
}
