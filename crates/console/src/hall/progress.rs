//! 查进度 by number and the last four of the applicant's number, and 验真: whether a paper is what it says.

use super::{Filled, Visitor, answer};
use crate::Console;
use crate::fault::Fault;
use crate::hall::mine::Standing;
use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use casework::Waiting;
use casework::reconcile::SlipFinding;
use domain::library::LicenceState;
use domain::paper::PaperKind;
use domain::{CaseNo, Day, LicenceNo};
use serde::Deserialize;
use trust::{ReceiptClaim, SealClaim};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/hall/progress", get(ask).post(look))
        .route("/hall/verify", get(ask_paper).post(verify))
}

#[derive(Template)]
#[template(path = "hall/progress.html")]
struct ProgressPage<'a> {
    hall: &'a Visitor,
    number: &'a str,
    standing: Option<Standing>,
    /// Handed in in the hall, and not taken in by the town yet.
    waiting: Option<Waiting>,
    wrong: String,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Asked {
    /// A case number, or the whole text of a slip's code.
    number: String,
}

/// The case number in what was typed or scanned: the code of a slip says more than the number.
pub(super) fn number_in(text: &str) -> String {
    if let Some(claim) = ReceiptClaim::decode(text.trim()) {
        return claim.case.to_string();
    }
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let number = words.map(str::to_uppercase).find(|word| word.parse::<CaseNo>().is_ok());
    number.unwrap_or_else(|| text.trim().to_owned())
}

async fn ask(visitor: Visitor, Query(asked): Query<Asked>) -> Response {
    let number = number_in(&asked.number);
    let (standing, waiting) = (None, None);
    answer(false, &ProgressPage { hall: &visitor, number: &number, standing, waiting, wrong: String::new() })
}

async fn look(filled: Filled) -> Result<Response, Fault> {
    let (visitor, posted) = (&filled.visitor, &filled.posted);
    let number = number_in(posted.get("number"));
    let (guesses, now) = (&visitor.console.citizens.guesses, visitor.now());
    let mut waiting = None;
    let (standing, wrong) = match guesses.wait(&number, &visitor.source, now) {
        Some(seconds) => (None, format!("查询太频繁,请 {seconds} 秒后再试")),
        // Counted before it is known: whoever hangs up in between has guessed all the same.
        None => {
            guesses.guessed(&number, &visitor.source, now);
            let (hall, last_four) = (&visitor.console.hall, posted.get("last_four"));
            let standing = hall.progress(&number, last_four).await?;
            waiting = match &standing {
                None => hall.waiting_progress(&number, last_four).await?,
                Some(_) => None,
            };
            match standing {
                Some(view) => {
                    guesses.was_right(&number);
                    (Some(Standing::of(visitor, &view)), String::new())
                }
                None if waiting.is_some() => {
                    guesses.was_right(&number);
                    (None, String::new())
                }
                None => (None, "没有查到:请核对办件编号和申请人证件号的后四位".to_owned()),
            }
        }
    };
    let wrong = visitor.t(&wrong).into_owned();
    let page = ProgressPage { hall: visitor, number: &number, standing, waiting, wrong };
    Ok(answer(!page.wrong.is_empty(), &page))
}

#[derive(Template)]
#[template(path = "hall/verify.html")]
struct VerifyPage<'a> {
    hall: &'a Visitor,
    code: &'a str,
    /// Genuine, and it counts.
    good: bool,
    /// What the paper is, if it is genuine: label and value.
    facts: Facts,
    wrong: String,
}

async fn ask_paper(visitor: Visitor) -> Response {
    answer(
        false,
        &VerifyPage { hall: &visitor, code: "", good: false, facts: Vec::new(), wrong: String::new() },
    )
}

type Facts = Vec<(&'static str, String)>;

/// What is to be believed of a paper.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Verdict {
    /// Genuine, and it counts.
    Good,
    /// Genuine, and it does not count (any more), or not yet.
    Lapsed,
}

