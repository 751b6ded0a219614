//! A draft while it is filled in: its form, its papers, what is wanted beside them; with no network anywhere in sight.

use crate::capture::submission_of;
use crate::{ActError, Hall, Officer};
use domain::dossier::Attachment;
use domain::dossier::decide;
use domain::form::{Form, FormFault};
use domain::green;
use domain::library::Borrowed;
use domain::network::Tier;
use domain::tolerance::Commitment;
use domain::{EntryId, ItemId, MaterialId};
use std::collections::BTreeMap;
use store::blobs::BLOB_BYTES_MAX;
use store::{BundleDraft, Draft};

/// The media type by content; `None` for anything but a JPEG, a PNG or a PDF, whatever its name says.
pub fn sniff(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some("image/png"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("application/pdf"),
        _ => None,
    }
}

/// The media type of a scan that can be taken in.
///
/// # Errors
/// What is wrong with it, and how to mend it.
pub fn paper_kind(bytes: &[u8]) -> Result<&'static str, &'static str> {
    if bytes.len() as u64 > BLOB_BYTES_MAX {
        return Err("文件不能超过 8192 KB;请压缩后再传");
    }
    sniff(bytes).ok_or("只接受 JPEG、PNG 图片或 PDF;请重新扫描或另存为这些格式")
}

/// What an applicant asks for beside the matter itself.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default)]
pub struct Requests {
    pub commitment: Option<Commitment>,
    pub green: Option<green::Claim>,
    pub borrowed: Vec<Borrowed>,
}

impl Hall {
    /// # Errors
    /// When the item is not in the list in force.
    pub async fn start_draft(&self, officer: &Officer, item: &ItemId) -> Result<Draft, ActError> {
        self.new_draft(officer, item, None).await
    }

    pub(crate) async fn new_draft(
        &self,
        officer: &Officer,
        item: &ItemId,
        bundle: Option<BundleDraft>,
    ) -> Result<Draft, ActError> {
        self.takes_in()?;
        let (release, _, item) = self.item_in_force(&officer.name, item).await?;
        let mut draft = Draft { bundle, ..self.blank_draft(officer.name.clone(), item.id.clone(), release) };
        // Who comes to a village's desk mostly lives there; a town has many villages.
        let network = self.store.network();
        let here = network.get(self.me()).filter(|node| node.tier == Tier::Village);
        let here = here.map(|node| node.place.clone()).unwrap_or_default();
        self.draft_form(&draft)?.begin(&mut draft, &here);
        draft.version = self.store.save_draft(draft.clone()).await?;
        Ok(draft)
    }

    /// Says nothing yet but by which way it comes in.
    pub(crate) fn blank_draft(&self, officer: String, item: ItemId, release: u32) -> Draft {
        let now = self.now();
        Draft {
            id: self.random.entry_id(now),
            officer,
            item,
            release,
            form: Form::from_iter([("channel".to_owned(), self.intake_channel().into())]),
            attachments: Vec::new(),
            commitment: None,
            green: None,
            borrowed: Vec::new(),
            wish: None,
            online: None,
            bundle: None,
            version: 0,
            updated: now,
        }
    }

    /// # Errors
    /// [`ActError::NotFound`]; drafts are seen by everybody who works at this counter, so that a colleague can go on.
    pub async fn draft(&self, id: EntryId) -> Result<Draft, ActError> {
        self.store
            .draft(id)
            .await?
            .ok_or_else(|| ActError::NotFound { what: "草稿", value: id.to_string() })
    }

    /// Throws a draft away: the applicant has changed their mind, or it was begun by mistake. What was captured is no draft any more,
    /// and cannot go this way. A draft of somebody in the hall is theirs.
    ///
    /// # Errors
    /// [`ActError::NotFound`]; [`store::StoreError::StaleDraft`] when somebody saved after `version` (I23).
    pub async fn drop_draft(&self, officer: &Officer, id: EntryId, version: u32) -> Result<(), ActError> {
        let draft = self.draft(id).await?;
        if draft.online.is_some() {
            return Err(ActError::NotFound { what: "草稿", value: id.to_string() });
        }
        Ok(self.store.drop_draft(id, version, self.now(), &officer.name).await?)
    }

