//! ③ 申请材料: a scan or photo for each paper, and the papers themselves to look at.

use super::{Sent, render, render_with, see};
use crate::Console;
use crate::api::id;
use crate::devices::scans;
use crate::fault::Fault;
use crate::page::draft::{Opened, open, title};
use crate::page::encoded;
use crate::posted::SCANS_BYTES_MAX;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use casework::ActError;
use domain::MaterialId;
use domain::catalogue::Necessity;
use domain::dossier::Attachment;
use store::Draft;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/drafts/{draft}/papers", get(show).post(upload).layer(DefaultBodyLimit::max(SCANS_BYTES_MAX)))
        .route("/drafts/{draft}/papers/{material}", get(one))
        .route("/drafts/{draft}/scans", post(take_scan))
        .route("/scans/{name}", get(look_at_scan))
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
    /// What lies in the scanner's folder; `None` where no scanner is set up.
    scans: Option<Vec<Lying>>,
    /// Why the folder cannot be read, or what became of a scan.
    scanner: String,
}

/// A scan in the scanner's folder.
struct Lying {
    mark: String,
    name: String,
    href: String,
    is_picture: bool,
    size: String,
    at: String,
}

async fn page(desk: &Desk, opened: &Opened, error: Option<(&str, &str)>, told: &str) -> Response {
    let (scans, scanner) = lying(desk).await;
    let scanner = if told.is_empty() { scanner } else { desk.t(told).into_owned() };
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
    let page = PapersPage { shell: &desk.shell, draft, title: title(desk, draft), rows, scans, scanner };
    match error {
        Some(_) => render_with(StatusCode::UNPROCESSABLE_ENTITY, &page),
        None => render(&page),
    }
}

async fn show(desk: Desk, Path(draft): Path<String>) -> Result<Response, Fault> {
    let opened = open(&desk, &draft).await?;
    Ok(page(&desk, &opened, None, "").await)
}

/// Every file that was chosen, each by itself: one that cannot be taken stops no other.
async fn upload(Path(draft): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, hall) = (&sent.desk, &sent.desk.console.hall);
    let draft_id = id(&draft, "草稿编号")?;
    if sent.posted.files.is_empty() {
        let opened = open(desk, &draft).await?;
        let first = sent.posted.get("first").to_owned();
        return Ok(page(desk, &opened, Some((&first, "请先选择文件,再按上传")), "").await);
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
            Ok(page(desk, &opened, Some((&name, &reason)), "").await)
        }
    }
}

/// What lies in the scanner's folder, and what is wrong with the folder.
async fn lying(desk: &Desk) -> (Option<Vec<Lying>>, String) {
    let Some(folder) = desk.console.devices.scan_folder.clone() else { return (None, String::new()) };
    let found = tokio::task::spawn_blocking(move || scans::list(&folder)).await;
    let Ok(Ok(found)) = found else {
        return (Some(Vec::new()), desk.t(NO_FOLDER).into_owned());
    };
    let one = |scan: scans::Scan| Lying {
        href: format!("/scans/{}", encoded(&scan.name)),
        is_picture: scan.mime.starts_with("image/"),
        size: format!("{} KB", scan.bytes.div_ceil(1024)),
        at: desk.shell.ago(scan.at, desk.now()),
        mark: scan.mark,
        name: scan.name,
    };
    let told = match found.too_large {
        0 => String::new(),
        large => {
            desk.t(&format!("另有 {large} 个文件超过 8192 KB,没有列出;请降低分辨率或分开扫描")).into_owned()
        }
    };
    (Some(found.scans.into_iter().map(one).collect()), told)
}

const NO_FOLDER: &str = "扫描文件夹打不开;请告知管理员,或直接选择文件上传";

