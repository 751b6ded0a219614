//! The city's certificate authority and the transport certificates it gives to nodes.
//!
//! TLS uses ECDSA P-256 certificates; the node id stands in the SAN URI `spiffe://<city>/node/<id>`. Whatever a request
//! asks for, only its public key is taken: names, usages and validity are the CA's own.

use domain::{NodeId, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
    SerialNumber,
};
use time::{Duration, OffsetDateTime};

/// So long a transport certificate lives; see [`crate::renewal`] for the next.
pub const CERTIFICATE_DAYS: i64 = 90;
/// And are valid from so long before: a village whose clock is days behind must still get in.
const BACKDATED_DAYS: i64 = 30;

#[derive(Debug, thiserror::Error)]
pub enum TrustError {
    #[error("certificate operation failed: {0}")]
    Rcgen(#[from] rcgen::Error),
    #[error("the certificate is not one of this city's: {0}")]
    Foreign(&'static str),
    #[error("read or write key file {path}")]
    File { path: String, source: std::io::Error },
    #[error("key file {path} is damaged: restore it from the backup")]
    Damaged { path: String },
    #[error(
        "key file {path} is sealed, and the key of this machine's data does not open it; next: put keyring.json back from the last backup"
    )]
    Sealed { path: String },
}

/// What signs transport certificates: the issuer in use, below one of the authorities (roots) that the city believes.
pub struct CityCa {
    city: String,
    /// DER; the one above the issuer first.
    authorities: Vec<Vec<u8>>,
    /// PEM of all of them, as nodes keep it.
    authorities_pem: String,
    /// PEM of the issuer's certificate, where it is not an authority itself; goes along with every certificate.
    intermediate_pem: Option<String>,
    issuer: Issuer<'static, KeyPair>,
    /// Nothing it signs lives longer.
    issuer_until: Timestamp,
}

/// The two levels as made. The authority's key is needed once a year, for the next issuer, and may lie in a safe meanwhile.
pub struct NewCa {
    pub authority_pem: String,
    pub authority_key: String,
    pub issuer: IssuerPair,
}

/// What signs from day to day.
pub struct IssuerPair {
    pub certificate_pem: String,
    pub key_pem: String,
}

/// A node's transport identity as issued: PEM certificate and its DER form.
#[derive(Debug, Clone)]
pub struct NodeCertificate {
    pub pem: String,
    pub der: Vec<u8>,
}

fn moment(at: Timestamp) -> OffsetDateTime {
    OffsetDateTime::UNIX_EPOCH + Duration::milliseconds(at.as_ms())
}

/// The node and machine of a certificate.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Machine {
    pub node: NodeId,
    /// Which of the machines that had this place one after another; it is let in only while it is the last.
    pub incarnation: u32,
}

/// `spiffe://kaili.tongban/node/v-7k3qzpam/1`.
pub fn spiffe_id(city: &str, machine: &Machine) -> String {
    format!("spiffe://{city}/node/{}/{}", machine.node, machine.incarnation)
}

/// The name under which every node's TLS server answers; identity is the SAN URI, not this.
pub const SERVER_NAME: &str = "node.tongban.internal";

const AUTHORITY_DAYS: i64 = 3650;
/// So long an issuer lives; at half of it the next one is made.
pub const ISSUER_DAYS: i64 = 2 * 365;

fn ca_params(name: String, levels_below: u8, days: i64, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(levels_below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = moment(now) - Duration::days(BACKDATED_DAYS);
    params.not_after = moment(now) + Duration::days(days);
    params
}

/// A new authority for the city, with its first issuer.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn new_ca(city: &str, now: Timestamp) -> Result<NewCa, TrustError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let authority_key = key.serialize_pem();
    let name = format!("{city} CA {}", now.day());
    let authority_pem = ca_params(name, 1, AUTHORITY_DAYS, now).self_signed(&key)?.pem();
    let issuer = new_issuer(city, &authority_pem, &authority_key, now)?;
    Ok(NewCa { authority_pem, authority_key, issuer })
}

