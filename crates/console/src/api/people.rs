//! The own account, the accounts of the house, the audit, and acts of two persons.

use super::{Answer, Body, id};
use crate::Console;
use crate::auth::{ByToken, Source};
use crate::fault::Fault;
use axum::body::Body as AnyBody;
use axum::extract::{Path, Query, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};
use casework::{ActError, AuditCursor, Hall, NewAccount, Persons, Proof, SensitiveAct};
use domain::access::{Jurisdiction, Permission, Roles};
use domain::{CaseNo, EntryId, OrgId};
use futures::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use store::{Account, AuditQuery, AuditRow, Countersign};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/me", get(me))
        .route("/me/password", post(change_password))
        .route("/me/log-out-everywhere", post(log_out_everywhere))
        .route("/accounts", get(accounts))
        .route("/accounts/{name}", put(put_account))
        .route("/accounts/{name}/reset", post(reset))
        .route("/accounts/{name}/disable", post(disable))
        .route("/accounts/{name}/enable", post(enable))
        .route("/audit", get(audit))
        .route("/countersigns", get(waiting).post(propose))
        .route("/countersigns/{id}", post(countersign))
        .route("/countersigns/{id}/collect", post(collect))
        .route("/exports/{id}", get(export))
}

async fn me(State(console): State<Console>, ByToken(officer): ByToken) -> Answer<Value> {
    let permissions: Vec<Permission> =
        Permission::ALL.into_iter().filter(|one| console.hall.allow(&officer, *one).is_ok()).collect();
    let cases = match console.hall.jurisdiction(&officer) {
        Jurisdiction::Everything => json!("all"),
        Jurisdiction::Items(items) => json!({ "items": items }),
    };
    Ok(Json(json!({ "officer": officer, "permissions": permissions, "cases": cases })))
}

#[derive(Deserialize)]
struct NewPassword {
    present: Proof,
    new: String,
}

async fn change_password(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Source(source): Source,
    Body(NewPassword { present, new }): Body<NewPassword>,
) -> Answer<Value> {
    console.hall.change_password(&officer, &present, &new, &source).await?;
    Ok(Json(json!({})))
}

async fn log_out_everywhere(State(console): State<Console>, ByToken(officer): ByToken) -> Answer<Value> {
    console.hall.log_out_everywhere(&officer).await?;
    Ok(Json(json!({})))
}

async fn accounts(State(console): State<Console>, _: ByToken) -> Answer<Vec<Account>> {
    Ok(Json(console.hall.store.accounts().await?))
}

#[derive(Deserialize)]
struct Wanted {
    display: String,
    body: Option<OrgId>,
    roles: Roles,
}

async fn put_account(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(name): Path<String>,
    Body(Wanted { display, body, roles }): Body<Wanted>,
) -> Answer<Value> {
    console.hall.may_be_changed(&officer.name, &name, Persons::One).await?;
    console.hall.may_be_given(&roles, Persons::One)?;
    let password = console.hall.random_password();
    let new = NewAccount { name, display, body, roles };
    let issued = console.hall.put_account(&officer.name, new, &password, None).await?;
    Ok(Json(issued.shown_once(Some(&password))))
}

async fn reset(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(name): Path<String>,
) -> Answer<Value> {
    console.hall.may_be_changed(&officer.name, &name, Persons::One).await?;
    let password = console.hall.random_password();
    let issued = console.hall.reset_account(&officer.name, &name, &password).await?;
    Ok(Json(issued.shown_once(Some(&password))))
}

async fn set_disabled(
    console: &Console,
    officer: &casework::Officer,
    name: &str,
    disabled: bool,
) -> Answer<Value> {
    // Who comes back comes back with the password they had, so one administrator is enough.
    console.hall.may_be_changed(&officer.name, name, Persons::Two).await?;
    console.hall.set_disabled(&officer.name, name, disabled).await?;
    Ok(Json(json!({})))
}

async fn disable(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(name): Path<String>,
) -> Answer<Value> {
    set_disabled(&console, &officer, &name, true).await
}

async fn enable(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(name): Path<String>,
) -> Answer<Value> {
    set_disabled(&console, &officer, &name, false).await
}

async fn audit(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Query(query): Query<AuditQuery>,
) -> Result<([(&'static str, String); 1], Json<Vec<AuditRow>>), Fault> {
    // Whoever watches is watched.
    console.note_read(&officer, "/audit", false).await?;
    let found = console.hall.store.audit_rows(query).await?;
    // Nothing found and not through yet is not nothing there.
    let next = found.next.map_or(String::new(), |before| before.to_string());
    Ok(([(AUDIT_NEXT, next)], Json(found.rows)))
}

/// The `before` with which a search goes on; empty when it is through.
const AUDIT_NEXT: &str = "x-audit-next";

async fn waiting(State(console): State<Console>, _: ByToken) -> Answer<Vec<Countersign>> {
    Ok(Json(console.hall.waiting_acts().await?))
}

#[derive(Deserialize)]
struct Proposal {
    act: SensitiveAct,
    proof: Proof,
}

async fn propose(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Source(source): Source,
    Body(Proposal { act, proof }): Body<Proposal>,
) -> Answer<Countersign> {
    Ok(Json(console.hall.propose(&officer, &act, &proof, &source, None).await?))
}

#[derive(Deserialize)]
struct Signature {
    proof: Proof,
}

async fn countersign(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Source(source): Source,
    Path(text): Path<String>,
    Body(Signature { proof }): Body<Signature>,
) -> Answer<Value> {
    let id: EntryId = id(&text, "复核编号")?;
    Ok(Json(console.hall.countersign(&officer, id, &proof, &source).await?))
}

async fn collect(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(text): Path<String>,
) -> Answer<Value> {
    Ok(Json(console.hall.collect(&officer, id(&text, "复核编号")?).await?))
}

async fn export(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Path(text): Path<String>,
) -> Result<Response, Fault> {
    let act = console.hall.signed_export(&officer, id(&text, "复核编号")?).await?;
    let (kind, pieces) = exported(&console.hall, &act);
    Ok(([(header::CONTENT_TYPE, kind)], pieces).into_response())
}

/// What two signed for, with its type; piece by piece: an audit of years does not fit into memory.
pub(crate) fn exported(hall: &Hall, act: &SensitiveAct) -> (&'static str, AnyBody) {
    let hall = hall.clone();
    match act {
        SensitiveAct::ExportAudit {} => {
            let pieces = stream::try_unfold(Some(AuditCursor::Start), move |cursor| {
                let hall = hall.clone();
                async move {
                    let Some(cursor) = cursor else { return Ok::<_, ActError>(None) };
                    Ok(Some(hall.audit_piece(cursor).await?))
                }
            });
            ("application/x-ndjson", AnyBody::from_stream(pieces))
        }
        _ => {
            let pieces = stream::try_unfold(Some(None), move |after: Option<Option<CaseNo>>| {
                let hall = hall.clone();
                async move {
                    let Some(after) = after else { return Ok::<_, ActError>(None) };
                    let (text, next) = hall.cases_piece(after).await?;
                    Ok(Some((text, next.map(Some))))
                }
            });
            ("text/csv; charset=utf-8", AnyBody::from_stream(pieces))
        }
    }
}
