//! Random legal walks: whatever the officers do, a case comes to one end, and every state on the way can be explained.

use super::decide::{Act, Actor, Command};
use super::tests::{NOON, PACK, actor, decide, network, on_duty, opened, opened_at, step};
use super::*;
use crate::catalogue::{Item, Stage, StageKind};
use crate::clock::{self, Procedure};
use crate::form::FormFault;
use crate::network::Tier;
use crate::plan;
use proptest::prelude::*;
use std::sync::Arc;

pub(crate) fn walk(
    item: &Item,
    choices: &[usize],
    outcome: Outcome,
    skipped: Vec<StageId>,
) -> (Dossier, Vec<(Page, NodeId)>) {
    let first = opened(item, skipped);
    let mut dossier = first.after;
    let mut pages: Vec<(Page, NodeId)> =
        first.pages.into_iter().map(|page| (page, "v-1".parse().unwrap())).collect();
    for round in 0..200 {
        let writer = dossier.holder.clone();
        match step(item, &dossier, choices[round % choices.len()], outcome) {
            Some(act) => {
                pages.extend(act.pages.into_iter().map(|page| (page, writer.clone())));
                dossier = act.after;
            }
            None => return (dossier, pages),
        }
    }
    panic!("{} never ends: {dossier:?}", item.id);
}

/// The pages of a case with who wrote each.
type Pages = Vec<(Page, NodeId)>;

/// What officers and applicants may come to besides the work of a stage. Most of it is refused at most stages.
fn detour(choice: usize, stage: &Stage, dossier: &Dossier) -> (bool, Command) {
    let (stage, some) = (stage.id.clone(), || "情况说明".to_owned());
    let fault = FormFault { field: "m1".into(), label: "申请书".into(), reason: "未签字".into() };
    let approves = matches!(choice % 24 / 3, 2 | 3);
    let command = match choice % 24 / 3 {
        0 => Command::Return { stage, faults: vec![fault], again: None },
        1 => Command::NotAccept { stage, ground: NotAcceptedGround::NotNeeded, text: some() },
        2 => Command::Suspend { stage, procedure: Procedure::Inspection, basis: some(), days: 10 },
        3 => Command::Extend { stage, days: 5, reason: some() },
        4 => {
            let article = Some("条款".to_owned());
            Command::Decide { stage, outcome: Outcome::Refused, text: some(), article, licence: None }
        }
        5 => Command::Issue { stage, licence: None, opinion: some() },
        6 => Command::Complete { stage, agrees: false, opinion: some(), officers: vec![] },
        // Twice in three times there is no such slip.
        _ => Command::Withdraw { slip: dossier.slips.last().map_or(EntryId([9; 16]), |slip| slip.id) },
    };
    (approves, command)
}

/// One act off the straight way: by whoever is at the stage, or by the approver of his house. `None` when it is refused.
fn strays(item: &Item, dossier: &Dossier, choice: usize) -> Option<Act> {
    let network = network();
    let tier = network.get(&dossier.holder)?.tier;
    // Mostly where something can be done now; now and then anywhere.
    let mut stages = plan::ready_stages(item, dossier);
    if stages.is_empty() || choice.is_multiple_of(11) {
        stages = item.stages.iter().collect();
    }
    let stage = stages[choice / 24 % stages.len()];
    let handler = on_duty(actor(tier, stage.bodies.first()), stage.kind);
    let mut before = dossier.clone();
    if choice % 24 == 23 {
        let (id, case, by) = (EntryId([7; 16]), dossier.case.clone(), dossier.origin.clone());
        before.add_slip(Slip::plain(id, case, "withdraw", String::new(), by, NOON));
    }
    let (approves, command) = detour(choice, stage, &before);
    let claim = decide(&before, item, &network, &handler, Command::Claim { stage: stage.id.clone() }, NOON);
    let mut act = claim.unwrap_or_else(|_| Act::on(&before));
    let head = on_duty(actor(tier, stage.bodies.first()), StageKind::Decision);
    let who = if approves { &head } else { &handler };
    let next = decide(&act.after, item, &network, who, command, NOON).ok()?;
    act.pages.extend(next.pages);
    act.after = next.after;
    Some(act)
}