    /// Saves what is filled in so far; nothing is checked until capture. `own` holds what a bundle's items do not share.
    ///
    /// # Errors
    /// A stale version is refused, both texts are kept (I23).
    pub async fn save_form(
        &self,
        id: EntryId,
        version: u32,
        mut form: Form,
        own: Option<BTreeMap<ItemId, Form>>,
    ) -> Result<Draft, ActError> {
        let mut draft = self.draft(id).await?;
        if let (Some(bundle), Some(own)) = (&mut draft.bundle, own) {
            bundle.own = own;
        }
        form.entry("channel").or_insert_with(|| self.intake_channel().into());
        (draft.version, draft.form, draft.updated) = (version, form, self.now());
        draft.version = self.store.save_draft(draft.clone()).await?;
        Ok(draft)
    }

    /// What still has to be mended before the draft can be captured.
    ///
    /// # Errors
    /// [`ActError::NotFound`].
    pub async fn check_draft(&self, id: EntryId) -> Result<Vec<FormFault>, ActError> {
        let draft = self.draft(id).await?;
        let (_, _, item) = self.item(Some(draft.release), &draft.item)?;
        if draft.bundle.is_some() {
            return self.bundle_faults(&draft);
        }
        let today = self.now().day();
        Ok(decide::submission_faults(&item, &submission_of(&draft, &item, today), today))
    }

    /// Notes which papers are promised for later or come from the library, and whether the green channel is asked for.
    ///
    /// # Errors
    /// A stale version is refused, both are kept (I23).
    pub async fn save_requests(
        &self,
        id: EntryId,
        version: u32,
        requests: Requests,
    ) -> Result<Draft, ActError> {
        let mut draft = self.draft(id).await?;
        if draft.bundle.is_some() {
            let reason = "一件事的草稿不能容缺、借用证照或申请绿色通道;请按单个事项办理".to_owned();
            return Err(ActError::Unfit { what: "draft", reason });
        }
        let Requests { commitment, green, borrowed } = requests;
        (draft.commitment, draft.green, draft.borrowed) = (commitment, green, borrowed);
        (draft.version, draft.updated) = (version, self.now());
        draft.version = self.store.save_draft(draft.clone()).await?;
        Ok(draft)
    }

    /// Stores a scan on this disk and names it in the draft. A second scan of one material replaces the first.
    ///
    /// # Errors
    /// [`ActError::Unfit`] when it is not a JPEG, PNG or PDF, is empty or larger than 8 MiB.
    pub async fn attach(&self, id: EntryId, material: MaterialId, bytes: Vec<u8>) -> Result<Draft, ActError> {
        let mut draft = self.draft(id).await?;
        let (_, _, item) = self.item(Some(draft.release), &draft.item)?;
        let known = match &draft.bundle {
            Some(_) => self.asks_for(&draft, &material)?,
            None => item.material(&material).is_some(),
        };
        if !known {
            return Err(ActError::NotFound { what: "材料", value: material.to_string() });
        }
        let attachment = self.keep_blob(material, bytes).await?;
        draft.attachments.retain(|known| known.material != attachment.material);
        draft.attachments.push(attachment);
        draft.updated = self.now();
        draft.version = self.store.save_draft(draft.clone()).await?;
        Ok(draft)
    }

    pub(crate) async fn keep_blob(
        &self,
        material: MaterialId,
        bytes: Vec<u8>,
    ) -> Result<Attachment, ActError> {
        let mime = paper_kind(&bytes)
            .map_err(|reason| ActError::Unfit { what: "attachment", reason: reason.to_owned() })?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let attachment =
            Attachment { material, hash: hash.clone(), bytes: bytes.len() as u64, mime: mime.to_owned() };
        // Durable before any page names it: a page must never promise bytes that a power cut could take.
        let blobs = self.blobs.clone();
        let put = move || blobs.put(&hash, &bytes);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => runtime.spawn_blocking(put).await.map_err(|_| store::StoreError::Closed)??,
            Err(_) => put()?,
        }
        Ok(attachment)
    }
}
