//! One-thing bundles (一件事): one intake, one form, one set of papers, several items, each with its own result.
//!
//! Pure. The order of a bundle says which decisions rest on which; work goes on side by side all the same, and a branch that
//! is refused stops only what depends on it. Silence never approves: what waits, waits visibly.

use crate::catalogue::{Field, Item, Material};
use crate::dossier::{Attachment, Dossier, Outcome};
use crate::form::{Form, FormFault};
use crate::{CaseNo, Day, ItemId, MaterialId, plan};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// When results of a bundle go out (联合结果).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum JoinPolicy {
    /// Each body issues its own.
    #[default]
    EachIssues,
    /// Nothing is issued before all are granted.
    AllRequired,
    /// Nothing is issued before the first item is granted.
    LeadDecides,
}

/// A bundle of the catalogue.
#[derive(Debug, Clone, Serialize)]
pub struct Bundle {
    pub id: String,
    pub name: String,
    /// The first leads.
    pub items: Vec<ItemId>,
    /// Which decisions each decision rests on.
    pub after: BTreeMap<ItemId, BTreeSet<ItemId>>,
    pub policy: JoinPolicy,
    pub promised_days: u32,
}

/// What a case knows of the bundle it was taken in with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct InBundle {
    pub bundle: String,
    pub members: Vec<Member>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    pub item: ItemId,
    pub case: CaseNo,
}

impl InBundle {
    /// The case whose number stands on the one receipt.
    pub fn lead(&self) -> Option<&CaseNo> {
        self.members.first().map(|member| &member.case)
    }
}

/// Reads an order like `a → (b ∥ c); d`: what stands right of an arrow rests on what stands left of it. Words that are no item
/// of the bundle are for people and mean nothing here.
///
/// # Errors
/// A text for people: brackets that do not match, or a circle.
pub fn parse_order(text: &str, items: &[ItemId]) -> Result<BTreeMap<ItemId, BTreeSet<ItemId>>, String> {
    let spaced: String =
        text.chars().flat_map(|c| if "→∥();".contains(c) { vec![' ', c, ' '] } else { vec![c] }).collect();
    let known = |word: &&str| {
        matches!(*word, "→" | "∥" | "(" | ")" | ";") || items.iter().any(|id| id.as_str() == *word)
    };
    let mut reader = OrderReader {
        words: spaced.split_whitespace().filter(known).collect(),
        at: 0,
        after: BTreeMap::new(),
    };
    reader.whole()?;
    if reader.at != reader.words.len() {
        return Err("括号不配对".to_owned());
    }
    acyclic(&reader.after)?;
    Ok(reader.after)
}

struct OrderReader<'t> {
    words: Vec<&'t str>,
    at: usize,
    after: BTreeMap<ItemId, BTreeSet<ItemId>>,
}

/// The items a part begins and ends with.
type Ends = (BTreeSet<ItemId>, BTreeSet<ItemId>);

impl OrderReader<'_> {
    fn take(&mut self, word: &str) -> bool {
        let found = self.words.get(self.at) == Some(&word);
        self.at += usize::from(found);
        found
    }
    fn whole(&mut self) -> Result<Ends, String> {
        let (mut first, mut last) = self.sequence()?;
        while self.take(";") {
            let (more_first, more_last) = self.sequence()?;
            first.extend(more_first);
            last.extend(more_last);
        }
        Ok((first, last))
    }
    fn sequence(&mut self) -> Result<Ends, String> {
        let (first, mut last) = self.group()?;
        while self.take("→") {
            let (next_first, next_last) = self.group()?;
            for item in &next_first {
                self.after.entry(item.clone()).or_default().extend(last.iter().cloned());
            }
            last = next_last;
        }
        Ok((first, last))
    }
    fn group(&mut self) -> Result<Ends, String> {
        let (mut first, mut last) = self.one()?;
        while self.take("∥") {
            let (more_first, more_last) = self.one()?;
            first.extend(more_first);
            last.extend(more_last);
        }
        Ok((first, last))
    }
    fn one(&mut self) -> Result<Ends, String> {
        if self.take("(") {
            let inner = self.whole()?;
            return if self.take(")") { Ok(inner) } else { Err("括号不配对".to_owned()) };
        }
        match self.words.get(self.at).and_then(|word| word.parse::<ItemId>().ok()) {
            Some(item) => {
                self.at += 1;
                Ok(([item.clone()].into(), [item].into()))
            }
            // An order in words only: everything side by side.
            None => Ok(Ends::default()),
        }
    }
}

fn acyclic(after: &BTreeMap<ItemId, BTreeSet<ItemId>>) -> Result<(), String> {
    for start in after.keys() {
        let (mut seen, mut todo) = (BTreeSet::new(), vec![start]);
        while let Some(item) = todo.pop() {
            for before in after.get(item).into_iter().flatten() {
                if before == start {
                    return Err(format!("{start} 依赖于自身"));
                }
                if seen.insert(before) {
                    todo.push(before);
                }
            }
        }
    }
    Ok(())
}

