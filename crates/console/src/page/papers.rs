//! ③ 申请材料: a scan or photo for each paper, and the papers themselves to look at.

use super::{Sent, render, render_with, see};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::page::draft::{Opened, open, title};
use crate::posted::SCANS_BYTES_MAX;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use casework::ActError;
use domain::MaterialId;
use domain::catalogue::Necessity;
use domain::dossier::Attachment;
use store::Draft;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/drafts/{draft}/papers", get(show).post(upload).layer(DefaultBodyLimit::max(SCANS_BYTES_MAX)))
        .route("/drafts/{draft}/papers/{material}", get(one))
}

/// A scan as a list shows it.
pub(crate) struct Scan {
    pub href: String,
    pub is_picture: bool,
    pub size: String,
}

impl Scan {
    pub fn of(attachment: &Attachment, href: String) -> Scan {
        let is_picture = attachment.mime.starts_with("image/");
        Scan { href, is_picture, size: format!("{} KB", attachment.bytes.div_ceil(1024)) }
    }
}

struct PaperRow {
    id: String,
    name: String,
    necessity: &'static str,
    class: &'static str,
    scan: Option<Scan>,
    /// Why none has to be scanned: it comes from the library, or is promised.
    instead: &'static str,
    can_borrow: bool,
    can_follow: bool,
    error: String,
}

#[derive(Template)]
#[template(path = "papers.html")]
struct PapersPage<'a> {
    shell: &'a Shell,
    draft: &'a Draft,
    title: String,
    rows: Vec<PaperRow>,
}

fn page(desk: &Desk, opened: &Opened, error: Option<(&str, &str)>) -> Response {
    let draft = &opened.draft;
    let green = draft.green.is_some();
    let row = |(id, material): (MaterialId, domain::catalogue::Material)| {
        let scan = draft.attachments.iter().find(|one| one.material == id);
        let borrowed = draft.borrowed.iter().any(|one| one.material == id);
        let promised = draft.commitment.as_ref().is_some_and(|promise| promise.materials.contains(&id));
        let (necessity, class) = match material.necessity {
            Necessity::Required => ("必要", "bad"),
            Necessity::Deferrable => ("必要,可容缺", "warn"),
            Necessity::Optional => ("可不交", "soft"),
        };
        let item = opened.form.items.first();
        let single = draft.bundle.is_none();
        let can_follow = single
            && material.necessity == Necessity::Deferrable
            && item.is_some_and(|item| domain::tolerance::make_up_days(item, green).is_some());
        PaperRow {
            scan: scan.map(|scan| Scan::of(scan, format!("/drafts/{}/papers/{id}", draft.id))),
            instead: match (borrowed, promised) {
                (true, _) => "从证照库调用",
                (_, true) => "容缺,稍后补交",
                _ => "",
            },
            can_borrow: single && material.reuse_licence.is_some(),
            can_follow,
            name: material.name,
            necessity,
            class,
            error: error
                .filter(|(of, _)| *of == id.as_str())
                .map(|(_, text)| text.to_owned())
                .unwrap_or_default(),
            id: id.to_string(),
        }
    };
    let rows = opened.papers(desk.today()).into_iter().map(row).collect();
    let page = PapersPage { shell: &desk.shell, draft, title: title(desk, draft), rows };
    match error {
        Some(_) => render_with(StatusCode::UNPROCESSABLE_ENTITY, &page),
        None => render(&page),
    }
}

async fn show(desk: Desk, Path(draft): Path<String>) -> Result<Response, Fault> {
    let opened = open(&desk, &draft).await?;
    Ok(page(&desk, &opened, None))
}

/// Every file that was chosen, each by itself: one that cannot be taken stops no other.
async fn upload(Path(draft): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, hall) = (&sent.desk, &sent.desk.console.hall);
    let draft_id = id(&draft, "草稿编号")?;
    if sent.posted.files.is_empty() {
        let opened = open(desk, &draft).await?;
        let first = sent.posted.get("first").to_owned();
        return Ok(page(desk, &opened, Some((&first, "请先选择文件,再按上传"))));
    }
    let mut refused = None;
    for (name, bytes) in &sent.posted.files {
        let material: MaterialId = id(name, "材料编号")?;
        match hall.attach(draft_id, material, bytes.to_vec()).await {
            Ok(_) => {}
            Err(error @ ActError::Unfit { .. }) => {
                refused = refused.or(Some((name.clone(), error.to_string())))
            }
            Err(error) => return Err(error.into()),
        }
    }
    match refused {
        None => Ok(see(&format!("/drafts/{draft}/papers"))),
        Some((name, reason)) => {
            let opened = open(desk, &draft).await?;
            Ok(page(desk, &opened, Some((&name, &reason))))
        }
    }
}

/// The bytes of a scan, for the officer to look at; what somebody brought runs nothing here. A PDF goes without `sandbox`, in
/// which the browser's own viewer, itself a sandbox, does not open.
pub(crate) async fn content(console: &Console, attachment: &Attachment) -> Result<Response, Fault> {
    let not_here = || Fault::new(StatusCode::NOT_FOUND, "not_found", "附件不属于该件,或还没有传到本节点");
    let (blobs, name, bytes) =
        (console.hall.blobs.clone(), attachment.hash.clone(), attachment.bytes as usize);
    let read =
        tokio::task::spawn_blocking(move || blobs.read(&name, 0, bytes)).await.map_err(|_| not_here())?;
    let content = read.map_err(|_| not_here())?;
    let policy = match attachment.mime.as_str() {
        "application/pdf" => "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'",
        _ => "default-src 'none'; style-src 'unsafe-inline'; sandbox",
    };
    let headers = [
        (header::CONTENT_TYPE, attachment.mime.clone()),
        (header::CONTENT_SECURITY_POLICY, policy.to_owned()),
    ];
    Ok((headers, content).into_response())
}

async fn one(desk: Desk, Path((draft, material)): Path<(String, String)>) -> Result<Response, Fault> {
    let draft = desk.console.hall.draft(id(&draft, "草稿编号")?).await?;
    let attachment = draft.attachments.iter().find(|one| one.material.as_str() == material);
    let attachment = attachment
        .ok_or_else(|| Fault::new(StatusCode::NOT_FOUND, "not_found", "附件不属于该件,或还没有传到本节点"))?;
    content(&desk.console, attachment).await
}
