//! `join`: turns an empty data folder into a node of the city, with one line.

use crate::at_rest;
use crate::serve::identity_folder;
use anyhow::{Context, Result, bail};
use domain::Timestamp;
use domain::network::Tier;
use domain::seams::Random;
use runtime::config::{Listen, Parent};
use runtime::{NodeConfig, OsRandom};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use store::{Recovery, Store, WhyRecovering};
use trust::files::{CA_CERT, SIGN_KEY, TLS_CERT, TLS_KEY};
use trust::{JoinToken, NodeKey};
use vault::DataKey;

/// What the joining node will listen on and dial.
pub struct JoinOrder<'a> {
    pub data: &'a Path,
    /// `host:port` of the enrolment door.
    pub door: &'a str,
    pub token: &'a str,
    /// `host:port` of the parent's link door.
    pub parent: &'a str,
    pub listen: Listen,
    pub tier: Tier,
    /// By this machine's clock.
    pub now: Timestamp,
    /// Encrypts the data that is made here; its ring lies in the folder already ([`crate::at_rest::found`]).
    pub key: Option<DataKey>,
}

/// Joins; nothing is kept unless the city let us in. Keys are made here and stay here.
///
/// # Errors
/// With the remedy: wrong, used or expired token, another city, no network, a folder that is taken.
pub async fn join(order: JoinOrder<'_>) -> Result<NodeConfig> {
    if NodeConfig::path(order.data).exists() {
        bail!("a node lives in {} already: choose an empty folder", order.data.display());
    }
    let token = JoinToken::decode(order.token)?;
    if token.tier != order.tier {
        bail!("this token is for a {} node: use that program to join", token.tier.as_str());
    }
    if token.expires < order.now {
        bail!(
            "the token has expired (or this machine's clock is wrong): ask the city for a new one with `city-hub enroll-token`"
        );
    }
    at_rest::demand(order.data, order.key.as_ref())?;
    let folder = identity_folder(order.data, order.key.as_ref());
    // Keys survive a lost answer: asking again with the same keys is the same node asking.
    if !folder.exists(SIGN_KEY) {
        let mut secret = [0; 32];
        OsRandom.fill(&mut secret);
        folder.write_secret(SIGN_KEY, &trust::hex(&secret))?;
    }
    let sign_key: NodeKey = folder.sign_key()?;
    let (tls_key, csr) = trust::ca::new_request(&token.node)?;
    let joined = link::enrol::join(order.door, &token, csr, sign_key.public()).await?;
    folder.write_secret(TLS_KEY, &tls_key)?;
    folder.write(TLS_CERT, &joined.certificate_pem)?;
    folder.write(CA_CERT, &joined.ca_pem)?;
    let own = joined
        .records
        .iter()
        .find(|record| record.id == token.node)
        .context("the answer does not name this node")?;
    let parent = own.parent.clone().context("the answer names no parent")?;
    let config = NodeConfig {
        id: own.id.clone(),
        tier: own.tier,
        city: token.city.clone(),
        place: own.place.clone(),
        name: own.name.clone(),
        listen: order.listen,
        devices: Default::default(),
        sign_on: None,
        parent: Some(Parent {
            id: parent,
            address: order.parent.to_owned(),
            door: Some(order.door.to_owned()),
        }),
    };
    if let Some(key) = &order.key {
        at_rest::entrust(order.data, key, own, &joined.records)?;
    }
    seed(order.data, &config, &joined.records, sign_key, order.key, order.now).await?;
    config.save(order.data)?;
    Ok(config)
}

async fn seed(
    data: &Path,
    config: &NodeConfig,
    records: &[domain::network::NodeRecord],
    sign_key: NodeKey,
    key: Option<DataKey>,
    now: Timestamp,
) -> Result<()> {
    let author = store_sqlite::Identity {
        node: config.id.clone(),
        area: config.place.clone(),
        signer: Arc::new(sign_key),
        page_cache_kib: store_sqlite::VILLAGE_CACHE_KIB,
        key,
    };
    let store = store_sqlite::SqliteStore::open(data, author)?;
    store.seed_nodes(records.to_vec()).await?;
    let replaces = records.iter().any(|record| record.id == config.id && record.incarnation > 1);
    if let Some(parent) = config.parent.as_ref().filter(|_| replaces) {
        // What the machine before this one told others is ours: taken back before anything is written.
        let awaited = BTreeSet::from([parent.id.clone()]);
        store.begin_recovery(Recovery::new(now, WhyRecovering::Restored, awaited, true)).await?;
    }
    Ok(())
}

/// The link door stands one port before the enrolment door unless somebody chose otherwise.
///
/// # Errors
/// When `door` is not `host:port`.
pub fn link_beside(door: &str) -> Result<String> {
    let (host, port) =
        door.rsplit_once(':').context("the address must be host:port, such as 192.168.1.10:7012")?;
    let port: u16 = port.parse().context("the port must be a number")?;
    Ok(format!("{host}:{}", port.saturating_sub(1)))
}