/// Whatever stands in the way of going on is done away with: mended papers, an inspection that has found something.
fn goes_on(item: &Item, dossier: &Dossier) -> Option<Act> {
    let network = network();
    if dossier.returned.is_some() {
        let mended = Submission { closes: vec![], ..Submission::default() };
        // The papers themselves are not what these walks are about: the page is written as the counter would.
        let page = Page {
            case: dossier.case.clone(),
            no: dossier.pages + 1,
            term: dossier.term,
            at: NOON,
            officer: "v".into(),
            delegation: None,
            body: PageBody::Resubmitted(mended),
        };
        let mut act = Act::on(dossier);
        assert_eq!(act.after.apply(&page, &dossier.holder, false), Verdict::Applied);
        act.pages.push(page.clone());
        let here = dossier.intake;
        let tier = plan::next_tier(item, &act.after, here).filter(|tier| *tier != here);
        if let Some(tier) = tier {
            let to = network.responsible(&dossier.origin, tier).unwrap().clone();
            let page = Page { no: page.no + 1, body: PageBody::HandedOver { to }, ..page };
            assert_eq!(act.after.apply(&page, &dossier.holder, false), Verdict::Applied);
            act.pages.push(page);
        }
        return Some(act);
    }
    let stands_still = dossier.suspensions.iter().any(|one| one.to.is_none());
    let tier = network.get(&dossier.holder)?.tier;
    item.stages.iter().filter(|_| stands_still).find_map(|stage| {
        let who: Actor = on_duty(actor(tier, stage.bodies.first()), stage.kind);
        let resume = Command::Resume { stage: stage.id.clone(), finding: "已检验".into() };
        decide(dossier, item, &network, &who, resume, NOON).ok()
    })
}

/// A walk with detours, drawn from `choices`; then straight on to the end.
fn wander(item: &Item, choices: &[usize], outcome: Outcome, intake: Tier) -> (Dossier, Pages) {
    let first = opened_at(item, vec![], intake);
    let origin = first.after.origin.clone();
    let mut pages: Pages = first.pages.into_iter().map(|page| (page, origin.clone())).collect();
    let mut dossier = first.after;
    for round in 0..300 {
        let choice = choices.get(round).copied();
        let writer = dossier.holder.clone();
        let act = choice
            .filter(|choice| choice % 3 == 0)
            .and_then(|choice| strays(item, &dossier, choice / 3))
            .or_else(|| goes_on(item, &dossier))
            .or_else(|| {
                // Against a negative opinion nobody grants.
                let against =
                    dossier.stages.values().any(|state| state.done.as_ref().is_some_and(|done| !done.agrees));
                let outcome = if against { Outcome::Refused } else { outcome };
                step(item, &dossier, choice.unwrap_or(round), outcome)
            });
        let Some(act) = act else { return (dossier, pages) };
        pages.extend(act.pages.into_iter().map(|page| (page, writer.clone())));
        dossier = act.after;
        explained(item, &dossier);
    }
    panic!("{} never ends: {dossier:?}", item.id);
}

/// Anybody may ask at any moment why a case is where it is and by when it must go on.
fn explained(item: &Item, dossier: &Dossier) {
    let receipts = clock::Receipts::all_on(NOON.day());
    for timer in clock::timers(item, dossier, receipts) {
        let told = timer.explain(&PACK.calendar);
        assert!(told.lines.len() >= 2 && !told.basis.is_empty(), "{}: {told:?}", item.id);
        let stands_still = dossier.suspensions.iter().any(|one| one.to.is_none());
        assert!(told.due.is_some() || stands_still, "{}: {told:?}", item.id);
        assert!(told.lines.iter().any(|line| line.contains(&told.anchor.to_string())), "{told:?}");
    }
    let undone = |id: &StageId| dossier.stages.get(id).is_none_or(|state| state.done.is_none());
    let waits = item.stages.iter().any(|stage| stage.trigger.is_some() && undone(&stage.id));
    let somebodys = !plan::ready_stages(item, dossier).is_empty() || dossier.returned.is_some() || waits;
    assert!(plan::is_finished(item, dossier) || somebodys, "{}: nobody's turn: {dossier:?}", item.id);
}

