//! Reference data kept in memory: the nodes and the releases of the city pack.

use crate::error::{Broken, unreadable};
use domain::network::Network;
use domain::pack::{CityPack, Pieces};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::StoreError;

#[derive(Default)]
pub(crate) struct Known {
    pub network: Arc<Network>,
    packs: BTreeMap<u32, Arc<CityPack>>,
}

impl Known {
    /// Reads what the tables say. Packs of `before` are taken over: a release never changes once published.
    pub fn load(sql: &Connection, before: Option<&Known>) -> Result<Known, StoreError> {
        let mut network = Network::default();
        let mut statement = sql.prepare_cached("SELECT record FROM node ORDER BY id").broken("read nodes")?;
        let records = statement.query_map([], |row| row.get::<_, String>("record")).broken("read nodes")?;
        for record in records {
            let record = record.broken("read nodes")?;
            network.insert(serde_json::from_str(&record).map_err(|e| unreadable("read nodes", e))?);
        }
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
        Ok(Known { network: Arc::new(network), packs })
    }

    pub fn pack(&self, release: Option<u32>) -> Option<(u32, Arc<CityPack>)> {
        let found = match release {
            Some(release) => self.packs.get_key_value(&release),
            None => self.packs.last_key_value(),
        };
        found.map(|(release, pack)| (*release, pack.clone()))
    }
}

/// A piece not written anew under `release` is the newest earlier one of that name.
fn read_pack(sql: &Connection, release: u32, names: &str) -> Result<CityPack, StoreError> {
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
    CityPack::parse(&pieces).map_err(|e| unreadable("read the city pack", e))
}
