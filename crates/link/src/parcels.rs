//! The lane of attachments: whoever lacks bytes asks its neighbour for them, chunk by chunk, from where it stopped.

use crate::quota::Goods;
use crate::shell::Node;
use domain::NodeId;
use proto::link::v1 as pb;
use proto::link::v1::parcel::Kind;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use store::StoreError;
use store::blobs::BLOB_BYTES_MAX;
use tokio::sync::mpsc;
use tokio_stream::{Stream, StreamExt};

const CHUNK_BYTES: usize = 128 * 1024;
/// Attachments asked for at once from one neighbour.
const ASKED_MAX: usize = 8;
/// Changes drive the lane; this only catches what a lost word would leave lying.
const POLL: Duration = Duration::from_secs(15);
/// A neighbour that lacked an attachment tells when it has it; should that word be lost, it is asked again after so many polls.
const MISSING_POLLS: u32 = 4;
/// Attachments the parent is asked about in one poll, while it has not said that it has them.
const OFFERED_MAX: u32 = 256;

struct Lane<'n> {
    node: &'n Node,
    peer: NodeId,
    outbound: mpsc::Sender<pb::Parcel>,
    asked: BTreeMap<String, u64>,
    missing: BTreeSet<String>,
    /// What the neighbour asked for and we lacked.
    promised: BTreeSet<String>,
    /// How far the parent was asked about what it has not confirmed.
    offered: u64,
}

/// Runs the lane with `peer` until the line ends. Both sides ask and both answer.
pub async fn run<S>(
    node: &Node,
    peer: NodeId,
    mut inbound: S,
    outbound: mpsc::Sender<pb::Parcel>,
) -> Result<(), StoreError>
where
    S: Stream<Item = Result<pb::Parcel, tonic::Status>> + Send + Unpin,
{
    let mut lane = Lane {
        node,
        peer,
        outbound,
        asked: BTreeMap::new(),
        missing: BTreeSet::new(),
        promised: BTreeSet::new(),
        offered: 0,
    };
    let mut changes = node.hall.store.changes();
    let mut poll = tokio::time::interval(POLL);
    let mut polls = 0u32;
    loop {
        tokio::select! {
            parcel = inbound.next() => match parcel {
                Some(Ok(pb::Parcel { kind: Some(kind) })) => {
                    if lane.on_parcel(kind).await?.is_none() { return Ok(()) }
                }
                _ => return Ok(()),
            },
            change = changes.recv() => match change {
                Ok(change) => {
                    if lane.keep_promises(&change.attachments).await.is_none() { return Ok(()) }
                    if !change.cases.is_empty() && lane.ask().await?.is_none() { return Ok(()) }
                }
                Err(tokio::sync::broadcast::error::RecvError::Closed) => return Err(StoreError::Closed),
                Err(tokio::sync::broadcast::error::RecvError::Lagged(_)) => if lane.ask().await?.is_none() { return Ok(()) },
            },
            _ = poll.tick() => {
                polls += 1;
                if polls.is_multiple_of(MISSING_POLLS) { lane.missing.clear(); }
                if lane.offer().await?.is_none() { return Ok(()) }
                if lane.ask().await?.is_none() { return Ok(()) }
            }
        }
    }
}

/// `None` when the line is gone.
type Goes = Result<Option<()>, StoreError>;

