//! The parent's side: the door where children's links come in, and the door for nodes with a token.

use crate::enrol::EnrolmentDoor;
use crate::meter::Meter;
use crate::parcels;
use crate::shell::Node;
use crate::tls::{self, DoorSwitch, Peer, TlsError, TlsIdentity};
use domain::NodeId;
use proto::link::v1 as pb;
use proto::link::v1::enrolment_server::EnrolmentServer;
use proto::link::v1::exchange_server::{Exchange, ExchangeServer};
use runtime::Shutdown;
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;
use tonic::transport::Server;
use tonic::{Request, Response, Status, Streaming};

/// One frame at most, framing included.
pub const MESSAGE_BYTES_MAX: usize = 2 * 1024 * 1024;
const FRAMES_QUEUED: usize = 8;

struct LinkDoor {
    node: Node,
    shutdown: Shutdown,
    live: Newest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Journals,
    Attachments,
}

/// The newest stream of each child and lane. A child that comes again has lost the line before, whatever that still looks
/// like from here; and two who say they are the same village must not talk both at once. A request that was stuck in a dead
/// line may come late and end a live stream: its child dials again, and that is all.
#[derive(Default)]
struct Newest(Mutex<BTreeMap<(Lane, NodeId), CancellationToken>>);

impl Newest {
    /// Ends the stream before and gives what ends this one when the next comes.
    fn enter(&self, lane: Lane, child: &NodeId) -> CancellationToken {
        let mut live = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let token = CancellationToken::new();
        if let Some(before) = live.insert((lane, child.clone()), token.clone()) {
            before.cancel();
        }
        token
    }
}

type Frames<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl LinkDoor {
    /// The child at the other end, by its certificate. Only our own children have business at this door.
    fn child<T>(&self, request: &Request<T>) -> Result<NodeId, Status> {
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.node.clone());
        let child = peer.ok_or_else(|| Status::unauthenticated("no certificate"))?;
        let network = self.node.hall.store.network();
        match network.parent(&child) {
            Some(parent) if parent == self.node.hall.me() => Ok(child),
            Some(parent) => {
                Err(Status::permission_denied(format!("{child} belongs to {parent}: join there")))
            }
            None => Err(Status::unavailable(format!("{child} is not known here yet: try again in a moment"))),
        }
    }

    fn answer<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> Response<Frames<T>> {
        Response::new(Box::pin(ReceiverStream::new(receiver).map(Ok)))
    }
}

#[tonic::async_trait]
impl Exchange for LinkDoor {
    type JournalsStream = Frames<pb::Frame>;
    type AttachmentsStream = Frames<pb::Parcel>;

    async fn journals(
        &self,
        request: Request<Streaming<pb::Frame>>,
    ) -> Result<Response<Self::JournalsStream>, Status> {
        let child = self.child(&request)?;
        let (sender, receiver) = mpsc::channel(FRAMES_QUEUED);
        let (node, inbound) = (self.node.clone(), request.into_inner());
        let (newer, farewell) = (self.live.enter(Lane::Journals, &child), sender.clone());
        self.shutdown.spawn(async move {
            let reason = tokio::select! {
                ended = node.converse(child.clone(), inbound, sender, |_| {}) => ended.to_string(),
                () = newer.cancelled() => {
                    let reason = "a newer link of this node is open: does it run twice?".to_owned();
                    let bye = pb::frame::Kind::Bye(pb::Bye { reason: reason.clone() });
                    // A line that takes nothing more needs no farewell.
                    let _ = farewell.try_send(pb::Frame { kind: Some(bye) });
                    reason
                }
            };
            tracing::info!(node.id = %child, %reason, "link closed");
        });
        Ok(Self::answer(receiver))
    }

    async fn attachments(
        &self,
        request: Request<Streaming<pb::Parcel>>,
    ) -> Result<Response<Self::AttachmentsStream>, Status> {
        let child = self.child(&request)?;
        let (sender, receiver) = mpsc::channel(FRAMES_QUEUED);
        let (node, inbound) = (self.node.clone(), request.into_inner());
        let newer = self.live.enter(Lane::Attachments, &child);
        self.shutdown.spawn(async move {
            let ended = tokio::select! {
                ended = parcels::run(&node, child.clone(), inbound, sender) => ended,
                () = newer.cancelled() => Ok(()),
            };
            if let Err(error) = ended {
                tracing::warn!(node.id = %child, %error, "attachment lane closed");
            }
        });
        Ok(Self::answer(receiver))
    }
}

fn builder() -> Server {
    Server::builder()
        .tcp_nodelay(true)
        // The child asks more often and so finds a dead line first; this is for children that went without a word.
        .http2_keepalive_interval(Some(Duration::from_secs(60)))
        .http2_keepalive_timeout(Some(Duration::from_secs(10)))
        .max_concurrent_streams(16)
        .http2_max_header_list_size(16 * 1024)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(2 << 20)
}

/// Opens the door for children's links.
///
/// # Errors
/// [`TlsError`] when the identity cannot be used.
pub fn open_links(
    node: Node,
    enrolment: Option<EnrolmentDoor>,
    listener: TcpListener,
    identity: &TlsIdentity,
    meter: Arc<Meter>,
    switch: DoorSwitch,
    shutdown: &Shutdown,
) -> Result<(), TlsError> {
    let incoming = tls::incoming(listener, identity.link_server()?, identity.city.clone(), meter, switch);
    let exchange =
        ExchangeServer::new(LinkDoor { node, shutdown: shutdown.clone(), live: Newest::default() })
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
    // Towns forward joining villages through their own link, so the hub answers enrolment here too.
    let enrolment = enrolment.map(|door| EnrolmentServer::new(door).max_decoding_message_size(64 * 1024));
    let server = builder().add_service(exchange).add_optional_service(enrolment);
    shutdown.spawn(async move {
        if let Err(error) = server.serve_with_incoming(incoming).await {
            tracing::error!(%error, "the link door closed");
        }
    });
    Ok(())
}

/// Opens the door for nodes that hold a token and no certificate yet.
///
/// # Errors
/// [`TlsError`] when the identity cannot be used.
pub fn open_enrolment(
    door: EnrolmentDoor,
    listener: TcpListener,
    identity: &TlsIdentity,
    meter: Arc<Meter>,
    shutdown: &Shutdown,
) -> Result<(), TlsError> {
    let incoming = tls::incoming(
        listener,
        identity.enrol_server()?,
        identity.city.clone(),
        meter,
        DoorSwitch::default(),
    );
    let server = builder().add_service(EnrolmentServer::new(door).max_decoding_message_size(64 * 1024));
    shutdown.spawn(async move {
        if let Err(error) = server.serve_with_incoming(incoming).await {
            tracing::error!(%error, "the enrolment door closed");
        }
    });
    Ok(())
}
