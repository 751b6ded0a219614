//! Alerts of electronic supervision: the hub raises and concludes them, whoever is responsible may appeal.

use super::Projector;
use crate::error::{Broken, unreadable};
use domain::network::Tier;
use domain::supervision::{Alert, AlertBody, AlertEntry};
use replication::Entry;
use rusqlite::named_params;
use store::*;

impl Projector<'_, '_> {
    pub(super) fn alert(&mut self, entry: &Entry) -> Result<(), StoreError> {
        let Ok(said) = serde_json::from_slice::<AlertEntry>(&entry.raw.body) else {
            return self.incident(entry, "alert cannot be read");
        };
        if said.case.as_str() != entry.subject || said.officer != entry.officer {
            return self.incident(entry, "alert: case or officer differ from the entry's");
        }
        let by_hub = self.work.known.network.get(&entry.author).is_some_and(|node| node.tier == Tier::City);
        if !by_hub && !matches!(said.body, AlertBody::Appealed { .. }) {
            return self.incident(entry, "alert: only the hub raises and concludes");
        }
        let known = crate::supervision::alert(self.work.sql, &said.case, &said.key)?;
        let mut alert = known.unwrap_or_else(|| Alert::new(said.case.clone(), said.key.clone()));
        alert.take(entry.id, &entry.author, said);
        self.write_alert(&alert)
    }

    fn write_alert(&self, alert: &Alert) -> Result<(), StoreError> {
        let state = serde_json::to_string(alert).map_err(|e| unreadable("write an alert", e))?;
        let rung = alert.raised.as_ref().map_or("", |finding| finding.rung.as_str());
        self.work
            .sql
            .prepare_cached(
                "INSERT INTO alert(case_no, key, rung, open, state) VALUES(:case, :key, :rung, :open, :state)
                 ON CONFLICT(case_no, key) DO UPDATE SET rung = :rung, open = :open, state = :state",
            )
            .and_then(|mut s| {
                s.execute(named_params! {
                    ":case": alert.case.as_str(), ":key": alert.key, ":rung": rung, ":open": alert.is_open(), ":state": state,
                })
            })
            .broken("write an alert")?;
        Ok(())
    }
}
