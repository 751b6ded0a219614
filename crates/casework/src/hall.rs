//! A node's counter: its store, its clock, its place in the network.

use crate::{ActError, AtRest, Throttle};
use domain::catalogue::Item;
use domain::dossier::decide::Actor;
use domain::network::Tier;
use domain::pack::CityPack;
use domain::seams::{Clock, Random};
use domain::{ItemId, NodeId, Timestamp};
use std::sync::{Arc, Mutex};
use store::Store;
use store::blobs::Blobs;
use tokio::sync::Semaphore;
use trust::Seals;

/// Everything a use case needs. Cheap to clone.
#[derive(Clone)]
pub struct Hall {
    pub store: Arc<dyn Store>,
    pub blobs: Arc<dyn Blobs>,
    pub clock: Arc<dyn Clock>,
    pub random: Arc<dyn Random>,
    /// The seals that are kept here.
    pub seals: Arc<dyn Seals>,
    /// Where the data lies encrypted: who opens it.
    pub at_rest: Option<Arc<dyn AtRest>>,
    /// Who guessed at log-in, and how often.
    pub throttle: Arc<Mutex<Throttle>>,
    /// Password checks cost memory and time on purpose: so many at once are enough.
    pub passwords: Arc<Semaphore>,
    pub tier: Tier,
    /// City name, as certificates and tokens carry it.
    pub city: String,
}

/// Password checks at once.
pub const PASSWORDS_AT_ONCE: usize = 2;

impl Hall {
    pub fn me(&self) -> &NodeId {
        self.store.me()
    }
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub(crate) fn actor(&self, officer: &crate::Officer) -> Actor {
        Actor {
            node: self.me().clone(),
            tier: self.tier,
            officer: officer.name.clone(),
            body: officer.body.clone(),
        }
    }

    /// The release a case is bound to, or the newest one.
    ///
    /// # Errors
    /// [`ActError::NotFound`] while no catalogue has arrived yet.
    pub fn pack(&self, release: Option<u32>) -> Result<(u32, Arc<CityPack>), ActError> {
        let missing = || {
            let value = release
                .map_or("尚未从上级收到,请先联网同步一次".to_owned(), |release| {
                    release.to_string()
                });
            ActError::NotFound { what: "事项目录", value }
        };
        self.store.pack(release).ok_or_else(missing)
    }

    /// # Errors
    /// [`ActError::NotFound`] for anything outside the list: no power outside the list.
    pub fn item(
        &self,
        release: Option<u32>,
        id: &ItemId,
    ) -> Result<(u32, Arc<CityPack>, Arc<Item>), ActError> {
        let (release, pack) = self.pack(release)?;
        let item =
            pack.item(id).cloned().ok_or_else(|| ActError::NotFound {
                what: "事项(目录清单外不得办理)",
                value: id.to_string(),
            })?;
        Ok((release, pack, item))
    }

    pub(crate) fn only_at(&self, tier: Tier, what: &'static str) -> Result<(), ActError> {
        let place = match tier {
            Tier::Village => "村级代办点",
            Tier::Town => "镇便民服务中心",
            Tier::City => "市政务服务中心",
        };
        if self.tier == tier { Ok(()) } else { Err(ActError::WrongTier { what, place }) }
    }

    /// Applications are taken in where people come to: in villages and at towns' windows.
    pub(crate) fn takes_in(&self) -> Result<(), ActError> {
        match self.tier {
            Tier::Village | Tier::Town => Ok(()),
            Tier::City => {
                Err(ActError::WrongTier { what: "收件", place: "村级代办点或镇便民服务中心" })
            }
        }
    }

    /// How an application comes in, as forms and conditions of the catalogue name it (受理渠道).
    pub(crate) fn intake_channel(&self) -> &'static str {
        match self.tier {
            Tier::Village => "village_proxy",
            Tier::Town => "town_window",
            Tier::City => "online",
        }
    }
}
