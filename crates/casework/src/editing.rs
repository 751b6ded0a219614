//! The next release of the catalogue while it is being written: one draft for the house, checked as a whole, published at once.

use crate::catalogue::{CatalogueDiff, compared, life_faults};
use crate::{ActError, Hall, Officer, Proof};
use domain::network::Tier;
use domain::pack::{CityPack, Pieces, piece_of};
use domain::{ItemId, Timestamp};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;
use store::{DraftPiece, PackDraft, StoreError};

/// What one item may be long; the longest of a city is a tenth of it.
const ITEM_BYTES_MAX: usize = 200 * 1024;

/// So many others may save other items while one is being saved.
const ROUNDS_MAX: usize = 16;

/// The draft as its editors see it.
#[derive(Debug, Clone, Serialize)]
pub struct DraftView {
    pub version: u32,
    pub by: String,
    pub at: Timestamp,
    /// Names of the texts that are to change.
    pub pieces: Vec<String>,
    /// Everything that stands in the way of publishing it.
    pub faults: Vec<String>,
    /// What it would change; empty while it has faults.
    pub diff: CatalogueDiff,
}

/// A draft, the texts in force, and those with the draft in them.
struct Drafted {
    draft: PackDraft,
    known: Pieces,
    pieces: Pieces,
}