/// A new issuer below an authority.
///
/// # Errors
/// When a text is damaged.
pub fn new_issuer(
    city: &str,
    authority_pem: &str,
    authority_key: &str,
    now: Timestamp,
) -> Result<IssuerPair, TrustError> {
    let above = Issuer::from_ca_cert_pem(authority_pem, KeyPair::from_pem(authority_key)?)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let params = ca_params(format!("{city} issuer {}", now.day()), 0, ISSUER_DAYS, now);
    let certificate = params.signed_by(&key, &above)?;
    Ok(IssuerPair { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
}

impl CityCa {
    /// A new city in memory: for tests and for whoever keeps the keys elsewhere.
    ///
    /// # Errors
    /// As [`new_ca`].
    pub fn create(city: &str, now: Timestamp) -> Result<CityCa, TrustError> {
        let new = new_ca(city, now)?;
        CityCa::load(city, &new.authority_pem, &new.issuer)
    }

    /// `authorities` is the PEM of all that are believed.
    ///
    /// # Errors
    /// When a text is damaged, or none of the authorities stands above the issuer.
    pub fn load(city: &str, authorities: &str, issuer: &IssuerPair) -> Result<CityCa, TrustError> {
        let mut ders = pem_blocks(authorities);
        let own = pem_to_der(&issuer.certificate_pem).ok_or(TrustError::Foreign("the issuer is not PEM"))?;
        let above = ders.iter().position(|authority| *authority == own || signed_by(&own, authority));
        let above = above.ok_or(TrustError::Foreign("no authority stands above the issuer"))?;
        ders[..=above].rotate_right(1);
        let is_authority = ders[0] == own;
        let key = KeyPair::from_pem(&issuer.key_pem)?;
        let issuer_until = until_of(&own, &key)?;
        Ok(CityCa {
            city: city.to_owned(),
            authorities: ders,
            authorities_pem: authorities.to_owned(),
            intermediate_pem: (!is_authority).then(|| issuer.certificate_pem.clone()),
            issuer: Issuer::from_ca_cert_pem(&issuer.certificate_pem, key)?,
            issuer_until,
        })
    }

    pub fn city(&self) -> &str {
        &self.city
    }
    /// All that are believed.
    pub fn authorities_pem(&self) -> &str {
        &self.authorities_pem
    }
    pub fn issuer_until(&self) -> Timestamp {
        self.issuer_until
    }
    /// The fingerprint of the authority that issues: what new tokens pin.
    pub fn fingerprint(&self) -> String {
        crate::fingerprint(&self.authorities[0])
    }
    /// The authority behind a certificate, whatever its dates.
    pub fn authority_of(&self, chain_pem: &str) -> Option<String> {
        authority_of(chain_pem, &self.authorities)
    }

    /// Issues a transport certificate for `machine` to the holder of the key that signed `csr_pem`.
    ///
    /// # Errors
    /// When the request is not a well-formed, self-signed CSR (proof of possession).
    pub fn issue(
        &self,
        csr_pem: &str,
        machine: &Machine,
        serial: u64,
        now: Timestamp,
    ) -> Result<NodeCertificate, TrustError> {
        let mut csr = CertificateSigningRequestParams::from_pem(csr_pem)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, machine.node.as_str());
        params.serial_number = Some(SerialNumber::from(serial));
        params.subject_alt_names = vec![
            SanType::URI(spiffe_id(&self.city, machine).try_into()?),
            SanType::DnsName(SERVER_NAME.try_into()?),
        ];
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        params.not_before = moment(now) - Duration::days(BACKDATED_DAYS);
        params.not_after = (moment(now) + Duration::days(CERTIFICATE_DAYS)).min(moment(self.issuer_until));
        // rcgen copies names, usages and even CA:true from the request; nothing of it may survive but the key.
        csr.params = params;
        let certificate = csr.signed_by(&self.issuer)?;
        let above = self.intermediate_pem.as_deref().unwrap_or_default();
        let pem = format!("{}{above}", certificate.pem());
        Ok(NodeCertificate { pem, der: certificate.der().to_vec() })
    }
}

/// A new TLS key with its certificate request, made where it will live: `(key PEM, CSR PEM)`.
///
/// # Errors
/// When the operating system gives no randomness.
pub fn new_request(node: &NodeId) -> Result<(String, String), TrustError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    Ok((key.serialize_pem(), request_with(node, &key)?))
}

