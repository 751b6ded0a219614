//! Joining: a token, a certificate request and a signing key in; a certificate and the neighbours' records out.

use crate::dial::{LinkState, channel_over};
use crate::tls::Peer;
use casework::{ActError, Hall};
use domain::NodeId;
use domain::network::NodeRecord;
use proto::link::v1 as pb;
use proto::link::v1::enrolment_client::EnrolmentClient;
use proto::link::v1::enrolment_server::Enrolment;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::net::TcpStream;
use tonic::{Request, Response, Status};
use trust::ca::{Machine, SERVER_NAME};
use trust::{CityCa, JoinToken};

/// Who answers at a door for joining nodes.
#[derive(Clone)]
pub enum EnrolmentDoor {
    /// The hub admits and issues.
    Hub { hall: Hall, ca: Arc<CityCa>, serial: Arc<AtomicU64> },
    /// A town passes the request on through its own link.
    Town { uplink: Arc<LinkState> },
}

#[tonic::async_trait]
impl Enrolment for EnrolmentDoor {
    async fn join(&self, request: Request<pb::JoinRequest>) -> Result<Response<pb::JoinReply>, Status> {
        let address = request.extensions().get::<Peer>().map(|peer| peer.address);
        let reply = match self {
            EnrolmentDoor::Hub { hall, ca, serial } => admit(hall, ca, serial, request.into_inner()).await,
            EnrolmentDoor::Town { uplink } => forward(uplink, request.into_inner()).await,
        };
        if let Err(status) = &reply {
            tracing::warn!(?address, reason = status.message(), "a node was not let in");
        }
        reply.map(Response::new)
    }
}

async fn forward(uplink: &LinkState, request: pb::JoinRequest) -> Result<pb::JoinReply, Status> {
    let channel = uplink
        .channel()
        .ok_or_else(|| Status::unavailable("镇与市之间的网络不通,暂时不能入网;请稍后再试"))?;
    Ok(EnrolmentClient::new(channel).join(request).await?.into_inner())
}

async fn admit(
    hall: &Hall,
    ca: &CityCa,
    serial: &AtomicU64,
    request: pb::JoinRequest,
) -> Result<pb::JoinReply, Status> {
    let pb::JoinRequest { node, secret, certificate_request_pem, sign_key } = request;
    let node: NodeId = node.parse().map_err(|_| Status::invalid_argument("join.node"))?;
    let secret_hash = trust::fingerprint(secret.as_bytes());
    let now = hall.now();
    // The request is judged before the token is used up: a damaged one must not cost the village its token.
    let number = now.as_ms() as u64 * 1000 + serial.fetch_add(1, Ordering::Relaxed) % 1000;
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
        ca_pem: ca.certificate_pem().to_owned(),
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
    let shown = address.to_owned();
    let tcp = TcpStream::connect(address)
        .await
        .map_err(|source| JoinError::Unreachable { address: shown.clone(), source })?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = Arc::new(PinnedCa { fingerprint: token.ca.clone(), provider: provider.clone() });
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
    let channel = channel_over(tls).await.map_err(|e| JoinError::Refused(e.to_string()))?;
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
    let ca_der = trust::ca::pem_to_der(&ca_pem).ok_or(JoinError::Answer("CA certificate"))?;
    if trust::fingerprint(&ca_der) != token.ca {
        return Err(JoinError::Answer("the CA is not the one the token pins"));
    }
    let records = serde_json::from_str(&records_json).map_err(|_| JoinError::Answer("node records"))?;
    Ok(Joined { certificate_pem, ca_pem, records })
}

/// Believes exactly one CA: the one whose fingerprint stands in the token.
#[derive(Debug)]
struct PinnedCa {
    fingerprint: String,
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
        let pinned =
            intermediates.iter().find(|certificate| trust::fingerprint(certificate) == self.fingerprint);
        let ca = pinned.ok_or(rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned())?;
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            Arc::new(roots),
            self.provider.clone(),
        );
        let verifier = verifier.build().map_err(|e| rustls::Error::General(e.to_string()))?;
        verifier.verify_server_cert(end_entity, &[], server_name, ocsp, now)
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
