//! Joining: a token, a certificate request and a signing key in; a certificate and the neighbours' records out.

use crate::credentials::{AnyDay, Credentials};
use crate::dial::{LinkState, channel_over};
use crate::tls::Peer;
use casework::{ActError, Hall};
use domain::network::NodeRecord;
use domain::{NodeId, Timestamp};
use proto::link::v1 as pb;
use proto::link::v1::enrolment_client::EnrolmentClient;
use proto::link::v1::enrolment_server::Enrolment;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpStream;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};
use trust::ca::{Machine, SERVER_NAME, machine_of};
use trust::renewal::RenewalFault;
use trust::{CaFolder, CityCa, JoinToken, RenewalClaim};

/// Who answers at a door for joining nodes.
#[derive(Clone)]
pub enum EnrolmentDoor {
    /// The hub admits and issues.
    Hub { hall: Hall, ca: Arc<CaFolder>, serial: Arc<AtomicU64> },
    /// A town passes the request on through its own link.
    Town { uplink: Arc<LinkState> },
}

#[tonic::async_trait]
impl Enrolment for EnrolmentDoor {
    async fn join(&self, request: Request<pb::JoinRequest>) -> Result<Response<pb::JoinReply>, Status> {
        let address = request.extensions().get::<Peer>().map(|peer| peer.address);
        let reply = match self {
            EnrolmentDoor::Hub { hall, ca, serial } => admit(hall, ca, serial, request.into_inner()).await,
            EnrolmentDoor::Town { uplink } => match above(uplink) {
                Ok(mut hub) => hub.join(request.into_inner()).await.map(Response::into_inner),
                Err(status) => Err(status),
            },
        };
        if let Err(status) = &reply {
            tracing::warn!(?address, reason = status.message(), "a node was not let in");
        }
        reply.map(Response::new)
    }

    async fn renew(&self, request: Request<pb::RenewRequest>) -> Result<Response<pb::RenewReply>, Status> {
        let address = request.extensions().get::<Peer>().map(|peer| peer.address);
        let reply = match self {
            EnrolmentDoor::Hub { hall, ca, serial } => renew(hall, ca, serial, request.into_inner()).await,
            EnrolmentDoor::Town { uplink } => match above(uplink) {
                Ok(mut hub) => hub.renew(request.into_inner()).await.map(Response::into_inner),
                Err(status) => Err(status),
            },
        };
        if let Err(status) = &reply {
            tracing::warn!(?address, reason = status.message(), "a certificate was not renewed");
        }
        reply.map(Response::new)
    }
}

/// The hub, as a town reaches it.
fn above(uplink: &LinkState) -> Result<EnrolmentClient<Channel>, Status> {
    let channel = uplink
        .channel()
        .ok_or_else(|| Status::unavailable("镇与市之间的网络不通,暂时不能入网或换证书;请稍后再试"))?;
    Ok(EnrolmentClient::new(channel))
}

fn next_serial(serial: &AtomicU64, now: Timestamp) -> u64 {
    now.as_ms() as u64 * 1000 + serial.fetch_add(1, Ordering::Relaxed) % 1000
}

/// Read anew each time: another process may have changed the issuer, and nodes come here once in weeks.
fn authority(ca: &CaFolder) -> Result<CityCa, Status> {
    ca.open().map_err(|error| {
        tracing::error!(%error, "the city's authority cannot be used; next: doctor");
        Status::unavailable("the city cannot issue certificates just now: try again later")
    })
}

