//! The papers of an application, the page that says all of it once more, and the number its applicant is given.

use super::apply::Opened;
use super::{Filled, Visitor, answer};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::fields;
use crate::page::{Scan, content, see};
use crate::posted::SCANS_BYTES_MAX;
use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Path, Request};
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use casework::{ActError, DraftForm, OnlineRequests, Waiting};
use domain::MaterialId;
use domain::catalogue::Necessity;
use domain::delivery::{Channel, Wish};
use domain::dossier::decide::Refusal;
use domain::form::{FormFault, filling};
use domain::network::Tier;
use store::{Draft, StoreError};

pub(super) fn routes() -> Router<Console> {
    let papers = get(show_papers).post(upload).layer(DefaultBodyLimit::max(SCANS_BYTES_MAX));
    Router::new()
        .route("/hall/drafts/{draft}/papers", papers)
        .route("/hall/drafts/{draft}/papers/{material}", get(one))
        .route("/hall/drafts/{draft}/check", get(show_check).post(hand_in))
}

struct PaperRow {
    id: String,
    name: String,
    need: &'static str,
    class: &'static str,
    scan: Option<Scan>,
    can_borrow: bool,
    borrowed: bool,
    error: String,
}

#[derive(Template)]
#[template(path = "hall/papers.html")]
struct PapersPage<'a> {
    hall: &'a Visitor,
    draft: &'a Draft,
    title: &'a str,
    rows: Vec<PaperRow>,
}

async fn papers_page(
    visitor: &Visitor,
    opened: &Opened,
    wrong: Option<(&str, &str)>,
) -> Result<Response, Fault> {
    let draft = &opened.draft;
    visitor.console.hall.note_applicant("read", &format!("/hall/drafts/{}", draft.id)).await?;
    let row = |(id, material): (MaterialId, domain::catalogue::Material)| {
        let scan = draft.attachments.iter().find(|one| one.material == id);
        let (need, class) = match material.necessity {
            Necessity::Required | Necessity::Deferrable => ("必要", "bad"),
            Necessity::Optional => ("可不交", "soft"),
        };
        PaperRow {
            scan: scan.map(|scan| Scan::of(scan, format!("/hall/drafts/{}/papers/{id}", draft.id))),
            can_borrow: material.reuse_licence.is_some(),
            borrowed: draft.borrowed.iter().any(|one| one.material == id),
            error: wrong
                .filter(|(of, _)| *of == id.as_str())
                .map(|(_, text)| text.to_owned())
                .unwrap_or_default(),
            name: material.name,
            need,
            class,
            id: id.to_string(),
        }
    };
    let rows = opened.form.papers(draft, visitor.today()).into_iter().map(row).collect();
    let page = PapersPage { hall: visitor, draft, title: &opened.item.name, rows };
    Ok(answer(wrong.is_some(), &page))
}

async fn show_papers(visitor: Visitor, Path(draft): Path<String>) -> Result<Response, Fault> {
    let opened = Opened::of(&visitor, &draft).await?;
    papers_page(&visitor, &opened, None).await
}

/// Whose draft it is is known before the first byte of a scan is read. Each file by itself: one that cannot be taken stops no other.
async fn upload(Path(draft): Path<String>, visitor: Visitor, request: Request) -> Result<Response, Fault> {
    let opened = Opened::of(&visitor, &draft).await?;
    let Filled { visitor, posted } = Filled::read(visitor, request).await?;
    let (hall, citizen) = (&visitor.console.hall, visitor.citizen()?);
    let bytes: usize = posted.files.iter().map(|(_, bytes)| bytes.len()).sum();
    if !visitor.console.citizens.may_bring(&citizen.number, bytes as u64, visitor.today()) {
        let first = opened.item.materials.first().map_or("", |one| one.id.as_str());
        let told = "您今天上传的文件太多了;请明天再传,或到就近的代办点办理";
        return papers_page(&visitor, &opened, Some((first, told))).await;
    }
    let borrowed = posted.all("borrow").map(|one| id(one, "材料编号")).collect::<Result<Vec<_>, _>>()?;
    let version = posted.get("version").parse().map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
    let asked = OnlineRequests { borrowed: Some(borrowed), ..OnlineRequests::default() };
    match hall.ask_online(citizen, opened.draft.id, version, asked).await {
        Ok(_) => {}
        Err(ActError::Store(StoreError::StaleDraft { .. })) => {
            let first = opened.item.materials.first().map_or("", |one| one.id.as_str());
            let told = "这份申请刚才在另一个窗口改过;请再选一次";
            return papers_page(&visitor, &Opened::of(&visitor, &draft).await?, Some((first, told))).await;
        }
        Err(error) => return Err(error.into()),
    }
    let mut refused = None;
    for (name, bytes) in &posted.files {
        let material: MaterialId = id(name, "材料编号")?;
        match hall.attach_online(citizen, opened.draft.id, material, bytes.to_vec()).await {
            Ok(_) => {}
            Err(ActError::Unfit { reason, .. }) => refused = refused.or(Some((name.clone(), reason))),
            Err(error) => return Err(error.into()),
        }
    }
    let opened = Opened::of(&visitor, &draft).await?;
    if let Some((name, reason)) = &refused {
        return papers_page(&visitor, &opened, Some((name, reason))).await;
    }
    let lacking = opened.faults.iter().find(|fault| opened.is_of_papers(fault));
    match lacking.filter(|_| posted.files.is_empty() && posted.get("_then") != "stay") {
        Some(fault) => {
            papers_page(&visitor, &opened, Some((&fault.field, "还缺这份材料,请拍照或选择文件"))).await
        }
        None if lacking.is_some() => Ok(see(&format!("/hall/drafts/{draft}/papers"))),
        None => Ok(see(&format!("/hall/drafts/{draft}/check"))),
    }
}

