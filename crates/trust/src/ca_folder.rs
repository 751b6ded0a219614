//! The hub's authority in its identity folder: what issues now, and what will issue next.
//!
//! Rotation (换根) in four steps, each safe to repeat: a next authority is made and believed by everybody beside the present one;
//! it issues; every node has a certificate under it; the former one is believed no more. The issuer below the authority is one
//! file, so that changing it is one rename.

use crate::ca::{IssuerPair, NewCa, TrustError, new_ca, new_issuer};
use crate::files::{CA_CERT, CA_KEY, IdentityFolder};
use crate::{CityCa, fingerprint};
use domain::Timestamp;
use domain::trust_bundle::Authority;

/// Certificate and key of the issuer, one after the other.
pub const ISSUER: &str = "issuer.pem";
const NEXT_CERT: &str = "next.ca.cert.pem";
const NEXT_KEY: &str = "next.ca.key.pem";
const NEXT_ISSUER: &str = "next.issuer.pem";

pub struct CaFolder {
    folder: IdentityFolder,
    city: String,
}

fn one_file(issuer: &IssuerPair) -> String {
    format!("{}{}", issuer.certificate_pem, issuer.key_pem)
}

impl CaFolder {
    pub fn of(folder: IdentityFolder, city: &str) -> CaFolder {
        CaFolder { folder, city: city.to_owned() }
    }

    /// Makes the authority of a new city.
    ///
    /// # Errors
    /// [`TrustError`] when a file cannot be written.
    pub fn found(&self, now: Timestamp) -> Result<CityCa, TrustError> {
        let NewCa { authority_pem, authority_key, issuer } = new_ca(&self.city, now)?;
        self.folder.write(CA_KEY, &authority_key)?;
        self.folder.write(CA_CERT, &authority_pem)?;
        self.folder.write(ISSUER, &one_file(&issuer))?;
        self.open()
    }

    /// What issues now. A city from before there were issuers signs with the key of its authority.
    ///
    /// # Errors
    /// [`TrustError`] when a file is missing or damaged.
    pub fn open(&self) -> Result<CityCa, TrustError> {
        let authorities = self.folder.read(CA_CERT)?;
        let issuer = match self.folder.exists(ISSUER) {
            true => {
                let text = self.folder.read(ISSUER)?;
                let at = text.find("-----BEGIN PRIVATE KEY").ok_or_else(|| TrustError::Damaged {
                    path: self.folder.path(ISSUER).display().to_string(),
                })?;
                let (certificate, key) = text.split_at(at);
                IssuerPair { certificate_pem: certificate.to_owned(), key_pem: key.to_owned() }
            }
            false => IssuerPair { certificate_pem: authorities.clone(), key_pem: self.folder.read(CA_KEY)? },
        };
        CityCa::load(&self.city, &authorities, &issuer)
    }

    /// The authority that issues now, as the trust bundle names it.
    ///
    /// # Errors
    /// As [`CaFolder::open`].
    pub fn present(&self) -> Result<Authority, TrustError> {
        let issues = self.open()?.fingerprint();
        let all = authorities(&self.folder.read(CA_CERT)?);
        all.into_iter()
            .find(|one| one.fingerprint == issues)
            .ok_or(TrustError::Foreign("no authority stands above the issuer"))
    }

    /// A new issuer below the present authority, whose key must be in the folder.
    ///
    /// # Errors
    /// [`TrustError::File`] when the key lies elsewhere.
    pub fn renew_issuer(&self, now: Timestamp) -> Result<(), TrustError> {
        if !self.folder.exists(ISSUER) {
            let told = "this city's authority allows no issuer below it: give it a successor with `ca next`";
            return Err(TrustError::Foreign(told));
        }
        let issuer = new_issuer(&self.city, &self.present()?.certificate, &self.folder.read(CA_KEY)?, now)?;
        self.folder.write(ISSUER, &one_file(&issuer))
    }

    /// The authority that will issue next; made on the first call.
    ///
    /// # Errors
    /// [`TrustError`] when a file cannot be written.
    pub fn next(&self, now: Timestamp) -> Result<Authority, TrustError> {
        if !self.folder.exists(NEXT_ISSUER) {
            let NewCa { authority_pem, authority_key, issuer } = new_ca(&self.city, now)?;
            self.folder.write(NEXT_KEY, &authority_key)?;
            self.folder.write(NEXT_CERT, &authority_pem)?;
            // Last: with it the next one is whole.
            self.folder.write(NEXT_ISSUER, &one_file(&issuer))?;
        }
        let text = self.folder.read(NEXT_CERT)?;
        authorities(&text)
            .pop()
            .ok_or_else(|| TrustError::Damaged { path: self.folder.path(NEXT_CERT).display().to_string() })
    }
    pub fn has_next(&self) -> bool {
        self.folder.exists(NEXT_ISSUER)
    }

    /// The next authority issues from now on. Its certificate must be among those that are believed.
    ///
    /// # Errors
    /// [`TrustError`] when a file cannot be moved; repeating it goes on where it stopped.
    pub fn switch(&self) -> Result<(), TrustError> {
        self.folder.rename(NEXT_KEY, CA_KEY)?;
        self.folder.remove(NEXT_CERT)?;
        self.folder.rename(NEXT_ISSUER, ISSUER)
    }
}

/// The authorities of a file, as the trust bundle names them.
pub fn authorities(pem: &str) -> Vec<Authority> {
    let blocks = pem.split_inclusive("-----END CERTIFICATE-----").filter_map(|text| {
        let der = crate::ca::pem_to_der(text.trim())?;
        Some(Authority { fingerprint: fingerprint(&der), certificate: text.trim().to_owned() })
    });
    blocks.collect()
}
