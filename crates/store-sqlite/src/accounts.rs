//! Accounts, log-ins, and acts that wait for a second person: records of this node alone, never replicated.

use crate::error::{Broken, unreadable};
use domain::access::Jurisdiction;
use domain::{CaseNo, EntryId, ItemId, OrgId, Timestamp};
use rusqlite::{Connection, OptionalExtension, Row, named_params};
use store::{Account, AccountChange, Countersign, Login, Session, StoreError};

/// Forgotten tabs are not kept for ever: the oldest log-in of an account gives way.
const LOGINS_MAX: u32 = 20;

const COLUMNS: &str =
    "a.name, a.display, a.body, a.roles, a.password, a.code_secret, a.code_used, a.disabled";

fn account_of(row: &Row<'_>) -> rusqlite::Result<Account> {
    let roles: Option<String> = row.get("roles")?;
    Ok(Account {
        name: row.get("name")?,
        display: row.get("display")?,
        body: row.get::<_, Option<String>>("body")?.and_then(|body| body.parse().ok()),
        // A role of a later version opens nothing here.
        roles: roles.map(|text| {
            domain::access::Roles(text.split(',').filter_map(|role| role.parse().ok()).collect())
        }),
        password: row.get("password")?,
        code_secret: row.get("code_secret")?,
        code_used: row.get::<_, Option<i64>>("code_used")?.map(|step| step as u64),
        disabled: row.get("disabled")?,
    })
}

pub(crate) fn account(sql: &Connection, name: &str) -> Result<Option<Account>, StoreError> {
    sql.prepare_cached(&format!("SELECT {COLUMNS} FROM account a WHERE a.name = ?1"))
        .and_then(|mut s| s.query_row([name], account_of).optional())
        .broken("read an account")
}

pub(crate) fn accounts(sql: &Connection) -> Result<Vec<Account>, StoreError> {
    sql.prepare_cached(&format!("SELECT {COLUMNS} FROM account a ORDER BY a.name LIMIT 10000"))
        .and_then(|mut s| s.query_map([], account_of)?.collect())
        .broken("list accounts")
}

pub(crate) fn put_account(
    sql: &Connection,
    account: &Account,
    by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    sql.prepare_cached(
        "INSERT INTO account(name, display, body, roles, password, code_secret, code_used, disabled)
         VALUES(:name, :display, :body, :roles, :password, :secret, :used, :disabled)
         ON CONFLICT(name) DO UPDATE SET display = :display, body = :body, roles = :roles, password = :password,
           code_used = iif(:secret IS NULL, code_used, :used), code_secret = coalesce(:secret, code_secret), disabled = :disabled",
    )
    .and_then(|mut s| {
        s.execute(named_params! {
            ":name": account.name, ":display": account.display, ":body": account.body.as_ref().map(OrgId::as_str),
            ":roles": account.roles.as_ref().map(ToString::to_string), ":password": account.password,
            ":secret": account.code_secret, ":used": account.code_used.map(|step| step as i64), ":disabled": account.disabled,
        })
    })
    .broken("write an account")?;
    // A changed password or a disabled account ends what was opened with the old one.
    close_logins(sql, &account.name)?;
    let roles = account.roles.as_ref().map(ToString::to_string).unwrap_or_default();
    let state = if account.disabled { "disabled" } else { roles.as_str() };
    crate::audit::record(sql, now, by, "account", &format!("{} {state}", account.name))
}

pub(crate) fn change_account(
    sql: &Connection,
    name: &str,
    change: &AccountChange,
    by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let (changed, told) = match change {
        AccountChange::Password(password) => {
            let set = "UPDATE account SET password = ?2 WHERE name = ?1";
            (sql.execute(set, (name, password)), "password")
        }
        AccountChange::Disabled(disabled) => {
            let set = "UPDATE account SET disabled = ?2 WHERE name = ?1";
            (sql.execute(set, (name, disabled)), if *disabled { "disabled" } else { "enabled" })
        }
    };
    if changed.broken("change an account")? == 0 {
        return Err(StoreError::Missing { what: "账号" });
    }
    close_logins(sql, name)?;
    crate::audit::record(sql, now, by, "account", &format!("{name} {told}"))
}