async fn one(visitor: Visitor, Path((draft, material)): Path<(String, String)>) -> Result<Response, Fault> {
    let opened = Opened::of(&visitor, &draft).await?;
    let attachment = opened.draft.attachments.iter().find(|one| one.material.as_str() == material);
    let attachment =
        attachment.ok_or_else(|| Fault::new(StatusCode::NOT_FOUND, "not_found", "没有这份材料"))?;
    let subject = format!("/hall/drafts/{draft}/papers/{material}");
    visitor.console.hall.note_applicant("read", &subject).await?;
    content(&visitor.console, attachment).await
}

struct Choice {
    value: String,
    label: String,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "hall/check.html")]
struct CheckPage<'a> {
    hall: &'a Visitor,
    draft: &'a Draft,
    title: &'a str,
    lines: Vec<(String, String)>,
    papers: Vec<(String, String)>,
    /// Where each fault is mended, what it is about, what is wrong.
    faults: Vec<(String, String, String)>,
    /// Who took it in, and takes in what mends it.
    town: String,
    /// Towns to choose from for a new one; where they live is chosen already.
    towns: Vec<Choice>,
    wishes: Vec<Choice>,
    wish_to: String,
}

/// Ways a result comes from a town's window.
const WISHES: [Channel; 3] = [Channel::Pickup, Channel::Post, Channel::Electronic];

fn where_mended(opened: &Opened, fault: &FormFault) -> String {
    let draft = opened.draft.id;
    match fault.field.as_str() {
        "town" | "wish" => format!("#{}", fault.field),
        field if opened.is_of_papers(fault) => format!("/hall/drafts/{draft}/papers#{field}"),
        field => format!("/hall/drafts/{draft}#{field}"),
    }
}