/// The walks below are worth something only if they leave the straight way often and in every manner.
#[test]
fn walks_stray_in_every_manner() {
    let mut seen = std::collections::BTreeMap::<&str, usize>::new();
    for (seed, item) in PACK.items.values().cycle().take(640).enumerate() {
        let choices: Vec<usize> = (0..40).map(|at| (seed * 7919 + at * 104_729) % 65_521).collect();
        let intake = if seed % 4 == 3 { Tier::Town } else { Tier::Village };
        let (dossier, pages) = wander(item, &choices, Outcome::Granted, intake);
        for (page, _) in &pages {
            let manner = match &page.body {
                PageBody::Returned { .. } => "returned",
                PageBody::NotAccepted { .. } => "not accepted",
                PageBody::Suspended { .. } => "suspended",
                PageBody::Resumed { .. } => "resumed",
                PageBody::Extended { .. } => "extended",
                PageBody::StageDone { agrees: false, .. } => "against",
                PageBody::Decided { .. } => "decided",
                _ => continue,
            };
            *seen.entry(manner).or_default() += 1;
        }
        *seen.entry("withdrawn").or_default() += usize::from(dossier.withdrawn);
    }
    for manner in
        ["returned", "not accepted", "suspended", "resumed", "extended", "against", "decided", "withdrawn"]
    {
        assert!(seen.get(manner).is_some_and(|count| *count >= 10), "{manner}: {seen:?}");
    }
}

fn fold(pages: &Pages, slips: &[Slip]) -> Dossier {
    let mut dossier = Dossier::open(&pages[0].0, &pages[0].1).unwrap();
    slips.iter().for_each(|slip| {
        dossier.add_slip(slip.clone());
    });
    for (page, author) in &pages[1..] {
        assert_eq!(dossier.apply(page, author, false), Verdict::Applied, "{page:?}");
    }
    dossier
}

/// I15 to I18 and I22 over the pages of a finished walk.
fn sound(dossier: &Dossier, pages: &Pages) {
    for (index, (page, _)) in pages.iter().enumerate() {
        assert_eq!(page.no as usize, index + 1, "I17: no page is missing");
        assert!(!page.officer.is_empty(), "I17: somebody did it: {page:?}");
    }
    let at = |wanted: &dyn Fn(&PageBody) -> bool| -> Vec<&Page> {
        pages.iter().map(|(page, _)| page).filter(|page| wanted(&page.body)).collect()
    };
    let decided = at(&|body| matches!(body, PageBody::Decided { .. }));
    let issued = at(&|body| matches!(body, PageBody::Issued { .. }));
    let ends = decided.len() + at(&|body| matches!(body, PageBody::NotAccepted { .. })).len();
    assert!(ends + usize::from(dossier.withdrawn) <= 1, "I16: one end: {pages:?}");
    assert!(issued.len() <= 1 && issued.len() <= decided.len(), "I16: one result: {pages:?}");
    let submitted = at(&|body| body.submission().is_some());
    for decision in &decided {
        assert!(submitted.iter().all(|page| page.no < decision.no), "I15: {pages:?}");
        assert!(decision.delegation.is_some(), "I18: {decision:?}");
    }
    assert_eq!(dossier.release, 1, "I22");
}

/// I19: a village whose clock is forty days wrong moves no due day.
fn knows_no_village_clock(item: &Item, dossier: &Dossier, pages: &Pages) {
    let network = network();
    let shifted: Pages = pages
        .iter()
        .map(|(page, author)| {
            let village = network.get(author).unwrap().tier == Tier::Village;
            let at = if village { page.at.plus_ms(40 * 86_400_000) } else { page.at };
            (Page { at, ..page.clone() }, author.clone())
        })
        .collect();
    let due = |dossier: &Dossier| -> Vec<_> {
        let timers = clock::timers(item, dossier, clock::Receipts::all_on(NOON.day()));
        timers.iter().map(|timer| (timer.kind, timer.due(&PACK.calendar))).collect()
    };
    assert_eq!(due(&fold(&shifted, &dossier.slips)), due(dossier), "I19: {}", item.id);
}

