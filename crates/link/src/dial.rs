//! The child's side: dial the parent, talk, and dial again when the line breaks.

use crate::credentials::Credentials;
use crate::door::MESSAGE_BYTES_MAX;
use crate::meter::Meter;
use crate::parcels;
use crate::shell::{Node, Progress};
use crate::tls::{self, Shown};
use arc_swap::ArcSwapOption;
use domain::network::Standing;
use domain::{NodeId, Timestamp};
use proto::link::v1::enrolment_client::EnrolmentClient;
use proto::link::v1::exchange_client::ExchangeClient;
use replication::backoff::Backoff;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, mpsc};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::{Channel, Endpoint};
use trust::ca::Machine;

/// While nobody answers at all, a knock costs next to nothing and a citizen may be waiting: never longer than this,
const KNOCK_MS_MAX: u64 = 4_000;
/// and after so many knocks (about five minutes) never longer than that.
const PATIENT_KNOCKS: u32 = 150;
const PATIENT_KNOCK_MS_MAX: u64 = 10_000;

/// What a node shows of its link upward.
#[derive(Default)]
pub struct LinkState {
    pub connected: AtomicBool,
    pub unconfirmed: AtomicU64,
    pub last_contact_ms: AtomicI64,
    pub attempts: AtomicU64,
    /// When it is dialled next; 0 while it stands or is being dialled.
    next_try_ms: AtomicI64,
    /// Switched off by a person: no dialling until it is switched on and poked.
    pub paused: AtomicBool,
    last_error: Mutex<String>,
    /// A person asked, or the network came back: dial now.
    pub poke: Notify,
    channel: ArcSwapOption<Channel>,
}