fn fingerprint(text: &str) -> String {
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

fn unfit(reason: impl Into<String>) -> ActError {
    ActError::Unfit { what: "catalogue", reason: reason.into() }
}

impl Hall {
    async fn drafted(&self) -> Result<Drafted, ActError> {
        let (draft, known) = (self.store.pack_draft().await?, self.store.pack_pieces(None).await?);
        let mut pieces = known.clone();
        for (name, piece) in &draft.pieces {
            match &piece.text {
                Some(text) => drop(pieces.insert(name.clone(), text.clone())),
                None => drop(pieces.remove(name)),
            }
        }
        Ok(Drafted { draft, known, pieces })
    }

    /// One item as the draft has it, and the fingerprint by which a save says what it was made from.
    ///
    /// # Errors
    /// [`ActError::NotFound`] for an item that neither the release in force nor the draft knows.
    pub async fn drafted_item(&self, item: &ItemId) -> Result<(String, Value), ActError> {
        let pieces = self.drafted().await?.pieces;
        let missing = || ActError::NotFound { what: "事项", value: item.to_string() };
        let text = pieces.get(&piece_of(item)).ok_or_else(missing)?;
        Ok((fingerprint(text), serde_json::from_str(text).map_err(|error| unfit(error.to_string()))?))
    }

    /// Takes an item into the draft, made from what had the fingerprint `read`. Faults are allowed here and told by
    /// [`Hall::catalogue_draft`]: a draft may be saved in the middle of a thought. An item as it is in force is no change, and leaves
    /// the draft. Other items of the draft may be saved by others meanwhile.
    ///
    /// # Errors
    /// [`StoreError::StalePackDraft`] when somebody saved this item in between; [`ActError::Unfit`] for what is no item at all.
    pub async fn draft_item(
        &self,
        officer: &Officer,
        item: &ItemId,
        read: &str,
        value: &Value,
    ) -> Result<(), ActError> {
        self.only_at(Tier::City, "编辑事项目录")?;
        if value["id"].as_str() != Some(item.as_str()) {
            return Err(unfit(format!("事项编号应为 {item};要另立事项,请用“新建事项”")));
        }
        let text = value.to_string();
        if text.len() > ITEM_BYTES_MAX {
            return Err(unfit("一个事项的内容不能超过 200 KB"));
        }
        for _ in 0..ROUNDS_MAX {
            let Drafted { draft, known, pieces } = self.drafted().await?;
            let name = piece_of(item);
            if pieces.get(&name).is_some_and(|now| fingerprint(now) != read) {
                return Err(StoreError::StalePackDraft.into());
            }
            let known = known.get(&name).map(String::as_str);
            let changed = with_item(draft.pieces, &name, known, &text);
            match self.save_pack_draft(&officer.name, draft.version, changed, "draft catalogue").await {
                Err(ActError::Store(StoreError::StalePackDraft)) => {}
                other => return other,
            }
        }
        Err(StoreError::StalePackDraft.into())
    }

    /// A new item, after the pattern of one that is there. It begins its life as a proposal.
    ///
    /// # Errors
    /// [`ActError::Unfit`] when its id is taken; [`ActError::NotFound`] for an unknown pattern.
    pub async fn draft_new_item(
        &self,
        officer: &Officer,
        item: &ItemId,
        pattern: &ItemId,
        name: &str,
    ) -> Result<(), ActError> {
        if self.drafted_item(item).await.is_ok() {
            return Err(unfit(format!("事项编号 {item} 已被使用,请另编")));
        }
        if name.trim().is_empty() {
            return Err(unfit("请填写事项名称"));
        }
        let (_, mut value) = self.drafted_item(pattern).await?;
        let object = value.as_object_mut().ok_or_else(|| unfit("样本事项的内容不完整"))?;
        // Codes of the national catalogue belong to the pattern alone.
        for code in ["implement_code", "catalog_code"] {
            object.remove(code);
        }
        for (key, text) in [("id", item.as_str()), ("name", name.trim()), ("state", "proposed")] {
            object.insert(key.to_owned(), text.into());
        }
        self.draft_item(officer, item, "", &value).await
    }

    /// Makes the whole draft what differs between these pieces and the release in force, over version `version` of it.
    ///
    /// # Errors
    /// [`StoreError::StalePackDraft`] when somebody saved since it was read.
    pub async fn draft_pack(&self, by: &str, version: u32, pieces: &Pieces) -> Result<(), ActError> {
        self.only_at(Tier::City, "编辑事项目录")?;
        let known = self.store.pack_pieces(None).await?;
        let base = |name: &String| known.get(name).map(|text| fingerprint(text));
        let written = pieces
            .iter()
            .filter(|(name, text)| known.get(*name) != Some(text))
            .map(|(name, text)| (name.clone(), DraftPiece { text: Some(text.clone()), base: base(name) }));
        let gone = known.keys().filter(|name| !pieces.contains_key(*name));
        let gone = gone.map(|name| (name.clone(), DraftPiece { text: None, base: base(name) }));
        self.save_pack_draft(by, version, written.chain(gone).collect(), "draft catalogue").await
    }

    /// The release in force with the draft in it, for whoever changes it as a whole, and the version of the draft.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn drafted_pieces(&self) -> Result<(u32, Pieces), ActError> {
        let Drafted { draft, pieces, .. } = self.drafted().await?;
        Ok((draft.version, pieces))
    }

    async fn save_pack_draft(
        &self,
        by: &str,
        version: u32,
        pieces: BTreeMap<String, DraftPiece>,
        action: &'static str,
    ) -> Result<(), ActError> {
        let draft = PackDraft { version, by: by.to_owned(), at: self.now(), pieces };
        Ok(self.store.save_pack_draft(draft, action).await?)
    }

    /// What the draft would change, and everything that stands in its way.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn catalogue_draft(&self) -> Result<DraftView, ActError> {
        self.only_at(Tier::City, "编辑事项目录")?;
        let Drafted { draft, known, pieces } = self.drafted().await?;
        let mut faults = overtaken(&draft, &known);
        let before = self.store.pack(None).map(|(_, before)| before);
        let mut diff = CatalogueDiff::default();
        match CityPack::parse(&pieces) {
            Err(broken) => faults.extend(broken.0.iter().map(ToString::to_string)),
            Ok(after) => {
                faults.extend(before.iter().flat_map(|before| life_faults(before, &after)));
                if faults.is_empty() {
                    diff = compared((before.as_deref(), &known), (&after, &pieces));
                }
            }
        }
        let PackDraft { version, by, at, pieces } = draft;
        Ok(DraftView { version, by, at, pieces: pieces.into_keys().collect(), faults, diff })
    }

    /// Publishes what was read as version `version` of the draft, and empties it.
    ///
    /// # Errors
    /// [`StoreError::StalePackDraft`] when somebody saved since; [`ActError::Unfit`] for an empty draft, one that a release
    /// has overtaken, and as [`Hall::publish_pack`].
    pub async fn publish_draft(&self, by: &str, version: u32) -> Result<u32, ActError> {
        let Drafted { draft, known, pieces } = self.drafted().await?;
        if draft.version != version {
            return Err(StoreError::StalePackDraft.into());
        }
        if draft.pieces.iter().all(|(name, piece)| known.get(name) == piece.text.as_ref()) {
            return Err(unfit("草稿里没有要发布的改动"));
        }
        let overtaken = overtaken(&draft, &known);
        if !overtaken.is_empty() {
            return Err(unfit(overtaken.join("\n")));
        }
        let release = self.publish_pack(by, &pieces).await?;
        // What somebody saved while it was being published stays theirs to publish.
        match self.save_pack_draft(by, version, Default::default(), "empty draft").await {
            Ok(()) | Err(ActError::Store(StoreError::StalePackDraft)) => Ok(release),
            Err(error) => Err(error),
        }
    }

    /// As [`Hall::publish_draft`], by an officer at a page or a program: a release binds every counter of the city, so whoever
    /// publishes it proves themselves anew.
    ///
    /// # Errors
    /// [`ActError::Login`]; as [`Hall::publish_draft`] otherwise.
    pub async fn sign_release(
        &self,
        officer: &Officer,
        version: u32,
        proof: &Proof,
        source: &str,
    ) -> Result<u32, ActError> {
        self.prove(&officer.name, proof, source).await?;
        self.publish_draft(&officer.name, version).await
    }

    /// Throws the draft away.
    ///
    /// # Errors
    /// [`StoreError::StalePackDraft`] when somebody saved since it was read.
    pub async fn discard_draft(&self, by: &str, version: u32) -> Result<(), ActError> {
        self.save_pack_draft(by, version, Default::default(), "discard draft").await
    }
}

/// The draft with one item as it shall be.
fn with_item(
    mut pieces: BTreeMap<String, DraftPiece>,
    name: &str,
    known: Option<&str>,
    text: &str,
) -> BTreeMap<String, DraftPiece> {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    if known.is_some_and(|known| parse(known) == parse(text)) {
        pieces.remove(name);
        return pieces;
    }
    // What it was first made from counts: a release that came since is still to be noticed.
    let base = pieces.get(name).map_or_else(|| known.map(fingerprint), |earlier| earlier.base.clone());
    pieces.insert(name.to_owned(), DraftPiece { text: Some(text.to_owned()), base });
    pieces
}

/// Texts that a release has changed since they were taken into the draft; what the release made just as the draft has it is no
/// matter.
fn overtaken(draft: &PackDraft, known: &Pieces) -> Vec<String> {
    let moved = |name: &String, piece: &DraftPiece| {
        known.get(name) != piece.text.as_ref() && known.get(name).map(|text| fingerprint(text)) != piece.base
    };
    let told =
        |name: &String| format!("{name}:编辑期间目录已有新版本改过这一项;请放弃草稿,在新版本上重新编辑");
    draft.pieces.iter().filter(|(name, piece)| moved(name, piece)).map(|(name, _)| told(name)).collect()
}
