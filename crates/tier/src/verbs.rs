//! The verbs every tier has, carried out on a node's data, whether or not a process is serving it.

use crate::at_rest::{Locked, RingFile};
use crate::cli::{AuditVerb, BackupVerb, CalendarVerb, Common, Verb};
use crate::keeping;
use crate::serve::{Opened, Parts, Start, start};
use anyhow::{Context, Result, bail};
use casework::reconcile::Balance;
use domain::access::Jurisdiction;
use runtime::{DataLock, Shutdown};
use serde_json::json;
use std::process::ExitCode;
use store::Store;

/// Exit code of a node that works but needs attention.
pub const DEGRADED: u8 = 3;

/// # Errors
/// With what to do about it; printed by `main`, exit 1.
pub async fn run(common: &Common, verb: Verb) -> Result<ExitCode> {
    run_with(common, verb, Parts::default()).await
}

/// As [`run`]; a serving node works with these parts.
///
/// # Errors
/// As [`run`].
pub async fn run_with(common: &Common, verb: Verb, parts: Parts) -> Result<ExitCode> {
    match verb {
        Verb::Serve => serve(common, parts).await,
        Verb::Version => {
            println!("{}", json!({ "version": env!("CARGO_PKG_VERSION") }));
            Ok(ExitCode::SUCCESS)
        }
        Verb::Doctor => crate::doctor::run(common).await,
        Verb::Key { verb } => crate::at_rest::run(common, verb).await,
        Verb::Backup { verb: Some(BackupVerb::List { from }), .. } => keeping::list(common, &from),
        Verb::Restore { from, dry_run, persons } => keeping::restore(common, &from, dry_run, &persons).await,
        other => on_data(common, other).await,
    }
}

async fn serve(common: &Common, parts: Parts) -> Result<ExitCode> {
    // Taken before anything is opened and held until the database is closed.
    let _lock = DataLock::take(&common.data_dir)?;
    let data = &common.data_dir;
    let key = common.unlock.open_unattended(data);
    let stopped = Shutdown::asked_by_system();
    tokio::pin!(stopped);
    let running = if key.is_none() && RingFile::of(data).exists() {
        let locked = Locked::serve(data, parts).await?;
        tokio::select! {
            () = &mut stopped => return Ok(ExitCode::SUCCESS),
            opened = locked.opened() => opened?,
        }
    } else {
        start(Start { data, parts, key }).await?
    };
    stopped.await;
    tracing::info!("stopping: finishing what was begun");
    running.stop().await;
    Ok(ExitCode::SUCCESS)
}

