//! The hub's authority in its identity folder: what issues now, and what will issue next.
//!
//! Rotation (换根) in four steps, each safe to repeat: a next authority is made and believed by everybody beside the present one;
//! it issues; every node has a certificate under it; the former one is believed no more. The issuer below the authority is one
//! file, so that changing it is one rename.

use crate::ca::{ISSUER_DAYS, IssuerPair, NewCa, TrustError, authority_of, new_ca, new_issuer, pem_blocks};
use crate::files::{CA_CERT, CA_KEY, IdentityFolder};
use crate::renewal::days_left;
use crate::{CityCa, fingerprint};
use domain::Timestamp;
use domain::trust_bundle::Authority;

/// Certificate and key of the issuer, one after the other.
pub const ISSUER: &str = "issuer.pem";
/// With fewer days left than this somebody has to see to the issuer: it is renewed at half its life.
pub const ISSUER_WORRYING_DAYS: i64 = 180;
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
        self.finish_switch()?;
        if !self.folder.exists(ISSUER) {
            let told = "this city's authority allows no issuer below it: give it a successor with `ca next`";
            return Err(TrustError::Foreign(told));
        }
        let issuer = new_issuer(&self.city, &self.present()?.certificate, &self.folder.read(CA_KEY)?, now)?;
        self.folder.write(ISSUER, &one_file(&issuer))
    }

    /// Whether the issuer has lived half its life: time for the next one. A city from before there were issuers has none.
    ///
    /// # Errors
    /// As [`CaFolder::open`].
    pub fn issuer_is_due(&self, now: Timestamp) -> Result<bool, TrustError> {
        Ok(self.folder.exists(ISSUER) && self.issuer_days_left(now)? < ISSUER_DAYS / 2)
    }
    /// # Errors
    /// As [`CaFolder::open`].
    pub fn issuer_days_left(&self, now: Timestamp) -> Result<i64, TrustError> {
        Ok(days_left(self.open()?.issuer_until(), now))
    }
    /// Whether the key that makes issuers is here, or in a safe.
    pub fn has_authority_key(&self) -> bool {
        self.folder.exists(CA_KEY)
    }

    /// The authority that will issue next; made on the first call.
    ///
    /// # Errors
    /// [`TrustError`] when a file cannot be written.
    pub fn next(&self, now: Timestamp) -> Result<Authority, TrustError> {
        self.finish_switch()?;
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
        // The one that counts, in one step; the rest is clearing up.
        self.folder.rename(NEXT_ISSUER, ISSUER)?;
        self.finish_switch()
    }

    /// What a switch that broke off left to be done: the key of the authority that issues now is still called the next one.
    fn finish_switch(&self) -> Result<(), TrustError> {
        if self.has_next() || !self.folder.exists(NEXT_CERT) || !self.folder.exists(ISSUER) {
            return Ok(());
        }
        let (next, issuer) = (self.folder.read(NEXT_CERT)?, self.folder.read(ISSUER)?);
        if authority_of(&issuer, &pem_blocks(&next)).is_some() {
            self.folder.rename(NEXT_KEY, CA_KEY)?;
            self.folder.remove(NEXT_CERT)?;
        }
        Ok(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ca::{Machine, new_request};
    use std::path::PathBuf;

    const NOW: Timestamp = Timestamp::from_ms(1_795_400_000_000);

    struct Place(PathBuf);
    impl Place {
        fn new(name: &str) -> Place {
            let path = std::env::temp_dir().join(format!("tongban-ca-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            std::fs::create_dir_all(path.join("identity")).unwrap();
            Place(path)
        }
        fn ca(&self) -> CaFolder {
            CaFolder::of(IdentityFolder::of(&self.0), "kaili.tongban")
        }
    }
    impl Drop for Place {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    /// What is issued holds under the authority that is said to issue.
    fn issues(ca: &CaFolder) -> String {
        let (_, csr) = new_request(&"v-1".parse().unwrap()).unwrap();
        let machine = Machine { node: "v-1".parse().unwrap(), incarnation: 1 };
        let open = ca.open().unwrap();
        let issued = open.issue(&csr, &machine, 1, NOW).unwrap();
        assert_eq!(
            open.authority_of(&issued.pem),
            Some(open.fingerprint()),
            "a certificate that nobody believes"
        );
        open.fingerprint()
    }

    fn believe(ca: &CaFolder, all: &[&Authority]) {
        let text: String = all.iter().map(|one| format!("{}\n", one.certificate)).collect();
        ca.folder.write(CA_CERT, &text).unwrap();
    }

    #[test]
    fn a_switch_that_breaks_off_anywhere_goes_on_when_it_is_repeated() {
        for done in 0..4 {
            let place = Place::new(&format!("switch-{done}"));
            let ca = place.ca();
            ca.found(NOW).unwrap();
            let (former, next) = (ca.present().unwrap(), ca.next(NOW).unwrap());
            believe(&ca, &[&former, &next]);
            // The steps of `switch`, as far as the power lasted.
            let steps: [&dyn Fn(); 3] = [
                &|| ca.folder.rename(NEXT_ISSUER, ISSUER).unwrap(),
                &|| ca.folder.rename(NEXT_KEY, CA_KEY).unwrap(),
                &|| ca.folder.remove(NEXT_CERT).unwrap(),
            ];
            steps.iter().take(done).for_each(|step| step());
            let expected = if done == 0 { &former } else { &next };
            assert_eq!(issues(&ca), expected.fingerprint, "the hub goes on issuing after {done} steps");
            ca.switch().unwrap();
            assert_eq!(issues(&ca), next.fingerprint, "after {done} steps");
            ca.renew_issuer(NOW).unwrap();
            assert_eq!(
                issues(&ca),
                next.fingerprint,
                "the key is the one of the authority, after {done} steps"
            );
            assert_ne!(ca.next(NOW).unwrap().fingerprint, next.fingerprint, "and there may be another");
        }
    }

    #[test]
    fn a_next_authority_that_was_half_made_changes_nothing_and_is_made_anew() {
        let place = Place::new("half");
        let ca = place.ca();
        ca.found(NOW).unwrap();
        let former = issues(&ca);
        ca.next(NOW).unwrap();
        ca.folder.remove(NEXT_ISSUER).unwrap();
        ca.renew_issuer(NOW).unwrap();
        assert_eq!(issues(&ca), former, "its key is not taken for the present one's");
        let next = ca.next(NOW).unwrap();
        let present = ca.present().unwrap();
        believe(&ca, &[&present, &next]);
        ca.switch().unwrap();
        assert_eq!(issues(&ca), next.fingerprint);
    }

    /// A city from before there were issuers: its authority signs certificates itself.
    #[test]
    fn a_city_without_an_issuer_is_followed_by_one_that_has() {
        let place = Place::new("old");
        let ca = place.ca();
        let old = crate::ca::old_style("kaili.tongban", NOW).unwrap();
        ca.folder.write(CA_CERT, &old.certificate_pem).unwrap();
        ca.folder.write(CA_KEY, &old.key_pem).unwrap();
        let former = issues(&ca);
        assert!(ca.renew_issuer(NOW).is_err() && !ca.issuer_is_due(NOW).unwrap());
        let (present, next) = (ca.present().unwrap(), ca.next(NOW).unwrap());
        assert_eq!(present.fingerprint, former);
        believe(&ca, &[&present, &next]);
        assert_eq!(issues(&ca), former);
        ca.switch().unwrap();
        assert_eq!(issues(&ca), next.fingerprint);
        // A key that does not fit its certificate signs nothing.
        ca.folder.remove(ISSUER).unwrap();
        assert!(ca.open().is_err(), "the old certificate with the new key");
    }
}
