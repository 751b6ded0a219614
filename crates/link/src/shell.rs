//! Drives a `replication::Session` over two streams of frames: checks, stores, then answers.

use crate::codec::Packer;
use crate::quota::{Allowance, Goods};
use crate::taking::{Looked, UNDERWAY_MAX, Underway};
use crate::tls::Shown;
use casework::Hall;
use domain::NodeId;
use domain::network::Network;
use proto::link::v1 as pb;
use replication::session::{Greeting, Output, Session, Taken};
use replication::{Frame, JournalId, Position, Run, RunFault};
use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::{Change, Contact, Quarantined, Recovery, StoreError, WhyRecovering};
use tokio::sync::{broadcast, mpsc};
use tokio_stream::{Stream, StreamExt};
use trust::KeyRing;

/// What the links of a node share.
#[derive(Clone)]
pub struct Node {
    pub hall: Hall,
    pub keys: Arc<KeyRing>,
    pub incarnation: u32,
    /// Shared by all links of the node.
    pub allowance: Arc<Mutex<Allowance>>,
}

/// Why a conversation ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Ended {
    #[error("the line was closed")]
    Line,
    #[error("our own journals are not what they were: greeting anew")]
    GreetAnew,
    #[error("{0}")]
    Reason(String),
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Told to whoever shows the state of the link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    Greeted,
    Unconfirmed(u64),
}

const TICK: Duration = Duration::from_secs(10);
/// So long an acknowledgement waits for a batch to ride with: longer than a receipt takes to be written, shorter than anybody
/// would notice.
const PAY_AFTER: Duration = Duration::from_millis(20);
/// Heads are read again so often, in case another process (an import) has written.
const REREAD_TICKS: u32 = 3;
/// A standing link is noted as contact so often.
const CONTACT_TICKS: u32 = 6;

impl Node {
    pub fn new(hall: Hall, incarnation: u32) -> Node {
        let keys = Arc::new(KeyRing::default());
        keys.refresh(&hall.store.network());
        Node { hall, keys, incarnation, allowance: Arc::default() }
    }

    /// Talks with `peer` until the line or the peer ends it; `shown` is the certificate it came with.
    pub async fn converse<S>(
        &self,
        peer: NodeId,
        shown: Shown,
        mut inbound: S,
        outbound: mpsc::Sender<pb::Frame>,
        mut progress: impl FnMut(Progress) + Send,
    ) -> Ended
    where
        S: Stream<Item = Result<pb::Frame, tonic::Status>> + Send + Unpin,
    {
        let mut talk = match Talk::open(self, peer, shown, outbound).await {
            Ok(talk) => talk,
            Err(ended) => return ended,
        };
        let mut changes = self.hall.store.changes();
        let mut tick = tokio::time::interval(TICK);
        let mut ticks = 0u32;
        let mut payday: Option<Pin<Box<tokio::time::Sleep>>> = None;
        loop {
            payday = match talk.session.owes() {
                true => payday.or_else(|| Some(Box::pin(tokio::time::sleep(PAY_AFTER)))),
                false => None,
            };
            let step = tokio::select! {
                () = async { payday.as_mut().expect("only polled when set").await }, if payday.is_some() => talk.pay().await,
                frame = inbound.next(), if talk.underway.len() < UNDERWAY_MAX => talk.on_inbound(frame).await,
                Some((no, taken)) = talk.underway.first() => talk.on_stored(no, taken).await,
                change = changes.recv() => talk.on_change(change).await,
                _ = tick.tick() => {
                    ticks += 1;
                    if ticks.is_multiple_of(REREAD_TICKS) { talk.look_around(ticks).await } else { talk.on_tick().await }
                }
            };
            if let Err(ended) = step {
                // What was confirmed so far is worth knowing while the line is down; a failing disk is told elsewhere.
                let _ = talk.note_confirmed().await;
                return ended;
            }
            if talk.session.is_greeted() {
                progress(Progress::Greeted);
            }
            progress(Progress::Unconfirmed(talk.session.unconfirmed()));
        }
    }
}

struct Talk<'n> {
    node: &'n Node,
    session: Session,
    network: Arc<Network>,
    packer: Packer,
    outbound: mpsc::Sender<pb::Frame>,
    underway: Underway,
    shown: Shown,
    /// What the peer said of itself when it greeted.
    contact: Option<Contact>,
    /// Confirmed positions as they were last written down.
    noted: Vec<(JournalId, u64)>,
}

