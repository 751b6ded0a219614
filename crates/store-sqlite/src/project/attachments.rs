//! The attachments that cases name: which are here, which are missing, and which the parent has not said it has.

use super::Projector;
use crate::error::Broken;
use crate::executor::Work;
use domain::dossier::{Attachment, Dossier};
use domain::network::Tier;
use domain::{CaseNo, NodeId};
use rusqlite::Connection;
use store::StoreError;

impl Projector<'_, '_> {
    /// Of a new case, too, there may be some already: those of the application that it took in, if it took in one.
    pub(super) fn write_attachments(&self, dossier: &Dossier, fresh: bool) -> Result<(), StoreError> {
        if !fresh || dossier.intake != Tier::Village {
            self.work
                .sql
                .prepare_cached("DELETE FROM case_attachment WHERE case_no = ?1")
                .and_then(|mut s| s.execute([dossier.case.as_str()]))
                .broken("write attachments")?;
        }
        let expect = |one| self.expect_attachment(&dossier.case, one, &dossier.origin);
        dossier.all_attachments().try_for_each(expect)
    }

    /// A case names these bytes; whoever lacks them asks for them.
    pub(super) fn expect_attachment(
        &self,
        case: &CaseNo,
        attachment: &Attachment,
        origin: &NodeId,
    ) -> Result<(), StoreError> {
        let sql = self.work.sql;
        sql.prepare_cached(
            "INSERT OR IGNORE INTO attachment(hash, bytes, origin, present) VALUES(?1, ?2, ?3, 0)",
        )
        .and_then(|mut s| s.execute((&attachment.hash, attachment.bytes as i64, origin.as_str())))
        .broken("write attachments")?;
        sql.prepare_cached("INSERT OR IGNORE INTO case_attachment(case_no, hash) VALUES(?1, ?2)")
            .and_then(|mut s| s.execute((case.as_str(), &attachment.hash)))
            .broken("write attachments")?;
        Ok(())
    }
}

pub(crate) fn attachments_here(work: &Work<'_>, me: &NodeId, hashes: &[String]) -> Result<(), StoreError> {
    hashes.iter().try_for_each(|hash| attachment_arrived(work, me, hash))
}

pub(crate) fn attachment_arrived(work: &Work<'_>, me: &NodeId, hash: &str) -> Result<(), StoreError> {
    work.sql
        .prepare_cached("UPDATE attachment SET present = 1 WHERE hash = ?1")
        .and_then(|mut s| s.execute([hash]))
        .broken("note an attachment")?;
    if work.known.network.parent(me).is_some() { on_its_way(work.sql, hash) } else { Ok(()) }
}

/// Until the parent says that it has the bytes, they are ours to keep and to tell of.
pub(crate) fn on_its_way(sql: &Connection, hash: &str) -> Result<(), StoreError> {
    sql.prepare_cached("INSERT OR IGNORE INTO on_way(hash) SELECT hash FROM attachment WHERE hash = ?1")
        .and_then(|mut s| s.execute([hash]))
        .broken("note an attachment on its way")?;
    Ok(())
}

pub(crate) fn confirmed(sql: &Connection, hash: &str) -> Result<(), StoreError> {
    sql.prepare_cached("DELETE FROM on_way WHERE hash = ?1")
        .and_then(|mut s| s.execute([hash]))
        .broken("note a confirmed attachment")?;
    Ok(())
}