async fn renew(
    hall: &Hall,
    ca: &CaFolder,
    serial: &AtomicU64,
    request: pb::RenewRequest,
) -> Result<pb::RenewReply, Status> {
    let pb::RenewRequest { certificate_pem, certificate_request_pem, signature } = request;
    let signature = replication::Signature::from_slice(&signature)
        .ok_or_else(|| Status::invalid_argument("renew.signature"))?;
    let claim = RenewalClaim { certificate_pem, request_pem: certificate_request_pem, signature };
    let refused = |fault: RenewalFault| Status::permission_denied(fault.to_string());
    let ca = &authority(ca)?;
    let (machine, _) = claim.machine(ca).map_err(refused)?;
    let network = hall.store.network();
    let record = network.get(&machine.node).ok_or_else(|| Status::permission_denied("unknown node"))?;
    let now = hall.now();
    let certificate = claim.grant(ca, record, next_serial(serial, now), now).map_err(refused)?;
    let noted = machine_of(&certificate.der, ca.city()).map(|(_, until)| until);
    if let Ok(until) = noted
        && let Err(error) = hall.store.note_certificate(&machine.node, until).await
    {
        // What is shown to people is a little behind; the node has its certificate all the same.
        tracing::warn!(%error, node.id = %machine.node, "the new certificate was not noted");
    }
    tracing::info!(node.id = %machine.node, "certificate renewed");
    Ok(pb::RenewReply { certificate_pem: certificate.pem })
}

pub(crate) fn renewal_request(claim: RenewalClaim) -> pb::RenewRequest {
    pb::RenewRequest {
        certificate_pem: claim.certificate_pem,
        certificate_request_pem: claim.request_pem,
        signature: claim.signature.0.to_vec().into(),
    }
}

/// Renews a certificate that ran out, at the door for joining nodes.
///
/// # Errors
/// [`JoinError`], with what to do.
pub async fn renew_at(address: &str, credentials: &Credentials) -> Result<(), JoinError> {
    let broken = |error: crate::credentials::TlsError| JoinError::Refused(error.to_string());
    let request = renewal_request(credentials.claim().map_err(broken)?);
    let reply = EnrolmentClient::new(knock(address, credentials.fingerprints()).await?).renew(request).await;
    let reply = reply.map_err(|status| JoinError::Refused(status.message().to_owned()))?;
    credentials.install(&reply.into_inner().certificate_pem).map_err(broken)
}

async fn admit(
    hall: &Hall,
    ca: &CaFolder,
    serial: &AtomicU64,
    request: pb::JoinRequest,
) -> Result<pb::JoinReply, Status> {
    let pb::JoinRequest { node, secret, certificate_request_pem, sign_key } = request;
    let node: NodeId = node.parse().map_err(|_| Status::invalid_argument("join.node"))?;
    let secret_hash = trust::fingerprint(secret.as_bytes());
    let (now, ca) = (hall.now(), &authority(ca)?);
    // The request is judged before the token is used up: a damaged one must not cost the village its token.
    let number = next_serial(serial, now);
    let issue = |node: &NodeId, incarnation: u32| {
        let machine = Machine { node: node.clone(), incarnation };
        ca.issue(&certificate_request_pem, &machine, number, now)
            .map_err(|_| Status::invalid_argument("join.certificate_request_pem"))
    };
    issue(&node, 1)?;
    let admitted = match hall.admit(&secret_hash, &node, &sign_key).await {
        Ok((record, above)) => (record, above),
        Err(error) => match hall.admitted_before(&secret_hash, &node, &sign_key, now).await {
            Ok(Some(record)) => (record, ancestors(hall)),
            _ => return Err(refusal(&error)),
        },
    };
    let (record, mut records) = admitted;
    // Given out only now, and for the node that was let in: a token must never buy another node's name.
    let certificate = issue(&record.id, record.incarnation)?;
    records.push(record);
    let records_json = serde_json::to_string(&records).map_err(|e| Status::internal(e.to_string()))?;
    Ok(pb::JoinReply {
        certificate_pem: certificate.pem,
        ca_pem: ca.authorities_pem().to_owned(),
        records_json,
    })
}

fn ancestors(hall: &Hall) -> Vec<NodeRecord> {
    hall.store.network().iter().filter(|node| node.tier != domain::network::Tier::Village).cloned().collect()
}