/// `told`: why the page is shown again; `None` when it is shown first, before anything on it could be chosen.
async fn check_page(visitor: &Visitor, opened: &Opened, told: Option<&str>) -> Result<Response, Fault> {
    let (hall, lang, today) = (&visitor.console.hall, visitor.taste.lang, visitor.today());
    hall.note_applicant("read", &format!("/hall/drafts/{}", opened.draft.id)).await?;
    let draft = &opened.draft;
    let line = |(name, field): &(casework::FieldName, domain::catalogue::Field)| {
        let asked = filling::is_asked(field, &opened.form.around(draft, name), today);
        let value = DraftForm::value(draft, name).filter(|_| asked)?;
        Some((field.label.clone(), fields::spoken(field, value, &opened.pack.divisions, lang)))
    };
    let paper = |(id, material): (MaterialId, domain::catalogue::Material)| {
        let how = match () {
            () if draft.attachments.iter().any(|one| one.material == id) => "已上传",
            () if draft.borrowed.iter().any(|one| one.material == id) => "从证照库调用",
            () if material.necessity == Necessity::Optional => "没有(可以不交)",
            () => "还没有",
        };
        (material.name, visitor.t(how).into_owned())
    };
    let is_asked_here = |fault: &&FormFault| matches!(fault.field.as_str(), "town" | "wish");
    let mut faults: Vec<(String, String, String)> = opened
        .faults
        .iter()
        .filter(|fault| told.is_some() || !is_asked_here(fault))
        .map(|fault| {
            (where_mended(opened, fault), fault.label.clone(), visitor.t(&fault.reason).into_owned())
        })
        .collect();
    if let Some(told) = told.filter(|told| !told.is_empty()) {
        faults.insert(0, (String::new(), String::new(), visitor.t(told).into_owned()));
    }
    let network = hall.store.network();
    let mends = draft.online.as_ref().is_some_and(|online| online.mends.is_some());
    let town = hall.town_of(draft, &opened.item, &draft.form);
    let towns = network.open_towns().map(|node| Choice {
        value: node.id.to_string(),
        label: node.name.clone(),
        chosen: town.as_ref() == Some(&node.id),
    });
    let wished = Channel::wished(draft.wish.as_ref(), Tier::Town);
    let page = CheckPage {
        hall: visitor,
        draft,
        title: &opened.item.name,
        lines: opened.form.fields.iter().filter_map(line).collect(),
        papers: opened.form.papers(draft, today).into_iter().map(paper).collect(),
        faults,
        towns: if mends { Vec::new() } else { towns.collect() },
        town: town.and_then(|town| Some(network.get(&town)?.name.clone())).unwrap_or_default(),
        wishes: WISHES
            .iter()
            .map(|channel| Choice {
                value: channel.as_str().to_owned(),
                label: visitor.t(channel.chinese()).into_owned(),
                chosen: *channel == wished,
            })
            .collect(),
        wish_to: draft.wish.as_ref().map_or(String::new(), |wish| wish.to.clone()),
    };
    Ok(answer(!page.faults.is_empty(), &page))
}

async fn show_check(visitor: Visitor, Path(draft): Path<String>) -> Result<Response, Fault> {
    let opened = Opened::of(&visitor, &draft).await?;
    check_page(&visitor, &opened, None).await
}

/// What stands on the page is handed in, and nothing else: a draft that was changed since is read again first.
async fn hand_in(Path(draft): Path<String>, filled: Filled) -> Result<Response, Fault> {
    let (visitor, posted) = (&filled.visitor, &filled.posted);
    let (hall, citizen) = (&visitor.console.hall, visitor.citizen()?);
    let draft_id = id(&draft, "申请编号")?;
    let version: u32 = posted.get("version").parse().map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
    let channel = WISHES.into_iter().find(|channel| channel.as_str() == posted.get("wish"));
    let asked = OnlineRequests {
        borrowed: None,
        wish: channel.map(|channel| Wish { channel, to: posted.get("wish_to").chars().take(200).collect() }),
        town: posted.get("town").parse().ok(),
    };
    let stale = "这份申请刚才在另一个窗口改过;下面是现在的内容,请再看一遍后提交";
    let version = match hall.ask_online(citizen, draft_id, version, asked).await {
        Ok(draft) => draft.version,
        Err(ActError::Store(StoreError::StaleDraft { .. })) => {
            let mut answer = check_page(visitor, &Opened::of(visitor, &draft).await?, Some(stale)).await?;
            *answer.status_mut() = StatusCode::CONFLICT;
            return Ok(answer);
        }
        // Handed in already, maybe: pressed twice, or the answer was lost.
        Err(ActError::NotFound { .. }) => version,
        Err(error) => return Err(error.into()),
    };
    match hall.submit_online(citizen, draft_id, version).await {
        Ok(case) => Ok(see(&format!("/hall/cases/{case}"))),
        Err(ActError::Refused(Refusal::Faulty(_))) => {
            check_page(visitor, &Opened::of(visitor, &draft).await?, Some("")).await
        }
        Err(ActError::Store(StoreError::StaleDraft { .. })) => {
            check_page(visitor, &Opened::of(visitor, &draft).await?, Some(stale)).await
        }
        Err(ActError::Unfit { reason, .. }) => {
            check_page(visitor, &Opened::of(visitor, &draft).await?, Some(&reason)).await
        }
        Err(error) => Err(error.into()),
    }
}

#[derive(Template)]
#[template(path = "hall/applied.html")]
struct AppliedPage<'a> {
    hall: &'a Visitor,
    waiting: &'a Waiting,
    at: String,
}

/// Handed in, and not taken in by the town yet.
pub(super) async fn applied(visitor: &Visitor, waiting: &Waiting) -> Result<Response, Fault> {
    let case = &waiting.application.case;
    visitor.console.hall.note_applicant("read", &format!("/hall/cases/{case}")).await?;
    Ok(answer(false, &AppliedPage { hall: visitor, waiting, at: waiting.application.at.to_minute() }))
}
