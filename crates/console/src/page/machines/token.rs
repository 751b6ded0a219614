//! 发入网令牌: for a place without a node, or for the machine that takes the place of another. The line is shown once.

use crate::Console;
use crate::auth::Source;
use crate::fault::Fault;
use crate::page::{Sent, render_with, told};
use crate::posted::Posted;
use crate::print::qr;
use crate::shell::{Desk, Shell};
use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::response::Response;
use axum::routing::get;
use casework::{NewToken, Place, Seating};
use domain::NodeId;
use domain::division::DivisionTier;
use domain::network::Tier;

pub(super) fn routes() -> Router<Console> {
    Router::new().route("/machines/token", get(ask).post(issue))
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
fn seating_of(desk: &Desk, posted: &Posted) -> Result<Seating, Fault> {
    if let Ok(node) = posted.get("node").parse::<NodeId>() {
        return Ok(Seating::InPlaceOf { node });
    }
    let chosen = posted.get("place");
    if chosen.is_empty() {
        return Err(Fault::unfit("请选择在哪里设点"));
    }
    let (_, pack) = desk.console.hall.pack(None)?;
    let division = pack.divisions.get(chosen);
    let is_town = division.is_some_and(|one| one.tier == DivisionTier::Town);
    let tier = if is_town { Tier::Town } else { Tier::Village };
    Ok(Seating::At(Place { tier, place: chosen.to_owned(), parent: None }))
}

async fn issue(Source(source): Source, sent: Sent) -> Result<Response, Fault> {
    let (desk, posted) = (&sent.desk, &sent.posted);
    let made = async {
        let seating = seating_of(desk, posted)?;
        let hours = posted.get("hours").parse().map_err(|_| Fault::unfit("有效时间应为整数小时"))?;
        let ca = desk.console.ca()?.fingerprint();
        let hall = &desk.console.hall;
        let made = hall.sign_token(&desk.officer, &seating, &ca, hours, &posted.proof(), &source).await?;
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
    let (program, door, above, rest, aside) = match tier {
        Some(Tier::Town) => {
            let door = desk.console.enrol_port.unwrap_or(HUB_ENROL_PORT);
            ("town-node", door, "市中心地址", "", "上级的端口不是这个的,以实际为准。")
        }
        _ => (
            "village-agent",
            TOWN_ENROL_PORT,
            "镇中心地址",
            " --officer NAME",
            "上级的端口不是这个的,以实际为准。NAME 换成第一位使用人的用户名,口令由程序给出,当面交给本人。",
        ),
    };
    let qr = qr(&made.line).unwrap_or_default();
    Issued { name: made.name, line: made.line, qr, program, door, above, rest, aside }
}

/// Where `join` knocks unless somebody chose otherwise.
const HUB_ENROL_PORT: u16 = 7002;
const TOWN_ENROL_PORT: u16 = 7012;
