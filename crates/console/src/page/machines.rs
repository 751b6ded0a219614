//! 节点与证书: which machine stands where, until when each may be let in, and the tokens (入网令牌) that let new ones in.

use super::network::last_contact;
use super::{Sent, render, render_with, see, told};
use crate::Console;
use crate::fault::Fault;
use crate::posted::Posted;
use crate::print::qr;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::response::Response;
use axum::routing::{get, post};
use casework::{NewToken, NodeStatus, OpenToken, Place, Seating};
use domain::network::{Standing, Tier};
use domain::{NodeId, Timestamp};
use trust::ca_folder::ISSUER_WORRYING_DAYS;
use trust::renewal::WORRYING_DAYS;

pub(super) fn routes() -> Router<Console> {
    Router::new()
        .route("/machines", get(machines))
        .route("/machines/token", get(ask).post(issue))
        .route("/machines/tokens/{token}/void", post(void))
}

const DAY_MS: i64 = 86_400_000;

struct Lifetime {
    until: String,
    days: i64,
    class: &'static str,
}

impl Lifetime {
    fn of(until: Timestamp, now: Timestamp, worrying: i64) -> Lifetime {
        let days = until.since(now).div_euclid(DAY_MS);
        let class = match days {
            ..0 => "bad",
            _ if days < worrying => "warn",
            _ => "ok",
        };
        Lifetime { until: until.day().to_string(), days, class }
    }
}

struct Authority {
    fingerprint: String,
    issuer: Lifetime,
    /// The key that makes issuers lies here, not in a safe.
    key_is_here: bool,
    /// A successor is being brought in.
    next: bool,
    believed: usize,
    /// Machines that have not shown a certificate under it.
    behind: usize,
}

struct MachineRow {
    id: String,
    name: String,
    tier: &'static str,
    incarnation: u32,
    last: String,
    certificate: Option<Lifetime>,
    /// Shown under an authority that issues no more.
    former: bool,
    standing: &'static str,
    replaceable: bool,
}

struct TokenRow {
    token: String,
    name: String,
    node: String,
    what: String,
    by: String,
    issued: String,
    expires: String,
}

#[derive(Template)]
#[template(path = "machines.html")]
struct MachinesPage<'a> {
    shell: &'a Shell,
    authority: Option<Authority>,
    /// Why nothing is told of it.
    broken: &'a str,
    tokens: Vec<TokenRow>,
    machines: Vec<MachineRow>,
}

/// What the city believes, and who has not followed yet.
async fn authority(desk: &Desk) -> Result<Authority, Fault> {
    let (console, now) = (&desk.console, desk.now());
    let ca = console.ca()?;
    let present = ca.fingerprint();
    let folder = console.authority.as_ref();
    Ok(Authority {
        issuer: Lifetime::of(ca.issuer_until(), now, ISSUER_WORRYING_DAYS),
        key_is_here: folder.is_some_and(|folder| folder.has_authority_key()),
        next: folder.is_some_and(|folder| folder.has_next()),
        believed: trust::ca_folder::authorities(ca.authorities_pem()).len(),
        behind: console.hall.not_shown_under(&present).await?.len(),
        fingerprint: present,
    })
}

fn machine(desk: &Desk, node: &NodeStatus, present: Option<&str>) -> MachineRow {
    let now = desk.now();
    // The hub shows its own to nobody above it.
    let own = || desk.console.credentials.as_ref().map(|own| own.until());
    let until = if node.id == *desk.console.hall.me() { own() } else { node.shown_until };
    MachineRow {
        id: node.id.to_string(),
        name: node.name.clone(),
        tier: node.tier.chinese(),
        incarnation: node.incarnation,
        last: last_contact(desk, node),
        certificate: until.map(|until| Lifetime::of(until, now, WORRYING_DAYS)),
        former: present.zip(node.shown_under.as_deref()).is_some_and(|(present, shown)| present != shown),
        standing: node.standing.chinese(),
        replaceable: node.tier != Tier::City && node.standing != Standing::Evicted,
    }
}

fn token(desk: &Desk, one: OpenToken) -> TokenRow {
    TokenRow {
        what: match one.incarnation {
            1 => desk.t("新设点").into_owned(),
            machine => desk.t(&format!("换成第 {machine} 台电脑")).into_owned(),
        },
        token: one.token,
        name: one.name,
        node: one.node.to_string(),
        by: one.by,
        // Of tokens from before it was written down.
        issued: if one.issued == Timestamp::default() { String::new() } else { one.issued.to_minute() },
        expires: one.expires.to_minute(),
    }
}

/// Those first whose certificate is nearest its end; those shut out last.
fn by_need(row: &MachineRow) -> (bool, i64) {
    (!row.standing.is_empty(), row.certificate.as_ref().map_or(i64::MAX, |life| life.days))
}

async fn machines(desk: Desk) -> Result<Response, Fault> {
    let nodes = desk.console.hall.nodes().await?;
    let (authority, broken) = match authority(&desk).await {
        Ok(authority) => (Some(authority), String::new()),
        Err(fault) => (None, desk.t(&fault.message).into_owned()),
    };
    let present = authority.as_ref().map(|authority| authority.fingerprint.as_str());
    let mut machines: Vec<MachineRow> = nodes.iter().map(|node| machine(&desk, node, present)).collect();
    machines.sort_by_key(by_need);
    let tokens = desk.console.hall.open_tokens().await?;
    let tokens = tokens.into_iter().map(|one| token(&desk, one)).collect();
    Ok(render(&MachinesPage { shell: &desk.shell, authority, broken: &broken, tokens, machines }))
}

