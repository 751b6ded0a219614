//! Letters of delegation, seals, and the check of a paper.

use super::{Answer, Body};
use crate::Console;
use crate::auth::ByToken;
use crate::fault::Fault;
use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use casework::LetterView;
use domain::Day;
use domain::delegation::Letter;
use domain::paper::SealRecord;
use serde::Deserialize;
use serde_json::{Value, json};
use trust::SealClaim;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/letters", get(letters).post(publish))
        .route("/seals", get(seals))
        .route("/papers/verify", post(verify))
}

async fn letters(State(console): State<Console>, _: ByToken) -> Answer<Vec<LetterView>> {
    Ok(Json(console.hall.letters()))
}

#[derive(Deserialize)]
struct Letters {
    letters: Vec<Letter>,
}

async fn publish(
    State(console): State<Console>,
    ByToken(officer): ByToken,
    Body(new): Body<Letters>,
) -> Answer<Value> {
    console.hall.publish_letters(&officer.name, &new.letters).await?;
    Ok(Json(json!({ "published": new.letters.len() })))
}

async fn seals(State(console): State<Console>, _: ByToken) -> Answer<Vec<SealRecord>> {
    Ok(Json(console.hall.store.seals().values().cloned().collect()))
}

#[derive(Deserialize)]
struct Scanned {
    /// The text of the QR code.
    code: String,
    /// The day printed on the paper; today where it is left out.
    day: Option<Day>,
}

async fn verify(State(console): State<Console>, _: ByToken, Body(scanned): Body<Scanned>) -> Answer<Value> {
    let claim = SealClaim::decode(&scanned.code)
        .ok_or_else(|| Fault::unfit("不是本系统文书的二维码;请对准文书右下角重新扫描"))?;
    let day = scanned.day.unwrap_or_else(|| console.hall.now().day());
    console.hall.verify_claim(&claim, day)?;
    Ok(Json(
        json!({ "kind": claim.kind, "number": claim.number, "seal": claim.seal, "ledger_no": claim.ledger_no }),
    ))
}