impl<'n> Talk<'n> {
    async fn open(
        node: &'n Node,
        peer: NodeId,
        shown: Shown,
        outbound: mpsc::Sender<pb::Frame>,
    ) -> Result<Talk<'n>, Ended> {
        let hall = &node.hall;
        let network = hall.store.network();
        node.keys.refresh(&network);
        let session = Session::new(hall.me().clone(), peer, network.clone());
        let packer = Packer::for_stream().map_err(|e| Ended::Reason(e.to_string()))?;
        let underway = Underway::default();
        let (contact, noted) = (None, Vec::new());
        let mut talk = Talk { node, session, network, packer, outbound, underway, shown, contact, noted };
        let heads = hall.store.heads().await?;
        let oldest = hall.outbox().await.map_err(|e| Ended::Reason(e.to_string()))?.oldest_waiting;
        let outputs =
            talk.session.open(&heads, node.incarnation, env!("CARGO_PKG_VERSION"), oldest, hall.now());
        talk.carry_out(outputs).await?;
        Ok(talk)
    }

    async fn on_inbound(&mut self, frame: Option<Result<pb::Frame, tonic::Status>>) -> Result<(), Ended> {
        let frame = match frame {
            Some(Ok(frame)) => frame,
            Some(Err(status)) => return Err(Ended::Reason(status.message().to_owned())),
            None => return Err(Ended::Line),
        };
        let frame = self.packer.from_wire(frame).map_err(|bad| Ended::Reason(bad.to_string()))?;
        if let Frame::Hello(hello) = &frame {
            self.is_recent_enough(&hello.release).await?;
        }
        let outputs = self.session.on_frame(frame, self.node.hall.now());
        self.carry_out(outputs).await
    }

    /// A child of a release that the city lets take part no more is told so, and keeps what it has.
    async fn is_recent_enough(&mut self, release: &str) -> Result<(), Ended> {
        let store = &self.node.hall.store;
        let below = self.network.is_above(self.node.hall.me(), self.session.peer());
        let Some(bundle) = store.trust_bundle().filter(|bundle| below && !bundle.lets_in(release)) else {
            return Ok(());
        };
        let oldest = bundle.oldest_release.map(|oldest| oldest.to_string()).unwrap_or_default();
        let reason = format!(
            "this node runs release {release}, the city needs {oldest} or later: bring it up to date; what it has recorded is kept, and export-bag still takes it along"
        );
        // It may be gone already.
        let _ = self.send(Frame::Bye { reason: reason.clone() }).await;
        Err(Ended::Reason(reason))
    }

    async fn on_change(&mut self, change: Result<Change, broadcast::error::RecvError>) -> Result<(), Ended> {
        match change {
            Ok(change) if change.greet_anew || change.greet.contains(self.session.peer()) => {
                Err(Ended::GreetAnew)
            }
            Ok(change) => {
                self.refresh_network();
                let now = self.node.hall.now();
                let outputs = self.session.on_heads(&change.heads, now);
                self.carry_out(outputs).await
            }
            Err(broadcast::error::RecvError::Lagged(_)) => {
                self.refresh_network();
                self.read_heads().await
            }
            Err(broadcast::error::RecvError::Closed) => Err(Ended::Store(StoreError::Closed)),
        }
    }

    /// Reading everybody's keys anew costs more than storing a case: only when the node list is another one.
    fn refresh_network(&mut self) {
        let network = self.node.hall.store.network();
        if !Arc::ptr_eq(&network, &self.network) {
            self.network = network.clone();
            self.node.keys.refresh(&network);
            self.session.on_network(network);
        }
    }

    async fn read_heads(&mut self) -> Result<(), Ended> {
        let now = self.node.hall.now();
        let mut outputs = self.session.on_tick(now);
        outputs.extend(self.session.on_heads(&self.node.hall.store.heads().await?, now));
        self.carry_out(outputs).await
    }

    /// Now and then: heads another process may have moved, and that the peer is still there.
    async fn look_around(&mut self, ticks: u32) -> Result<(), Ended> {
        if ticks.is_multiple_of(CONTACT_TICKS)
            && let Some(contact) = &self.contact
        {
            let contact = Contact { at: self.node.hall.now(), ..contact.clone() };
            self.node.hall.store.note_contact(contact).await?;
        }
        self.read_heads().await?;
        self.note_confirmed().await
    }

    async fn note_confirmed(&mut self) -> Result<(), Ended> {
        let confirmed = self.session.confirmed();
        if self.session.is_greeted() && confirmed != self.noted {
            self.node.hall.store.note_confirmed(self.session.peer(), confirmed.clone()).await?;
            self.noted = confirmed;
        }
        Ok(())
    }

    async fn pay(&mut self) -> Result<(), Ended> {
        let outputs = self.session.pay();
        self.carry_out(outputs).await
    }

    async fn on_tick(&mut self) -> Result<(), Ended> {
        let outputs = self.session.on_tick(self.node.hall.now());
        self.carry_out(outputs).await?;
        self.note_confirmed().await
    }

    async fn carry_out(&mut self, outputs: Vec<Output>) -> Result<(), Ended> {
        let mut todo: VecDeque<Output> = outputs.into();
        while let Some(output) = todo.pop_front() {
            let now = self.node.hall.now();
            match output {
                Output::Send(frame) => self.send(frame).await?,
                Output::Load(load) => {
                    let runs = self.node.hall.store.load_runs(load).await?;
                    todo.extend(self.session.on_loaded(runs, now));
                }
                Output::Store { no, runs } => todo.extend(self.take(no, runs).await?),
                Output::Refused { journal, fault } => {
                    tracing::error!(%journal, %fault, peer = %self.session.peer(), "the peer does not take a journal");
                    self.note(&journal, &format!("refused by {}: {fault}", self.session.peer())).await?;
                }
                Output::Compare(places) => {
                    let compared = self.node.hall.store.compare(places).await?;
                    todo.extend(self.session.on_compared(compared, now));
                }
                Output::Behind { journal, mine, peer } => {
                    todo.extend(self.node.take_back(&mut self.session, journal, mine, peer).await?);
                }
                Output::OlderCopy { journal, peer } => {
                    let reason = format!("an older copy of its author is running, at epoch {}", peer.epoch);
                    tracing::error!(%journal, %reason, "two copies of one node");
                    self.note(&journal, &reason).await?;
                }
                Output::Answered => {
                    if self.node.hall.store.recovery().is_some() {
                        self.node.hall.store.neighbour_answered(self.session.peer(), now).await?;
                    }
                }
                Output::Greeted(greeting) => {
                    let Greeting { clock_skew_ms, own_head, oldest_waiting, release } = greeting;
                    let contact = Contact {
                        node: self.session.peer().clone(),
                        at: now,
                        clock_skew_ms,
                        own_head,
                        oldest_waiting,
                        all_through: 0,
                        under: self.shown.under.clone(),
                        until: self.shown.until,
                        version: Some(release),
                    };
                    self.contact = Some(contact.clone());
                    self.node.hall.store.note_contact(contact).await?;
                }
                Output::Close { reason } => {
                    // The peer may be gone already; then it needs no farewell.
                    let _ = self.send(Frame::Bye { reason: reason.clone() }).await;
                    return Err(Ended::Reason(reason));
                }
            }
        }
        Ok(())
    }

    async fn send(&mut self, frame: Frame) -> Result<(), Ended> {
        let frame = self.packer.to_wire(frame).map_err(|bad| Ended::Reason(bad.to_string()))?;
        self.outbound.send(frame).await.map_err(|_| Ended::Line)
    }

    async fn note(&mut self, journal: &JournalId, reason: &str) -> Result<(), Ended> {
        let (at, peer) = (self.node.hall.now(), self.session.peer().clone());
        let item = Quarantined {
            at,
            peer,
            journal: journal.to_string(),
            seq: 0,
            reason: reason.to_owned(),
            bytes: vec![],
        };
        Ok(self.node.hall.store.quarantine(item).await?)
    }

    /// Looks at a batch and sends it on its way to the disk. What we are told of positions comes after COMMIT.
    async fn take(&mut self, no: u64, runs: Vec<Run>) -> Result<Vec<Output>, Ended> {
        let bytes = runs.iter().map(Run::size).sum::<usize>() as u64;
        if !self.node.has_room_for(self.session.peer(), Goods::Entries, bytes).await? {
            let faults = runs.into_iter().map(|run| (run.journal, RunFault::Storage)).collect();
            let taken = Taken { positions: Vec::new(), faults, whole: false };
            return Ok(self.session.on_stored(no, taken, self.node.hall.now()));
        }
        self.node.brought(self.session.peer(), Goods::Entries, bytes);
        let mut outputs = match self.underway.speaks_of_nodes() {
            true => self.settle().await?,
            false => Vec::new(),
        };
        let again = (!self.underway.is_empty()).then(|| runs.clone());
        let mut looked = self.look(runs).await?;
        if let Some(runs) = again.filter(|_| !looked.all_hold()) {
            // It may rest on what is still on its way.
            outputs.extend(self.settle().await?);
            looked = self.look(runs).await?;
        }
        self.underway.send(self.node, self.session.peer(), no, looked).await;
        Ok(outputs)
    }

    /// Waits for everything that is on its way to the disk.
    async fn settle(&mut self) -> Result<Vec<Output>, Ended> {
        let mut outputs = Vec::new();
        while let Some((no, taken)) = self.underway.first().await {
            outputs.extend(self.stored(no, taken)?);
        }
        Ok(outputs)
    }

    async fn look(&mut self, runs: Vec<Run>) -> Result<Looked, StoreError> {
        let incoming = |journal: &JournalId| self.session.is_incoming(journal);
        self.node.look(runs, incoming, &self.underway.ends()).await
    }

    /// A batch has come to the disk, or not.
    fn stored(&mut self, no: u64, taken: Result<Taken, StoreError>) -> Result<Vec<Output>, Ended> {
        let taken = taken?;
        // Nodes may just have been introduced: their entries may follow in the very next batch.
        self.refresh_network();
        Ok(self.session.on_stored(no, taken, self.node.hall.now()))
    }

    async fn on_stored(&mut self, no: u64, taken: Result<Taken, StoreError>) -> Result<(), Ended> {
        let outputs = self.stored(no, taken)?;
        self.carry_out(outputs).await
    }
}

