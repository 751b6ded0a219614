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
}

pub struct CityCa {
    city: String,
    certificate_pem: String,
    certificate_der: Vec<u8>,
    issuer: Issuer<'static, KeyPair>,
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
#[derive(Debug, Clone, PartialEq, Eq)]
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

fn ca_params(city: &str, now: Timestamp) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("{city} CA"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = moment(now) - Duration::days(BACKDATED_DAYS);
    params.not_after = moment(now) + Duration::days(3650);
    params
}

impl CityCa {
    /// Makes a new city CA; returns it with the PEM of its private key, which the caller stores and nobody else sees.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn create(city: &str, now: Timestamp) -> Result<(CityCa, String), TrustError> {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
        let key_pem = key.serialize_pem();
        let params = ca_params(city, now);
        let certificate = params.self_signed(&key)?;
        let ca = CityCa {
            city: city.to_owned(),
            certificate_pem: certificate.pem(),
            certificate_der: certificate.der().to_vec(),
            issuer: Issuer::new(params, key),
        };
        Ok((ca, key_pem))
    }

    /// # Errors
    /// When either text is damaged.
    pub fn load(city: &str, certificate_pem: &str, key_pem: &str) -> Result<CityCa, TrustError> {
        let key = KeyPair::from_pem(key_pem)?;
        let issuer = Issuer::from_ca_cert_pem(certificate_pem, key)?;
        let certificate_der =
            pem_to_der(certificate_pem).ok_or(TrustError::Foreign("the CA certificate is not PEM"))?;
        Ok(CityCa {
            city: city.to_owned(),
            certificate_pem: certificate_pem.to_owned(),
            certificate_der,
            issuer,
        })
    }

    pub fn city(&self) -> &str {
        &self.city
    }
    pub fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }
    pub fn certificate_der(&self) -> &[u8] {
        &self.certificate_der
    }

    /// True when this CA signed the certificate, whatever its dates.
    pub fn issued(&self, certificate_der: &[u8]) -> bool {
        use x509_parser::prelude::{FromDer, X509Certificate};
        let own = X509Certificate::from_der(&self.certificate_der);
        let other = X509Certificate::from_der(certificate_der);
        match (own, other) {
            (Ok((_, own)), Ok((_, other))) => other.verify_signature(Some(own.public_key())).is_ok(),
            _ => false,
        }
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
        params.not_after = moment(now) + Duration::days(CERTIFICATE_DAYS);
        // rcgen copies names, usages and even CA:true from the request; nothing of it may survive but the key.
        csr.params = params;
        let certificate = csr.signed_by(&self.issuer)?;
        Ok(NodeCertificate { pem: certificate.pem(), der: certificate.der().to_vec() })
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
        let (ca, key) = CityCa::create("kaili.tongban", NOW).unwrap();
        let ca = CityCa::load("kaili.tongban", ca.certificate_pem(), &key).unwrap();
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
}
