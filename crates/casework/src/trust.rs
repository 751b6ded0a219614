//! What the hub says about who is to be believed: the authorities of the city, and the oldest release that may sync.

use crate::{ActError, Hall, NodeStatus};
use domain::NodeId;
use domain::network::{Standing, Tier};
use domain::trust_bundle::{Authority, Release, TrustBundle};
use store::kind;

impl Hall {
    /// Publishes the next trust bundle; its version is one more than the newest.
    ///
    /// # Errors
    /// [`ActError::WrongTier`] below the hub; [`ActError::Unfit`] for a bundle that believes nobody.
    pub async fn publish_trust(
        &self,
        by: &str,
        authorities: Vec<Authority>,
        oldest_release: Option<Release>,
    ) -> Result<TrustBundle, ActError> {
        self.only_at(Tier::City, "发布信任包")?;
        if authorities.is_empty() {
            return Err(ActError::Unfit {
                what: "trust bundle", reason: "至少要有一个发证机构".to_owned()
            });
        }
        let version = self.store.trust_bundle().map_or(0, |newest| newest.version) + 1;
        let bundle = TrustBundle { version, authorities, oldest_release };
        let entry = self.all_entry(kind::TRUST_BUNDLE, version.to_string(), &bundle)?;
        self.store.append(self.hub_append("publish trust bundle", by, vec![entry])).await?;
        Ok(bundle)
    }

    /// Active nodes that are not known to have this version of the trust bundle.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn without_bundle(&self, version: u32) -> Result<Vec<NodeId>, ActError> {
        let nodes = self.nodes().await?.into_iter();
        let lacks =
            nodes.filter(|node| node.standing == Standing::Active && node.trust_version < Some(version));
        Ok(lacks.map(|node| node.id).collect())
    }

    /// Active nodes below this one that last showed a certificate under another authority, or never showed one.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn not_shown_under(&self, fingerprint: &str) -> Result<Vec<NodeId>, ActError> {
        let below = |node: &NodeStatus| node.standing == Standing::Active && node.id != *self.me();
        let nodes = self.nodes().await?.into_iter().filter(below);
        Ok(nodes
            .filter(|node| node.shown_under.as_deref() != Some(fingerprint))
            .map(|node| node.id)
            .collect())
    }
}