/// A scan from the folder into the draft; there it lies encrypted, so it goes from the folder.
async fn take_scan(Path(draft): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted, hall) = (&sent.desk, &sent.posted, &sent.desk.console.hall);
    let told = async |told: &str| Ok(page(desk, &open(desk, &draft).await?, None, told).await);
    let Some(folder) = desk.console.devices.scan_folder.clone() else { return told(NO_FOLDER).await };
    let name = posted.get("scan").to_owned();
    if posted.get("material").is_empty() {
        return told("请选择这一张是哪一份材料").await;
    }
    let material: MaterialId = id(posted.get("material"), "材料编号")?;
    let mark = posted.get("mark").to_owned();
    let (here, wanted, seen) = (folder.clone(), name.clone(), mark.clone());
    let bytes = tokio::task::spawn_blocking(move || scans::read(&here, &wanted, Some(&seen))).await;
    let Ok(Ok(bytes)) = bytes else {
        return told("这一张已经不在扫描文件夹里了;请看现在有的").await;
    };
    match hall.attach(id(&draft, "草稿编号")?, material.clone(), bytes).await {
        Ok(_) => {}
        Err(error @ ActError::Unfit { .. }) => {
            let opened = open(desk, &draft).await?;
            return Ok(page(desk, &opened, Some((material.as_str(), &error.to_string())), "").await);
        }
        Err(error) => return Err(error.into()),
    }
    match tokio::task::spawn_blocking(move || scans::remove(&folder, &name, &mark)).await {
        Ok(Ok(())) => Ok(see(&format!("/drafts/{draft}/papers"))),
        _ => told("已放进草稿,但扫描文件夹里的原文件删不掉;请手工删除,它没有加密").await,
    }
}

async fn look_at_scan(desk: Desk, Path(name): Path<String>) -> Result<Response, Fault> {
    let not_here =
        || Fault::new(StatusCode::NOT_FOUND, "not_found", "这一张已经不在扫描文件夹里了;请看现在有的");
    let folder = desk.console.devices.scan_folder.clone().ok_or_else(not_here)?;
    let read = tokio::task::spawn_blocking(move || scans::read(&folder, &name, None)).await;
    let bytes = read.map_err(|_| not_here())?.map_err(|_| not_here())?;
    Ok(shown(casework::sniff(&bytes).unwrap_or("application/octet-stream"), bytes))
}

/// The bytes of a scan, for the officer to look at; what somebody brought runs nothing here. A PDF goes without `sandbox`, in
/// which the browser's own viewer, itself a sandbox, does not open.
pub(crate) async fn content(console: &Console, attachment: &Attachment) -> Result<Response, Fault> {
    let not_here = || Fault::new(StatusCode::NOT_FOUND, "not_found", "附件不属于该件,或还没有传到本节点");
    let (blobs, name, bytes) =
        (console.hall.blobs.clone(), attachment.hash.clone(), attachment.bytes as usize);
    let read =
        tokio::task::spawn_blocking(move || blobs.read(&name, 0, bytes)).await.map_err(|_| not_here())?;
    Ok(shown(&attachment.mime, read.map_err(|_| not_here())?))
}

fn shown(mime: &str, content: Vec<u8>) -> Response {
    let policy = match mime {
        "application/pdf" => {
            "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'; frame-ancestors 'self'"
        }
        _ => "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'self'; sandbox",
    };
    let headers =
        [(header::CONTENT_TYPE, mime.to_owned()), (header::CONTENT_SECURITY_POLICY, policy.to_owned())];
    (headers, content).into_response()
}

async fn one(desk: Desk, Path((draft, material)): Path<(String, String)>) -> Result<Response, Fault> {
    let draft = desk.console.hall.draft(id(&draft, "草稿编号")?).await?;
    let attachment = draft.attachments.iter().find(|one| one.material.as_str() == material);
    let attachment = attachment
        .ok_or_else(|| Fault::new(StatusCode::NOT_FOUND, "not_found", "附件不属于该件,或还没有传到本节点"))?;
    content(&desk.console, attachment).await
}
