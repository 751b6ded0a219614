//! Accounts, log-ins, acts that wait for a second person, and the audit rows.

use domain::access::Roles;
use domain::{Day, EntryId, OrgId, Timestamp};
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, Serialize)]
pub struct Account {
    pub name: String,
    pub display: String,
    /// The body of the city the officer acts for.
    pub body: Option<OrgId>,
    /// `None` of an account made before there were roles.
    pub roles: Option<Roles>,
    #[serde(skip)]
    pub password: String,
    /// The secret shared with the officer's phone, in base32.
    #[serde(skip)]
    pub code_secret: Option<String>,
    /// The half minute of the code used last.
    #[serde(skip)]
    pub code_used: Option<u64>,
    pub disabled: bool,
}

/// One thing about a known account that changes; the others stay as they are at that moment.
#[derive(Debug, Clone)]
pub enum AccountChange {
    /// As hashed.
    Password(String),
    Disabled(bool),
}

/// A log-in to open.
#[derive(Debug, Clone)]
pub struct Login {
    pub token_hash: String,
    pub account: String,
    pub opened: Timestamp,
    pub expires: Timestamp,
    /// The half minute of the code it was proven with; used up in the same step, so that a code opens one log-in.
    pub code: Option<u64>,
}

/// An open log-in, with its account as it is now.
#[derive(Debug, Clone)]
pub struct Session {
    pub account: Account,
    pub opened: Timestamp,
    pub seen: Timestamp,
    /// Opened with a password and a code.
    pub second_factor: bool,
}

/// An act that waits for a second person (双人复核).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Countersign {
    pub id: EntryId,
    /// What is to be done, as JSON; the store does not look into it.
    pub act: serde_json::Value,
    pub by: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<(String, Timestamp)>,
    /// What it made was told to its proposer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub collected: bool,
}

/// One row of the audit: who did what to whom when. Its hash covers the hash of the row before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRow {
    pub seq: u64,
    pub at: Timestamp,
    pub actor: String,
    pub action: String,
    pub subject: String,
    /// Hexadecimal, 32 bytes.
    pub previous: String,
    pub hash: String,
}

/// Which audit rows to list, newest first.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct AuditQuery {
    pub actor: Option<String>,
    pub action: Option<String>,
    pub subject: Option<String>,
    /// Written on this day or later; and on this day or earlier.
    pub from: Option<Day>,
    pub until: Option<Day>,
    /// List those before this number.
    pub before: Option<u64>,
    pub limit: Option<u32>,
}

/// What a search of the audit found.
#[derive(Debug, Clone, Default)]
pub struct AuditFound {
    pub rows: Vec<AuditRow>,
    /// The search goes on before this number; `None` when there is nothing older to find.
    pub next: Option<u64>,
}

/// What an entry of kind `audit.head` says: so far did the audit of its author reach.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    pub seq: u64,
    pub hash: String,
}
