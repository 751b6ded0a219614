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
use domain::EntryId;

/// The field that carries the token, and the header a script sends it in.
pub(crate) const CSRF_FIELD: &str = "_csrf";
pub(crate) const CSRF_HEADER: &str = "x-csrf";
/// The field with the id of the act: sent twice, it is done once.
pub(crate) const KEY_FIELD: &str = "_key";

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
    /// The act this form is.
    pub fn key(&self) -> Option<EntryId> {
        self.get(KEY_FIELD).parse().ok()
    }

    async fn read(request: Request, console: &Console) -> Result<Posted, Fault> {
        let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        if !kind.starts_with("multipart/") {
            let Form(fields) = Form::<Vec<(String, String)>>::from_request(request, console)
                .await
                .map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
            return Ok(Posted { fields, files: Vec::new() });
        }
        let broken = |_| {
            Fault::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "文件太大或没有传完整;一次不超过 12 MB,请压缩后重试",
            )
        };
        let mut parts = Multipart::from_request(request, console)
            .await
            .map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
        let mut posted = Posted::default();
        while let Some(part) = parts.next_field().await.map_err(broken)? {
            let (name, is_file) = (part.name().unwrap_or("").to_owned(), part.file_name().is_some());
            let bytes = part.bytes().await.map_err(broken)?;
            match is_file {
                true if bytes.is_empty() => {}
                true => posted.files.push((name, bytes)),
                false => posted.fields.push((name, String::from_utf8_lossy(&bytes).into_owned())),
            }
        }
        Ok(posted)
    }
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
            false => Err(Fault::new(
                StatusCode::FORBIDDEN,
                "csrf",
                "这个页面是上一次登录时打开的;请返回、刷新页面后再提交",
            )),
        }
    }
}
