//! The bag (上传包): the frames of a conversation, in a file a courier can carry when there is no network.
//!
//! Layout: the line `TONGBAN-BAG 1`, then length-prefixed messages: a greeting, batches, attachments, and a farewell with
//! the BLAKE3 hash of everything before it. The signatures inside are what is believed; the hash only tells a cut copy.

use crate::codec::Packer;
use crate::shell::Node;
use domain::NodeId;
use domain::dossier::Attachment;
use prost::Message;
use proto::link::v1 as pb;
use replication::flow::{Direction, direction};
use replication::frame::{Batch, Frame, Hello, PROTOCOL};
use replication::session::{Load, Taken};
use replication::{BATCH_BYTES_MAX, JournalId, RunFault};
use serde_json::json;
use store::StoreError;
use store::blobs::BLOB_BYTES_MAX;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

const MAGIC: &[u8] = b"TONGBAN-BAG 1\n";
const MESSAGE_BYTES_MAX: u32 = (BLOB_BYTES_MAX + BATCH_BYTES_MAX as u64 + 4096) as u32;

/// A message of the file: its first byte says which.
const FRAME: u8 = 1;
const PARCEL: u8 = 2;
const END: u8 = 3;

#[derive(Debug, thiserror::Error)]
pub enum BagError {
    #[error("read or write the bag")]
    Io(#[from] std::io::Error),
    #[error("this file is not a bag: choose the file that `export-bag` wrote (name ends in .tbag)")]
    NotABag,
    #[error("the bag is damaged at byte {at}: {reason}")]
    Damaged { at: u64, reason: String },
    #[error("nothing links this node with {peer}")]
    NoLink { peer: NodeId },
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// What an import did, for the officer and for `--json`.
#[derive(Debug, Default, Clone, serde::Serialize, PartialEq, Eq)]
pub struct Report {
    pub from: String,
    pub runs: u64,
    pub refused: Vec<String>,
    pub attachments: u64,
    /// False when the file ends early: everything before the cut was taken all the same.
    pub complete: bool,
    pub note: String,
}

struct Sink<W> {
    out: W,
    hash: blake3::Hasher,
}

impl<W: AsyncWrite + Unpin + Send> Sink<W> {
    async fn put(&mut self, tag: u8, message: &[u8]) -> std::io::Result<()> {
        let mut head = [tag, 0, 0, 0, 0];
        head[1..].copy_from_slice(&(message.len() as u32).to_be_bytes());
        for part in [&head[..], message] {
            self.hash.update(part);
            self.out.write_all(part).await?;
        }
        Ok(())
    }
}

/// Writes everything the node has for `peer` that `peer` has not receipted, attachments included. Returns the entries written.
///
/// # Errors
/// [`BagError`]; a half-written file is recognised by whoever imports it.
pub async fn export(
    node: &Node,
    peer: &NodeId,
    out: impl AsyncWrite + Unpin + Send,
) -> Result<u64, BagError> {
    let (store, me) = (&node.hall.store, node.hall.me().clone());
    let network = store.network();
    let upwards = network.is_above(peer, &me);
    if !upwards && !network.is_above(&me, peer) {
        return Err(BagError::NoLink { peer: peer.clone() });
    }
    let way = |journal: &JournalId| {
        if upwards {
            direction(journal, peer, &me, &network)
        } else {
            direction(journal, &me, peer, &network)
        }
    };
    let outward = if upwards { Direction::Up } else { Direction::Down };
    let heads: Vec<_> =
        store.heads().await?.into_iter().filter(|(journal, _)| way(journal) == Some(outward)).collect();
    let mut sink = Sink { out, hash: blake3::Hasher::new() };
    sink.out.write_all(MAGIC).await?;
    let mut packer = Packer::for_bag()?;
    let hello = Hello {
        protocol: PROTOCOL,
        node: me.clone(),
        incarnation: node.incarnation,
        clock: node.hall.now(),
        release: env!("CARGO_PKG_VERSION").to_owned(),
        oldest_waiting: None,
        positions: heads.clone(),
    };
    sink.put(FRAME, &wire(&mut packer, Frame::Hello(hello))?).await?;
    let mut written = 0;
    for (journal, head) in heads {
        let receipts = store.custody(&journal.author).await?;
        let receipted = receipts
            .iter()
            .find(|line| line.by == *peer && journal.channel == replication::Channel::Up)
            .map_or(0, |line| line.seq);
        written += export_journal(node, &mut sink, &mut packer, &journal, receipted, head.seq).await?;
    }
    if upwards {
        export_attachments(node, &mut sink).await?;
    } else {
        export_applications(node, peer, &mut sink).await?;
    }
    let end = json!({ "entries": written, "blake3": sink.hash.finalize().to_hex().to_string() });
    sink.put(END, end.to_string().as_bytes()).await?;
    sink.out.flush().await?;
    Ok(written)
}

fn wire(packer: &mut Packer, frame: Frame) -> Result<Vec<u8>, BagError> {
    let frame = packer.to_wire(frame).map_err(|bad| BagError::Damaged { at: 0, reason: bad.to_string() })?;
    Ok(frame.encode_to_vec())
}

async fn export_journal<W: AsyncWrite + Unpin + Send>(
    node: &Node,
    sink: &mut Sink<W>,
    packer: &mut Packer,
    journal: &JournalId,
    from: u64,
    to: u64,
) -> Result<u64, BagError> {
    let mut at = from;
    let mut no = 0;
    while at < to {
        let load = Load::new(vec![(journal.clone(), at)], BATCH_BYTES_MAX / 2);
        let runs = node.hall.store.load_runs(load).await?;
        let count: u64 = runs.iter().map(|run| run.entries.len() as u64).sum();
        if count == 0 {
            break;
        }
        at += count;
        no += 1;
        sink.put(FRAME, &wire(packer, Frame::Batch(Batch { no, runs, acks: Vec::new() }))?).await?;
    }
    Ok(at - from)
}

/// Scans of cases that are not finished: a courier's stick is large, and asking again costs a journey.
async fn export_attachments<W: AsyncWrite + Unpin + Send>(
    node: &Node,
    sink: &mut Sink<W>,
) -> Result<(), BagError> {
    let hall = &node.hall;
    let mut after = None;
    loop {
        let lines = hall
            .store
            .cases(store::CaseQuery { after: after.clone(), limit: 200, ..Default::default() })
            .await?;
        let Some(last) = lines.last() else { return Ok(()) };
        after = Some(last.case.clone());
        for line in lines.iter().filter(|line| !matches!(line.status, domain::dossier::Status::Delivered)) {
            let Some(stored) = hall.store.dossier(&line.case).await? else { continue };
            for attachment in stored.dossier.attachments.iter().filter(|a| hall.blobs.has(&a.hash)) {
                put_attachment(node, sink, attachment).await?;
            }
        }
    }
}

async fn put_attachment<W: AsyncWrite + Unpin + Send>(
    node: &Node,
    sink: &mut Sink<W>,
    attachment: &Attachment,
) -> Result<(), BagError> {
    let bytes = node.hall.blobs.read(&attachment.hash, 0, BLOB_BYTES_MAX as usize)?;
    let chunk = pb::Chunk { hash: attachment.hash.clone(), offset: 0, bytes: bytes.into(), last: true };
    let parcel = pb::Parcel { kind: Some(pb::parcel::Kind::Chunk(chunk)) };
    Ok(sink.put(PARCEL, &parcel.encode_to_vec()).await?)
}

/// Scans of what citizens handed in for this town, which it has not taken in yet.
async fn export_applications<W: AsyncWrite + Unpin + Send>(
    node: &Node,
    town: &NodeId,
    sink: &mut Sink<W>,
) -> Result<(), BagError> {
    let query = store::ApplicationQuery {
        open_only: true,
        town: Some(town.clone()),
        limit: 1000,
        ..Default::default()
    };
    for line in node.hall.store.applications(query).await? {
        let papers = line.application.submission.attachments.iter();
        for attachment in papers.filter(|paper| node.hall.blobs.has(&paper.hash)) {
            put_attachment(node, sink, attachment).await?;
        }
    }
    Ok(())
}

/// Takes a bag through the same validator as a link. A verified prefix is taken; what follows a cut or a fault is reported.
///
/// # Errors
/// [`BagError::NotABag`] for other files; damage further on is in the [`Report`].
pub async fn import(node: &Node, mut input: impl AsyncRead + Unpin + Send) -> Result<Report, BagError> {
    let mut magic = vec![0; MAGIC.len()];
    input.read_exact(&mut magic).await.map_err(|_| BagError::NotABag)?;
    if magic != MAGIC {
        return Err(BagError::NotABag);
    }
    let mut report = Report::default();
    let mut reader = Reader { input, hash: blake3::Hasher::new(), at: MAGIC.len() as u64 };
    let mut packer = Packer::for_bag()?;
    loop {
        let before = reader.hash.clone();
        match reader.next().await {
            Ok(Some((END, message))) => {
                let end: serde_json::Value = serde_json::from_slice(&message).unwrap_or_default();
                report.complete = end["blake3"] == before.finalize().to_hex().as_str();
                if !report.complete {
                    report.note = "校验和不符:文件在途中被改动或损坏;已验证的部分已收下".to_owned();
                }
                return Ok(report);
            }
            Ok(Some((tag, message))) => {
                if let Err(reason) = take(node, &mut packer, tag, message, &mut report).await? {
                    report.note = format!("第 {} 字节处停止:{reason};之前已验证的部分已收下", reader.at);
                    return Ok(report);
                }
            }
            Ok(None) | Err(BagError::Damaged { .. }) => {
                report.note = format!(
                    "文件在第 {} 字节处中断,可能没有拷完;之前已验证的部分已收下,请重新拷贝后再导入一次",
                    reader.at
                );
                return Ok(report);
            }
            Err(error) => return Err(error),
        }
    }
}

struct Reader<R> {
    input: R,
    hash: blake3::Hasher,
    at: u64,
}

impl<R: AsyncRead + Unpin + Send> Reader<R> {
    async fn next(&mut self) -> Result<Option<(u8, Vec<u8>)>, BagError> {
        let mut head = [0; 5];
        if let Err(error) = self.input.read_exact(&mut head).await {
            return if error.kind() == std::io::ErrorKind::UnexpectedEof {
                Ok(None)
            } else {
                Err(error.into())
            };
        }
        let length = u32::from_be_bytes([head[1], head[2], head[3], head[4]]);
        if length > MESSAGE_BYTES_MAX {
            return Err(BagError::Damaged { at: self.at, reason: format!("a message of {length} bytes") });
        }
        let mut message = Vec::new();
        let read = (&mut self.input).take(u64::from(length)).read_to_end(&mut message).await?;
        if read < length as usize {
            return Ok(None);
        }
        self.hash.update(&head);
        self.hash.update(&message);
        self.at += 5 + u64::from(length);
        Ok(Some((head[0], message)))
    }
}

async fn take(
    node: &Node,
    packer: &mut Packer,
    tag: u8,
    message: Vec<u8>,
    report: &mut Report,
) -> Result<Result<(), String>, BagError> {
    match tag {
        FRAME => {
            let frame = pb::Frame::decode(message.as_slice())
                .map_err(|e| e.to_string())
                .and_then(|frame| packer.from_wire(frame).map_err(|e| e.to_string()));
            match frame {
                Ok(Frame::Hello(hello)) => report.from = hello.node.to_string(),
                Ok(Frame::Batch(batch)) => return take_batch(node, batch, report).await,
                Ok(_) => {}
                Err(reason) => return Ok(Err(reason)),
            }
            Ok(Ok(()))
        }
        PARCEL => Ok(take_parcel(node, &message, report).await?),
        _ => Ok(Err(format!("unknown message {tag}"))),
    }
}

async fn take_batch(node: &Node, batch: Batch, report: &mut Report) -> Result<Result<(), String>, BagError> {
    let network = node.hall.store.network();
    let me = node.hall.me().clone();
    let Ok(from) = report.from.parse::<NodeId>() else {
        return Ok(Err("no greeting before the first batch".to_owned()));
    };
    // A bag may be carried past a node: a village's bag opens at the hub too. What counts is who wrote each journal.
    let below = network.is_above(&me, &from);
    let incoming = |journal: &JournalId| {
        let way = if below {
            direction(journal, &me, &from, &network)
        } else {
            direction(journal, &from, &me, &network)
        };
        way == Some(if below { Direction::Up } else { Direction::Down })
    };
    if !below && !network.is_above(&from, &me) {
        report.refused.push(format!("{from}: 不是本节点的上级或下级"));
        return Ok(Err("这个上传包来自别处".to_owned()));
    }
    let Taken { positions, faults, .. } = node.take_runs(&from, batch.runs, incoming).await?;
    node.keys.refresh(&node.hall.store.network());
    report.runs += positions.len() as u64;
    // One journal that is refused stops only itself (I14); only a disk that takes nothing ends the import.
    let full = faults.iter().any(|(_, fault)| *fault == RunFault::Storage);
    report.refused.extend(faults.iter().map(|(journal, fault)| format!("{journal}: {fault}")));
    if full { Ok(Err("本机存不下:请清理磁盘后再导入一次".to_owned())) } else { Ok(Ok(())) }
}

async fn take_parcel(
    node: &Node,
    message: &[u8],
    report: &mut Report,
) -> Result<Result<(), String>, StoreError> {
    let parcel = pb::Parcel::decode(message).ok().and_then(|parcel| parcel.kind);
    let Some(pb::parcel::Kind::Chunk(pb::Chunk { hash, bytes, .. })) = parcel else {
        return Ok(Err("parcel".to_owned()));
    };
    if blake3::hash(&bytes).to_hex().as_str() != hash {
        report.refused.push(format!("附件 {}: 内容与校验值不符", &hash.get(..12).unwrap_or("")));
        return Ok(Ok(()));
    }
    // Only bytes that some page declared: a bag must not be a way to fill the disk.
    let network = node.hall.store.network();
    let origins = network.iter().map(|node| node.id.clone()).collect();
    let wanted = node.hall.store.wanted_attachments(origins, 100_000).await?;
    if wanted.iter().any(|wanted| wanted.hash == hash) {
        node.hall.blobs.put(&hash, &bytes)?;
        node.hall.store.attachment_arrived(&hash).await?;
        report.attachments += 1;
    }
    Ok(Ok(()))
}
