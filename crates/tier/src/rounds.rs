//! What a serving node does again and again without being asked: limits, alerts, answers of the library, contacts.

use crate::at_rest::Keeper;
use casework::Hall;
use casework::reconcile::{Balance, VillageBalance};
use domain::network::Tier;
use domain::{NodeId, Timestamp};
use link::credentials::Credentials;
use std::sync::Arc;
use std::time::Duration;
use store::Change;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use trust::{CaFolder, SealFolder};

/// Regular work by the clock of the hall: at the start, then every so often, and as soon as another day has begun.
struct Rounds {
    every: Duration,
    last: Option<Timestamp>,
}

impl Rounds {
    fn every(every: Duration) -> Rounds {
        Rounds { every, last: None }
    }
    async fn due(&mut self, hall: &Hall) {
        const LOOK: Duration = Duration::from_secs(5);
        while let Some(last) = self.last {
            let now = hall.now();
            let waited = now.as_ms() - last.as_ms();
            // A clock that was set back does not put off the next round by as much.
            if waited < 0 || waited as u128 >= self.every.as_millis() || now.day() != last.day() {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        // What may not write has no rounds to do.
        while hall.store.recovery().is_some_and(|recovery| recovery.may_write().is_err()) {
            tokio::time::sleep(LOOK).await;
        }
        self.last = Some(hall.now());
    }
}

/// A department that a new release brings gets its seal at once, whoever published the release: its first decision is not to wait
/// for a restart.
pub(crate) async fn seal_new_bodies(hall: Hall, folder: SealFolder) {
    let mut changes = hall.store.changes();
    loop {
        match changes.recv().await {
            Ok(change) if !change.reference_data => continue,
            Err(RecvError::Closed) => return,
            Ok(_) | Err(RecvError::Lagged(_)) => {}
        }
        if hall.store.recovery().is_some_and(|recovery| recovery.may_write().is_err()) {
            continue;
        }
        if let Err(error) = crate::serve::ensure_seals(&hall, &folder).await {
            tracing::error!(%error, "a department of the new release has no seal yet");
        }
    }
}

/// Lets the law accept what nobody answered in time, and counts limits anew when a calendar was published.
pub(crate) async fn watch_limits(hall: Hall) {
    let (mut rounds, mut counted_on) = (Rounds::every(Duration::from_secs(600)), None);
    loop {
        rounds.due(&hall).await;
        if let Err(error) = hall.deem_accepted().await {
            tracing::warn!(%error, "the limits of unanswered cases were not checked");
        }
        if let Err(error) = hall.lapse_commitments().await {
            tracing::warn!(%error, "the deadlines of promised papers were not checked");
        }
        let newest = hall.pack(None).ok().map(|(release, _)| release);
        if newest == counted_on {
            continue;
        }
        match hall.reproject().await {
            Ok(moved) => {
                counted_on = newest;
                tracing::info!(moved, release = newest, "limits counted on the newest calendar");
            }
            Err(error) => tracing::warn!(%error, "the limits were not counted on the newest calendar"),
        }
    }
}

/// Waits for the next change. A listener that fell behind asks all the same; false of a store that has closed: it ends with the
/// process.
async fn goes_on(changes: &mut Receiver<Change>) -> bool {
    !matches!(changes.recv().await, Err(RecvError::Closed))
}

/// Lists cases under their persons behind the work: what came while one was listed waits for the next round, and a question
/// after somebody's cases does not.
pub(crate) async fn list_persons(hall: Hall) {
    let mut changes = hall.store.changes();
    loop {
        match hall.store.list_persons().await {
            Ok(false) => {
                if !goes_on(&mut changes).await {
                    return;
                }
                tokio::time::sleep(Duration::from_secs(10)).await;
            }
            Ok(true) => {}
            Err(error) => {
                tracing::warn!(%error, "cases were not listed under their persons");
                tokio::time::sleep(Duration::from_secs(60)).await;
            }
        }
    }
}

/// Answers what cases ask of the licence library, as soon as they ask.
pub(crate) async fn lend(hall: Hall) {
    const EVERY: Duration = Duration::from_secs(60);
    let (mut changes, mut due) = (hall.store.changes(), tokio::time::interval(EVERY));
    loop {
        if let Err(error) = hall.answer_library().await {
            tracing::warn!(%error, "the licence library did not answer");
        }
        tokio::select! {
            goes_on = goes_on(&mut changes) => {
                if !goes_on {
                    return;
                }
            }
            _ = due.tick() => {}
        }
    }
}

/// Takes in what citizens handed in for this town, as soon as it has come.
pub(crate) async fn take_in_online(hall: Hall) {
    const EVERY: Duration = Duration::from_secs(60);
    let (mut changes, mut due) = (hall.store.changes(), tokio::time::interval(EVERY));
    let mut left = casework::LeftLying::default();
    loop {
        let may_write = hall.store.recovery().is_none_or(|recovery| recovery.may_write().is_ok());
        if may_write && let Err(error) = hall.take_in_online(&mut left).await {
            tracing::warn!(%error, "online applications were not taken in");
        }
        tokio::select! {
            goes_on = goes_on(&mut changes) => {
                if !goes_on {
                    return;
                }
            }
            _ = due.tick() => left.ask_again(),
        }
    }
}

/// Says aloud which town leaves applications of citizens lying, and throws away what nobody finished.
pub(crate) async fn watch_applications(hall: Hall) {
    let mut rounds = Rounds::every(Duration::from_secs(3600));
    loop {
        rounds.due(&hall).await;
        match hall.waiting_applications().await {
            Ok(waiting) => {
                for late in waiting.iter().filter(|one| one.overdue) {
                    let (case, town) = (&late.application.case, &late.application.town);
                    tracing::error!(%case, node.id = %town, "a town has left an online application lying for more than a working day");
                }
            }
            Err(error) => tracing::warn!(%error, "online applications were not looked through"),
        }
        if let Err(error) = hall.forget_old_online_drafts().await {
            tracing::warn!(%error, "old drafts of the hall were not thrown away");
        }
    }
}

/// Looks for limits that are near or over.
pub(crate) async fn supervise(hall: Hall) {
    let mut rounds = Rounds::every(Duration::from_secs(3600));
    loop {
        rounds.due(&hall).await;
        match hall.supervise().await {
            Ok(sweep) if sweep.raised + sweep.disproved > 0 => {
                tracing::info!(sweep.cases, sweep.raised, sweep.disproved, "supervised");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "the cases were not supervised"),
        }
    }
}

/// Tells the hub, now and then, when the villages were last heard.
pub(crate) async fn report_contacts(hall: Hall) {
    const EVERY: Duration = Duration::from_secs(20);
    let mut reported = Vec::new();
    loop {
        tokio::time::sleep(EVERY).await;
        match hall.report_contacts(&reported).await {
            Ok(now) => reported = now,
            Err(error) => tracing::warn!(%error, "contacts are not reported"),
        }
    }
}

/// The hub is its own authority: it renews its certificate itself, at half life or when it has run out, and the issuer too.
pub(crate) async fn renew_own(hall: Hall, credentials: Arc<Credentials>, ca: Arc<CaFolder>) {
    let mut rounds = Rounds::every(Duration::from_secs(3600));
    let mut changed = credentials.watch();
    loop {
        tokio::select! {
            () = rounds.due(&hall) => {}
            _ = changed.changed() => {}
        }
        renew_issuer(&hall, &ca).await;
        if !credentials.is_due(hall.now()) {
            continue;
        }
        match crate::certificate::renew_own(&hall, &credentials, &ca) {
            Ok(()) => tracing::info!("the hub's own certificate was renewed"),
            Err(error) => tracing::error!(%error, "the hub's own certificate was not renewed; next: doctor"),
        }
    }
}

/// An issuer that ran out would shut every door of the city on one day.
async fn renew_issuer(hall: &Hall, ca: &CaFolder) {
    let now = hall.now();
    match ca.issuer_is_due(now) {
        Ok(false) => {}
        Ok(true) if !ca.has_authority_key() => tracing::error!(
            "the issuer of certificates has lived half its life; next: bring the authority's key, then ca renew-issuer"
        ),
        Ok(true) => match ca.renew_issuer(now) {
            Ok(()) => {
                tracing::info!("a new issuer of certificates was made");
                if let Err(error) = hall.store.note_act(now, "hub", "renew issuer", "").await {
                    tracing::error!(%error, "the new issuer is not noted in the audit");
                }
            }
            Err(error) => tracing::error!(%error, "the issuer was not renewed; next: ca renew-issuer"),
        },
        Err(error) => tracing::error!(%error, "the city's authority cannot be used; next: doctor"),
    }
}

/// Believes the authorities of the newest trust bundle as soon as it has come.
pub(crate) async fn believe(hall: Hall, credentials: Arc<Credentials>) {
    let mut changes = hall.store.changes();
    loop {
        match hall.store.read_trust_bundle().await {
            Ok(Some(bundle)) => {
                if let Err(error) = credentials.believe(&bundle) {
                    let version = bundle.version;
                    tracing::error!(%error, version, "the trust bundle cannot be followed; next: doctor");
                }
            }
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "the trust bundle cannot be read; next: doctor"),
        }
        loop {
            let change = tokio::select! {
                change = changes.recv() => change,
                // The command line, another process, may have published one.
                () = tokio::time::sleep(Duration::from_secs(10)) => break,
            };
            match change {
                Ok(change) if !change.reference_data => {}
                Err(RecvError::Closed) => return,
                // A listener that fell behind looks all the same.
                _ => break,
            }
        }
    }
}

/// Puts the head of the audit into the journal, out of reach of whoever can write to this disk.
pub(crate) async fn anchor_audit(hall: Hall) {
    // The hub's journal to all goes to every node, the others' only upward.
    let every = if hall.tier == Tier::City { 6 * 3600 } else { 3600 };
    let mut rounds = Rounds::every(Duration::from_secs(every));
    loop {
        rounds.due(&hall).await;
        if let Err(error) = hall.anchor_audit().await {
            tracing::warn!(%error, "the head of the audit was not anchored");
        }
    }
}

/// Signs the day's reconciliation, and says aloud what a day does not explain.
pub(crate) async fn reconcile(hall: Hall) {
    let mut rounds = Rounds::every(Duration::from_secs(3600));
    loop {
        rounds.due(&hall).await;
        match hall.sign_reconciliation().await {
            Ok(balance) => {
                let withheld = |line: &&VillageBalance| line.balance == Balance::Withheld;
                for line in balance.villages.iter().filter(withheld) {
                    let town = line.town.as_ref().map_or("", NodeId::as_str);
                    tracing::error!(node.id = %line.village, town, at_town = line.at_town.entries, at_hub = line.at_hub.entries, "a town has had for more than a day what the hub has not");
                }
            }
            Err(error) => tracing::warn!(%error, "the villages were not reconciled"),
        }
    }
}

/// Keeps a machine's ring in step: officers who left while it could not be written go, and the hub's present key comes.
pub(crate) async fn tend_keyring(hall: Hall, keeper: Keeper) {
    const EVERY: Duration = Duration::from_secs(3600);
    let mut changes = hall.store.changes();
    loop {
        if let Err(error) = tend_once(&hall, &keeper).await {
            tracing::error!(error = format!("{error:#}"), "the keyring was not looked through; next: doctor");
        }
        let due = tokio::time::sleep(EVERY);
        tokio::pin!(due);
        loop {
            tokio::select! {
                () = &mut due => break,
                change = changes.recv() => match change {
                    // The hub may have a new key.
                    Ok(change) if change.reference_data => break,
                    Err(RecvError::Closed) => return,
                    _ => {}
                },
            }
        }
    }
}

async fn tend_once(hall: &Hall, keeper: &Keeper) -> anyhow::Result<()> {
    let accounts = hall.store.accounts().await?;
    let disabled: Vec<String> = accounts.into_iter().filter(|one| one.disabled).map(|one| one.name).collect();
    let (keeper, network) = (keeper.clone(), hall.store.network());
    tokio::task::spawn_blocking(move || {
        keeper.tidy(&disabled)?;
        keeper.follow_hub(&network)
    })
    .await??;
    Ok(())
}