/// The other cases of a bundle are walked in any order; a decision waits for those it rests on.
fn walk_bundle(bundle: &crate::bundle::Bundle, choices: &[usize], refuse: &[bool]) -> Vec<Dossier> {
    let items: Vec<_> = bundle.items.iter().map(|id| PACK.item(id).unwrap()).collect();
    let mut cases: Vec<Dossier> = Vec::new();
    let member = |(index, item): (usize, &Arc<Item>)| crate::bundle::Member {
        item: item.id.clone(),
        case: CaseNo::make(&"v-1".parse().unwrap(), NOON.day(), 100 + index as u64),
    };
    let members: Vec<_> = items.iter().copied().enumerate().map(member).collect();
    let within = crate::bundle::InBundle { bundle: bundle.id.clone(), members };
    for (item, member) in items.iter().zip(&within.members) {
        let opened = opened(item, vec![]).after;
        cases.push(Dossier { case: member.case.clone(), bundle: Some(within.clone()), ..opened });
    }
    for round in 0..2_000 {
        let at = choices[round % choices.len()] % cases.len();
        let Some(open) = (0..cases.len()).map(|step| (at + step) % cases.len()).find(|index| {
            let (item, dossier) = (items[*index], &cases[*index]);
            let of = |case: &CaseNo| cases.iter().find(|other| other.case == *case);
            let waiting = crate::bundle::waiting(bundle, &within, &item.id, of);
            let decides =
                plan::ready_stages(item, dossier).iter().any(|stage| stage.kind == StageKind::Decision);
            !plan::is_finished(item, dossier) && (waiting.undecided.is_empty() || !decides)
        }) else {
            return cases;
        };
        let of = |case: &CaseNo| cases.iter().find(|other| other.case == *case);
        let waiting = crate::bundle::waiting(bundle, &within, &items[open].id, of);
        let refused = refuse[open % refuse.len()] || !waiting.refused.is_empty();
        let outcome = if refused { Outcome::Refused } else { Outcome::Granted };
        if let Some(act) = step(items[open], &cases[open], choices[(round + 1) % choices.len()], outcome) {
            cases[open] = act.after;
        }
    }
    panic!("{} never ends", bundle.id);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// I16, I17 over bundles: whatever order the branches are worked in, every case ends, once, and nothing is granted that
    /// rests on a refusal.
    #[test]
    fn random_legal_walks_of_bundles_end(
        which in 0usize..6,
        choices in prop::collection::vec(0usize..8, 1..20),
        refuse in prop::collection::vec(any::<bool>(), 1..6),
    ) {
        let bundle = &PACK.bundles[which];
        let cases = walk_bundle(bundle, &choices, &refuse);
        for case in &cases {
            let item = PACK.item(&case.item).unwrap();
            prop_assert!(plan::is_finished(item, case), "{}: {:?}", case.item, plan::ready_stages(item, case));
            let granted = |id: &crate::ItemId| cases.iter().any(|other| {
                other.item == *id && other.decision.as_ref().is_some_and(|one| one.outcome == Outcome::Granted)
            });
            if granted(&case.item) {
                let before = bundle.after.get(&case.item).into_iter().flatten();
                prop_assert!(before.clone().all(&granted), "{} rests on a refusal", case.item);
            }
        }
    }

    /// I10, I15 to I19, I22: whatever legal way the officers take, the walk ends, what came of it is sound, and any arrival
    /// order folds to the same state.
    #[test]
    fn random_legal_walks_end_soundly_and_fold_alike_in_any_order(
        which in 0usize..64,
        choices in prop::collection::vec(any::<u16>().prop_map(usize::from), 1..60),
        refuse in any::<bool>(),
        at_town in any::<bool>(),
        order in any::<u64>(),
    ) {
        let item = PACK.items.values().nth(which).unwrap();
        let outcome = if refuse { Outcome::Refused } else { Outcome::Granted };
        let intake = if at_town { Tier::Town } else { Tier::Village };
        let (dossier, pages) = wander(item, &choices, outcome, intake);
        prop_assert!(plan::is_finished(item, &dossier), "{dossier:?}");
        sound(&dossier, &pages);
        let writers = |tier| pages.iter().any(|(_, node)| network().get(node).unwrap().tier == tier);
        prop_assert!(!at_town || !writers(Tier::Village), "a village writes in a town's own case");
        knows_no_village_clock(item, &dossier, &pages);
        let mut rest: Vec<_> = pages[1..].to_vec();
        let mut seed = order;
        for i in (1..rest.len()).rev() {
            seed = seed.wrapping_mul(6364136223846793005).wrapping_add(1);
            rest.swap(i, (seed >> 33) as usize % (i + 1));
        }
        let mut again = Dossier::open(&pages[0].0, &pages[0].1).unwrap();
        for slip in &dossier.slips { again.add_slip(slip.clone()); }
        while !rest.is_empty() {
            let before = rest.len();
            rest.retain(|(page, author)| again.apply(page, author, false) == Verdict::Held);
            prop_assert!(rest.len() < before, "pages stay held for ever: {rest:?}");
        }
        prop_assert_eq!(again, dossier);
    }
}