/// What a paper is, by its code or a licence by its number; or why it is not believed.
async fn found(visitor: &Visitor, code: &str, day: Day) -> Result<(Verdict, Facts), String> {
    let hall = &visitor.console.hall;
    let said = |text: &str| visitor.t(text).into_owned();
    if let Some(claim) = SealClaim::decode(code) {
        hall.verify_claim(&claim, day).map_err(|fault| format!("核验不通过:{fault}"))?;
        let kind = match claim.kind {
            PaperKind::Decision => "决定书",
            PaperKind::NotAccepted => "不予受理通知书",
        };
        let owner = claim.seal.owner.parse().ok().zip(hall.store.pack(None));
        let owner = owner.map(|(body, (_, pack))| pack.org_name(&body).to_owned());
        let facts = vec![
            ("文书", said(kind)),
            ("文号", claim.number.clone()),
            ("印章", owner.unwrap_or_else(|| claim.seal.owner.clone())),
            ("用印登记号", claim.ledger_no.to_string()),
        ];
        return Ok((Verdict::Good, facts));
    }
    if let Ok(number) = code.parse::<LicenceNo>() {
        let licence = hall.licence_view(&number).await.map_err(|error| error.to_string())?;
        let state = match licence.state {
            LicenceState::Valid => "有效",
            LicenceState::Suspended => "暂停使用",
            LicenceState::Revoked => "已撤销",
        };
        let over = licence.until.is_some_and(|until| until < day);
        let state = if over && licence.state == LicenceState::Valid { "已过有效期" } else { state };
        let counts = !over && licence.state == LicenceState::Valid;
        let until = licence.until.map_or(said("长期"), |day| day.to_string());
        let facts = vec![
            ("电子证照编号", licence.number.to_string()),
            ("状态", said(state)),
            ("发证日期", licence.issued_on.to_string()),
            ("有效期至", until),
            ("核对到", licence.status_as_of.to_string()),
        ];
        return Ok((if counts { Verdict::Good } else { Verdict::Lapsed }, facts));
    }
    if ReceiptClaim::decode(code).is_some() {
        let (claim, finding) = hall.look_at_slip(code).await.map_err(|error| error.to_string())?;
        let verdict = match finding {
            SlipFinding::Here | SlipFinding::FiledAgain => Verdict::Good,
            SlipFinding::NotHere => Verdict::Lapsed,
        };
        let finding = match finding {
            SlipFinding::Here | SlipFinding::FiledAgain => "这份申请市里已经收到",
            SlipFinding::NotHere => "回执是真的,申请还没有传到市里;已登记为待查,请联系收件的代办点",
        };
        return Ok((verdict, vec![("收件回执", claim.case.to_string()), ("核对结果", said(finding))]));
    }
    Err("不是本系统文书的二维码;请对准文书上的二维码重新扫描".to_owned())
}

async fn verify(filled: Filled) -> Result<Response, Fault> {
    let (visitor, posted) = (&filled.visitor, &filled.posted);
    let code = posted.get("code");
    let day = match posted.get("day") {
        "" => visitor.today(),
        text => text.parse().map_err(|_| Fault::unfit("日期应如 2026-12-10"))?,
    };
    let (good, facts, wrong) = match found(visitor, code, day).await {
        Ok((verdict, facts)) => (verdict == Verdict::Good, facts, String::new()),
        Err(wrong) => (false, Vec::new(), wrong),
    };
    let wrong = visitor.t(&wrong).into_owned();
    let page = VerifyPage { hall: visitor, code, good, facts, wrong };
    Ok(answer(!page.wrong.is_empty(), &page))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_found_in_whatever_was_scanned() {
        let case = CaseNo::make(&"v-1".parse().unwrap(), "2026-11-23".parse().unwrap(), 7).to_string();
        assert_eq!(number_in(&format!(" {} ", case.to_lowercase())), case);
        assert_eq!(number_in(&format!("编号 {case},请保管好")), case);
        assert_eq!(number_in("not a number"), "not a number");
    }
}
