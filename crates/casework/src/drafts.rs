//! From an empty draft to a captured case, with no network anywhere in sight.

use crate::{ActError, CaseView, Hall, Officer};
use domain::dossier::decide::{self, Opening, Refusal};
use domain::dossier::{Attachment, Submission};
use domain::form::{Form, FormFault};
use domain::green;
use domain::library::Borrowed;
use domain::network::Tier;
use domain::tolerance::Commitment;
use domain::{CaseNo, EntryId, ItemId, MaterialId, NodeId};
use replication::Channel;
use std::collections::BTreeMap;
use store::blobs::BLOB_BYTES_MAX;
use store::{Append, BundleDraft, Draft, NewEntry, kind};

/// The media type by content; `None` for anything but a JPEG, a PNG or a PDF, whatever its name says.
pub fn sniff(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xFF, 0xD8, 0xFF, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', 0x0D, 0x0A, 0x1A, 0x0A, ..] => Some("image/png"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("application/pdf"),
        _ => None,
    }
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
        self.only_at(Tier::Village, "代办收件")?;
        let (release, _, item) = self.item_in_force(&officer.name, item).await?;
        let now = self.now();
        let mut form = Form::new();
        form.insert("channel".into(), "village_proxy".into());
        let mut draft = Draft {
            id: self.random.entry_id(now),
            officer: officer.name.clone(),
            item: item.id.clone(),
            release,
            form,
            attachments: Vec::new(),
            commitment: None,
            green: None,
            borrowed: Vec::new(),
            wish: None,
            bundle,
            version: 0,
            updated: now,
        };
        let here = self.store.network().get(self.me()).map(|node| node.place.clone()).unwrap_or_default();
        self.draft_form(&draft)?.begin(&mut draft, &here);
        draft.version = self.store.save_draft(draft.clone()).await?;
        Ok(draft)
    }

    /// # Errors
    /// [`ActError::NotFound`]; drafts are seen by everybody who works at this counter, so that a colleague can go on.
    pub async fn draft(&self, id: EntryId) -> Result<Draft, ActError> {
        self.store
            .draft(id)
            .await?
            .ok_or_else(|| ActError::NotFound { what: "草稿", value: id.to_string() })
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
        form.entry("channel").or_insert_with(|| "village_proxy".into());
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
        Ok(decide::submission_faults(&item, &submission_of(&draft), self.now().day()))
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
        if bytes.len() as u64 > BLOB_BYTES_MAX {
            let reason = format!("文件有 {} KB,不能超过 8192 KB;请压缩后再传", bytes.len() / 1024);
            return Err(ActError::Unfit { what: "attachment", reason });
        }
        let mime = sniff(&bytes).ok_or_else(|| ActError::Unfit {
            what: "attachment",
            reason: "只接受 JPEG、PNG 图片或 PDF;请重新扫描或另存为这些格式".to_owned(),
        })?;
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

    /// 收件: turns a draft into a case, durable on this disk.
    ///
    /// # Errors
    /// [`Refusal::Faulty`] with all faults of form and papers. A draft makes one case only (I23).
    pub async fn capture(&self, officer: &Officer, id: EntryId) -> Result<CaseView, ActError> {
        self.only_at(Tier::Village, "代办收件")?;
        let Some(draft) = self.store.draft(id).await? else {
            // Captured already: the answer was lost on the way, or somebody clicked twice. The case exists, and is told.
            let case = self.store.case_of_request(id).await?;
            let case = case.ok_or_else(|| ActError::NotFound { what: "草稿", value: id.to_string() })?;
            return self.view(&case).await;
        };
        if draft.bundle.is_some() {
            return self.capture_bundle(officer, &draft).await;
        }
        // The draft keeps its version, but what has been suspended or repealed meanwhile is not taken in any more.
        self.item_in_force(&officer.name, &draft.item).await?;
        let (release, _, item) = self.item(Some(draft.release), &draft.item)?;
        let now = self.now();
        let case = CaseNo::make(self.me(), now.day(), self.random.u64());
        let act = decide::capture(
            Opening { case: case.clone(), item: &item, release, bundle: None },
            submission_of(&draft),
            &self.actor(officer),
            &self.store.network(),
            now,
        )?;
        let append = Append {
            attachments_here: draft.attachments.iter().map(|attachment| attachment.hash.clone()).collect(),
            consumes_draft: Some((id, draft.version)),
            // The draft's own id: a double click or a retry after a lost answer is the same act.
            ..self.append_of("capture", officer, id, act, 0)?
        };
        let appended = self.store.append(append).await?;
        let case =
            if appended.repeated { self.store.case_of_request(id).await?.unwrap_or(case) } else { case };
        self.view(&case).await
    }

    /// A returned case, mended: the whole submission again.
    ///
    /// # Errors
    /// As [`Hall::capture`]; [`Refusal::NotReturned`] when nobody sent it back.
    pub async fn resubmit(
        &self,
        officer: &Officer,
        case: &CaseNo,
        form: Form,
        scans: Vec<(MaterialId, Vec<u8>)>,
    ) -> Result<CaseView, ActError> {
        let stored = self.stored(case).await?;
        let before = self.store.current_submission(case).await?;
        let mut attachments = stored.dossier.attachments.clone();
        let mut here = Vec::new();
        for (material, bytes) in scans {
            let attachment = self.keep_blob(material, bytes).await?;
            attachments.retain(|known| known.material != attachment.material);
            here.push(attachment.hash.clone());
            attachments.push(attachment);
        }
        let before = before.as_ref().and_then(|page| page.body.submission()).ok_or(Refusal::NotReturned)?;
        let green = before.green.clone();
        // What was promised and has been brought now is no longer promised; the rest still is.
        let commitment = before.commitment.clone();
        // A paper that is handed in need not come from the library any more.
        let kept = |one: &&Borrowed| attachments.iter().all(|known| known.material != one.material);
        let borrowed = before.borrowed.iter().filter(kept).cloned().collect();
        let wish = before.wish.clone();
        let submission =
            Submission { form, attachments, commitment, green, borrowed, wish, ..Submission::default() };
        let laid = self.lay_out(&stored).await?;
        let (actor, now) = (self.actor(officer), self.now());
        let command = decide::Command::Resubmit(submission);
        let act = decide::decide(&stored.dossier, &laid.plain(), &actor, command, now)?;
        let request = self.random.entry_id(now);
        let append = self.append_of("resubmit", officer, request, act, stored.dossier.pages)?;
        self.store.append(Append { attachments_here: here, ..append }).await?;
        self.view(case).await
    }

    /// Pages as entries of the journal they belong to, to be taken only if the dossier still has `decided_on` pages.
    pub(crate) fn append_of(
        &self,
        action: &'static str,
        officer: &Officer,
        request: EntryId,
        act: decide::Act,
        decided_on: u32,
    ) -> Result<Append, ActError> {
        let now = self.now();
        let entries = self.entries_of(request, &act)?;
        Ok(Append {
            expected: Some((act.after.case, decided_on)),
            ..Append::new(now, officer.name.clone(), action, entries)
        })
    }

    /// The pages of an act as entries; the first bears the id of the request.
    pub(crate) fn entries_of(&self, request: EntryId, act: &decide::Act) -> Result<Vec<NewEntry>, ActError> {
        let now = self.now();
        let mut entries = Vec::with_capacity(act.pages.len());
        let channel = self.channel_for(&act.after.origin);
        for (index, page) in act.pages.iter().enumerate() {
            let id = if index == 0 { request } else { self.random.entry_id(now) };
            let body = serde_json::to_vec(page)
                .map_err(|e| ActError::Unfit { what: "page", reason: e.to_string() })?;
            entries.push(NewEntry {
                id,
                channel: channel.clone(),
                kind: kind::PAGE,
                subject: page.case.to_string(),
                body,
            });
        }
        Ok(entries)
    }

    /// A node writes about its own cases to its ancestors, about a village's case to that village.
    pub(crate) fn channel_for(&self, origin: &NodeId) -> Channel {
        if origin == self.me() { Channel::Up } else { Channel::To(origin.clone()) }
    }
}

fn submission_of(draft: &Draft) -> Submission {
    Submission {
        form: draft.form.clone(),
        attachments: draft.attachments.clone(),
        commitment: draft.commitment.clone(),
        green: draft.green.clone(),
        borrowed: draft.borrowed.clone(),
        wish: draft.wish.clone(),
        ..Submission::default()
    }
}
