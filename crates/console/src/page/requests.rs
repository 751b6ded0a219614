//! ④ 承诺和签字 and ⑤ 取件方式: papers promised for later or taken from the library, the green channel, and how the result comes
//! to the applicant.

use super::{Sent, refusal, render, render_with, see};
use crate::Console;
use crate::api::id;
use crate::fault::Fault;
use crate::page::draft::{Opened, open, title};
use crate::posted::Posted;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use casework::{ActError, Requests};
use domain::catalogue::Necessity;
use domain::delivery::{Channel, Wish};
use domain::form::FormFault;
use domain::green::{self, Ground};
use domain::library::Borrowed;
use domain::tolerance::{self, Commitment};
use store::{Draft, StoreError};

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/drafts/{draft}/consent", get(show_consent).post(save_consent))
        .route("/drafts/{draft}/wish", get(show_wish).post(save_wish))
}

/// One paper that may come otherwise than as a scan.
struct Otherwise {
    id: String,
    name: String,
    chosen: bool,
}

struct GroundChoice {
    value: &'static str,
    label: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "consent.html")]
struct ConsentPage<'a> {
    shell: &'a Shell,
    draft: &'a Draft,
    title: String,
    follow: Vec<Otherwise>,
    follow_days: u32,
    borrow: Vec<Otherwise>,
    green_days: Option<u32>,
    grounds: Vec<GroundChoice>,
    evidence: String,
    signed_by: String,
    consent: String,
    faults: Vec<&'a FormFault>,
}

const GROUNDS: [(&str, Ground); 4] = [
    ("enterprise", Ground::Enterprise),
    ("elderly", Ground::Elderly),
    ("disabled", Ground::Disabled),
    ("urgent", Ground::Urgent),
];

fn consent_page(desk: &Desk, opened: &Opened, faults: Vec<&FormFault>) -> Response {
    let draft = &opened.draft;
    let item = opened.form.items.first();
    let papers = opened.papers(desk.today());
    let applicant = domain::form::applicant(&draft.form).0.to_owned();
    let promise = draft.commitment.clone();
    let promise = promise.unwrap_or(Commitment { materials: Vec::new(), signed_by: String::new() });
    let follow_days = item.and_then(|item| tolerance::make_up_days(item, draft.green.is_some())).unwrap_or(0);
    let list = |fits: &dyn Fn(&domain::catalogue::Material) -> bool,
                chosen: &dyn Fn(&domain::MaterialId) -> bool| {
        papers
            .iter()
            .filter(|(_, material)| fits(material))
            .map(|(id, material)| Otherwise {
                id: id.to_string(),
                name: material.name.clone(),
                chosen: chosen(id),
            })
            .collect::<Vec<_>>()
    };
    let borrowed = |id: &domain::MaterialId| draft.borrowed.iter().any(|one| one.material == *id);
    let ground = draft.green.as_ref().map(|claim| claim.ground);
    let page = ConsentPage {
        shell: &desk.shell,
        title: title(desk, draft),
        follow: match follow_days {
            0 => Vec::new(),
            _ => list(&|material| material.necessity == Necessity::Deferrable, &|id| {
                promise.materials.contains(id)
            }),
        },
        follow_days,
        borrow: list(&|material| material.reuse_licence.is_some(), &borrowed),
        green_days: item.and_then(|item| green::limit(item)).map(|limit| limit.days),
        grounds: GROUNDS
            .iter()
            .map(|(value, one)| GroundChoice { value, label: one.chinese(), chosen: ground == Some(*one) })
            .collect(),
        evidence: draft.green.as_ref().map(|claim| claim.evidence.clone()).unwrap_or_default(),
        signed_by: if promise.signed_by.is_empty() { applicant.clone() } else { promise.signed_by },
        consent: draft.borrowed.first().map_or(applicant, |one| one.consent.clone()),
        draft,
        faults,
    };
    match page.faults.is_empty() {
        true => render(&page),
        false => render_with(StatusCode::UNPROCESSABLE_ENTITY, &page),
    }
}

async fn show_consent(desk: Desk, Path(draft): Path<String>) -> Result<Response, Fault> {
    let opened = open(&desk, &draft).await?;
    if opened.draft.bundle.is_some() {
        let told = "一件事的草稿不能容缺、借用证照或申请绿色通道;请按单个事项办理";
        return Ok(refusal(&desk, &Fault::unfit(told)));
    }
    Ok(consent_page(&desk, &opened, Vec::new()))
}