impl Lane<'_> {
    async fn send(&self, kind: Kind) -> Option<()> {
        self.outbound.send(pb::Parcel { kind: Some(kind) }).await.ok()
    }

    async fn on_parcel(&mut self, kind: Kind) -> Goes {
        match kind {
            Kind::Want(pb::Want { hash, offset }) => self.answer(hash, offset).await,
            Kind::Missing(pb::Missing { hash }) => {
                self.asked.remove(&hash);
                self.missing.insert(hash);
                self.ask().await
            }
            Kind::Available(pb::Available { hash }) => {
                self.missing.remove(&hash);
                // From above it is the receipt; from below it is the question whether we have it too.
                if self.upwards() {
                    self.node.hall.store.attachment_confirmed(&hash).await?;
                } else if self.node.hall.blobs.has(&hash) && self.receipt(hash).await.is_none() {
                    return Ok(None);
                }
                self.ask().await
            }
            Kind::Chunk(chunk) => self.take(chunk).await,
        }
    }

    /// Whether the neighbour is the one above.
    fn upwards(&self) -> bool {
        self.node.hall.store.network().is_above(&self.peer, self.node.hall.me())
    }

    /// Tells a child that its bytes are here, whole and on the disk.
    async fn receipt(&self, hash: String) -> Option<()> {
        self.send(Kind::Available(pb::Available { hash })).await
    }

    /// A receipt may have been lost, and a bag brings none: the parent is asked about what it has not confirmed.
    async fn offer(&mut self) -> Goes {
        if !self.upwards() {
            return Ok(Some(()));
        }
        let waiting = self.node.hall.store.unconfirmed_attachments(self.offered, OFFERED_MAX).await?;
        // Round and round: one that the parent will never want must not stand before the others.
        let all = waiting.len() < OFFERED_MAX as usize;
        self.offered = waiting.last().filter(|_| !all).map_or(0, |(no, _)| *no);
        for (_, hash) in waiting {
            if self.send(Kind::Available(pb::Available { hash })).await.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    async fn keep_promises(&mut self, arrived: &[String]) -> Option<()> {
        for hash in arrived {
            if self.promised.remove(hash) {
                self.send(Kind::Available(pb::Available { hash: hash.clone() })).await?;
            }
        }
        Some(())
    }

    /// Asks for what cases of the neighbour's side still lack.
    async fn ask(&mut self) -> Goes {
        if self.asked.len() >= ASKED_MAX {
            return Ok(Some(()));
        }
        let hall = &self.node.hall;
        let network = hall.store.network();
        let upwards = self.upwards();
        let on_their_side = |node: &NodeId| {
            if upwards { network.is_within(node, hall.me()) } else { network.is_within(node, &self.peer) }
        };
        let origins = network.iter().map(|node| node.id.clone()).filter(on_their_side).collect();
        for wanted in
            hall.store.wanted_attachments(origins, (ASKED_MAX * 4 + self.missing.len()) as u32).await?
        {
            if self.asked.len() >= ASKED_MAX {
                break;
            }
            if self.asked.contains_key(&wanted.hash)
                || self.missing.contains(&wanted.hash)
                || wanted.bytes > BLOB_BYTES_MAX
            {
                continue;
            }
            if hall.blobs.has(&wanted.hash) {
                hall.store.attachment_arrived(&wanted.hash).await?;
                continue;
            }
            let mut offset = hall.blobs.partial(&wanted.hash);
            if offset > wanted.bytes {
                hall.blobs.restart(&wanted.hash)?;
                offset = 0;
            }
            let rest = wanted.bytes - offset;
            if !self.node.has_room_for(&self.peer, Goods::Attachments, rest).await? {
                // The next poll asks again.
                break;
            }
            self.asked.insert(wanted.hash.clone(), wanted.bytes);
            if self.send(Kind::Want(pb::Want { hash: wanted.hash, offset })).await.is_none() {
                return Ok(None);
            }
        }
        Ok(Some(()))
    }

    async fn answer(&mut self, hash: String, mut offset: u64) -> Goes {
        let blobs = self.node.hall.blobs.clone();
        let Some(size) = blobs.size(&hash) else {
            // Bounded by what one neighbour can have under way; one that asks for more is forgotten, and asks again.
            if self.promised.len() < 10_000 {
                self.promised.insert(hash.clone());
            }
            return Ok(self.send(Kind::Missing(pb::Missing { hash })).await);
        };
        if self.upwards() {
            self.node.hall.store.attachment_asked_for(&hash).await?;
        }
        loop {
            let (name, source) = (hash.clone(), blobs.clone());
            let read = move || source.read(&name, offset, CHUNK_BYTES);
            let bytes = tokio::task::spawn_blocking(read).await.map_err(|_| StoreError::Closed)??;
            let last = offset + bytes.len() as u64 >= size;
            let next = offset + bytes.len() as u64;
            let chunk = pb::Chunk { hash: hash.clone(), offset, bytes: bytes.into(), last };
            if self.send(Kind::Chunk(chunk)).await.is_none() {
                return Ok(None);
            }
            if last {
                return Ok(Some(()));
            }
            offset = next;
        }
    }

    async fn take(&mut self, chunk: pb::Chunk) -> Goes {
        let pb::Chunk { hash, offset, bytes, last } = chunk;
        // Only what was asked for, and not more of it than the page declared.
        let Some(size) = self.asked.get(&hash).copied() else { return Ok(Some(())) };
        if offset.saturating_add(bytes.len() as u64) > size {
            return self.give_up(hash, "the neighbour sent more than the page declared").await;
        }
        self.node.brought(&self.peer, Goods::Attachments, bytes.len() as u64);
        let (blobs, name) = (self.node.hall.blobs.clone(), hash.clone());
        let write = move || {
            blobs.extend(&name, offset, &bytes)?;
            if last { blobs.complete(&name) } else { Ok(false) }
        };
        match tokio::task::spawn_blocking(write).await.map_err(|_| StoreError::Closed)? {
            Err(StoreError::DiskFull) => return Err(StoreError::DiskFull),
            Err(error) => return self.give_up(hash, &error.to_string()).await,
            Ok(false) if last => return self.give_up(hash, "the bytes do not hash to their name").await,
            Ok(_) => {}
        }
        if last {
            self.asked.remove(&hash);
            self.node.hall.store.attachment_arrived(&hash).await?;
            if self.upwards() {
                // Whoever gave it has it.
                self.node.hall.store.attachment_confirmed(&hash).await?;
            } else if self.receipt(hash).await.is_none() {
                return Ok(None);
            }
            return self.ask().await;
        }
        Ok(Some(()))
    }

    /// One attachment that cannot be had from this neighbour now must not stand before the others.
    async fn give_up(&mut self, hash: String, reason: &str) -> Goes {
        let (at, peer) = (self.node.hall.now(), self.peer.clone());
        let item = store::Quarantined {
            at,
            peer,
            journal: format!("attachment {hash}"),
            seq: 0,
            reason: reason.to_owned(),
            bytes: vec![],
        };
        self.node.hall.store.quarantine(item).await?;
        self.asked.remove(&hash);
        self.missing.insert(hash);
        self.ask().await
    }
}
