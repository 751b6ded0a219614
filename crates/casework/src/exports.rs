//! What may leave in bulk, piece by piece: the audit for an auditor, the list of cases.

use crate::{ActError, Hall};
use domain::CaseNo;
use replication::Hash;
use serde_json::json;
use sha2::{Digest, Sha256};
use store::{AuditHead, CaseQuery};

const PIECE: u32 = 1000;

/// How far an export has got.
#[derive(Debug, Clone)]
pub enum AuditCursor {
    Start,
    After(AuditHead),
}

/// What the signature at the end of an exported audit covers.
fn attested(node: &str, head: &AuditHead) -> Hash {
    let mut hasher = Sha256::new();
    hasher.update(b"tongban audit export 1\0");
    hasher.update((node.len() as u64).to_be_bytes());
    hasher.update(node);
    hasher.update(head.seq.to_be_bytes());
    hasher.update(&head.hash);
    Hash(hasher.finalize().into())
}

impl Hall {
    /// The next piece of the audit: lines of JSON. The first says whose audit it is, the last is signed by the node's key, so
    /// that a verifier elsewhere needs nothing but the node's public key.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn audit_piece(&self, cursor: AuditCursor) -> Result<(String, Option<AuditCursor>), ActError> {
        let head = match cursor {
            AuditCursor::Start => {
                let record = self.store.network().get(self.me()).map(|record| record.sign_key.clone());
                let first = json!({ "audit": 1, "node": self.me(), "city": self.city, "at": self.now(), "sign_key": record });
                let head = AuditHead { seq: 0, hash: "00".repeat(32) };
                return Ok((format!("{first}\n"), Some(AuditCursor::After(head))));
            }
            AuditCursor::After(head) => head,
        };
        let rows = self.store.audit_after(head.seq, PIECE).await?;
        let Some(last) = rows.last() else {
            let signature = self.store.attest(&attested(self.me().as_str(), &head));
            let end = json!({ "rows": head.seq, "hash": head.hash, "signature": trust::hex(&signature.0) });
            return Ok((format!("{end}\n"), None));
        };
        let head = AuditHead { seq: last.seq, hash: last.hash.clone() };
        let line = |row: &store::AuditRow| json!(row).to_string() + "\n";
        Ok((rows.iter().map(line).collect(), Some(AuditCursor::After(head))))
    }

    /// The next piece of the list of all cases as CSV, beginning with its heading.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn cases_piece(&self, after: Option<CaseNo>) -> Result<(String, Option<CaseNo>), ActError> {
        let mut text = String::new();
        if after.is_none() {
            // The mark lets the office's spreadsheet see that this is UTF-8.
            text.push_str("\u{feff}办件编号,事项,申请人,状态,收件地,现在何处,收件时间\r\n");
        }
        let query = CaseQuery { after, limit: PIECE, ..CaseQuery::default() };
        let lines = self.store.cases(query).await?;
        for line in &lines {
            let cells = [
                line.case.as_str(),
                line.item.as_str(),
                &line.applicant,
                line.status.chinese(),
                line.origin.as_str(),
                line.holder.as_str(),
                &line.captured_at.to_minute(),
            ];
            text.push_str(&cells.map(csv_cell).join(","));
            text.push_str("\r\n");
        }
        Ok((text, lines.last().map(|line| line.case.clone())))
    }

    /// Puts the head of the audit into our own journal, where it is signed and soon out of reach (I37). `false` when nobody
    /// did or read anything since the last anchor: the receipt for an anchor is no reason for the next one.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn anchor_audit(&self) -> Result<bool, ActError> {
        let Some(head) = self.unanchored_head().await? else { return Ok(false) };
        let channel = match self.tier {
            domain::network::Tier::City => replication::Channel::All,
            domain::network::Tier::Town | domain::network::Tier::Village => replication::Channel::Up,
        };
        let now = self.now();
        let body = serde_json::to_vec(&head)
            .map_err(|e| ActError::Unfit { what: "audit", reason: e.to_string() })?;
        let entry = store::NewEntry {
            id: self.random.entry_id(now),
            channel,
            kind: store::kind::AUDIT_HEAD,
            subject: self.me().to_string(),
            body,
        };
        self.store.append(store::Append::new(now, "", ANCHOR, vec![entry])).await?;
        Ok(true)
    }

    /// The head of the audit, when something stands between it and the last anchor that a person did.
    async fn unanchored_head(&self) -> Result<Option<AuditHead>, ActError> {
        let mut after = self.store.anchored_audit().await?.map_or(0, |head| head.seq);
        let (mut head, mut by_somebody) = (None, false);
        loop {
            let rows = self.store.audit_after(after, PIECE).await?;
            let Some(last) = rows.last() else { break };
            after = last.seq;
            head = Some(AuditHead { seq: last.seq, hash: last.hash.clone() });
            by_somebody |= rows.iter().any(|row| row.action != ANCHOR && row.action != "receive");
        }
        Ok(head.filter(|_| by_somebody))
    }
}

/// What the audit calls it.
const ANCHOR: &str = "anchor-audit";

/// One cell of a CSV file. What begins like a formula is not to become one in somebody's spreadsheet.
pub fn csv_cell(text: &str) -> String {
    let formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']);
    let text = if formula { format!("'{text}") } else { text.to_owned() };
    if text.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}

#[cfg(test)]
mod tests {
    use super::csv_cell;

    #[test]
    fn a_name_that_looks_like_a_formula_stays_a_name() {
        assert_eq!(csv_cell("杨兰梅"), "杨兰梅");
        assert_eq!(csv_cell("=cmd|' /C calc'!A0"), "'=cmd|' /C calc'!A0");
        assert_eq!(csv_cell("a,\"b\""), "\"a,\"\"b\"\"\"");
    }
}
