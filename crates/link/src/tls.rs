//! TLS 1.3 with certificates of the city on both sides, under tonic.

use crate::credentials::Credentials;
use crate::meter::Meter;
use arc_swap::ArcSwap;
use domain::Timestamp;
use runtime::{Guests, Place};
use rustls::{ClientConfig, ServerConfig};
use rustls_pki_types::ServerName;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_stream::wrappers::ReceiverStream;
use trust::ca::{Machine, SERVER_NAME, machine_of};

const HANDSHAKE: Duration = Duration::from_secs(10);
/// Handshakes under way at once; more wait in the kernel's queue.
const HANDSHAKES_MAX: usize = 256;
/// Connections at once at one door. A town has a dozen children and the hub a dozen towns; at the door for joining nodes a hundred
/// and fifty may come at once.
const CONNECTIONS_MAX: usize = 512;
/// Connections at once of one machine: the live one, and those before it whose end was not noticed yet.
const PER_MACHINE_MAX: u32 = 8;
/// Connections at once from one address that shows no certificate, except loopback. Whole towns may come from one address.
const PER_ADDRESS_MAX: u32 = 64;

/// Who is at the other end of a connection; on the enrolment door nobody is named.
#[derive(Clone, Debug)]
pub struct Peer {
    pub machine: Option<Machine>,
    pub shown: Shown,
    pub address: SocketAddr,
}

/// The certificate that the other end shows; empty on the enrolment door, and where we dial.
#[derive(Clone, Debug, Default)]
pub struct Shown {
    /// Fingerprint of the authority above it.
    pub under: Option<String>,
    pub until: Option<Timestamp>,
}

impl Peer {
    fn caller(&self) -> Caller {
        match &self.machine {
            Some(machine) => Caller::Machine(machine.clone()),
            None => Caller::Address(self.address.ip()),
        }
    }
    fn most(&self) -> u32 {
        match &self.machine {
            Some(_) => PER_MACHINE_MAX,
            None => most_from(self.address.ip()),
        }
    }
}

fn most_from(address: IpAddr) -> u32 {
    if address.is_loopback() { u32::MAX } else { PER_ADDRESS_MAX }
}

/// A connection after its handshake, its bytes counted.
pub struct TlsStream<S> {
    io: S,
    peer: Peer,
    door: DoorSwitch,
    /// Given back when the connection ends.
    _places: (Place<Caller>, OwnedSemaphorePermit),
}

/// Whose connections are counted together.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Caller {
    Machine(Machine),
    Address(IpAddr),
}

/// Shuts a door at once: open connections end, new ones are dropped. For maintenance, and for drills of a broken line.
#[derive(Clone, Debug, Default)]
pub struct DoorSwitch(Arc<std::sync::atomic::AtomicBool>);

impl DoorSwitch {
    pub fn set_shut(&self, shut: bool) {
        self.0.store(shut, Ordering::Relaxed);
    }
    pub fn is_shut(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> tonic::transport::server::Connected for TlsStream<S> {
    type ConnectInfo = Peer;
    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}
impl<S: AsyncRead + Unpin> AsyncRead for TlsStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.door.is_shut() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the door is shut")));
        }
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}
impl<S: AsyncWrite + Unpin> AsyncWrite for TlsStream<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

/// A TCP connection whose bytes are counted below TLS.
pub struct Metered {
    tcp: TcpStream,
    meter: Arc<Meter>,
}
impl AsyncRead for Metered {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.tcp).poll_read(cx, buffer);
        self.meter.received.fetch_add((buffer.filled().len() - before) as u64, Ordering::Relaxed);
        polled
    }
}
impl AsyncWrite for Metered {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.tcp).poll_write(cx, bytes);
        if let Poll::Ready(Ok(count)) = polled {
            self.meter.sent.fetch_add(count as u64, Ordering::Relaxed);
        }
        polled
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tcp).poll_shutdown(cx)
    }
}

type ServerTls = tokio_rustls::server::TlsStream<Metered>;
type ServerIo = TlsStream<ServerTls>;

