//! Reference data kept in memory: the nodes and the releases of the city pack.

use crate::error::{Broken, unreadable};
use domain::delegation::Delegations;
use domain::network::Network;
use domain::pack::{CityPack, Pieces};
use domain::paper::{SealRecord, SealRecords};
use domain::trust_bundle::TrustBundle;
use rusqlite::{Connection, OptionalExtension};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Recovery, StoreError};

#[derive(Default, Clone)]
pub(crate) struct Known {
    pub network: Arc<Network>,
    pub delegations: Arc<Delegations>,
    pub seals: Arc<SealRecords>,
    pub bundle: Option<Arc<TrustBundle>>,
    pub recovery: Option<Arc<Recovery>>,
    packs: BTreeMap<u32, Arc<CityPack>>,
}

impl Known {
    /// Reads what the tables say. Packs of `before` are taken over: a release never changes once published.
    pub fn load(sql: &Connection, before: Option<&Known>) -> Result<Known, StoreError> {
        let network = read_network(sql)?;
        let mut packs = BTreeMap::new();
        let mut statement = sql
            .prepare_cached("SELECT release, pieces FROM pack_release ORDER BY release")
            .broken("read releases")?;
        let releases = statement
            .query_map([], |row| Ok((row.get::<_, u32>("release")?, row.get::<_, String>("pieces")?)))
            .broken("read releases")?;
        for release in releases {
            let (release, names) = release.broken("read releases")?;
            let known = before.and_then(|before| before.packs.get(&release)).cloned();
            let pack = match known {
                Some(pack) => pack,
                None => Arc::new(read_pack(sql, release, &names)?),
            };
            packs.insert(release, pack);
        }
        let (delegations, seals) = (Arc::new(read_delegations(sql)?), Arc::new(read_seals(sql)?));
        let recovery = crate::journals::read_recovery(sql)?.map(Arc::new);
        let bundle = read_bundle(sql)?;
        Ok(Known { network: Arc::new(network), delegations, seals, bundle, recovery, packs })
    }

    /// A node has come or changed; everything else is as it was.
    pub fn with_new_network(&self, sql: &Connection) -> Result<Known, StoreError> {
        Ok(Known { network: Arc::new(read_network(sql)?), ..self.clone() })
    }
    /// Letters, seals or a trust bundle have come; everything else is as it was.
    pub fn with_new_authority(&self, sql: &Connection) -> Result<Known, StoreError> {
        let (delegations, seals) = (Arc::new(read_delegations(sql)?), Arc::new(read_seals(sql)?));
        Ok(Known { delegations, seals, bundle: read_bundle(sql)?, ..self.clone() })
    }

    pub fn with_recovery(&self, recovery: Option<Recovery>) -> Known {
        Known { recovery: recovery.map(Arc::new), ..self.clone() }
    }

    pub fn pack(&self, release: Option<u32>) -> Option<(u32, Arc<CityPack>)> {
        let found = match release {
            Some(release) => self.packs.get_key_value(&release),
            None => self.packs.last_key_value(),
        };
        found.map(|(release, pack)| (*release, pack.clone()))
    }
}

/// One text column of all rows, each read as JSON.
fn read_all<T: serde::de::DeserializeOwned>(
    sql: &Connection,
    query: &'static str,
) -> Result<Vec<T>, StoreError> {
    let mut statement = sql.prepare_cached(query).broken(query)?;
    let rows = statement.query_map([], |row| row.get::<_, String>(0)).broken(query)?;
    rows.map(|row| serde_json::from_str(&row.broken(query)?).map_err(|e| unreadable(query, e))).collect()
}

pub(crate) fn read_network(sql: &Connection) -> Result<Network, StoreError> {
    let mut network = Network::default();
    read_all(sql, "SELECT record FROM node ORDER BY id")?
        .into_iter()
        .for_each(|record| network.insert(record));
    Ok(network)
}

fn read_delegations(sql: &Connection) -> Result<Delegations, StoreError> {
    let mut all = Delegations::default();
    for letter in read_all(sql, "SELECT letter FROM letter ORDER BY number")? {
        all.insert(letter);
    }
    for revocation in read_all(sql, "SELECT revocation FROM revocation ORDER BY number, revocation")? {
        all.revoke(revocation);
    }
    Ok(all)
}

fn read_seals(sql: &Connection) -> Result<SealRecords, StoreError> {
    let records: Vec<SealRecord> = read_all(sql, "SELECT record FROM seal ORDER BY owner, no")?;
    Ok(records.into_iter().map(|record| (record.seal.clone(), record)).collect())
}

/// The newest; older ones never come back.
pub(crate) fn read_bundle(sql: &Connection) -> Result<Option<Arc<TrustBundle>>, StoreError> {
    let newest = read_all(sql, "SELECT bundle FROM trust_bundle ORDER BY version DESC LIMIT 1")?;
    Ok(newest.into_iter().next().map(Arc::new))
}

fn read_pack(sql: &Connection, release: u32, names: &str) -> Result<CityPack, StoreError> {
    CityPack::parse(&read_pieces(sql, release, names)?).map_err(|e| unreadable("read the city pack", e))
}

/// The texts of a release; empty before the first.
pub(crate) fn pieces(sql: &Connection, release: Option<u32>) -> Result<Pieces, StoreError> {
    let found: Option<(u32, String)> = sql
        .prepare_cached(
            "SELECT release, pieces FROM pack_release WHERE ?1 IS NULL OR release = ?1 ORDER BY release DESC LIMIT 1",
        )
        .and_then(|mut s| s.query_row([release], |row| Ok((row.get(0)?, row.get(1)?))).optional())
        .broken("read a release")?;
    found.map_or(Ok(Pieces::new()), |(release, names)| read_pieces(sql, release, &names))
}

/// A piece not written anew under `release` is the newest earlier one of that name.
fn read_pieces(sql: &Connection, release: u32, names: &str) -> Result<Pieces, StoreError> {
    let names: Vec<String> = serde_json::from_str(names).map_err(|e| unreadable("read a release", e))?;
    let mut statement = sql
        .prepare_cached(
            "SELECT text FROM pack_piece WHERE name = ?1 AND release <= ?2 ORDER BY release DESC LIMIT 1",
        )
        .broken("read a piece")?;
    let mut pieces = Pieces::new();
    for name in names {
        let text: String = statement.query_row((&name, release), |row| row.get(0)).broken("read a piece")?;
        pieces.insert(name, text);
    }
    Ok(pieces)
}
