//! `verify-document`: is this paper what it says it is? Answered from what the node knows, with no network.

use crate::cli::Common;
use crate::serve::Opened;
use anyhow::{Context, Result, bail};
use casework::reconcile::SlipFinding;
use domain::Day;
use domain::paper::PaperContent;
use serde_json::json;
use sha2::{Digest, Sha256};
use std::process::ExitCode;
use trust::{ReceiptClaim, SealClaim};

/// Where a printed paper carries its sealed content and its code, so that a file proves itself.
const CONTENT_MARK: (&str, &str) = ("<script type=\"application/json\" id=\"tongban-paper\">", "</script>");
const CODE_MARK: (&str, &str) = ("data-tongban-code=\"", "\"");

/// # Errors
/// Saying why the paper cannot be believed.
pub(crate) async fn verify(common: &Common, opened: &Opened, paper: &str) -> Result<ExitCode> {
    if ReceiptClaim::decode(paper).is_some() {
        return receipt(common, opened, paper).await;
    }
    let (code, content) = if paper.starts_with("TBP1|") {
        (paper.to_owned(), None)
    } else {
        let text = std::fs::read_to_string(paper).with_context(|| format!("read {paper}"))?;
        let code = between(&text, CODE_MARK).context("文件中没有文书二维码:不是本系统打印的盖章文书")?;
        let content = between(&text, CONTENT_MARK).context("文件中没有盖章内容:文件可能被改动过")?;
        // In a script element only `<` had to be escaped.
        (code.to_owned(), Some(content.replace("\\u003c", "<")))
    };
    let claim = SealClaim::decode(&code).context("二维码内容不完整,请重新扫描")?;
    let today = opened.hall.now().day();
    let (content, day) = match content {
        None => (None, today),
        Some(text) => {
            if Sha256::digest(text.as_bytes()).as_slice() != claim.content_hash {
                bail!("内容与印章不符:文件被改动过");
            }
            let content: PaperContent = serde_json::from_str(&text).context("文书内容无法读取")?;
            let day = content.day;
            (Some(content), day)
        }
    };
    opened.hall.verify_claim(&claim, day)?;
    report(common, &claim, content.as_ref(), day)
}

/// A citizen's slip: is it genuine, and is the case here?
async fn receipt(common: &Common, opened: &Opened, text: &str) -> Result<ExitCode> {
    let (claim, finding) = opened.hall.look_at_slip(text).await?;
    if common.json {
        let ReceiptClaim { case, node, entry_hash, .. } = claim;
        println!(
            "{}",
            json!({ "valid": true, "case": case, "node": node, "entry": entry_hash, "finding": finding })
        );
        return Ok(ExitCode::SUCCESS);
    }
    println!("真实:{} 已由 {} 收件,日志条目 {}", claim.case, claim.node, claim.entry_hash);
    println!(
        "{}",
        match finding {
            SlipFinding::Here => "本节点有此件,条目一致",
            SlipFinding::FiledAgain => "本节点有此件;该村恢复数据后重新归档,凭证上的条目以首次归档为准",
            SlipFinding::NotHere => "本节点没有此件:还在途中,或被扣留;已记为异常,请联系该村和所属镇",
        }
    );
    Ok(ExitCode::SUCCESS)
}

fn report(common: &Common, claim: &SealClaim, content: Option<&PaperContent>, day: Day) -> Result<ExitCode> {
    if common.json {
        let paper = json!({ "valid": true, "number": claim.number, "seal": claim.seal, "ledger_no": claim.ledger_no, "content": content });
        println!("{paper}");
        return Ok(ExitCode::SUCCESS);
    }
    println!(
        "真实:{}({} 第 {} 号章,用印台账第 {} 号)",
        claim.number, claim.seal.owner, claim.seal.no, claim.ledger_no
    );
    match content {
        Some(content) => println!("{} {} {} {day}", content.title, content.applicant, content.item_name),
        None => println!("二维码只含文号和印章;请与纸面文号核对"),
    }
    Ok(ExitCode::SUCCESS)
}

fn between<'t>(text: &'t str, (before, after): (&str, &str)) -> Option<&'t str> {
    let start = text.find(before)? + before.len();
    let length = text[start..].find(after)?;
    Some(&text[start..start + length])
}
