//! The catalogue as it lives: what is refused outside it, what changed since a draft was begun, and how a release comes out.

use crate::{ActError, Hall};
use domain::EntryId;
use domain::ItemId;
use domain::catalogue::{Change, Item, diff, life::State};
use domain::network::Tier;
use domain::pack::{CityPack, Pieces, piece_of};
use domain::standards::Summary;
use serde::Serialize;
use std::sync::Arc;
use store::{PackPiece, PackRelease, kind};

/// One append is one run on the wire and may not pass the batch limit.
const PIECES_BYTES_MAX: usize = 200 * 1024;

/// What a release would change in one item.
#[derive(Debug, Clone, Serialize)]
pub struct ItemChange {
    pub item: ItemId,
    pub name: String,
    pub changes: Vec<Change>,
}

/// A release that was compared with the one in force.
#[derive(Debug, Clone, Default, Serialize)]
pub struct CatalogueDiff {
    pub added: Vec<ItemId>,
    pub removed: Vec<ItemId>,
    pub changed: Vec<ItemChange>,
    /// Other texts of the pack that differ: calendar, bodies, rules …
    pub pieces: Vec<String>,
}

impl Hall {
    /// The item in force, or a refusal that is itself recorded: no power outside the list.
    ///
    /// # Errors
    /// [`ActError::NotFound`] outside the list, [`ActError::Unfit`] for an item that is not in force today.
    pub(crate) async fn item_in_force(
        &self,
        officer: &str,
        id: &ItemId,
    ) -> Result<(u32, Arc<CityPack>, Arc<Item>), ActError> {
        let found = self.item(None, id).and_then(|(release, pack, item)| {
            let unfit = |error: domain::catalogue::NotInForce| ActError::Unfit {
                what: "item",
                reason: format!("{}:{error}", item.name),
            };
            item.in_force(self.now().day()).map_err(unfit)?;
            Ok((release, pack, item))
        });
        if found.is_err() {
            self.store.note_act(self.now(), officer, "refused", &format!("item {id}")).await?;
        }
        found
    }

    /// What changed in the item since this draft was begun; empty when nothing did. The draft keeps its version until sent.
    ///
    /// # Errors
    /// [`ActError::NotFound`].
    pub async fn draft_changes(&self, id: EntryId) -> Result<Vec<Change>, ActError> {
        let draft = self.draft(id).await?;
        let (_, _, begun) = self.item(Some(draft.release), &draft.item)?;
        let (_, newest) = self.pack(None)?;
        Ok(newest.item(&draft.item).map(|now| diff(&begun, now)).unwrap_or_default())
    }

    /// How many standards there are, what they cover, and by how much they streamlined: computed from the register.
    ///
    /// # Errors
    /// [`ActError::NotFound`] while no catalogue has arrived.
    pub fn standards(&self) -> Result<Summary, ActError> {
        let (_, pack) = self.pack(None)?;
        Ok(pack.standards.summary(pack.items.keys()))
    }

    /// Compares a pack with the release in force.
    ///
    /// # Errors
    /// [`ActError::Unfit`] with every fault of the pack.
    pub async fn catalogue_diff(&self, pieces: &Pieces) -> Result<CatalogueDiff, ActError> {
        let after = checked(pieces)?;
        let before = self.store.pack_pieces(None).await?;
        let known = self.store.pack(None).map(|(_, pack)| pack);
        Ok(compared((known.as_deref(), &before), (&after, pieces)))
    }

    /// Publishes a pack; only pieces that differ from the release in force are written again.
    ///
    /// # Errors
    /// [`ActError::Unfit`] with all faults: of the pack, and of the life of its items (nothing is published that was not
    /// reviewed, nothing in force vanishes without having been repealed). Nothing is published then.
    pub async fn publish_pack(&self, officer: &str, pieces: &Pieces) -> Result<u32, ActError> {
        self.only_at(Tier::City, "发布事项目录")?;
        let after = checked(pieces)?;
        if let Some((_, before)) = self.store.pack(None) {
            let faults = life_faults(&before, &after);
            if !faults.is_empty() {
                return Err(ActError::Unfit { what: "pack", reason: faults.join("\n") });
            }
        }
        let previous = self.store.pack_pieces(None).await?;
        let release = self.store.pack(None).map_or(1, |(release, _)| release + 1);
        let (mut entries, mut size) = (Vec::new(), 0);
        for (name, text) in pieces.iter().filter(|(name, text)| previous.get(*name) != Some(text)) {
            let piece = PackPiece { release, name: name.clone(), text: text.clone() };
            if size + text.len() > PIECES_BYTES_MAX && !entries.is_empty() {
                self.store.append(self.hub_append("publish", officer, std::mem::take(&mut entries))).await?;
                size = 0;
            }
            size += text.len();
            entries.push(self.all_entry(kind::PACK_PIECE, name.clone(), &piece)?);
        }
        let names = pieces.keys().cloned().collect();
        let closing = PackRelease { release, pieces: names };
        entries.push(self.all_entry(kind::PACK_RELEASE, release.to_string(), &closing)?);
        self.store.append(self.hub_append("publish", officer, entries)).await?;
        Ok(release)
    }
}

