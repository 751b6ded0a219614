//! Print sheets as HTML pages for A4, A5 or the 80 mm of a receipt printer, readable without the network, with everything that proves
//! them inside.

use crate::Console;
use crate::auth::ByToken;
use crate::fault::Fault;
use askama::Template;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use domain::CaseNo;
use domain::sheet::{Section, Sheet, SheetKind};
use fast_qr::convert::{Builder, Shape, svg::SvgBuilder};
use fast_qr::{ECL, QRBuilder};
use serde::Deserialize;
use serde_json::{Value, json};

pub(crate) fn api_routes() -> Router<Console> {
    Router::new()
        .route("/cases/{case}/sheets", get(list))
        .route("/cases/{case}/sheets/{sheet}", get(by_token))
}

pub(crate) fn page_routes() -> Router<Console> {
    Router::new().route("/cases/{case}/sheets/{sheet}", get(by_cookie))
}

/// The looks of paper, which whoever may print loads with the sheet.
pub(crate) fn styles() -> Router<Console> {
    let style = |text: &'static str| get(async move || ([(header::CONTENT_TYPE, "text/css")], text));
    Router::new()
        .route("/print.css", style(include_str!("../templates/print.css")))
        .route("/print-a5.css", style(include_str!("../templates/print-a5.css")))
        .route("/print-80mm.css", style(include_str!("../templates/print-80mm.css")))
        .route("/print-wide.css", style("@page { size: A4 landscape; margin: 14mm; }"))
}

#[derive(Template)]
#[template(path = "sheet.html")]
struct SheetPage<'a> {
    sheet: &'a Sheet,
    qr: String,
    /// The sealed content, safe inside a script element.
    content: String,
    size: Size,
    sizes: [Size; 3],
    /// The alert it is about, which the links to other sizes keep.
    alert: &'a str,
    drill: bool,
}

impl SheetPage<'_> {
    /// What the column of a cell is called, where the paper is too narrow for a head.
    fn column(&self, head: &[&'static str], index: &usize) -> &'static str {
        head.get(*index).copied().unwrap_or_default()
    }
}

/// What a sheet is printed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Size {
    #[default]
    A4,
    A5,
    /// The roll of a receipt printer, 80 mm wide.
    Roll,
}

impl Size {
    const ALL: [Size; 3] = [Size::A4, Size::A5, Size::Roll];
    fn as_str(self) -> &'static str {
        match self {
            Size::A4 => "a4",
            Size::A5 => "a5",
            Size::Roll => "80mm",
        }
    }
    fn label(self) -> &'static str {
        match self {
            Size::A4 => "A4",
            Size::A5 => "A5",
            Size::Roll => "80 mm",
        }
    }
    fn of(name: &str) -> Size {
        Size::ALL.into_iter().find(|size| size.as_str() == name).unwrap_or_default()
    }
}

/// A code that a phone reads from paper: a quarter of it may be spoilt.
pub(crate) fn qr(text: &str) -> Option<String> {
    let code = QRBuilder::new(text).ecl(ECL::M).build().ok()?;
    Some(SvgBuilder::default().shape(Shape::Square).margin(1).to_str(&code))
}

pub(crate) fn render(sheet: &Sheet, which: &Which) -> Result<Response, Fault> {
    let failed = |what: String| Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "page", what);
    let qr = qr(&sheet.code).ok_or_else(|| failed("the code does not fit".to_owned()))?;
    // `<` alone could end the element; JSON allows it to be written otherwise, and nothing else is touched.
    let content = sheet.sealed.as_ref().map(|paper| paper.content.replace('<', "\\u003c"));
    let (content, drill) = (content.unwrap_or_default(), runtime::is_drill());
    let (size, alert) = (Size::of(&which.paper), which.alert.as_deref().unwrap_or_default());
    let page = SheetPage { sheet, qr, content, size, sizes: Size::ALL, alert, drill };
    Ok(Html(page.render().map_err(|error| failed(error.to_string()))?).into_response())
}

#[derive(Deserialize, Default)]
pub(crate) struct Which {
    /// The alert of a 督办单.
    pub alert: Option<String>,
    /// `a4` (unless said otherwise), `a5` or `80mm`.
    #[serde(default)]
    pub paper: String,
}

async fn sheet(console: &Console, case: &str, name: &str, which: &Which) -> Result<Response, Fault> {
    let not_found = |what: &str| Fault::new(StatusCode::NOT_FOUND, "not_found", what.to_owned());
    let case: CaseNo = case.parse().map_err(|_| not_found("办件编号的格式不对:请检查是否抄错"))?;
    let kind = SheetKind::from_name(name).ok_or_else(|| not_found("没有这种文书;可打印的见 sheets"))?;
    render(&console.hall.sheet(&case, kind, which.alert.as_deref()).await?, which)
}

async fn by_token(
    State(console): State<Console>,
    _: ByToken,
    Path((case, name)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Result<Response, Fault> {
    sheet(&console, &case, &name, &which).await
}

/// The same, behind the pages' own admission.
async fn by_cookie(
    State(console): State<Console>,
    Path((case, name)): Path<(String, String)>,
    Query(which): Query<Which>,
) -> Result<Response, Fault> {
    sheet(&console, &case, &name, &which).await
}

async fn list(
    State(console): State<Console>,
    _: ByToken,
    Path(case): Path<String>,
) -> Result<Json<Vec<Value>>, Fault> {
    let case: CaseNo = case
        .parse()
        .map_err(|_| Fault::new(StatusCode::NOT_FOUND, "not_found", "办件编号的格式不对:请检查是否抄错"))?;
    let kinds = console.hall.printable(&case).await?;
    Ok(Json(kinds.iter().map(|kind| json!({ "sheet": kind.as_str(), "title": kind.title() })).collect()))
}