fn refusal(error: &ActError) -> Status {
    match error {
        ActError::Unfit { reason, .. } => Status::permission_denied(reason),
        other => Status::unavailable(other.to_string()),
    }
}

/// Everything a joined node keeps.
pub struct Joined {
    pub certificate_pem: String,
    pub ca_pem: String,
    /// Itself last, its ancestors before.
    pub records: Vec<NodeRecord>,
}

#[derive(Debug, thiserror::Error)]
pub enum JoinError {
    #[error(
        "cannot reach {address}: is it the enrolment address of your town or hub, and is the network up?"
    )]
    Unreachable { address: String, source: std::io::Error },
    #[error("whoever answers at {address} is not the city this token belongs to")]
    OtherCity { address: String, source: std::io::Error },
    #[error("not let in: {0}")]
    Refused(String),
    #[error("the answer cannot be read: {0}")]
    Answer(&'static str),
}

/// Opens a connection to a door whose authority is known by its fingerprint only: one of these.
async fn knock(address: &str, believed: Vec<String>) -> Result<Channel, JoinError> {
    let shown = address.to_owned();
    let tcp = TcpStream::connect(address)
        .await
        .map_err(|source| JoinError::Unreachable { address: shown.clone(), source })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(PinnedCa { believed, provider: provider.clone() });
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|_| JoinError::Answer("TLS 1.3 is not available"))?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let name = ServerName::try_from(SERVER_NAME).map_err(|_| JoinError::Answer("server name"))?;
    let tls = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, tcp).await;
    let tls = tls.map_err(|source| JoinError::OtherCity { address: shown.clone(), source })?;
    channel_over(tls).await.map_err(|e| JoinError::Refused(e.to_string()))
}

/// Asks to be let in at `address`. The token tells which CA to believe; nothing else is trusted.
///
/// # Errors
/// [`JoinError`], each with its remedy; the token is not used up unless the answer is a success.
pub async fn join(
    address: &str,
    token: &JoinToken,
    csr_pem: String,
    sign_key: String,
) -> Result<Joined, JoinError> {
    let channel = knock(address, vec![token.ca.clone()]).await?;
    let request = pb::JoinRequest {
        node: token.node.to_string(),
        secret: token.secret.clone(),
        certificate_request_pem: csr_pem,
        sign_key,
    };
    let reply = EnrolmentClient::new(channel)
        .join(request)
        .await
        .map_err(|status| JoinError::Refused(status.message().to_owned()))?;
    let pb::JoinReply { certificate_pem, ca_pem, records_json } = reply.into_inner();
    // Whoever the pinned one vouches for comes with it.
    if !trust::ca_folder::authorities(&ca_pem).iter().any(|one| one.fingerprint == token.ca) {
        return Err(JoinError::Answer("the CA is not the one the token pins"));
    }
    let records = serde_json::from_str(&records_json).map_err(|_| JoinError::Answer("node records"))?;
    Ok(Joined { certificate_pem, ca_pem, records })
}

/// Believes the authorities with these fingerprints, which the door shows behind its own certificate.
#[derive(Debug)]
struct PinnedCa {
    believed: Vec<String>,
    provider: Arc<rustls::crypto::CryptoProvider>,
}

impl ServerCertVerifier for PinnedCa {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let is_believed = |shown: &&CertificateDer<'_>| self.believed.contains(&trust::fingerprint(shown));
        let mut roots = RootCertStore::empty();
        for authority in intermediates.iter().filter(is_believed) {
            roots.add(authority.clone().into_owned())?;
        }
        if roots.is_empty() {
            return Err(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer));
        }
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            self.provider.clone(),
        );
        let verifier = verifier.build().map_err(|e| rustls::Error::General(e.to_string()))?;
        AnyDay(verifier).verify_server_cert(end_entity, intermediates, server_name, ocsp, now)
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("TLS 1.2 is not spoken here".to_owned()))
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        rustls::crypto::verify_tls13_signature(
            message,
            certificate,
            signature,
            &self.provider.signature_verification_algorithms,
        )
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}