pub(crate) fn use_code(sql: &Connection, account: &str, step: u64) -> Result<(), StoreError> {
    let first = sql
        .prepare_cached("UPDATE account SET code_used = ?2 WHERE name = ?1 AND coalesce(code_used, -1) < ?2")
        .and_then(|mut s| s.execute((account, step as i64)))
        .broken("use up a code")?;
    match first {
        0 => {
            Err(StoreError::Missing { what: "可用的动态口令(这一个刚刚用过,请等下一个)" })
        }
        _ => Ok(()),
    }
}

pub(crate) fn open_login(sql: &Connection, login: &Login) -> Result<(), StoreError> {
    let now = login.opened.as_ms();
    if let Some(step) = login.code {
        use_code(sql, &login.account, step)?;
    }
    sql.prepare_cached("DELETE FROM login WHERE expires_ms <= ?1")
        .and_then(|mut s| s.execute([now]))
        .broken("clear ended log-ins")?;
    sql.prepare_cached(
        "DELETE FROM login WHERE account = ?1 AND token_hash NOT IN (
           SELECT token_hash FROM login WHERE account = ?1 ORDER BY opened_ms DESC, token_hash LIMIT ?2)",
    )
    .and_then(|mut s| s.execute((&login.account, LOGINS_MAX - 1)))
    .broken("bound the log-ins")?;
    sql.prepare_cached(
        "INSERT INTO login(token_hash, account, opened_ms, seen_ms, expires_ms, second_factor) VALUES(?1, ?2, ?3, ?3, ?4, ?5)",
    )
    .and_then(|mut s| {
        s.execute((&login.token_hash, &login.account, now, login.expires.as_ms(), login.code.is_some()))
    })
    .broken("open a log-in")?;
    let action = if login.code.is_some() { "log in with code" } else { "log in" };
    crate::audit::record(sql, login.opened, &login.account, action, "")
}

pub(crate) fn session(
    sql: &Connection,
    token_hash: &str,
    now: Timestamp,
) -> Result<Option<Session>, StoreError> {
    sql.prepare_cached(&format!(
        "SELECT {COLUMNS}, l.opened_ms, l.seen_ms, l.second_factor FROM login l JOIN account a ON a.name = l.account
          WHERE l.token_hash = ?1 AND l.expires_ms > ?2 AND a.disabled = 0"
    ))
    .and_then(|mut s| {
        s.query_row((token_hash, now.as_ms()), |row| {
            Ok(Session {
                account: account_of(row)?,
                opened: Timestamp::from_ms(row.get("opened_ms")?),
                seen: Timestamp::from_ms(row.get("seen_ms")?),
                second_factor: row.get("second_factor")?,
            })
        })
        .optional()
    })
    .broken("check a log-in")
}

pub(crate) fn touch_login(sql: &Connection, token_hash: &str, now: Timestamp) -> Result<(), StoreError> {
    sql.prepare_cached("UPDATE login SET seen_ms = max(seen_ms, ?2) WHERE token_hash = ?1")
        .and_then(|mut s| s.execute((token_hash, now.as_ms())))
        .broken("keep a log-in")?;
    Ok(())
}

pub(crate) fn close_login(sql: &Connection, token_hash: &str) -> Result<(), StoreError> {
    sql.execute("DELETE FROM login WHERE token_hash = ?1", [token_hash]).broken("close a log-in")?;
    Ok(())
}

pub(crate) fn close_logins(sql: &Connection, account: &str) -> Result<(), StoreError> {
    sql.execute("DELETE FROM login WHERE account = ?1", [account]).broken("end log-ins")?;
    Ok(())
}

pub(crate) fn put_countersign(sql: &Connection, one: &Countersign) -> Result<(), StoreError> {
    let text = serde_json::to_string(one).map_err(|e| unreadable("write a countersignature", e))?;
    sql.prepare_cached("INSERT INTO countersign(id, at_ms, countersign) VALUES(?1, ?2, ?3)")
        .and_then(|mut s| s.execute((one.id.0.as_slice(), one.at.as_ms(), text)))
        .broken("write a countersignature")?;
    crate::audit::record(sql, one.at, &one.by, "propose", &one.id.to_string())
}