/// What is shown once.
struct Issued {
    name: String,
    line: String,
    qr: String,
    /// The program on the new machine, and the port of the door it knocks at.
    program: &'static str,
    door: u16,
    above: &'static str,
    /// What else the program wants to know.
    rest: &'static str,
    aside: &'static str,
}

/// Places of one town, to choose from.
struct Group {
    name: String,
    places: Vec<(String, String)>,
}

#[derive(Template)]
#[template(path = "token.html")]
struct TokenPage<'a> {
    shell: &'a Shell,
    /// The node whose machine is replaced, and its name; a new place is chosen otherwise.
    replaced: Option<(String, String)>,
    groups: Vec<Group>,
    chosen: &'a str,
    hours: String,
    issued: Option<Issued>,
    codes: bool,
    wrong: &'a str,
}

async fn ask(desk: Desk, Query(fields): Query<Vec<(String, String)>>) -> Result<Response, Fault> {
    token_page(&desk, &Posted { fields, files: Vec::new() }, None, None).await
}

async fn token_page(
    desk: &Desk,
    typed: &Posted,
    issued: Option<Issued>,
    fault: Option<Fault>,
) -> Result<Response, Fault> {
    let network = desk.console.hall.store.network();
    let replaced = typed.get("node").parse::<NodeId>().ok();
    let replaced = replaced.map(|id| (id.to_string(), network.name_of(&id).to_owned()));
    let groups = if replaced.is_none() && issued.is_none() { free_groups(desk).await? } else { Vec::new() };
    let hours = if typed.get("hours").is_empty() { "24" } else { typed.get("hours") }.to_owned();
    let (status, wrong) = told(desk, fault);
    let page = TokenPage {
        shell: &desk.shell,
        replaced,
        groups,
        chosen: typed.get("place"),
        hours,
        issued,
        codes: desk.officer.second_factor,
        wrong: &wrong,
    };
    Ok(render_with(status, &page))
}

/// Towns first, then the villages town by town; value and name of each.
async fn free_groups(desk: &Desk) -> Result<Vec<Group>, Fault> {
    let hall = &desk.console.hall;
    let (_, pack) = hall.pack(None)?;
    let mut groups: Vec<Group> =
        vec![Group { name: desk.t("镇、街道").into_owned(), places: Vec::new() }];
    for (place, name) in hall.free_places().await? {
        if place.tier == Tier::Town {
            groups[0].places.push((place.place, name));
            continue;
        }
        let town = pack.divisions.get(&place.place).and_then(|one| one.parent.as_deref());
        let town = pack.divisions.full_name(town.unwrap_or_default());
        match groups.iter_mut().skip(1).find(|group| group.name == town) {
            Some(group) => group.places.push((place.place, name)),
            None => groups.push(Group { name: town, places: vec![(place.place, name)] }),
        }
    }
    groups.retain(|group| !group.places.is_empty());
    Ok(groups)
}

/// Whom the form means.
async fn seating_of(desk: &Desk, posted: &Posted) -> Result<Seating, Fault> {
    if let Ok(node) = posted.get("node").parse::<NodeId>() {
        return Ok(Seating::InPlaceOf { node });
    }
    let chosen = posted.get("place");
    if chosen.is_empty() {
        return Err(Fault::unfit("请选择在哪里设点"));
    }
    let (_, pack) = desk.console.hall.pack(None)?;
    let division = pack.divisions.get(chosen);
    let is_town = division.is_some_and(|one| one.tier == domain::division::DivisionTier::Town);
    let tier = if is_town { Tier::Town } else { Tier::Village };
    Ok(Seating::At(Place { tier, place: chosen.to_owned(), parent: None }))
}

async fn issue(source: crate::auth::Source, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let made = async {
        let seating = seating_of(desk, posted).await?;
        let hours = posted.get("hours").parse().map_err(|_| Fault::unfit("有效时间应为整数小时"))?;
        let ca = desk.console.ca()?.fingerprint();
        let hall = &desk.console.hall;
        let made = hall.sign_token(&desk.officer, &seating, &ca, hours, &posted.proof(), &source.0).await?;
        Ok::<_, Fault>((made, seating))
    };
    match made.await {
        Ok((made, seating)) => token_page(desk, posted, Some(issued(desk, made, &seating)), None).await,
        Err(fault) if fault.status.is_server_error() => Err(fault),
        Err(fault) => token_page(desk, posted, None, Some(fault)).await,
    }
}

fn issued(desk: &Desk, made: NewToken, seating: &Seating) -> Issued {
    let tier = match seating {
        Seating::At(place) => Some(place.tier),
        Seating::InPlaceOf { node } => desk.console.hall.store.network().get(node).map(|one| one.tier),
    };
    let (qr, name, line) = (qr(&made.line).unwrap_or_default(), made.name, made.line);
    match tier {
        Some(Tier::Town) => Issued {
            name,
            line,
            qr,
            program: "town-node",
            door: desk.console.enrol_port.unwrap_or(HUB_ENROL_PORT),
            above: "市中心地址",
            rest: "",
            aside: "上级的端口不是这个的,以实际为准。",
        },
        _ => Issued {
            name,
            line,
            qr,
            program: "village-agent",
            door: TOWN_ENROL_PORT,
            above: "镇中心地址",
            rest: " --officer NAME",
            aside: "上级的端口不是这个的,以实际为准。NAME 换成第一位使用人的用户名,口令由程序给出,当面交给本人。",
        },
    }
}

/// Where `join` knocks unless somebody chose otherwise.
const HUB_ENROL_PORT: u16 = 7002;
const TOWN_ENROL_PORT: u16 = 7012;

async fn void(Path(token): Path<String>, sent: Sent) -> Result<Response, Fault> {
    sent.desk.console.hall.void_token(&sent.desk.officer, &token).await?;
    Ok(see("/machines"))
}
