//! A locked machine serves its door alone, until an officer's password or the hub's answer opens it.

use super::RingFile;
use crate::serve::{self, Opened, Parts, Running, listen, serve_pages};
use anyhow::{Context, Result};
use axum::Router;
use casework::NewAccount;
use console::{Opening, StillLocked};
use domain::access::Roles;
use runtime::{NodeConfig, Shutdown};
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use tokio::sync::{Semaphore, mpsc, oneshot};
use vault::{DataKey, Keyring, KeyringFault};

/// A node whose web door is open and whose data is not.
pub struct Locked {
    pub web: SocketAddr,
    data: std::path::PathBuf,
    parts: Parts,
    doors: Shutdown,
    /// What the door leads to, once it is open.
    behind: Arc<OnceLock<Router>>,
    opened: mpsc::Receiver<Turned>,
}

/// Somebody turned the key in the lock, and waits for what is behind it.
struct Turned {
    key: DataKey,
    /// An officer who has this password from now on.
    newcomer: Option<(String, String)>,
    reply: oneshot::Sender<Result<(), String>>,
}

impl Locked {
    /// Opens the web door of a locked machine.
    ///
    /// # Errors
    /// With the remedy.
    pub async fn serve(data: &Path, parts: Parts) -> Result<Locked> {
        let config = NodeConfig::load(data)?;
        let (listener, web) = listen(&config.listen.web).await?;
        let (turn, opened) = mpsc::channel(1);
        let keyhole = Keyhole {
            file: RingFile::of(data),
            parts: parts.clone(),
            turn,
            at_once: Arc::new(Semaphore::new(1)),
        };
        let hosts = serve::hosts(&config.listen);
        let behind = Arc::default();
        let clock = parts.clock.clone();
        let router =
            console::locked_router(&config.name, hosts, clock, Arc::new(keyhole), Arc::clone(&behind));
        let doors = Shutdown::default();
        serve_pages(listener, router, &config, &doors)?;
        tracing::info!(node.id = %config.id, %web, "the data is locked: waiting for an officer to log in");
        Ok(Locked { web, data: data.to_owned(), parts, doors, behind, opened })
    }

    /// Waits until somebody opens it; then everything else is served behind the same door.
    ///
    /// # Errors
    /// When the door itself is gone.
    pub async fn opened(mut self) -> Result<Running> {
        loop {
            let Turned { key, newcomer, reply } = self.opened.recv().await.context("the web door is shut")?;
            match self.open(key, newcomer).await {
                Ok((running, router)) => {
                    // Before anybody is told: whoever went away in between has opened it for everybody all the same.
                    self.behind.get_or_init(|| router);
                    let _gone = reply.send(Ok(()));
                    return Ok(running);
                }
                Err(error) => {
                    tracing::error!(
                        error = format!("{error:#}"),
                        "the right key, and the data cannot be used"
                    );
                    let _gone = reply.send(Err(format!("{error:#}")));
                }
            }
        }
    }

    async fn open(&self, key: DataKey, newcomer: Option<(String, String)>) -> Result<(Running, Router)> {
        let opened = Opened::open(&self.data, &self.parts, Some(key))?;
        if let Some((officer, password)) = newcomer {
            welcome(&opened, &officer, &password).await?;
        }
        serve::begin(opened, &self.parts, self.web, self.doors.clone()).await
    }
}

/// Whom the audit names for what the hub's answer opens.
const BY_ESCROW: &str = "escrow";

/// An officer gets a password by the hub's answer. The question is answered then: its answer counts no more.
///
/// # Errors
/// When the account cannot be written.
pub(super) async fn welcome(opened: &Opened, officer: &str, password: &str) -> Result<()> {
    let hall = &opened.hall;
    if let Some(known) = hall.store.account(officer).await? {
        anyhow::ensure!(!known.disabled, "账号 {officer} 已停用:请填另一位代办员的用户名,或一个新的");
        hall.reset_account(BY_ESCROW, officer, password).await?;
    } else {
        let roles = Roles::everyday(hall.tier).context("only an everyday officer can be let in like this")?;
        let (name, display) = (officer.to_owned(), officer.to_owned());
        hall.put_account(BY_ESCROW, NewAccount { name, display, body: None, roles }, password, None).await?;
    }
    hall.store.note_act(hall.now(), BY_ESCROW, "unlock", officer).await?;
    RingFile::of(&opened.data).update(|ring| {
        ring.forget_question();
        Ok(())
    })
}

struct Keyhole {
    file: RingFile,
    parts: Parts,
    turn: mpsc::Sender<Turned>,
    /// A password costs memory on purpose.
    at_once: Arc<Semaphore>,
}

fn ring_fault(error: anyhow::Error) -> StillLocked {
    StillLocked::Ring(format!("{error:#}"))
}

impl Keyhole {
    async fn ring(&self) -> Result<Keyring, StillLocked> {
        let ring = self.file.read().map_err(ring_fault)?;
        ring.ok_or_else(|| StillLocked::Ring("keyring.json is gone".to_owned()))
    }

    async fn turned(&self, key: DataKey, newcomer: Option<(String, String)>) -> Result<(), StillLocked> {
        let (reply, answer) = oneshot::channel();
        let turned = Turned { key, newcomer, reply };
        // Nobody takes it, or nobody answers: a colleague was quicker, and the lock is no more.
        self.turn.send(turned).await.map_err(|_| StillLocked::JustOpened)?;
        answer.await.map_err(|_| StillLocked::JustOpened)?.map_err(StillLocked::Broken)
    }
}

#[async_trait::async_trait]
impl Opening for Keyhole {
    async fn by_password(&self, officer: &str, password: &str) -> Result<(), StillLocked> {
        let ring = self.ring().await?;
        let (officer, password) = (officer.to_owned(), password.to_owned());
        let turn = self.at_once.clone().acquire_owned().await.map_err(|_| StillLocked::JustOpened)?;
        // The turn goes with the work: whoever hangs up must not make room for the next 64 MiB.
        let opening = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            ring.open_with_password(&officer, &password)
        });
        let key = opening.await.ok().flatten().ok_or(StillLocked::Wrong)?;
        self.turned(key, None).await
    }

    async fn question(&self) -> Result<String, StillLocked> {
        let asked = self.file.update(|ring| Ok(ring.ask(&*self.parts.random)));
        match asked.map_err(ring_fault)? {
            Ok(question) => Ok(question.line()),
            Err(KeyringFault::NoEscrow) => Err(StillLocked::Unfit(
                "这台电脑从未与市中心联网,市中心没有备用钥匙:请用另一位代办员的口令,或钥匙文件开锁"
                    .to_owned(),
            )),
            Err(fault) => Err(StillLocked::Ring(fault.to_string())),
        }
    }

    async fn by_answer(&self, answer: &str, officer: &str, password: &str) -> Result<(), StillLocked> {
        let fit = trust::account::check_name(officer)
            .and_then(|()| trust::account::check_password(officer, password));
        fit.map_err(|fault| StillLocked::Unfit(fault.to_string()))?;
        let key =
            self.ring().await?.answered(answer).map_err(|fault| StillLocked::Unfit(fault.to_string()))?;
        self.turned(key, Some((officer.to_owned(), password.to_owned()))).await
    }
}
