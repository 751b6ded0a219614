//! The audit table: one row for each change, each row naming the hash of the one before (I37).

use crate::error::Broken;
use domain::Timestamp;
use rusqlite::{Connection, OptionalExtension, named_params};
use sha2::{Digest, Sha256};
use store::StoreError;

pub(crate) fn record(
    sql: &Connection,
    at: Timestamp,
    actor: &str,
    action: &str,
    subject: &str,
) -> Result<(), StoreError> {
    let last: Option<(i64, Vec<u8>)> = sql
        .prepare_cached("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
        .and_then(|mut s| s.query_row([], |row| Ok((row.get("seq")?, row.get("hash")?))).optional())
        .broken("read the audit head")?;
    let (seq, previous) = last.map_or((1, vec![0; 32]), |(seq, hash)| (seq + 1, hash));
    let hash = row_hash(&previous, seq, at.as_ms(), actor, action, subject);
    sql.prepare_cached(
        "INSERT INTO audit(seq, at_ms, actor, action, subject, previous, hash)
         VALUES(:seq, :at, :actor, :action, :subject, :previous, :hash)",
    )
    .and_then(|mut s| {
        s.execute(named_params! {
            ":seq": seq, ":at": at.as_ms(), ":actor": actor, ":action": action, ":subject": subject,
            ":previous": previous, ":hash": hash.as_slice(),
        })
    })
    .broken("write the audit row")?;
    Ok(())
}

/// Lengths stand before texts, so that no two different rows have the same bytes.
fn row_hash(previous: &[u8], seq: i64, at_ms: i64, actor: &str, action: &str, subject: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(b"tongban audit 1\0");
    hasher.update(previous);
    hasher.update(seq.to_be_bytes());
    hasher.update(at_ms.to_be_bytes());
    for text in [actor, action, subject] {
        hasher.update((text.len() as u64).to_be_bytes());
        hasher.update(text);
    }
    hasher.finalize().into()
}

/// Rows read, and what is wrong with them.
pub(crate) fn verify(sql: &Connection) -> Result<(u64, Vec<String>), StoreError> {
    let mut faults = Vec::new();
    let mut expected = (1i64, vec![0u8; 32]);
    let mut statement = sql
        .prepare("SELECT seq, at_ms, actor, action, subject, previous, hash FROM audit ORDER BY seq")
        .broken("read audit")?;
    let mut rows = statement.query([]).broken("read audit")?;
    let mut count = 0;
    while let Some(row) = rows.next().broken("read audit")? {
        let text = |name: &str| row.get::<_, String>(name).broken("read audit");
        let seq: i64 = row.get("seq").broken("read audit")?;
        let previous: Vec<u8> = row.get("previous").broken("read audit")?;
        let hash: Vec<u8> = row.get("hash").broken("read audit")?;
        let at: i64 = row.get("at_ms").broken("read audit")?;
        let right = row_hash(&previous, seq, at, &text("actor")?, &text("action")?, &text("subject")?);
        if seq != expected.0 || previous != expected.1 || hash != right {
            faults.push(format!("audit row {seq} was changed, moved, or follows a deleted one"));
        }
        expected = (seq + 1, hash);
        count += 1;
    }
    Ok((count, faults))
}