/// A request for the next certificate of a TLS key that is in use.
///
/// # Errors
/// When the key is damaged.
pub fn renewal_request(node: &NodeId, key_pem: &str) -> Result<String, TrustError> {
    request_with(node, &KeyPair::from_pem(key_pem)?)
}

fn request_with(node: &NodeId, key: &KeyPair) -> Result<String, TrustError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, node.as_str());
    Ok(params.serialize_request(key)?.pem()?)
}

/// The DER bytes of the first PEM block.
pub fn pem_to_der(pem: &str) -> Option<Vec<u8>> {
    x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok().map(|(_, pem)| pem.contents)
}

/// The DER bytes of every PEM block that can be read.
pub fn pem_blocks(pem: &str) -> Vec<Vec<u8>> {
    let blocks = x509_parser::pem::Pem::iter_from_buffer(pem.as_bytes());
    blocks.map_while(Result::ok).map(|pem| pem.contents).collect()
}

/// The last moment of an issuer's certificate, if the key is the one it names.
fn until_of(certificate_der: &[u8], key: &KeyPair) -> Result<Timestamp, TrustError> {
    use rcgen::PublicKeyData;
    use x509_parser::prelude::{FromDer, X509Certificate};
    let (_, certificate) =
        X509Certificate::from_der(certificate_der).map_err(|_| TrustError::Foreign("not X.509"))?;
    if certificate.public_key().subject_public_key.data.as_ref() != key.der_bytes() {
        return Err(TrustError::Foreign("the issuer's key does not fit its certificate"));
    }
    Ok(Timestamp::from_ms(certificate.validity().not_after.timestamp().saturating_mul(1000)))
}

/// An authority of the old style, which signs certificates itself.
#[cfg(test)]
pub(crate) fn old_style(city: &str, now: Timestamp) -> Result<IssuerPair, TrustError> {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let certificate = ca_params(format!("{city} CA"), 0, AUTHORITY_DAYS, now).self_signed(&key)?;
    Ok(IssuerPair { certificate_pem: certificate.pem(), key_pem: key.serialize_pem() })
}

fn signed_by(certificate: &[u8], above: &[u8]) -> bool {
    use x509_parser::prelude::{FromDer, X509Certificate};
    match (X509Certificate::from_der(certificate), X509Certificate::from_der(above)) {
        (Ok((_, own)), Ok((_, above))) => {
            above.is_ca() && own.verify_signature(Some(above.public_key())).is_ok()
        }
        _ => false,
    }
}

/// Which of the authorities (DER) stands above a certificate, by its fingerprint: directly, or over the issuer that comes after it in
/// the text. Dates are not looked at: a certificate that ran out is renewed.
pub fn authority_of(chain_pem: &str, authorities: &[Vec<u8>]) -> Option<String> {
    authority_above(&pem_blocks(chain_pem), authorities)
}

/// As [`authority_of`], of a chain in DER as it is shown in a handshake.
pub fn authority_above<D: AsRef<[u8]>>(chain: &[D], authorities: &[Vec<u8>]) -> Option<String> {
    let (leaf, between) = chain.split_first()?;
    let stands = |authority: &&Vec<u8>| {
        signed_by(leaf.as_ref(), authority)
            || between.iter().any(|issuer| {
                signed_by(leaf.as_ref(), issuer.as_ref()) && signed_by(issuer.as_ref(), authority)
            })
    };
    authorities.iter().find(stands).map(|authority| crate::fingerprint(authority))
}

/// The first moment of a certificate, in seconds since 1970.
pub fn first_day(certificate_der: &[u8]) -> Option<u64> {
    use x509_parser::prelude::{FromDer, X509Certificate};
    let (_, certificate) = X509Certificate::from_der(certificate_der).ok()?;
    u64::try_from(certificate.validity().not_before.timestamp()).ok()
}