fn requests(posted: &Posted) -> Requests {
    let ids = |name: &'static str| posted.all(name).filter_map(|id| id.parse().ok());
    let materials: Vec<_> = ids("follow").collect();
    let commitment = (!materials.is_empty())
        .then(|| Commitment { materials, signed_by: posted.get("signed_by").to_owned() });
    let ground = GROUNDS.iter().find(|(value, _)| *value == posted.get("ground")).map(|(_, ground)| *ground);
    let green = ground.map(|ground| green::Claim { ground, evidence: posted.get("evidence").to_owned() });
    let consent = posted.get("consent");
    let borrowed = ids("borrow").map(|material| Borrowed { material, consent: consent.to_owned() }).collect();
    Requests { commitment, green, borrowed }
}

async fn save_consent(Path(draft): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let version = posted.get("version").parse().map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
    let wanted = requests(posted);
    let saved = desk.console.hall.save_requests(id(&draft, "草稿编号")?, version, wanted.clone()).await;
    let mut opened = open(desk, &draft).await?;
    if is_stale(saved)? {
        let Requests { commitment, green, borrowed } = wanted;
        (opened.draft.commitment, opened.draft.green, opened.draft.borrowed) = (commitment, green, borrowed);
        let mut answer = consent_page(desk, &opened, vec![&stale()]);
        *answer.status_mut() = StatusCode::CONFLICT;
        return Ok(answer);
    }
    let about = |fault: &&FormFault| matches!(fault.field.as_str(), "green" | "commitment");
    let faults: Vec<&FormFault> = opened.faults.iter().filter(about).collect();
    match faults.is_empty() {
        true => Ok(see(&format!("/drafts/{draft}/wish"))),
        false => Ok(consent_page(desk, &opened, faults)),
    }
}

struct ChannelChoice {
    value: &'static str,
    label: &'static str,
    chosen: bool,
}

#[derive(Template)]
#[template(path = "wish.html")]
struct WishPage<'a> {
    shell: &'a Shell,
    draft: &'a Draft,
    title: String,
    channels: Vec<ChannelChoice>,
    to: String,
    fault: Option<FormFault>,
}

fn wish_page(desk: &Desk, opened: &Opened, fault: Option<FormFault>) -> Response {
    let usual = Channel::usual(desk.shell.tier);
    let wish = opened.draft.wish.clone().unwrap_or(Wish { channel: usual, to: String::new() });
    let choice = |channel: Channel| ChannelChoice {
        value: channel.as_str(),
        label: channel.chinese(),
        chosen: channel == wish.channel,
    };
    let page = WishPage {
        shell: &desk.shell,
        draft: &opened.draft,
        title: title(desk, &opened.draft),
        channels: Channel::ALL.into_iter().map(choice).collect(),
        to: wish.to.clone(),
        fault,
    };
    match page.fault {
        None => render(&page),
        Some(_) => render_with(StatusCode::UNPROCESSABLE_ENTITY, &page),
    }
}

async fn show_wish(desk: Desk, Path(draft): Path<String>) -> Result<Response, Fault> {
    let opened = open(&desk, &draft).await?;
    Ok(wish_page(&desk, &opened, None))
}

async fn save_wish(Path(draft): Path<String>, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let version = posted.get("version").parse().map_err(|_| Fault::unfit("表单没有传完整,请重试"))?;
    let channel = Channel::ALL.into_iter().find(|channel| channel.as_str() == posted.get("channel"));
    let usual = Channel::usual(desk.shell.tier);
    let wish = Wish { channel: channel.unwrap_or(usual), to: posted.get("to").to_owned() };
    let fault = wish.fault();
    let saved = desk.console.hall.save_wish(id(&draft, "草稿编号")?, version, wish.clone()).await;
    let mut opened = open(desk, &draft).await?;
    if is_stale(saved)? {
        opened.draft.wish = Some(wish);
        let mut answer = wish_page(desk, &opened, Some(stale()));
        *answer.status_mut() = StatusCode::CONFLICT;
        return Ok(answer);
    }
    match fault {
        None => Ok(see(&format!("/drafts/{draft}/check"))),
        Some(_) => Ok(wish_page(desk, &opened, fault)),
    }
}

/// Whether another window was quicker; every other refusal is one.
fn is_stale(saved: Result<Draft, ActError>) -> Result<bool, Fault> {
    match saved {
        Ok(_) => Ok(false),
        Err(ActError::Store(StoreError::StaleDraft { .. })) => Ok(true),
        Err(error) => Err(error.into()),
    }
}

/// What was chosen here stands on the page still, under the version that is now (I23).
fn stale() -> FormFault {
    let reason = "这份草稿刚才在另一个窗口改过;下面是您在本页填的,再按保存即以本页为准".to_owned();
    FormFault { field: String::new(), label: "草稿".to_owned(), reason }
}
