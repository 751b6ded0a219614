//! The parent's side: the door where children's links come in, and the door for nodes with a token.

use crate::credentials::Credentials;
use crate::enrol::EnrolmentDoor;
use crate::meter::Meter;
use crate::parcels;
use crate::shell::Node;
use crate::tls::{self, DoorSwitch, Peer};
use domain::NodeId;
use domain::network::Standing;
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
use trust::ca::Machine;

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

fn unknown_yet(child: &NodeId) -> Status {
    Status::unavailable(format!("{child} is not known here yet: try again in a moment"))
}

impl Node {
    /// Whether a machine is let in, as far as the node list says that has come here (I26).
    fn welcomes(&self, machine: &Machine) -> Result<(), Status> {
        let (network, node) = (self.hall.store.network(), &machine.node);
        let Some(record) = network.get(node) else { return Err(unknown_yet(node)) };
        let told = match record.standing {
            Standing::Active if machine.incarnation == record.incarnation => return Ok(()),
            // Enrolled a moment ago, and the node list is on its way.
            Standing::Active if machine.incarnation > record.incarnation => return Err(unknown_yet(node)),
            Standing::Active => format!(
                "another machine has taken the place of this one of {node}; what is only on this disk goes by export-bag"
            ),
            Standing::Banned => format!(
                "{node} was reported lost: if this machine was found again, ask the city for a token to join anew"
            ),
            Standing::Evicted => format!("{node} was closed: its cases are with its town"),
        };
        Err(Status::permission_denied(told))
    }

    /// Returns when a machine that was let in is no longer welcome.
    async fn turns_away(&self, machine: &Machine) -> String {
        let mut changes = self.hall.store.changes();
        loop {
            if let Err(status) = self.welcomes(machine) {
                return status.message().to_owned();
            }
            // A listener that fell behind looks all the same.
            if matches!(changes.recv().await, Err(tokio::sync::broadcast::error::RecvError::Closed)) {
                return "the node stops".to_owned();
            }
        }
    }
}

type Frames<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

impl LinkDoor {
    /// The child at the other end, by its certificate. Only our own children have business at this door.
    fn child<T>(&self, request: &Request<T>) -> Result<Machine, Status> {
        let peer = request.extensions().get::<Peer>().and_then(|peer| peer.machine.clone());
        let machine = peer.ok_or_else(|| Status::unauthenticated("no certificate"))?;
        self.node.welcomes(&machine)?;
        let (network, child) = (self.node.hall.store.network(), &machine.node);
        match network.parent(child) {
            Some(parent) if parent == self.node.hall.me() => Ok(machine),
            Some(parent) => {
                Err(Status::permission_denied(format!("{child} belongs to {parent}: join there")))
            }
            None => Err(unknown_yet(child)),
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
        let machine = self.child(&request)?;
        let shown = request.extensions().get::<Peer>().map(|peer| peer.shown.clone()).unwrap_or_default();
        let (sender, receiver) = mpsc::channel(FRAMES_QUEUED);
        let (node, inbound) = (self.node.clone(), request.into_inner());
        let (newer, farewell) = (self.live.enter(Lane::Journals, &machine.node), sender.clone());
        self.shutdown.spawn(async move {
            let (reason, bye) = tokio::select! {
                ended = node.converse(machine.node.clone(), shown, inbound, sender, |_| {}) => (ended.to_string(), false),
                () = newer.cancelled() => ("a newer link of this node is open: does it run twice?".to_owned(), true),
                told = node.turns_away(&machine) => (told, true),
            };
            if bye {
                let bye = pb::frame::Kind::Bye(pb::Bye { reason: reason.clone() });
                // A line that takes nothing more needs no farewell.
                let _ = farewell.try_send(pb::Frame { kind: Some(bye) });
            }
            tracing::info!(node.id = %machine.node, %reason, "link closed");
        });
        Ok(Self::answer(receiver))
    }

    async fn attachments(
        &self,
        request: Request<Streaming<pb::Parcel>>,
    ) -> Result<Response<Self::AttachmentsStream>, Status> {
        let machine = self.child(&request)?;
        let child = machine.node.clone();
        let (sender, receiver) = mpsc::channel(FRAMES_QUEUED);
        let (node, inbound) = (self.node.clone(), request.into_inner());
        let newer = self.live.enter(Lane::Attachments, &child);
        self.shutdown.spawn(async move {
            let ended = tokio::select! {
                ended = parcels::run(&node, child.clone(), inbound, sender) => ended,
                () = newer.cancelled() => Ok(()),
                _ = node.turns_away(&machine) => Ok(()),
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
        // A flood of streams that are opened and reset again ends the connection (rapid reset).
        .http2_max_pending_accept_reset_streams(Some(32))
        .concurrency_limit_per_connection(16)
        .http2_max_header_list_size(16 * 1024)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(2 << 20)
}

/// Opens the door for children's links.
pub fn open_links(
    node: Node,
    enrolment: Option<EnrolmentDoor>,
    listener: TcpListener,
    credentials: &Arc<Credentials>,
    meter: Arc<Meter>,
    switch: DoorSwitch,
    shutdown: &Shutdown,
) {
    let incoming = tls::incoming(listener, credentials.link_server(), credentials.clone(), meter, switch);
    let exchange =
        ExchangeServer::new(LinkDoor { node, shutdown: shutdown.clone(), live: Newest::default() })
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
    // Towns forward joining villages through their own link, and everybody renews through it.
    let enrolment = enrolment.map(|door| EnrolmentServer::new(door).max_decoding_message_size(64 * 1024));
    let server = builder().add_service(exchange).add_optional_service(enrolment);
    shutdown.spawn(async move {
        if let Err(error) = server.serve_with_incoming(incoming).await {
            tracing::error!(%error, "the link door closed");
        }
    });
}

/// Opens the door for nodes that hold a token and no certificate yet, or one that ran out.
pub fn open_enrolment(
    door: EnrolmentDoor,
    listener: TcpListener,
    credentials: &Arc<Credentials>,
    meter: Arc<Meter>,
    shutdown: &Shutdown,
) {
    let incoming = tls::incoming(
        listener,
        credentials.enrol_server(),
        credentials.clone(),
        meter,
        DoorSwitch::default(),
    );
    let server = builder().add_service(EnrolmentServer::new(door).max_decoding_message_size(64 * 1024));
    shutdown.spawn(async move {
        if let Err(error) = server.serve_with_incoming(incoming).await {
            tracing::error!(%error, "the enrolment door closed");
        }
    });
}