/// The machine that a verified certificate names, with the certificate's last valid moment.
///
/// # Errors
/// [`TrustError::Foreign`] unless exactly one SAN URI names a machine of `city`.
pub fn machine_of(certificate_der: &[u8], city: &str) -> Result<(Machine, Timestamp), TrustError> {
    use x509_parser::prelude::{FromDer, GeneralName, X509Certificate};
    let (_, certificate) =
        X509Certificate::from_der(certificate_der).map_err(|_| TrustError::Foreign("not X.509"))?;
    let names = certificate
        .subject_alternative_name()
        .ok()
        .flatten()
        .ok_or(TrustError::Foreign("it names no node"))?;
    let mut uris = names.value.general_names.iter().filter_map(|name| match name {
        GeneralName::URI(uri) => Some(*uri),
        _ => None,
    });
    let (Some(uri), None) = (uris.next(), uris.next()) else {
        return Err(TrustError::Foreign("it does not name exactly one node"));
    };
    let id = uri
        .strip_prefix("spiffe://")
        .and_then(|rest| rest.strip_prefix(city))
        .and_then(|rest| rest.strip_prefix("/node/"))
        .and_then(|rest| rest.split_once('/'));
    let machine = id.and_then(|(node, incarnation)| {
        Some(Machine { node: node.parse().ok()?, incarnation: incarnation.parse().ok()? })
    });
    let machine = machine.ok_or(TrustError::Foreign("it belongs to another city"))?;
    let until = certificate.validity().not_after.timestamp();
    Ok((machine, Timestamp::from_ms(until.saturating_mul(1000))))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_ms(1_795_400_000_000);

    #[test]
    fn a_certificate_names_the_node_the_city_enrolled_whatever_the_request_said() {
        let ca = CityCa::create("kaili.tongban", NOW).unwrap();
        let node: NodeId = "v-7k3qzpam".parse().unwrap();
        let (_, csr) = new_request(&"hub".parse().unwrap()).unwrap();
        let machine = Machine { node, incarnation: 2 };
        let issued = ca.issue(&csr, &machine, 7, NOW).unwrap();
        let (named, until) = machine_of(&issued.der, "kaili.tongban").unwrap();
        assert_eq!(named, machine);
        assert_eq!(until.since(NOW) / 86_400_000, CERTIFICATE_DAYS);
        assert!(machine_of(&issued.der, "guiyang.tongban").is_err(), "a certificate of another city");
        assert!(ca.issue("nonsense", &machine, 8, NOW).is_err());
    }
    #[test]
    fn a_certificate_has_one_authority_above_it_and_an_issuer_is_changed_without_anybody_noticing() {
        let new = new_ca("kaili.tongban", NOW).unwrap();
        let ca = CityCa::load("kaili.tongban", &new.authority_pem, &new.issuer).unwrap();
        let next_issuer = new_issuer("kaili.tongban", &new.authority_pem, &new.authority_key, NOW).unwrap();
        let later = CityCa::load("kaili.tongban", &new.authority_pem, &next_issuer).unwrap();
        let machine = Machine { node: "v-1".parse().unwrap(), incarnation: 1 };
        let (_, csr) = new_request(&machine.node).unwrap();
        let (first, second) =
            (ca.issue(&csr, &machine, 1, NOW).unwrap(), later.issue(&csr, &machine, 2, NOW).unwrap());
        for (knows, shown) in [(&ca, &second), (&later, &first)] {
            assert_eq!(
                knows.authority_of(&shown.pem),
                Some(ca.fingerprint()),
                "the same authority above both"
            );
        }
        // A node is no issuer, whatever it signs and shows.
        let (leaf_only, _) = first.pem.split_at(first.pem.find("-----END").unwrap() + 25);
        assert_eq!(ca.authority_of(leaf_only), None, "without its issuer it leads nowhere");
        let stranger = CityCa::create("kaili.tongban", NOW).unwrap();
        assert_eq!(stranger.authority_of(&first.pem), None);
        let both = format!("{}{}", stranger.authorities_pem(), new.authority_pem);
        let overlap = CityCa::load("kaili.tongban", &both, &new.issuer).unwrap();
        assert_eq!(overlap.fingerprint(), ca.fingerprint(), "the one above the issuer issues");
        let of_stranger = stranger.issue(&csr, &machine, 3, NOW).unwrap();
        assert_eq!(overlap.authority_of(&of_stranger.pem), Some(stranger.fingerprint()), "both are believed");
        assert!(CityCa::load("kaili.tongban", stranger.authorities_pem(), &new.issuer).is_err());
    }
}