fn countersign_of(text: &str) -> Result<Countersign, StoreError> {
    serde_json::from_str(text).map_err(|e| unreadable("read a countersignature", e))
}

pub(crate) fn countersigns(sql: &Connection, limit: u32) -> Result<Vec<Countersign>, StoreError> {
    let texts: Vec<String> = sql
        .prepare_cached("SELECT countersign FROM countersign ORDER BY at_ms DESC, id LIMIT ?1")
        .and_then(|mut s| s.query_map([limit.clamp(1, 1000)], |row| row.get(0))?.collect())
        .broken("list countersignatures")?;
    texts.iter().map(|text| countersign_of(text)).collect()
}

pub(crate) fn countersign(sql: &Connection, id: EntryId) -> Result<Option<Countersign>, StoreError> {
    let text: Option<String> = sql
        .prepare_cached("SELECT countersign FROM countersign WHERE id = ?1")
        .and_then(|mut s| s.query_row([id.0.as_slice()], |row| row.get(0)).optional())
        .broken("read a countersignature")?;
    text.map(|text| countersign_of(&text)).transpose()
}

fn update_countersign(sql: &Connection, one: &Countersign) -> Result<(), StoreError> {
    let text = serde_json::to_string(one).map_err(|e| unreadable("write a countersignature", e))?;
    sql.prepare_cached("UPDATE countersign SET done = ?2, countersign = ?3 WHERE id = ?1")
        .and_then(|mut s| s.execute((one.id.0.as_slice(), one.done.is_some(), text)))
        .broken("write a countersignature")?;
    Ok(())
}

/// Whoever comes second, in the same step, finds it done.
pub(crate) fn take_countersign(
    sql: &Connection,
    id: EntryId,
    by: &str,
    now: Timestamp,
) -> Result<Countersign, StoreError> {
    let open = countersign(sql, id)?.filter(|one| one.done.is_none());
    let open =
        open.ok_or(StoreError::Missing { what: "这项待复核的操作(可能已办或已过期)" })?;
    let done = Countersign { done: Some((by.to_owned(), now)), ..open };
    update_countersign(sql, &done)?;
    crate::audit::record(sql, now, by, "countersign", &id.to_string())?;
    Ok(done)
}

pub(crate) fn collect_countersign(
    sql: &Connection,
    id: EntryId,
    by: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let done = countersign(sql, id)?.filter(|one| one.done.is_some() && !one.collected);
    let done = done.ok_or(StoreError::Missing { what: "可领取的密钥(可能已领取)" })?;
    update_countersign(sql, &Countersign { collected: true, ..done })?;
    crate::audit::record(sql, now, by, "collect", &id.to_string())
}

pub(crate) fn reopen_countersign(
    sql: &Connection,
    id: EntryId,
    by: &str,
    reason: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let known = countersign(sql, id)?.ok_or(StoreError::Missing { what: "这项待复核的操作" })?;
    update_countersign(sql, &Countersign { done: None, ..known })?;
    crate::audit::record(sql, now, by, "countersign failed", &format!("{id} {reason}"))
}

/// The items of a jurisdiction as JSON, for a query; `None` is no bound.
pub(crate) fn items_of(within: &Jurisdiction) -> Option<String> {
    match within {
        Jurisdiction::Everything => None,
        Jurisdiction::Items(items) => {
            let names: Vec<&str> = items.iter().map(ItemId::as_str).collect();
            Some(serde_json::Value::from(names).to_string())
        }
    }
}

pub(crate) fn reaches(sql: &Connection, case: &CaseNo, within: &Jurisdiction) -> Result<bool, StoreError> {
    let item: Option<String> = sql
        .prepare_cached("SELECT item FROM dossier WHERE no = (SELECT id FROM known_case WHERE case_no = ?1)")
        .and_then(|mut s| s.query_row([case.as_str()], |row| row.get(0)).optional())
        .broken("look for a case")?;
    let item: Option<ItemId> = item.and_then(|item| item.parse().ok());
    Ok(item.is_some_and(|item| within.reaches(&item)))
}