async fn on_data(common: &Common, verb: Verb) -> Result<ExitCode> {
    let opened = common.open()?;
    match verb {
        Verb::Status => status(common, &opened).await,
        Verb::VerifyLog => verify(common, &opened).await,
        Verb::ExportBag { to, r#for } => export(common, &opened, &to, r#for).await,
        Verb::ImportBag { file } => import(common, &opened, &file).await,
        Verb::Rebuild => {
            opened.store.rebuild(opened.hall.now()).await?;
            println!("projections were folded anew; state {}", opened.store.state_hash().await?);
            Ok(ExitCode::SUCCESS)
        }
        Verb::Cert { verb } => crate::certificate::run(common, &opened, verb).await,
        Verb::Backup { to, .. } => keeping::back_up(common, &opened, to).await,
        Verb::Recover { without, take_over } => keeping::recover(common, &opened, without, take_over).await,
        Verb::User { verb } => crate::users::run(common, &opened, verb).await,
        Verb::Audit { verb: AuditVerb::Export { to, persons } } => {
            crate::persons::export_audit(common, &opened, &to, &persons).await
        }
        Verb::Warnings => warnings(common, &opened).await,
        Verb::Reconcile { sign } => keeping::reconcile(common, &opened, sign).await,
        Verb::Explain { case } => explain(common, &opened, &case).await,
        Verb::VerifyDocument { paper } => crate::paper::verify(common, &opened, &paper).await,
        Verb::Calendar { verb: CalendarVerb::Due { anchor, working_days } } => {
            due(common, &opened, anchor, working_days)
        }
        Verb::Serve | Verb::Doctor | Verb::Key { .. } | Verb::Version | Verb::Restore { .. } => {
            bail!("handled before the data is opened")
        }
    }
}

async fn explain(common: &Common, opened: &Opened, case: &domain::CaseNo) -> Result<ExitCode> {
    let view = opened.hall.view(case).await?;
    if common.json {
        println!("{}", serde_json::to_string(&view.timers)?);
        return Ok(ExitCode::SUCCESS);
    }
    println!("{} {} {}", view.case, view.item_name, view.status_text);
    for timer in view.timers {
        println!("\n{}", timer.name);
        timer.lines.iter().for_each(|line| println!("  {line}"));
    }
    Ok(ExitCode::SUCCESS)
}

async fn warnings(common: &Common, opened: &Opened) -> Result<ExitCode> {
    let warnings = opened.hall.warnings(Jurisdiction::Everything, 1000).await?;
    if common.json {
        println!("{}", serde_json::to_string(&warnings)?);
        return Ok(ExitCode::SUCCESS);
    }
    for warning in &warnings {
        println!("{} {} 剩 {} 个工作日", warning.case, warning.item_name, warning.days_left);
        for limit in &warning.limits {
            println!("  {} {},截止 {}", limit.rung.chinese(), limit.timer.chinese(), limit.due);
        }
    }
    println!("{} 件临期或超期", warnings.len());
    Ok(ExitCode::SUCCESS)
}

fn due(common: &Common, opened: &Opened, anchor: domain::Day, working_days: u32) -> Result<ExitCode> {
    let due = opened.hall.due(anchor, working_days)?;
    if common.json {
        println!("{}", serde_json::to_string(&due)?);
    } else {
        let mark = if due.provisional { "(暂定)" } else { "" };
        println!("{} 起 {} 个工作日:{}{mark}\n{}", due.anchor, due.working_days, due.due, due.calendar);
    }
    Ok(ExitCode::SUCCESS)
}

async fn status(common: &Common, opened: &Opened) -> Result<ExitCode> {
    let (counts, outbox) = (opened.hall.counts().await?, opened.hall.outbox().await?);
    let contacts = opened.store.contacts().await?;
    let recovery = opened.store.recovery();
    let balance = opened.hall.reconcile().await?;
    let withheld = balance.totals.contains_key(&Balance::Withheld);
    let degraded = counts.held > 0 || counts.quarantined > 0 || recovery.is_some() || withheld;
    if common.json {
        let nodes = opened.hall.nodes().await?;
        let status = json!({ "node": opened.config.id, "name": opened.config.name, "counts": counts, "outbox": outbox, "contacts": contacts, "nodes": nodes, "recovery": recovery, "reconciliation": balance.totals });
        println!("{status}");
    } else {
        println!("{} {}", opened.config.id, opened.config.name);
        for (status, count) in &counts.by_status {
            println!("  {status:<12} {count}");
        }
        println!(
            "  本节点日志 {} 条,上级已收 {},市已收 {},待上传 {}",
            outbox.own_head, outbox.parent_has, outbox.hub_has, outbox.waiting
        );
        println!(
            "  待办 {},草稿 {},附件未到 {},挂起 {},隔离 {}",
            counts.tasks, counts.drafts, counts.attachments_missing, counts.held, counts.quarantined
        );
        println!("  {}", keeping::totals(&balance));
        recovery.iter().for_each(|recovery| println!("  {}", keeping::sentence(recovery)));
    }
    Ok(if degraded { ExitCode::from(DEGRADED) } else { ExitCode::SUCCESS })
}

async fn verify(common: &Common, opened: &Opened) -> Result<ExitCode> {
    let report = opened.store.verify_log(opened.keys.clone()).await?;
    if common.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!(
            "{} journals, {} entries, {} signatures, {} audit rows",
            report.journals, report.entries, report.signatures, report.audit_rows
        );
        report.faults.iter().for_each(|fault| println!("FAULT {fault}"));
    }
    Ok(if report.faults.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn export(
    common: &Common,
    opened: &Opened,
    to: &std::path::Path,
    peer: Option<domain::NodeId>,
) -> Result<ExitCode> {
    let parent = opened.config.parent.as_ref().map(|parent| parent.id.clone());
    let peer = peer.or(parent).context("the hub has no parent: say --for NODE")?;
    let stamp = opened.hall.now().to_minute().replace([' ', ':', '-'], "");
    std::fs::create_dir_all(to)?;
    let path = to.join(format!("{}-to-{peer}-{stamp}.tbag", opened.config.id));
    let temporary = path.with_extension("part");
    let file = tokio::fs::File::create(&temporary).await;
    let mut file = file.with_context(|| format!("write {}", temporary.display()))?;
    let entries = link::bag::export(&opened.node(), &peer, tokio::io::BufWriter::new(&mut file)).await?;
    // The courier may pull the stick as soon as we say done.
    file.sync_all().await?;
    std::fs::rename(&temporary, &path)?;
    if common.json {
        println!("{}", json!({ "file": path, "entries": entries, "for": peer }));
    } else {
        println!("{} entries for {peer} in {}", entries, path.display());
    }
    Ok(ExitCode::SUCCESS)
}

async fn import(common: &Common, opened: &Opened, file: &std::path::Path) -> Result<ExitCode> {
    let input = tokio::fs::File::open(file).await.with_context(|| format!("open {}", file.display()))?;
    let report = link::bag::import(&opened.node(), tokio::io::BufReader::new(input)).await?;
    if common.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("from {}: {} runs taken, {} attachments", report.from, report.runs, report.attachments);
        report.refused.iter().for_each(|line| println!("refused {line}"));
        if !report.note.is_empty() {
            println!("{}", report.note);
        }
    }
    let clean = report.complete && report.refused.is_empty();
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::from(DEGRADED) })
}
