//! Letters of delegation for a whole city: every body lets its own people, and the staff of towns and villages where its items
//! are worked there, do everything.

use domain::catalogue::Item;
use domain::delegation::{Delegate, Letter, Power};
use domain::network::Tier;
use domain::pack::CityPack;
use domain::{Day, OrgId};

/// Somebody who works in the city.
#[derive(Debug, Clone)]
pub struct Person {
    pub at: Delegate,
    pub tier: Tier,
    /// The body of somebody at the hub.
    pub body: Option<OrgId>,
}

/// One letter a body, numbered `<prefix>-<body>`, good from `from` through `to`.
pub fn for_everybody(pack: &CityPack, people: &[Person], prefix: &str, from: Day, to: Day) -> Vec<Letter> {
    let letter = |body: &OrgId| {
        let works = |person: &&Person| match &person.body {
            Some(own) => own == body,
            None => pack.items.values().any(|item| has_part(item, body, person.tier)),
        };
        Letter {
            number: format!("{prefix}-{body}"),
            body: body.clone(),
            delegates: people.iter().filter(works).map(|person| person.at.clone()).collect(),
            items: Default::default(),
            powers: Power::ALL.into(),
            area: "522601".to_owned(),
            from,
            to,
            signed_by: "负责人".to_owned(),
        }
    };
    pack.orgs.keys().map(letter).filter(|letter| !letter.delegates.is_empty()).collect()
}

/// A stage of the body's item that needs a letter is done at this tier; a town's window also does what villages do elsewhere.
fn has_part(item: &Item, body: &OrgId, tier: Tier) -> bool {
    let done_at = |stage: &domain::catalogue::Stage| {
        stage.tier == tier || (tier == Tier::Town && stage.tier == Tier::Village)
    };
    let at =
        |stage: &&domain::catalogue::Stage| done_at(stage) && Power::needed(stage.kind, stage.tier).is_some();
    item.stages.iter().filter(at).any(|stage| item.body == *body || stage.bodies.contains(body))
}