/// The form of one item out of what was typed for the whole bundle: what it shares, then its own, which goes before.
pub fn form_of(item: &Item, all: &[&Item], shared: &Form, own: Option<&Form>) -> Form {
    let mut form = Form::new();
    form.extend(
        shared.iter().filter(|(key, _)| *key == "channel").map(|(key, value)| (key.clone(), value.clone())),
    );
    let asked_once = shared_fields(all);
    for field in &item.fields {
        // Two others may share a field of this key that asks for something else: its answer is none to this one.
        let another = asked_once.iter().any(|known| known.key == field.key && !is_alike(known, field));
        let shared = shared.get(&field.key).filter(|_| !another);
        let value = own.and_then(|own| own.get(&field.key)).or(shared);
        form.extend(value.map(|value| (field.key.clone(), value.clone())));
    }
    form
}

/// Asked once for both: same key, same kind, same choices.
pub fn is_alike(a: &Field, b: &Field) -> bool {
    a.key == b.key && a.kind == b.kind && a.options == b.options
}

/// Fields that are asked once for all items that have them.
pub fn shared_fields<'a>(items: &[&'a Item]) -> Vec<&'a Field> {
    let in_others = |field: &&Field, at: usize| {
        items
            .iter()
            .enumerate()
            .any(|(index, item)| index != at && item.fields.iter().any(|other| is_alike(other, field)))
    };
    let mut shared: Vec<&Field> = Vec::new();
    for (at, item) in items.iter().enumerate() {
        for field in item.fields.iter().filter(|field| in_others(field, at)) {
            if !shared.iter().any(|known| known.key == field.key) {
                shared.push(field);
            }
        }
    }
    shared
}

/// Two items that ask for the same paper get one copy.
pub fn is_same_paper(a: &Material, b: &Material) -> bool {
    a.name == b.name || (a.reuse_licence.is_some() && a.reuse_licence == b.reuse_licence)
}

/// The name of a paper in the draft of a bundle: `food--m2`.
pub fn paper_id(item: &ItemId, material: &MaterialId) -> Option<MaterialId> {
    format!("{item}--{material}").parse().ok()
}

/// The papers of one item out of those handed in for the whole bundle.
pub fn papers_of(item: &Item, all: &[&Item], handed_in: &[Attachment]) -> Vec<Attachment> {
    let of = |paper: &Attachment| {
        let (owner, material) = paper.material.as_str().split_once("--")?;
        let owner = all.iter().find(|item| item.id.as_str() == owner)?;
        owner.material(&material.parse().ok()?)
    };
    let mut papers: Vec<Attachment> = Vec::new();
    for material in &item.materials {
        let own = paper_id(&item.id, &material.id);
        let exact = handed_in.iter().find(|paper| Some(&paper.material) == own.as_ref());
        let alike =
            || handed_in.iter().find(|paper| of(paper).is_some_and(|known| is_same_paper(known, material)));
        if let Some(paper) = exact.or_else(alike) {
            papers.push(Attachment { material: material.id.clone(), ..paper.clone() });
        }
    }
    papers
}

/// Names the item in a fault, so that one list can hold the faults of all.
pub fn fault_in(item: &Item, fault: FormFault) -> FormFault {
    FormFault {
        field: format!("{}--{}", item.id, fault.field),
        label: format!("{}:{}", item.name, fault.label),
        ..fault
    }
}

/// The papers a bundle asks for, each once, under the name it has in the draft. `forms`: of the items, in their order.
pub fn papers_asked(items: &[&Item], forms: &[Form], today: Day) -> Vec<(MaterialId, Material)> {
    let mut papers: Vec<(&ItemId, MaterialId, Material)> = Vec::new();
    for (item, form) in items.iter().zip(forms) {
        for material in plan::asked_materials(item, form, today) {
            let from_another = |(owner, _, known): &(&ItemId, MaterialId, Material)| {
                **owner != item.id && is_same_paper(known, material)
            };
            let named = paper_id(&item.id, &material.id).filter(|_| !papers.iter().any(from_another));
            papers.extend(named.map(|named| (&item.id, named, material.clone())));
        }
    }
    papers.into_iter().map(|(_, named, material)| (named, material)).collect()
}

/// A fault of one item under the name that field or paper has in the draft, where it is asked once for several items.
pub fn fault_in_draft(
    item: &Item,
    all: &[&Item],
    papers: &[(MaterialId, Material)],
    fault: FormFault,
) -> FormFault {
    let own = item.fields.iter().find(|field| field.key == fault.field);
    let shared = own.is_some_and(|own| shared_fields(all).iter().any(|known| is_alike(known, own)));
    if shared || fault.field == "wish" {
        return fault;
    }
    let Some(material) = fault.field.parse().ok().and_then(|id| item.material(&id)) else {
        return fault_in(item, fault);
    };
    let own = paper_id(&item.id, &material.id);
    if papers.iter().any(|(named, _)| Some(named) == own.as_ref()) {
        return fault_in(item, fault);
    }
    match papers.iter().find(|(_, known)| is_same_paper(known, material)) {
        Some((named, paper)) => FormFault { field: named.to_string(), label: paper.name.clone(), ..fault },
        None => fault_in(item, fault),
    }
}

