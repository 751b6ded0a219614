//! The trust bundle (信任包): which certificate authorities of the city are believed, and which versions still take part.
//!
//! The hub publishes it in its journal to all; a higher version replaces a lower one and never the other way round (I26). Who
//! is shut out by name stands in the node list (`network`), not here. Certificates are texts to this crate; `trust` reads them.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One authority.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Authority {
    /// SHA-256 of its certificate, hexadecimal: what join tokens pin.
    pub fingerprint: String,
    /// PEM.
    pub certificate: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustBundle {
    pub version: u32,
    /// The first one issues; the others are believed as well, because certificates under them are still about, or because they
    /// will issue next.
    pub authorities: Vec<Authority>,
    /// Nodes of an older release are told to be brought up to date before they sync.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest_release: Option<Release>,
}

/// A released version of the programs, such as `0.12.3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Release(pub [u32; 3]);

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a release is three numbers with dots between, such as 0.12.3")]
pub struct BadRelease;

impl FromStr for Release {
    type Err = BadRelease;
    fn from_str(text: &str) -> Result<Release, BadRelease> {
        // What follows a dash or a plus names a build of the same release.
        let plain = text.split(['-', '+']).next().unwrap_or(text);
        let numbers: Result<Vec<u32>, _> = plain.split('.').map(str::parse).collect();
        numbers.ok().and_then(|numbers| numbers.try_into().ok()).map(Release).ok_or(BadRelease)
    }
}
impl TryFrom<String> for Release {
    type Error = BadRelease;
    fn try_from(text: String) -> Result<Release, BadRelease> {
        text.parse()
    }
}
impl From<Release> for String {
    fn from(release: Release) -> String {
        release.to_string()
    }
}
impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [major, minor, patch] = self.0;
        write!(f, "{major}.{minor}.{patch}")
    }
}

impl TrustBundle {
    /// Whether a node that says it is of this release may sync. What says nothing readable is older than all that count.
    pub fn lets_in(&self, release: &str) -> bool {
        self.oldest_release
            .is_none_or(|oldest| release.parse().is_ok_and(|release: Release| release >= oldest))
    }

    pub fn believes(&self, fingerprint: &str) -> bool {
        self.authorities.iter().any(|one| one.fingerprint == fingerprint)
    }

    /// The texts of all authorities, the issuing one first, as one file.
    pub fn certificates(&self) -> String {
        let text = |one: &Authority| format!("{}\n", one.certificate.trim());
        self.authorities.iter().map(text).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_older_release_is_told_to_be_brought_up_to_date() {
        let oldest = Some("0.12.0".parse().unwrap());
        let bundle = TrustBundle { version: 1, authorities: vec![], oldest_release: oldest };
        for (release, may) in
            [("0.12.0", true), ("0.12.3-kaili", true), ("1.0.0", true), ("0.9.9", false), ("", false)]
        {
            assert_eq!(bundle.lets_in(release), may, "{release}");
        }
        assert!(TrustBundle { oldest_release: None, ..bundle }.lets_in("whatever"));
    }
}
