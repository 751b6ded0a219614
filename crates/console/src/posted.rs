//! What a page sends back: fields and files, from a form of this very log-in and from nowhere else.
//!
//! A form carries a token derived from the log-in's secret; a page elsewhere cannot know it, so it can make the browser send a
//! form here and nothing will come of it (CSRF). The cookie is `SameSite=Strict` besides.

use crate::Console;
use crate::auth::cookie;
use crate::fault::Fault;
use axum::body::Bytes;
use axum::extract::{Form, FromRequest, Multipart, Request};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use bytes::BytesMut;
use casework::Proof;
use domain::EntryId;
use store::blobs::BLOB_BYTES_MAX;

/// What a form with scans may send at once: all papers of the longest list, each as large as one may be.
pub(crate) const SCANS_BYTES_MAX: usize = 100 * 1024 * 1024;
/// Fields of a form: the longest has a table of a hundred rows.
const FIELDS_MAX: usize = 5_000;
/// What a bag may have: a month of a town.
pub(crate) const BAG_BYTES_MAX: usize = 8 * 1024 * 1024 * 1024;

/// The field that carries the token, and the header a script sends it in.
pub(crate) const CSRF_FIELD: &str = "_csrf";
pub(crate) const CSRF_HEADER: &str = "x-csrf";
/// The field with the id of the act: sent twice, it is done once.
pub(crate) const KEY_FIELD: &str = "_key";

/// The first, hidden button of a form whose sending decides something: what Enter in a field presses where there is no script.
/// The page comes back with what was typed, and nothing is done.
pub(crate) const LOOK_FIELD: &str = "_look";

/// The button that asks to read what an order would make.
pub(crate) const PREVIEW_FIELD: &str = "_preview";

/// The token of a log-in's forms.
pub(crate) fn csrf_token(session: &str) -> String {
    let key = blake3::derive_key("tongban console form 2026-11", session.as_bytes());
    blake3::Hash::from_bytes(key).to_hex()[..32].to_owned()
}

/// A form as it was sent, in the order of its fields.
#[derive(Debug, Default)]
pub(crate) struct Posted {
    pub fields: Vec<(String, String)>,
    /// Field and bytes; a file field that was left empty is not here.
    pub files: Vec<(String, Bytes)>,
}

impl Posted {
    /// The first value of a field; empty where there is none.
    pub fn get(&self, name: &str) -> &str {
        self.fields.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value.trim())
    }
    /// Whether the form has the field at all, even empty.
    pub fn has(&self, name: &str) -> bool {
        self.fields.iter().any(|(known, _)| known == name)
    }
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.fields.iter().filter(move |(known, _)| known == name).map(|(_, value)| value.trim())
    }
    /// What somebody proves themselves with anew, where the page asks for it (`proof.html`).
    pub fn proof(&self) -> Proof {
        Proof { password: self.get("password").to_owned(), code: Some(self.get("code").to_owned()) }
    }
    /// Says something else than was typed.
    pub fn set(&mut self, name: &str, value: &str) {
        self.fields.retain(|(known, _)| known != name);
        self.fields.push((name.to_owned(), value.to_owned()));
    }
    /// The act this form is.
    pub fn key(&self) -> Option<EntryId> {
        self.get(KEY_FIELD).parse().ok()
    }

    pub(crate) async fn read(request: Request, console: &Console) -> Result<Posted, Fault> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        if !kind.starts_with("multipart/") {
            let (parts, body) = request.into_parts();
            let bytes = Bytes::from_request(Request::from_parts(parts.clone(), body), console)
                .await
                .map_err(|_| broken())?;
            // Two bytes of a form would become fifty of memory.
            if bytes.iter().filter(|byte| **byte == b'&').count() > FIELDS_MAX {
                return Err(broken());
            }
            let request = Request::from_parts(parts, bytes.into());
            let Form(fields) = Form::<Vec<(String, String)>>::from_request(request, console)
                .await
                .map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
            return Ok(Posted { fields, files: Vec::new() });
        }
        let mut parts = Multipart::from_request(request, console)
            .await
            .map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
        let mut posted = Posted::default();
        while let Some(mut part) = parts.next_field().await.map_err(|_| broken())? {
            if posted.fields.len() + posted.files.len() > FIELDS_MAX {
                return Err(broken());
            }
            let (name, is_file) = (part.name().unwrap_or("").to_owned(), part.file_name().is_some());
            let mut bytes = BytesMut::new();
            while let Some(piece) = part.chunk().await.map_err(|_| broken())? {
                // Of a file that is too large one byte too many is kept: the counter refuses it by name, and the rest of the form
                // is read.
                let room = (BLOB_BYTES_MAX as usize + 1).saturating_sub(bytes.len());
                bytes.extend_from_slice(&piece[..piece.len().min(room)]);
            }
            let bytes = bytes.freeze();
            match is_file {
                true if bytes.is_empty() => {}
                true => posted.files.push((name, bytes)),
                false => posted.fields.push((name, String::from_utf8_lossy(&bytes).into_owned())),
            }
        }
        Ok(posted)
    }
}

fn broken() -> Fault {
    let told = "文件没有传完整,或一次传得太多(合计不超过 100 MB);请分几次上传";
    Fault::new(StatusCode::PAYLOAD_TOO_LARGE, "too_large", told)
}

/// A form with one large file (a bag), opened at the file: it is never held in memory as a whole.
pub(crate) async fn open_file(request: Request, console: &Console) -> Result<Multipart, Fault> {
    let (parts, body) = request.into_parts();
    let wanted = cookie(&parts).map(csrf_token).ok_or_else(Fault::logged_out)?;
    let mut form = Multipart::from_request(Request::from_parts(parts, body), console)
        .await
        .map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
    // The token comes first in the form, so nothing is read for somebody who has none.
    let token = form.next_field().await.map_err(|_| broken())?;
    let sent = match token.filter(|field| field.name() == Some(CSRF_FIELD)) {
        Some(field) => field.text().await.map_err(|_| broken())?,
        None => String::new(),
    };
    if sent == wanted { Ok(form) } else { Err(foreign()) }
}

pub(crate) fn foreign() -> Fault {
    let told = "这个页面是上一次登录时打开的;请返回、刷新页面后再提交";
    Fault::new(StatusCode::FORBIDDEN, "csrf", told)
}

fn by_header(headers: &HeaderMap) -> Option<&str> {
    headers.get(CSRF_HEADER)?.to_str().ok()
}

impl FromRequest<Console> for Posted {
    type Rejection = Fault;
    async fn from_request(request: Request, console: &Console) -> Result<Self, Fault> {
        let (parts, body) = request.into_parts();
        let wanted = cookie(&parts).map(csrf_token).ok_or_else(Fault::logged_out)?;
        let sent = by_header(&parts.headers).map(str::to_owned);
        let posted = Posted::read(Request::from_parts(parts, body), console).await?;
        let sent = sent.as_deref().unwrap_or(posted.get(CSRF_FIELD));
        // Both are hashes of a secret: how long a comparison takes tells nothing of use.
        match sent == wanted {
            true => Ok(posted),
            false => Err(foreign()),
        }
    }
}
