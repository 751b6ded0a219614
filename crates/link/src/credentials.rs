//! A machine's TLS certificate and what is made from it: renewed while it serves, on disk first, then for the next handshake.

use arc_swap::ArcSwap;
use domain::Timestamp;
use domain::seams::Clock;
use domain::trust_bundle::TrustBundle;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use trust::RenewalClaim;
use trust::ca::{
    Machine, authority_above, authority_of, machine_of, pem_blocks, pem_to_der, renewal_request,
};
use trust::files::{CA_CERT, IdentityFolder, TLS_CERT, TLS_KEY};

#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    #[error("identity")]
    Trust(#[from] trust::ca::TrustError),
    #[error(
        "the certificate, key or CA in the identity folder is damaged: restore it, or join again with a new token"
    )]
    Pem(#[from] rustls_pki_types::pem::Error),
    #[error("TLS set-up")]
    Rustls(#[from] rustls::Error),
    #[error("TLS set-up: {0}")]
    Verifier(String),
}

/// What the doors and the dialling of one machine show and believe.
pub struct Credentials {
    folder: IdentityFolder,
    pub city: String,
    clock: Arc<dyn Clock>,
    present: ArcSwap<Present>,
    client: ArcSwap<ClientConfig>,
    link_server: Arc<ArcSwap<ServerConfig>>,
    enrol_server: Arc<ArcSwap<ServerConfig>>,
    /// Counts up with every change.
    changed: tokio::sync::watch::Sender<u64>,
}

struct Present {
    machine: Machine,
    until: Timestamp,
    certificate_pem: String,
    /// All that are believed, as they lie on the disk; the issuing one first.
    authorities_pem: String,
    /// The authority that should issue our certificate does not stand above it.
    outdated: bool,
}

impl Credentials {
    /// # Errors
    /// [`TlsError`] naming the damaged file.
    pub fn load(folder: IdentityFolder, city: &str, clock: Arc<dyn Clock>) -> Result<Credentials, TlsError> {
        let made = Made::read(&folder, city, &clock)?;
        let (city, Made { present, client, link_server, enrol_server }) = (city.to_owned(), made);
        Ok(Credentials {
            folder,
            city,
            clock,
            present: ArcSwap::from_pointee(present),
            client: ArcSwap::new(client),
            link_server: Arc::new(ArcSwap::new(link_server)),
            enrol_server: Arc::new(ArcSwap::new(enrol_server)),
            changed: tokio::sync::watch::Sender::new(0),
        })
    }

    /// Takes what lies in the identity folder now, if that is another certificate: another process may have renewed it. What is
    /// damaged changes nothing.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn reload(&self) -> Result<(), TlsError> {
        let present = self.present.load();
        let same = |name, text: &str| self.folder.read(name).map(|on_disk| on_disk == text);
        if same(TLS_CERT, &present.certificate_pem)? && same(CA_CERT, &present.authorities_pem)? {
            return Ok(());
        }
        let Made { present, client, link_server, enrol_server } =
            Made::read(&self.folder, &self.city, &self.clock)?;
        self.present.store(Arc::new(present));
        self.client.store(client);
        self.link_server.store(link_server);
        self.enrol_server.store(enrol_server);
        self.changed.send_modify(|count| *count += 1);
        Ok(())
    }

    /// Believes the authorities of a trust bundle, and no others, from the next handshake on.
    ///
    /// # Errors
    /// [`TlsError`]; what was believed before still is.
    pub fn believe(&self, bundle: &TrustBundle) -> Result<(), TlsError> {
        let authorities = bundle.certificates();
        if self.present.load().authorities_pem == authorities {
            return Ok(());
        }
        // What cannot be used must not take the place of what can.
        let usable = roots(&certificates(&authorities)?)?;
        if usable.len() != bundle.authorities.len() {
            return Err(TlsError::Verifier(
                "the bundle names authorities that are no certificates".to_owned(),
            ));
        }
        self.folder.write(CA_CERT, &authorities)?;
        self.reload()
    }

    /// Tells whenever another certificate or other authorities count.
    pub fn watch(&self) -> tokio::sync::watch::Receiver<u64> {
        self.changed.subscribe()
    }
    /// The authority that should issue our certificate does not stand above it.
    pub fn is_outdated(&self) -> bool {
        self.present.load().outdated
    }
    /// Which of the authorities that are believed stands above a chain as it was shown.
    pub fn authority_of(&self, chain: &[CertificateDer<'_>]) -> Option<String> {
        authority_above(chain, &pem_blocks(&self.present.load().authorities_pem))
    }

    /// Keeps the next certificate, and shows it from the next handshake on.
    ///
    /// # Errors
    /// [`TlsError`] when it is not for this machine or cannot be written; the present one stays.
    pub fn install(&self, certificate_pem: &str) -> Result<(), TlsError> {
        let der =
            pem_to_der(certificate_pem).ok_or_else(|| TlsError::Verifier("no certificate".to_owned()))?;
        let (machine, _) = machine_of(&der, &self.city)?;
        if machine != self.machine() {
            return Err(TlsError::Verifier("the certificate is for another machine".to_owned()));
        }
        let believed = pem_blocks(&self.folder.read(CA_CERT)?);
        if authority_of(certificate_pem, &believed).is_none() {
            let told = "nobody who is believed stands above the new certificate; the present one stays";
            return Err(TlsError::Verifier(told.to_owned()));
        }
        self.folder.write(TLS_CERT, certificate_pem)?;
        self.reload()
    }

    pub fn machine(&self) -> Machine {
        self.present.load().machine.clone()
    }
    /// The last moment of the present certificate.
    pub fn until(&self) -> Timestamp {
        self.present.load().until
    }
    pub fn is_due(&self, now: Timestamp) -> bool {
        let present = self.present.load();
        present.outdated || trust::renewal::is_due(present.until, now, &present.machine.node)
    }

    /// The request for the next certificate. The TLS key stays: key and certificate are two files, and a power cut between
    /// two new ones would leave a pair that does not fit.
    ///
    /// # Errors
    /// [`TlsError::Trust`] when a key cannot be read.
    pub fn claim(&self) -> Result<RenewalClaim, TlsError> {
        let present = self.present.load();
        let request = renewal_request(&present.machine.node, &self.folder.read_secret(TLS_KEY)?)?;
        Ok(RenewalClaim::make(&self.folder.sign_key()?, present.certificate_pem.clone(), request))
    }
    /// The fingerprints of all authorities that are believed.
    pub fn fingerprints(&self) -> Vec<String> {
        let ders = pem_blocks(&self.present.load().authorities_pem);
        ders.iter().map(|der| trust::fingerprint(der)).collect()
    }

    /// To the parent.
    pub fn client(&self) -> Arc<ClientConfig> {
        self.client.load_full()
    }
    /// For children: both sides prove themselves.
    pub fn link_server(&self) -> Arc<ArcSwap<ServerConfig>> {
        self.link_server.clone()
    }
    /// For whoever holds a token or a certificate that ran out: only we prove ourselves, and show the authorities, of which the
    /// token pins one.
    pub fn enrol_server(&self) -> Arc<ArcSwap<ServerConfig>> {
        self.enrol_server.clone()
    }
}

/// All that one set of files gives.
struct Made {
    present: Present,
    client: Arc<ClientConfig>,
    link_server: Arc<ServerConfig>,
    enrol_server: Arc<ServerConfig>,
}

impl Made {
    fn read(folder: &IdentityFolder, city: &str, clock: &Arc<dyn Clock>) -> Result<Made, TlsError> {
        let (certificate_pem, key) = (folder.read(TLS_CERT)?, folder.read_secret(TLS_KEY)?);
        let der = pem_to_der(&certificate_pem).ok_or(rustls_pki_types::pem::Error::NoItemsFound)?;
        let (machine, until) = machine_of(&der, city)?;
        let authorities_pem = folder.read(CA_CERT)?;
        let ders = pem_blocks(&authorities_pem);
        let issues = ders.first().map(|first| trust::fingerprint(first));
        let outdated = issues.is_some() && authority_of(&certificate_pem, &ders) != issues;
        let files = Files {
            chain: certificates(&certificate_pem)?,
            authorities: certificates(&authorities_pem)?,
            key: PrivateKeyDer::from_pem_slice(key.as_bytes())?,
            time: Arc::new(CityTime(clock.clone())),
        };
        Ok(Made {
            client: files.client()?,
            link_server: files.link_server()?,
            enrol_server: files.enrol_server()?,
            present: Present { machine, until, certificate_pem, authorities_pem, outdated },
        })
    }
}

fn certificates(pem: &str) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    Ok(CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>()?)
}

