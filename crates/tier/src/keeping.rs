//! The verbs that keep a node's data: backup, restore, and what follows a restore.

use crate::backup::{self, Made, Plan};
use crate::cli::{Common, TwoPersons};
use crate::serve::{Opened, Parts};
use crate::verbs::DEGRADED;
use anyhow::{Context, Result};
use casework::reconcile::{Balance, Reconciliation};
use domain::NodeId;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use store::{Recovery, Store, WhyRecovering};

pub(crate) async fn back_up(common: &Common, opened: &Opened, to: Option<PathBuf>) -> Result<ExitCode> {
    let to = to.context("say where: backup --to FOLDER (another disk than this one)")?;
    let made = backup::back_up(opened, &to).await?;
    if common.json {
        println!("{}", serde_json::to_string(&made)?);
    } else {
        let Made { folder, entries, attachments, copied, bytes, state, missing } = &made;
        println!("{}", folder.display());
        println!("  日志 {entries} 条,附件 {attachments} 份(新拷 {copied} 份),共写 {bytes} 字节,已逐项核验");
        println!("  案卷状态 {state}");
        match opened.key {
            Some(_) => println!("  备份与本机数据用同一把钥匙加密:代办员口令、钥匙文件或市中心可以打开"),
            None => println!("  备份含本节点的密钥:请与数据盘分开保管,并像数据盘一样保密"),
        }
        missing.iter().for_each(|hash| println!("  附件 {hash} 本机登记有、盘上没有"));
    }
    Ok(if made.missing.is_empty() { ExitCode::SUCCESS } else { ExitCode::from(DEGRADED) })
}

pub(crate) fn list(common: &Common, from: &Path) -> Result<ExitCode> {
    let found = backup::list(from)?;
    if common.json {
        println!("{}", serde_json::to_string(&found)?);
        return Ok(ExitCode::SUCCESS);
    }
    for one in &found {
        let (time, folder) = (one.made_at.to_minute(), one.folder.display());
        println!("{time}  {}  日志 {} 条,附件 {} 份  {folder}", one.node, one.entries, one.attachments);
    }
    println!("{} 份备份", found.len());
    Ok(ExitCode::SUCCESS)
}

pub(crate) async fn restore(
    common: &Common,
    from: &Path,
    dry_run: bool,
    persons: &TwoPersons,
) -> Result<ExitCode> {
    if !dry_run {
        backup::authorise(from, persons).await?;
    }
    let key = backup::key_of(from, &common.data_dir, &common.unlock)?;
    let plan = backup::restore(from, &common.data_dir, dry_run, &Parts::default(), key).await?;
    if common.json {
        println!("{}", serde_json::to_string(&plan)?);
        return Ok(ExitCode::SUCCESS);
    }
    let Plan { node, made_at, entries, attachments, moved_to, own_entries_after, awaited, done } = plan;
    println!("{node} {} 的备份完好:日志 {entries} 条,附件 {attachments} 份", made_at.to_minute());
    match own_entries_after {
        Some(0) => {}
        Some(count) => println!(
            "  现有数据在备份之后还写了 {count} 条:传出去的,恢复后由上下级传回;没有传出去的,只在现有数据里"
        ),
        None => println!("  现有数据读不出来,备份之后写了什么不得而知:请留着移开的文件夹"),
    }
    if let Some(aside) = &moved_to {
        let verb = if done { "已移到" } else { "将移到" };
        println!("  现有数据{verb} {}(不会删除)", aside.display());
    }
    if !done {
        println!("  以上是演练,什么也没有改动");
        return Ok(ExitCode::SUCCESS);
    }
    match awaited.is_empty() {
        true => println!("  已恢复;下一步:serve"),
        false => println!("  已恢复;下一步:serve,联网后与 {} 核对日志,recover 可查看进展", names(&awaited)),
    }
    Ok(ExitCode::SUCCESS)
}

fn names(nodes: &[NodeId]) -> String {
    nodes.iter().map(NodeId::as_str).collect::<Vec<_>>().join("、")
}

pub(crate) async fn recover(
    common: &Common,
    opened: &Opened,
    without: Vec<NodeId>,
    take_over: bool,
) -> Result<ExitCode> {
    let left = match without.is_empty() && !take_over {
        true => opened.store.recovery(),
        false => opened.store.settle_recovery(without, take_over, opened.hall.now()).await?,
    };
    if common.json {
        println!("{}", serde_json::json!({ "recovery": left }));
    } else {
        println!(
            "{}",
            left.as_deref().map_or("没有需要恢复的:本节点的日志与上下级一致".to_owned(), sentence)
        );
    }
    Ok(if left.is_none() { ExitCode::SUCCESS } else { ExitCode::from(DEGRADED) })
}

pub(crate) fn totals(balance: &Reconciliation) -> String {
    let count = |(state, count): (&Balance, &u64)| format!("{} {count}", state.chinese());
    let counts: Vec<String> = balance.totals.iter().map(count).collect();
    format!(
        "对账 {} 处:{}",
        balance.villages.len(),
        if counts.is_empty() { "—".to_owned() } else { counts.join(",") }
    )
}

pub(crate) async fn reconcile(common: &Common, opened: &Opened, sign: bool) -> Result<ExitCode> {
    let balance = match sign {
        true => opened.hall.sign_reconciliation().await?,
        false => opened.hall.reconcile().await?,
    };
    if common.json {
        println!("{}", serde_json::to_string(&balance)?);
    } else {
        for line in balance.villages.iter().filter(|line| line.balance != Balance::Balanced) {
            let since = line.since.map_or(String::new(), |since| format!(",自 {}", since.to_minute()));
            println!(
                "{} {}:收件 {} 条,镇已收 {},市已收 {},隔离 {},{}{since}",
                line.village,
                line.name,
                line.captured.entries,
                line.at_town.entries,
                line.at_hub.entries,
                line.quarantined,
                line.balance.chinese()
            );
        }
        println!("{}", totals(&balance));
    }
    let withheld = balance.totals.contains_key(&Balance::Withheld);
    Ok(if withheld { ExitCode::from(DEGRADED) } else { ExitCode::SUCCESS })
}

/// Where a recovery stands, and what to do.
pub(crate) fn sentence(recovery: &Recovery) -> String {
    let Recovery { since, why, closed, .. } = recovery;
    let awaited = recovery.awaited_names();
    let writes = if *closed { "核对完以前不能办理" } else { "可照常录入" };
    match why {
        WhyRecovering::Superseded => format!(
            "另一份拷贝已接替本节点({} 发现),这一份不再办理;如应以这一份为准:recover --take-over",
            since.to_minute()
        ),
        WhyRecovering::Restored => {
            format!(
                "{} 从备份恢复,等 {awaited} 核对日志,{writes};确实联系不上的:recover --without 节点",
                since.to_minute()
            )
        }
        WhyRecovering::Behind => format!(
            "{} 发现本机数据比 {awaited} 手里的旧,正在取回自己的日志,{writes};确实联系不上的:recover --without 节点",
            since.to_minute()
        ),
    }
}