impl LinkState {
    pub fn last_error(&self) -> String {
        self.last_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    fn set_error(&self, text: String) {
        *self.last_error.lock().unwrap_or_else(PoisonError::into_inner) = text;
    }
    pub fn next_try(&self) -> Option<Timestamp> {
        let ms = self.next_try_ms.load(Ordering::Relaxed);
        (ms > 0).then(|| Timestamp::from_ms(ms))
    }
    pub fn last_contact(&self) -> Option<Timestamp> {
        let ms = self.last_contact_ms.load(Ordering::Relaxed);
        (ms > 0).then(|| Timestamp::from_ms(ms))
    }
    /// Switches the link off (`false`) or on; off, nothing is dialled and everything waits on this disk.
    pub fn switch(&self, on: bool) {
        self.paused.store(!on, Ordering::Relaxed);
        self.poke.notify_one();
    }
    /// The open connection to the parent, for calls beside the streams.
    pub fn channel(&self) -> Option<Channel> {
        self.channel.load_full().map(|channel| (*channel).clone())
    }
}

pub struct Uplink {
    pub node: Node,
    pub parent: NodeId,
    pub address: String,
    /// `host:port` of its door for joining nodes, where a certificate that ran out is renewed.
    pub door: Option<String>,
    pub credentials: Arc<Credentials>,
    pub meter: Arc<Meter>,
    pub state: Arc<LinkState>,
}

/// How often a standing link looks whether the certificate is half spent,
const RENEWAL_LOOK: Duration = Duration::from_secs(60);
/// and how long it waits after a refusal,
const RENEWAL_PAUSE: Duration = Duration::from_secs(600);
/// or, while another authority issues than the one above ours.
const OUTDATED_PAUSE: Duration = Duration::from_secs(10);

fn has_run_out(error: &std::io::Error) -> bool {
    let fault = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    matches!(fault, Some(rustls::Error::AlertReceived(rustls::AlertDescription::CertificateExpired)))
}

/// How far an attempt got decides how long to wait before the next.
enum Attempt {
    Unreachable(String),
    Refused(String),
    /// It stood, and so long.
    Talked {
        stood_ms: i64,
        reason: String,
    },
}

/// A link that broke sooner did not stand: dialling again at once would only break it again.
const STOOD_MS: i64 = 30_000;

impl Uplink {
    /// Keeps the link for ever.
    pub async fn run(self) {
        let mut knock = Backoff::with(500, KNOCK_MS_MAX);
        let mut refused = Backoff::link();
        loop {
            while self.state.paused.load(Ordering::Relaxed) {
                self.state.poke.notified().await;
            }
            self.state.attempts.fetch_add(1, Ordering::Relaxed);
            let attempt = tokio::select! {
                attempt = self.attempt() => attempt,
                () = self.switched_off() => {
                    Attempt::Talked { stood_ms: STOOD_MS, reason: "switched off".to_owned() }
                }
            };
            self.state.connected.store(false, Ordering::Relaxed);
            self.state.channel.store(None);
            let random = self.node.hall.random.u64();
            let (wait, reason) = match attempt {
                Attempt::Unreachable(reason) if knock.failures() > PATIENT_KNOCKS => {
                    (random % PATIENT_KNOCK_MS_MAX, reason)
                }
                Attempt::Unreachable(reason) => (knock.next_ms(random), reason),
                Attempt::Refused(reason) => (refused.next_ms(random), reason),
                Attempt::Talked { stood_ms, reason } => {
                    if stood_ms >= STOOD_MS {
                        knock.reset();
                        refused.reset();
                    }
                    (knock.next_ms(random), reason)
                }
            };
            tracing::info!(node.id = %self.parent, %reason, wait_ms = wait, "no link to the parent");
            self.state.set_error(reason);
            let next = self.node.hall.now().plus_ms(i64::try_from(wait).unwrap_or(i64::MAX));
            self.state.next_try_ms.store(next.as_ms(), Ordering::Relaxed);
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(wait)) => {}
                () = self.state.poke.notified() => knock.reset(),
            }
            self.state.next_try_ms.store(0, Ordering::Relaxed);
        }
    }

    /// Returns when a person switches the link off.
    async fn switched_off(&self) {
        loop {
            self.state.poke.notified().await;
            if self.state.paused.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    async fn attempt(&self) -> Attempt {
        let known = self.node.hall.store.network();
        let known = known.get(&self.parent);
        if let Some(record) = known.filter(|record| record.standing != Standing::Active) {
            return Attempt::Refused(format!("{} no longer belongs to the city: join another", record.id));
        }
        let incarnation = known.map_or(1, |record| record.incarnation);
        let want = Machine { node: self.parent.clone(), incarnation };
        // Another process may have renewed it.
        if let Err(error) = self.credentials.reload() {
            tracing::warn!(%error, "the certificate on disk cannot be used; the one in memory is");
        }
        let (client, city) = (self.credentials.client(), &self.credentials.city);
        let stream = match tls::connect(&self.address, client, city, &want, self.meter.clone()).await {
            Err(error) if has_run_out(&error) => return self.renew_what_ran_out(error).await,
            Ok(stream) => stream,
            Err(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                return Attempt::Refused(error.to_string());
            }
            Err(error) => return Attempt::Unreachable(error.to_string()),
        };
        let channel = match channel_over(stream).await {
            Ok(channel) => channel,
            Err(error) => return Attempt::Unreachable(error.to_string()),
        };
        self.state.channel.store(Some(Arc::new(channel.clone())));
        let (frames, outgoing) = mpsc::channel(8);
        let mut client = ExchangeClient::new(channel.clone())
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        // The parent answers with its greeting at once, so the call returns before we have said anything of weight.
        let inbound = match client.journals(ReceiverStream::new(outgoing)).await {
            Ok(response) => response.into_inner(),
            Err(status) => return Attempt::Refused(status.message().to_owned()),
        };
        let (parcels, renewal) = (self.parcel_lane(client), self.renew_in_time(channel.clone()));
        let (mut greeted, dialled) = (false, self.node.hall.now());
        let talk = self.node.converse(self.parent.clone(), Shown::default(), inbound, frames, |progress| {
            self.note(progress, &mut greeted)
        });
        let ended = tokio::select! {
            ended = talk => ended.to_string(),
            () = parcels => "the attachment lane broke off".to_owned(),
            reason = renewal => reason.to_owned(),
        };
        match greeted {
            true => Attempt::Talked { stood_ms: self.node.hall.now().since(dialled), reason: ended },
            false => Attempt::Refused(ended),
        }
    }

    /// The parent tells us that our certificate ran out: it is renewed at its other door, and then the link is dialled again.
    async fn renew_what_ran_out(&self, error: std::io::Error) -> Attempt {
        let Some(door) = &self.door else { return Attempt::Refused(error.to_string()) };
        match crate::enrol::renew_at(door, &self.credentials).await {
            Ok(()) => Attempt::Unreachable("the certificate had run out and was renewed".to_owned()),
            Err(refusal) => Attempt::Refused(format!("the certificate ran out; not renewed: {refusal}")),
        }
    }

    /// Asks for the next certificate when it is time, by the parent's clock: ours may be days off. Returns when the parent should see
    /// the new one at once, because another authority stands above it.
    async fn renew_in_time(&self, channel: Channel) -> &'static str {
        let mut changed = self.credentials.watch();
        loop {
            let outdated = self.credentials.is_outdated();
            let contacts = self.node.hall.store.contacts().await.unwrap_or_default();
            let skew = contacts.iter().find(|one| one.node == self.parent).map_or(0, |one| one.clock_skew_ms);
            let due = self.credentials.is_due(self.node.hall.now().plus_ms(skew));
            let renewed = if due { self.renew_over(channel.clone()).await } else { Ok(()) };
            if let Err(reason) = &renewed {
                tracing::warn!(%reason, "the certificate was not renewed; it will be asked for again");
            }
            if outdated && !self.credentials.is_outdated() {
                return "a certificate under the present authority is shown from now on";
            }
            let pause = match renewed {
                Ok(()) => RENEWAL_LOOK,
                // The parent, too, may be dialling anew just now to show its new one.
                Err(_) if outdated => OUTDATED_PAUSE,
                Err(_) => RENEWAL_PAUSE,
            };
            // Another authority issues, perhaps: then it is time at once.
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = changed.changed() => {}
            }
        }
    }

    async fn renew_over(&self, channel: Channel) -> Result<(), String> {
        let claim = self.credentials.claim().map_err(|e| e.to_string())?;
        let request = crate::enrol::renewal_request(claim);
        let reply = EnrolmentClient::new(channel).renew(request).await.map_err(|s| s.message().to_owned())?;
        self.credentials.install(&reply.into_inner().certificate_pem).map_err(|e| e.to_string())?;
        tracing::info!("the certificate was renewed");
        Ok(())
    }

    fn note(&self, progress: Progress, greeted: &mut bool) {
        match progress {
            Progress::Greeted => {
                // Keep-alive ends a line on which nobody answers, so a standing one is contact.
                self.state.last_contact_ms.store(self.node.hall.now().as_ms(), Ordering::Relaxed);
                if !*greeted {
                    *greeted = true;
                    self.state.connected.store(true, Ordering::Relaxed);
                    self.state.set_error(String::new());
                    tracing::info!(node.id = %self.parent, "link to the parent is up");
                }
            }
            Progress::Unconfirmed(count) => self.state.unconfirmed.store(count, Ordering::Relaxed),
        }
    }

    async fn parcel_lane(&self, mut client: ExchangeClient<Channel>) {
        loop {
            let (sender, outgoing) = mpsc::channel(8);
            match client.attachments(ReceiverStream::new(outgoing)).await {
                Ok(inbound) => {
                    if let Err(error) =
                        parcels::run(&self.node, self.parent.clone(), inbound.into_inner(), sender).await
                    {
                        tracing::warn!(%error, "attachments wait");
                    }
                }
                Err(status) => tracing::warn!(reason = status.message(), "attachments wait"),
            }
            tokio::time::sleep(Duration::from_secs(5)).await;
        }
    }
}

/// An HTTP/2 channel over one connection that is already open. When it dies the channel dies: dialling is ours, not tonic's.
///
/// # Errors
/// When the HTTP/2 handshake fails.
pub async fn channel_over<S>(stream: S) -> Result<Channel, tonic::transport::Error>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + Unpin + 'static,
{
    let slot = Arc::new(Mutex::new(Some(stream)));
    let connector = tower::service_fn(move |_: http::Uri| {
        let stream = slot.lock().unwrap_or_else(PoisonError::into_inner).take();
        async move {
            stream
                .map(hyper_util::rt::TokioIo::new)
                .ok_or_else(|| std::io::Error::other("the line was closed"))
        }
    });
    Endpoint::from_static("http://parent")
        // A silent line is noticed within half a minute; asking more often would keep a hundred idle nodes awake.
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(1 << 20)
        .initial_connection_window_size(2 << 20)
        .connect_with_connector(connector)
        .await
}