/// Two packs with the texts they were read from.
pub(crate) fn compared(
    (known, before): (Option<&CityPack>, &Pieces),
    (after, pieces): (&CityPack, &Pieces),
) -> CatalogueDiff {
    let other = |name: &&String| !name.starts_with("item/");
    let mut found = CatalogueDiff {
        pieces: pieces
            .keys()
            .filter(other)
            .filter(|name| before.get(*name) != pieces.get(*name))
            .cloned()
            .collect(),
        ..CatalogueDiff::default()
    };
    let Some(known) = known else {
        found.added = after.items.keys().cloned().collect();
        return found;
    };
    for (id, item) in &after.items {
        let Some(old) = known.item(id) else {
            found.added.push(id.clone());
            continue;
        };
        let mut changes = diff(old, item);
        let text = piece_of(id);
        if let (Some(old), Some(new)) = (before.get(&text), pieces.get(&text)) {
            changes.extend(untold(old, new, &changes));
        }
        if !changes.is_empty() {
            found.changed.push(ItemChange { item: id.clone(), name: item.name.clone(), changes });
        }
    }
    found.removed = known.items.keys().filter(|id| after.item(id).is_none()).cloned().collect();
    found
}

/// What differs between two texts of an item and stands in no change told already: nothing is published that the editor was not
/// shown.
fn untold(before: &str, after: &str, told: &[Change]) -> Vec<Change> {
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap_or_default();
    let (before, after) = (parse(before), parse(after));
    let keys = |value: &serde_json::Value| -> Vec<String> {
        value.as_object().into_iter().flat_map(|object| object.keys().cloned()).collect()
    };
    let mut all: Vec<String> = keys(&before);
    all.extend(keys(&after).into_iter().filter(|key| before.get(key).is_none()));
    let said = |what: &str| told.iter().any(|change| change.what == what);
    let is_told = |key: &str| match key {
        "name" => said("name"),
        "state" | "effective_from" | "effective_until" => said("life"),
        "promised_limit" | "statutory_limit" | "green_days" | "green_channel" | "deferral" => said("limit"),
        "accept_conditions" => said("condition"),
        "legal_basis" => said("basis"),
        "department" => said("body"),
        _ => false,
    };
    let short = |value: Option<&serde_json::Value>| -> String {
        value.map_or(String::new(), |value| value.to_string().chars().take(160).collect())
    };
    let mut found = Vec::new();
    for key in all.iter().filter(|key| before.get(*key) != after.get(*key) && !is_told(key)) {
        let lists = [&before, &after].map(|side| side.get(key).and_then(serde_json::Value::as_array));
        let [Some(old), Some(new)] = lists else {
            let (before, after) = (short(before.get(key)), short(after.get(key)));
            found.push(Change { what: "text", name: key.clone(), before, after });
            continue;
        };
        // Of a list only the members that nobody has spoken of yet.
        for one in new.iter().filter(|one| !old.contains(one)) {
            let id = one["id"].as_str().or(one["name"].as_str()).unwrap_or("");
            let words = |change: &Change| change.name.split(' ').any(|word| word == id);
            if told.iter().any(words) && !id.is_empty() {
                continue;
            }
            let earlier = old.iter().find(|other| other["id"] == one["id"]);
            let (before, after) = (short(earlier), short(Some(one)));
            found.push(Change { what: "text", name: format!("{key} {id}"), before, after });
        }
    }
    found
}

fn checked(pieces: &Pieces) -> Result<CityPack, ActError> {
    CityPack::parse(pieces).map_err(|broken| {
        let reason = broken.0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        ActError::Unfit { what: "pack", reason }
    })
}

/// What the life of an item forbids between two releases.
pub(crate) fn life_faults(before: &CityPack, after: &CityPack) -> Vec<String> {
    let mut faults = Vec::new();
    for (id, item) in &after.items {
        let next = item.life.state;
        match before.item(id).map(|old| old.life.state) {
            Some(state) if !state.may_become(next) => {
                faults.push(format!("{id}: “{}”之后不能直接“{}”", state.chinese(), next.chinese()));
            }
            None if !matches!(next, State::Proposed | State::LegalReview) => {
                faults.push(format!("{id}: 新事项应先“拟制”并经合法性审查,再公布"));
            }
            Some(_) | None => {}
        }
    }
    let in_force = |item: &Item| matches!(item.life.state, State::Published | State::Suspended);
    for (id, _) in before.items.iter().filter(|(id, item)| in_force(item) && after.item(id).is_none()) {
        faults.push(format!("{id}: 在用的事项不能直接取消,请先“废止”"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::pack::kaili_pieces;

    fn with_state(id: &str, state: &str) -> CityPack {
        let mut pieces = kaili_pieces();
        let name = format!("item/{id}");
        let mut item: serde_json::Value = serde_json::from_str(&pieces[&name]).unwrap();
        item["state"] = state.into();
        pieces.insert(name, item.to_string());
        CityPack::parse(&pieces).unwrap()
    }

    #[test]
    fn nothing_is_published_unreviewed_and_nothing_in_force_vanishes() {
        let known = CityPack::parse(&kaili_pieces()).unwrap();
        assert!(life_faults(&known, &known).is_empty());
        assert!(life_faults(&known, &with_state("dibao", "suspended")).is_empty());
        assert!(life_faults(&with_state("dibao", "suspended"), &known).is_empty(), "it may come back");
        let unreviewed = life_faults(&with_state("dibao", "proposed"), &known);
        assert!(unreviewed[0].contains("拟制"), "{unreviewed:?}");
        assert!(life_faults(&with_state("dibao", "legal_review"), &known).is_empty());
        assert_eq!(
            life_faults(&with_state("dibao", "repealed"), &known).len(),
            1,
            "what is repealed stays so"
        );
        let mut fewer = kaili_pieces();
        for name in ["item/vet", "standards", "bundles"] {
            fewer.remove(name);
        }
        fewer.insert("bundles".into(), "[]".into());
        let fewer = CityPack::parse(&fewer).unwrap();
        assert!(life_faults(&known, &fewer)[0].contains("废止"));
        assert!(life_faults(&fewer, &known)[0].contains("拟制"), "a new item begins at the beginning");
    }
}