impl Node {
    /// A neighbour has more of a journal of ours than we do. We were restored: the recovery begins, or goes on, and what the
    /// neighbour has is asked for. Or another copy of this node took over: then nothing is, and nothing more is written.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be noted.
    pub async fn take_back(
        &self,
        session: &mut Session,
        journal: JournalId,
        mine: Position,
        peer: Position,
    ) -> Result<Option<Output>, StoreError> {
        let store = &self.hall.store;
        let by_a_person = store.recovery().is_some_and(|present| present.why == WhyRecovering::Restored);
        let why = match peer.epoch > mine.epoch && mine.epoch > 0 && !by_a_person {
            true => WhyRecovering::Superseded,
            false => WhyRecovering::Behind,
        };
        let awaited = self.authorities().into_iter().chain([session.peer().clone()]).collect();
        let recovery = Recovery::new(self.hall.now(), why, awaited, true);
        if store.begin_recovery(recovery).await? {
            tracing::error!(%journal, ours = mine.seq, theirs = peer.seq, ?why, "a neighbour has more of our journal than we do");
        }
        if !store.recovery().is_some_and(|present| present.takes_back()) {
            return Ok(None);
        }
        let shared = store.shared_with(session.peer(), &journal).await?;
        let through = self.last_that_counts(&journal).map_or(peer.seq, |last| last.min(peer.seq));
        let before = Position { seq: peer.seq.saturating_sub(1), ..shared };
        let from = if shared.seq < peer.seq { shared } else { before };
        Ok(session.want_back(journal, from, through, self.hall.now()))
    }

    /// Where our journal ends that a machine before this one wrote, if that was reported lost.
    fn last_that_counts(&self, journal: &JournalId) -> Option<u64> {
        let network = self.hall.store.network();
        let cut = network.get(self.hall.me())?.lost_before()?;
        Some(cut.through.get(&journal.channel.to_string()).copied().unwrap_or(0))
    }

    /// Whose word a restored node waits for: its parent's; at the hub, every town's.
    pub fn authorities(&self) -> BTreeSet<NodeId> {
        let (network, me) = (self.hall.store.network(), self.hall.me());
        match network.parent(me) {
            Some(parent) => BTreeSet::from([parent.clone()]),
            None => network.children(me).map(|child| child.id.clone()).collect(),
        }
    }
}
