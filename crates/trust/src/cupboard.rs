//! Where seals are kept: a body's by the hub, one file a body, read when it is used; a node that decides by itself seals with
//! the key that signs its journals.

use crate::ca::TrustError;
use crate::files::IdentityFolder;
use crate::seal::SealKey;
use crate::suite::Suite;
use domain::seams::Random;
use domain::{NodeId, OrgId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where the seals of a node are kept.
pub trait Seals: Send + Sync {
    /// The seal under which a decision for `body` goes out here; `None` when nobody here keeps one.
    fn seal_for(&self, body: &OrgId) -> Option<SealKey>;
    /// The key with which this node signs slips for citizens; `None` at the hub, which takes in no papers.
    fn own(&self) -> Option<SealKey> {
        None
    }
    /// Makes the next seal of a body and keeps it in place of the one before, of the same suite unless another is named.
    ///
    /// # Errors
    /// [`TrustError`] when the seal before cannot be read or the new one not be written, and where no body's seals are kept.
    fn make(&self, body: &OrgId, suite: Option<Suite>, random: &dyn Random) -> Result<SealKey, TrustError> {
        let _ = (body, suite, random);
        Err(TrustError::Foreign("the seals of departments are kept at the hub"))
    }
}

/// A node that decides for itself.
pub struct OwnSeal(pub NodeId, pub [u8; 32]);
impl Seals for OwnSeal {
    fn seal_for(&self, _: &OrgId) -> Option<SealKey> {
        self.own()
    }
    fn own(&self) -> Option<SealKey> {
        Some(SealKey::new(self.0.as_str(), 0, self.1))
    }
}

/// Seals in memory, for a city that lives in one test.
#[derive(Default)]
pub struct SealBox(pub BTreeMap<OrgId, (u32, [u8; 32])>);
impl Seals for SealBox {
    fn seal_for(&self, body: &OrgId) -> Option<SealKey> {
        self.0.get(body).map(|(no, secret)| SealKey::new(body.as_str(), *no, *secret))
    }
}

/// The hub's cupboard: one file a body in the identity folder.
pub struct SealFolder(pub IdentityFolder);

#[derive(Serialize, Deserialize)]
struct SealFile {
    no: u32,
    #[serde(default)]
    suite: Suite,
    secret: String,
}

impl SealFolder {
    fn name(body: &OrgId) -> String {
        format!("seals/{body}.json")
    }
    /// # Errors
    /// [`TrustError`] when the file is there and cannot be used.
    pub fn read(&self, body: &OrgId) -> Result<Option<SealKey>, TrustError> {
        let name = SealFolder::name(body);
        if !self.0.exists(&name) {
            return Ok(None);
        }
        let file: Option<SealFile> = serde_json::from_str(&self.0.read(&name)?).ok();
        let key = file.and_then(|file| {
            let secret = crate::unhex(&file.secret)?.try_into().ok()?;
            SealKey::of_suite(body.as_str(), file.no, file.suite, secret)
        });
        let damaged = || TrustError::Damaged { path: self.0.path(&name).display().to_string() };
        key.map(Some).ok_or_else(damaged)
    }
}

fn fresh_secret(random: &dyn Random) -> [u8; 32] {
    let mut secret = [0; 32];
    random.fill(&mut secret);
    secret
}

impl Seals for SealFolder {
    fn seal_for(&self, body: &OrgId) -> Option<SealKey> {
        match self.read(body) {
            Ok(key) => key,
            Err(error) => {
                tracing::error!(%error, body = %body, "the seal cannot be used");
                None
            }
        }
    }
    fn make(&self, body: &OrgId, suite: Option<Suite>, random: &dyn Random) -> Result<SealKey, TrustError> {
        let before = self.read(body)?;
        let no = before.as_ref().map_or(1, |known| known.name.no + 1);
        let suite = suite.or(before.map(|known| known.suite())).unwrap_or_default();
        let (secret, key) = std::iter::repeat_with(|| fresh_secret(random))
            .find_map(|secret| Some((secret, SealKey::of_suite(body.as_str(), no, suite, secret)?)))
            .expect("an endless row of secrets");
        let file = SealFile { no, suite, secret: crate::hex(&secret) };
        let text = serde_json::to_string(&file).expect("plain data");
        self.0.write(&SealFolder::name(body), &text)?;
        Ok(key)
    }
}