/// Accepts connections for ever: each handshake in a task of its own, under a deadline, bounded in number.
pub fn incoming(
    listener: TcpListener,
    config: Arc<ArcSwap<ServerConfig>>,
    credentials: Arc<Credentials>,
    meter: Arc<Meter>,
    door: DoorSwitch,
) -> ReceiverStream<io::Result<ServerIo>> {
    let (sender, receiver) = tokio::sync::mpsc::channel(64);
    let gate = Arc::new(Semaphore::new(HANDSHAKES_MAX));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let (guests, knocking) = (Arc::<Guests<Caller>>::default(), Arc::<Guests<IpAddr>>::default());
    tokio::spawn(async move {
        while !sender.is_closed() {
            let Ok(permit) = gate.clone().acquire_owned().await else { return };
            let Ok(place) = places.clone().acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = sender.closed() => return,
            };
            let Ok((tcp, address)) = accepted else {
                // Out of file descriptors, most likely: pause rather than spin.
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            if door.is_shut() {
                continue;
            }
            // Before it has proven anything, one address must not take the places of all.
            let Some(knocking) = knocking.enter(address.ip(), most_from(address.ip())) else { continue };
            let (credentials, door) = (credentials.clone(), door.clone());
            let (acceptor, sender) = (tokio_rustls::TlsAcceptor::from(config.load_full()), sender.clone());
            let (meter, guests) = (meter.clone(), guests.clone());
            tokio::spawn(async move {
                let (_permit, _knocking) = (permit, knocking);
                let shaken = shake_hands(acceptor, tcp, address, &credentials, meter);
                match tokio::time::timeout(HANDSHAKE, shaken).await {
                    Ok(Ok((io, peer))) => match guests.enter(peer.caller(), peer.most()) {
                        Some(guest) => {
                            let stream = TlsStream { io, peer, door, _places: (guest, place) };
                            drop(sender.send(Ok(stream)).await);
                        }
                        None => {
                            tracing::warn!(%address, caller = ?peer.caller(), "too many connections of one caller")
                        }
                    },
                    Ok(Err(error)) => tracing::warn!(%address, %error, "handshake refused"),
                    Err(_) => tracing::warn!(%address, "handshake took too long"),
                }
            });
        }
    });
    ReceiverStream::new(receiver)
}

async fn shake_hands(
    acceptor: tokio_rustls::TlsAcceptor,
    tcp: TcpStream,
    address: SocketAddr,
    credentials: &Credentials,
    meter: Arc<Meter>,
) -> io::Result<(ServerTls, Peer)> {
    tcp.set_nodelay(true)?;
    let io = acceptor.accept(Metered { tcp, meter }).await?;
    let chain = io.get_ref().1.peer_certificates().unwrap_or_default();
    let (machine, shown) = match chain.first() {
        Some(certificate) => {
            let (machine, until) = machine_of(certificate, &credentials.city).map_err(io::Error::other)?;
            (Some(machine), Shown { under: credentials.authority_of(chain), until: Some(until) })
        }
        None => (None, Shown::default()),
    };
    Ok((io, Peer { machine, shown, address }))
}

/// Dials `address` and makes sure that `want` answers: that node, and no machine of it before that incarnation.
///
/// # Errors
/// What went wrong, in words; a refusal of our certificate is told here and not three calls later.
pub async fn connect(
    address: &str,
    config: Arc<ClientConfig>,
    city: &str,
    want: &Machine,
    meter: Arc<Meter>,
) -> io::Result<tokio_rustls::client::TlsStream<Metered>> {
    let tcp = tokio::time::timeout(HANDSHAKE, TcpStream::connect(address)).await??;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from(SERVER_NAME).map_err(io::Error::other)?;
    let connector = tokio_rustls::TlsConnector::from(config);
    let mut tls = tokio::time::timeout(HANDSHAKE, connector.connect(name, Metered { tcp, meter })).await??;
    let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    let certificate = certificate.ok_or_else(|| io::Error::other("the server showed no certificate"))?;
    let (machine, _) = machine_of(certificate, city).map_err(io::Error::other)?;
    if machine.node != want.node {
        let (node, want) = (machine.node, &want.node);
        return Err(io::Error::other(format!("{node} answers at this address, {want} was expected")));
    }
    if machine.incarnation < want.incarnation {
        let told =
            format!("a machine of {} answers that was replaced: is the address still right?", want.node);
        return Err(io::Error::other(told));
    }
    // In TLS 1.3 the server judges our certificate after our side is done. Its first bytes are its settings or its
    // alert; waiting for them turns a refusal into an error of this call.
    tokio::time::timeout(HANDSHAKE, tls.fill_buf()).await??;
    Ok(tls)
}