/// What a case of a bundle has to wait for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Waiting {
    /// Cases whose decision this one's rests on and that are not decided yet.
    pub undecided: Vec<CaseNo>,
    /// Cases it rests on that ended without a grant.
    pub refused: Vec<CaseNo>,
    /// Cases whose grant its licence waits for, by the bundle's policy.
    pub holds_licence: Vec<CaseNo>,
}

/// `member` gives the dossier of another case of the bundle as this node has it.
pub fn waiting<'d>(
    bundle: &Bundle,
    within: &InBundle,
    item: &ItemId,
    member: impl Fn(&CaseNo) -> Option<&'d Dossier>,
) -> Waiting {
    let mut waiting = Waiting::default();
    for other in within.members.iter().filter(|other| other.item != *item) {
        let dossier = member(&other.case);
        let ended = dossier.map(ending).unwrap_or_default();
        if bundle.after.get(item).is_some_and(|before| before.contains(&other.item)) {
            match ended {
                Ending::Open => waiting.undecided.push(other.case.clone()),
                Ending::Without => waiting.refused.push(other.case.clone()),
                Ending::Granted => {}
            }
        }
        let counts = match bundle.policy {
            JoinPolicy::EachIssues => false,
            JoinPolicy::AllRequired => true,
            JoinPolicy::LeadDecides => bundle.items.first() == Some(&other.item),
        };
        if counts && ended != Ending::Granted {
            waiting.holds_licence.push(other.case.clone());
        }
    }
    waiting
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Ending {
    #[default]
    Open,
    Granted,
    Without,
}

fn ending(dossier: &Dossier) -> Ending {
    match &dossier.decision {
        Some(decision) if decision.outcome == Outcome::Granted => Ending::Granted,
        Some(_) => Ending::Without,
        None if dossier.is_void() || dossier.not_accepted.is_some() => Ending::Without,
        None => Ending::Open,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dossier::tests::PACK;

    fn ids(words: &str) -> Vec<ItemId> {
        words.split(' ').map(|word| word.parse().unwrap()).collect()
    }
    fn order(text: &str, items: &str) -> Vec<String> {
        let after = parse_order(text, &ids(items)).unwrap();
        let line = |(item, before): (&ItemId, &BTreeSet<ItemId>)| {
            format!("{item}<{}", before.iter().map(ItemId::as_str).collect::<Vec<_>>().join("+"))
        };
        after.iter().map(line).collect()
    }

    #[test]
    fn orders_say_what_rests_on_what() {
        assert_eq!(order("a → (b ∥ c)", "a b c"), ["b<a", "c<a"]);
        assert_eq!(order("a → (b → c) ∥ d", "a b c d"), ["b<a", "c<b", "d<a"]);
        assert_eq!(order("a → b → c; d ∥ e", "a b c d e"), ["b<a", "c<b"]);
        assert_eq!(order("a → (b ∥ c); d any time", "a b c d"), ["b<a", "c<a"]);
        assert_eq!(order("(a ∥ b) → c", "a b c"), ["c<a+b"]);
        assert!(order("single item with joint review inside", "a").is_empty());
        assert!(parse_order("a → (b", &ids("a b")).unwrap_err().contains("括号"));
        assert!(parse_order("a → b → a", &ids("a b")).unwrap_err().contains("依赖于自身"));
    }

    #[test]
    fn one_copy_of_a_paper_serves_every_item_that_asks_for_it() {
        let item = |id: &str| &**PACK.item(&id.parse().unwrap()).unwrap();
        let all = [item("geti"), item("food")];
        let scan = Attachment {
            material: paper_id(&all[0].id, &"m2".parse().unwrap()).unwrap(),
            hash: "ab".into(),
            bytes: 1,
            mime: "image/jpeg".into(),
        };
        // 申请人居民身份证 of the shop is 法定代表人身份证 of the kitchen: both are the library's `id_card`.
        let papers = papers_of(all[1], &all, std::slice::from_ref(&scan));
        assert_eq!(papers.len(), 1);
        assert_eq!((papers[0].material.as_str(), papers[0].hash.as_str()), ("m6", "ab"));
        assert_eq!(papers_of(all[0], &all, &[scan])[0].material.as_str(), "m2");
        let shared: Vec<&str> = shared_fields(&all).iter().map(|field| field.key.as_str()).collect();
        assert!(shared.contains(&"agent_name") && !shared.contains(&"scope"), "{shared:?}");
    }

    #[test]
    fn every_bundle_of_the_catalogue_has_an_order_and_a_lead() {
        assert_eq!(PACK.bundles.len(), 6);
        let catering = PACK.bundles.iter().find(|bundle| bundle.id == "b_catering").unwrap();
        assert_eq!(catering.after.len(), 4, "four licences rest on the business licence");
        assert_eq!(catering.items[0].as_str(), "geti");
    }
}
