//! 评价器: the second screen of a desk, turned to the citizen. It shows one matter, and nothing else of the house.

use super::{Sent, render, see};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use domain::rating::{Grade, Rating};
use domain::{CaseNo, Timestamp};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/cases/{case}/tablet", post(put)).route("/tablet", get(show).post(rate))
}

/// What each officer has put before a citizen, and when. Forgotten with the process: it is put there again by one press.
pub(crate) type Tablets = BTreeMap<String, (CaseNo, Timestamp)>;
/// Whoever has not answered by then has left.
const SHOWN_MS: i64 = 10 * 60_000;
const GONE: &str = "这件已经不在评价器上;请工作人员再送一次";

fn tablets(desk: &Desk) -> MutexGuard<'_, Tablets> {
    desk.console.tablets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What this officer has put before a citizen.
pub(super) fn on_tablet(desk: &Desk) -> Option<CaseNo> {
    let tablets = tablets(desk);
    let (case, at) = tablets.get(&desk.officer.name)?;
    (0..SHOWN_MS).contains(&desk.now().since(*at)).then(|| case.clone())
}

/// The officer asks the citizen; the screen shows it within seconds.
async fn put(Path(case): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let desk = &sent.desk;
    let case: CaseNo = id(&case, "办件编号")?;
    // Told to the officer now, not to the citizen later.
    desk.console.hall.may_be_rated(&case).await?;
    tablets(desk).insert(desk.officer.name.clone(), (case.clone(), desk.now()));
    Ok(see(&format!("/cases/{case}#rating")))
}

#[derive(Template)]
#[template(path = "tablet.html")]
struct TabletPage<'a> {
    shell: &'a Shell,
    /// The case to be rated, and the name of its item.
    asked: Option<(CaseNo, String)>,
    grades: [Grade; 5],
    thanks: bool,
    told: String,
    text: String,
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    thanks: String,
}

async fn show(desk: Desk, Query(After { thanks }): Query<After>) -> Result<Response, Fault> {
    page(&desk, thanks == "1", "", "").await
}

/// Whatever goes wrong is told here: the screen is in a stranger's hands, and shows nothing of the house.
async fn page(desk: &Desk, thanks: bool, told: &str, text: &str) -> Result<Response, Fault> {
    let asked = match on_tablet(desk) {
        Some(case) => item_of(desk, &case).await.map(|item| (case, item)),
        None => None,
    };
    let (told, text) = (desk.t(told).into_owned(), text.to_owned());
    Ok(render(&TabletPage { shell: &desk.shell, asked, grades: Grade::ALL, thanks, told, text }))
}

/// What is to be rated; nothing when it was rated elsewhere meanwhile.
async fn item_of(desk: &Desk, case: &CaseNo) -> Option<String> {
    let dossier = desk.console.hall.may_be_rated(case).await.ok()?.dossier;
    let (_, _, item) = desk.console.hall.item(Some(dossier.release), &dossier.item).ok()?;
    Some(item.name.clone())
}

/// What this officer has put there, taken away by whoever is first: a second press of a button finds nothing.
fn take(desk: &Desk, case: &CaseNo) -> bool {
    on_tablet(desk).as_ref() == Some(case) && tablets(desk).remove(&desk.officer.name).is_some()
}

async fn rate(sent: Sent) -> Result<Response, Fault> {
    let Sent { desk, posted } = sent;
    let Ok(case) = posted.get("case").parse::<CaseNo>() else { return page(&desk, false, GONE, "").await };
    let Some(grade) = Grade::from_name(posted.get("grade")) else {
        return page(&desk, false, "请点一个评价", posted.get("text")).await;
    };
    if !take(&desk, &case) {
        // Pressed twice: the first was taken.
        let rated = desk.console.hall.store.dossier(&case).await?;
        let rated = rated.is_some_and(|stored| stored.dossier.rating().is_some());
        return if rated { Ok(see("/tablet?thanks=1")) } else { page(&desk, false, GONE, "").await };
    }
    let rating = Rating { grade, text: posted.get("text").to_owned() };
    match desk.console.hall.rate_at_counter(&desk.officer, &case, rating).await {
        Ok(_) => Ok(see("/tablet?thanks=1")),
        Err(error) => page(&desk, false, &error.to_string(), "").await,
    }
}