fn roots(authorities: &[CertificateDer<'static>]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone())?;
    }
    Ok(roots)
}

struct Files {
    chain: Vec<CertificateDer<'static>>,
    authorities: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    time: Arc<CityTime>,
}

impl Files {
    fn server(
        &self,
        clients: Arc<dyn ClientCertVerifier>,
        chain: Vec<CertificateDer<'static>>,
    ) -> Result<Arc<ServerConfig>, TlsError> {
        let mut config = ServerConfig::builder_with_details(provider(), self.time.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_client_cert_verifier(clients)
            .with_single_cert(chain, self.key.clone_key())?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        // No resumption: rustls does not look at certificates again on a resumed session, and links live for days.
        config.session_storage = Arc::new(rustls::server::NoServerSessionStorage {});
        config.send_tls13_tickets = 0;
        Ok(Arc::new(config))
    }

    fn link_server(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots(&self.authorities)?), provider());
        let verifier = verifier.build().map_err(|e| TlsError::Verifier(e.to_string()))?;
        self.server(verifier, self.chain.clone())
    }

    fn enrol_server(&self) -> Result<Arc<ServerConfig>, TlsError> {
        let mut chain = self.chain.clone();
        chain.extend(self.authorities.iter().cloned());
        self.server(WebPkiClientVerifier::no_client_auth(), chain)
    }

    fn client(&self) -> Result<Arc<ClientConfig>, TlsError> {
        let parent =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots(&self.authorities)?), provider());
        let parent = AnyDay(parent.build().map_err(|e| TlsError::Verifier(e.to_string()))?);
        let mut config = ClientConfig::builder_with_details(provider(), self.time.clone())
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(parent))
            .with_client_auth_cert(self.chain.clone(), self.key.clone_key())?;
        config.alpn_protocols = vec![b"h2".to_vec()];
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Arc::new(config))
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// The node's own clock, as everything else of it uses.
struct CityTime(Arc<dyn Clock>);

impl fmt::Debug for CityTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CityTime")
    }
}
impl TimeProvider for CityTime {
    fn current_time(&self) -> Option<UnixTime> {
        let ms = u64::try_from(self.0.now().as_ms()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(ms)))
    }
}

/// Believes a parent of the city whatever day this machine thinks it is: an old PC's clock may say 1970, and must not lock the
/// village out (I28). A parent that is trusted no more is known by the node list, not by its dates.
#[derive(Debug)]
pub(crate) struct AnyDay(pub Arc<WebPkiServerVerifier>);

impl ServerCertVerifier for AnyDay {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let on = |day| self.0.verify_server_cert(end_entity, intermediates, server_name, ocsp, day);
        on(now).or_else(|fault| match trust::ca::first_day(end_entity) {
            Some(issued) => on(UnixTime::since_unix_epoch(Duration::from_secs(issued))).map_err(|_| fault),
            None => Err(fault),
        })
    }
    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }
    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
