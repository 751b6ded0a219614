//! 网上申请: a citizen fills in an item's form in the hall at the hub, and the window of a town takes it in like anything else.
//!
//! A draft in the hall belongs to one person. What is handed in is signed by the hub into its journal to the town in the same
//! transaction that ends the draft; the person is told their number after it, and from then on it has been received in law.

mod handed_in;
mod taken_in;

pub use handed_in::Waiting;
pub use taken_in::LeftLying;

use crate::citizens::APPLICANT;
use crate::{ActError, Citizen, FieldName, Hall};
use domain::application;
use domain::catalogue::Item;
use domain::delivery::Wish;
use domain::dossier::decide::{self, Refusal};
use domain::dossier::{Dossier, Submission};
use domain::form::{Form, FormFault};
use domain::library::Borrowed;
use domain::network::Tier;
use domain::{CaseNo, EntryId, ItemId, MaterialId, NodeId};
use serde_json::Value;
use store::{Draft, OnlineDraft};

/// Drafts one person may have open.
const DRAFTS_MAX: usize = 10;
/// Why an item cannot be applied for in the hall.
pub const NEEDS_A_VISIT: &str = "这件事要本人到场,不能网上申请;请到就近的代办点或镇便民服务中心办理";
/// A draft that nobody went on with for so long is thrown away.
const DRAFT_KEPT_MS: i64 = 30 * 86_400_000;

impl Hall {
    /// # Errors
    /// When the item is not in force, or cannot be applied for without coming.
    pub async fn start_online(&self, citizen: &Citizen, item: &ItemId) -> Result<Draft, ActError> {
        self.only_at(Tier::City, "网上申请")?;
        if self.online_drafts(citizen).await?.len() >= DRAFTS_MAX {
            return Err(unfit("您没有提交的申请太多了;请先提交或删掉一些再写新的"));
        }
        let (release, _, item) = self.item_in_force(APPLICANT, item).await?;
        if !application::is_offered(&item, self.now().day()) {
            return Err(unfit(NEEDS_A_VISIT));
        }
        let mut draft = self.blank_online(citizen, item.id.clone(), release);
        self.draft_form(&draft)?.begin(&mut draft, "");
        self.say_who(citizen, &item, &mut draft.form);
        self.prefill(APPLICANT, &mut draft, "", Some(citizen)).await?;
        draft.version = self.store.save_draft(draft.clone()).await?;
        Ok(draft)
    }

    /// A case that was sent back, to be mended by its applicant in the hall: what they handed in, as a draft.
    ///
    /// # Errors
    /// As [`Hall::case_of`]; [`Refusal::NotReturned`] when nobody sent it back, or it is mended where it was taken in.
    pub async fn mend_online(&self, citizen: &Citizen, case: &CaseNo) -> Result<Draft, ActError> {
        self.only_at(Tier::City, "网上申请")?;
        let dossier = self.case_of(citizen, case).await?.dossier;
        if !self.is_mended_here(&dossier).await? {
            return Err(Refusal::NotReturned.into());
        }
        let answers = Some((case.clone(), dossier.notices));
        let of_this = |draft: &Draft| draft.online.as_ref().is_some_and(|online| online.mends == answers);
        if let Some(begun) = self.online_drafts(citizen).await?.into_iter().find(of_this) {
            return Ok(begun);
        }
        let page = self.store.current_submission(case).await?;
        let before = page.as_ref().and_then(|page| page.body.submission()).ok_or(Refusal::NotReturned)?;
        let online = Some(OnlineDraft { town: Some(dossier.origin.clone()), mends: answers });
        let mut draft = Draft {
            form: before.form.to_form(),
            attachments: dossier.attachments.clone(),
            borrowed: before.borrowed.clone(),
            green: before.green.clone(),
            wish: before.wish.clone(),
            online,
            ..self.blank_online(citizen, dossier.item.clone(), dossier.release)
        };
        draft.version = self.store.save_draft(draft.clone()).await?;
        Ok(draft)
    }

    /// Whether the applicant mends a case in the hall: what came from there, and waits for them.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn is_mended_here(&self, dossier: &Dossier) -> Result<bool, ActError> {
        // After a recall it lies with a superior, and is mended there.
        let lies_there = dossier.holder == dossier.origin;
        if dossier.returned.is_none() || dossier.online.is_none() || !lies_there {
            return Ok(false);
        }
        Ok(self.applications_about(&dossier.case, true).await?.is_empty())
    }

    fn blank_online(&self, citizen: &Citizen, item: ItemId, release: u32) -> Draft {
        Draft { online: Some(OnlineDraft::default()), ..self.blank_draft(owner(citizen), item, release) }
    }

    /// Who has logged in need not type who they are.
    fn say_who(&self, citizen: &Citizen, item: &Item, form: &mut Form) {
        let asks = |key: &str| item.fields.iter().any(|field| field.key == key);
        // A citizen number may pass for a credit code by chance; no credit code passes for a citizen number.
        let person = domain::numbers::CitizenNo::parse(&citizen.number, self.now().day()).is_ok();
        let body = !person && domain::numbers::check_credit_code(&citizen.number).is_ok();
        let (name, number) = if body { ("org_name", "uscc") } else { ("name", "id_no") };
        for (key, value) in [(name, &citizen.name), (number, &citizen.number)] {
            if asks(key) {
                form.insert(key.to_owned(), value.as_str().into());
            }
        }
    }

    /// # Errors
    /// [`ActError::Store`].
    pub async fn online_drafts(&self, citizen: &Citizen) -> Result<Vec<Draft>, ActError> {
        Ok(self.store.drafts(Some(&owner(citizen))).await?)
    }

    /// # Errors
    /// [`ActError::NotFound`] for a draft that is nobody's and for one that is somebody else's alike.
    pub async fn online_draft(&self, citizen: &Citizen, id: EntryId) -> Result<Draft, ActError> {
        let known = self.store.draft(id).await?.filter(|draft| draft.officer == owner(citizen));
        known.ok_or_else(|| ActError::NotFound { what: "您的申请", value: id.to_string() })
    }

    /// As [`Hall::fill`], of one's own draft; what is known of somebody else is told to nobody.
    ///
    /// # Errors
    /// As [`Hall::online_draft`]; a stale version is refused, both are kept (I23).
    pub async fn fill_online(
        &self,
        citizen: &Citizen,
        id: EntryId,
        version: u32,
        typed: Vec<(FieldName, Option<Value>)>,
    ) -> Result<Draft, ActError> {
        self.online_draft(citizen, id).await?;
        self.fill_for(APPLICANT, id, version, typed, Some(citizen)).await
    }

    /// # Errors
    /// As [`Hall::online_draft`] and [`Hall::attach`].
    pub async fn attach_online(
        &self,
        citizen: &Citizen,
        id: EntryId,
        material: MaterialId,
        bytes: Vec<u8>,
    ) -> Result<Draft, ActError> {
        self.online_draft(citizen, id).await?;
        self.attach(id, material, bytes).await
    }

    /// Which papers the city shall take from its own library, and how the result shall come.
    ///
    /// # Errors
    /// As [`Hall::online_draft`]; a stale version is refused, both are kept (I23).
    pub async fn ask_online(
        &self,
        citizen: &Citizen,
        id: EntryId,
        version: u32,
        asked: OnlineRequests,
    ) -> Result<Draft, ActError> {
        let mut draft = self.online_draft(citizen, id).await?;
        if let Some(borrowed) = asked.borrowed {
            let consent = |material| Borrowed { material, consent: citizen.name.clone() };
            draft.borrowed = borrowed.into_iter().map(consent).collect();
        }
        draft.wish = asked.wish.or(draft.wish);
        // What was sent back goes back to where it lies.
        if let (Some(online), Some(town)) = (&mut draft.online, asked.town)
            && online.mends.is_none()
        {
            // What their address says anyway is no choice: it follows the address when that is corrected.
            let (_, _, item) = self.item(Some(draft.release), &draft.item)?;
            let by_address = self.town_by_address(&item, &draft.form);
            online.town = Some(town).filter(|town| by_address.as_ref() != Some(town));
        }
        (draft.version, draft.updated) = (version, self.now());
        draft.version = self.store.save_draft(draft.clone()).await?;
        Ok(draft)
    }

    /// # Errors
    /// As [`Hall::online_draft`].
    pub async fn drop_online(&self, citizen: &Citizen, id: EntryId) -> Result<(), ActError> {
        let draft = self.online_draft(citizen, id).await?;
        Ok(self.store.drop_draft(id, draft.version, self.now(), APPLICANT).await?)
    }

    /// Everything that keeps a draft from being handed in.
    ///
    /// # Errors
    /// [`ActError::NotFound`].
    pub fn online_faults(&self, citizen: &Citizen, draft: &Draft) -> Result<Vec<FormFault>, ActError> {
        let (_, _, item) = self.item(Some(draft.release), &draft.item)?;
        let today = self.now().day();
        let submission = submission_of(draft, &item, today);
        let mut faults = decide::submission_faults(&item, &submission, today);
        if !citizen.is_of(&submission.form) {
            let key = if submission.form.contains_key("uscc") { "uscc" } else { "id_no" };
            faults.push(fault(key, "申请人", "申请人须是您本人或您的单位;替别人办,请到代办点代办"));
        }
        if self.town_of(draft, &item, &submission.form).is_none() {
            faults.push(fault("town", "受理的镇(街道)", "请选择由哪个镇(街道)受理"));
        }
        Ok(faults)
    }

    /// The town whose window takes a draft in: what they chose, else where the form says they live.
    pub fn town_of(&self, draft: &Draft, item: &Item, form: &Form) -> Option<NodeId> {
        if let Some(online) = draft.online.as_ref().filter(|online| online.mends.is_some()) {
            return online.town.clone();
        }
        let network = self.store.network();
        let chosen = draft.online.as_ref().and_then(|online| online.town.as_ref());
        let chosen = chosen.and_then(|town| network.open_towns().find(|node| node.id == *town));
        chosen.map(|node| node.id.clone()).or_else(|| self.town_by_address(item, form))
    }

    fn town_by_address(&self, item: &Item, form: &Form) -> Option<NodeId> {
        let network = self.store.network();
        let code = application::region(item, form)?;
        let here = network.open_towns().find(|node| code.starts_with(&*node.place));
        here.map(|node| node.id.clone())
    }

    /// Throws away drafts in the hall that nobody went on with for thirty days. Returns how many.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn forget_old_online_drafts(&self) -> Result<usize, ActError> {
        let before = self.now().plus_ms(-DRAFT_KEPT_MS);
        let old = self.store.drafts_untouched_since(before, 500).await?;
        let mut gone = 0;
        for draft in old.into_iter().filter(|draft| draft.online.is_some()) {
            let dropped = self.store.drop_draft(draft.id, draft.version, self.now(), "").await;
            gone += usize::from(dropped.is_ok());
        }
        Ok(gone)
    }
}

/// What is asked beside the form; `None` leaves what stood there.
#[derive(Debug, Clone, Default)]
pub struct OnlineRequests {
    pub borrowed: Option<Vec<MaterialId>>,
    pub wish: Option<Wish>,
    pub town: Option<NodeId>,
}

/// Under this name a person's drafts are kept: it opens nothing, and no officer can bear it.
fn owner(citizen: &Citizen) -> String {
    let key = blake3::derive_key("tongban applicant's drafts 2026-11", citizen.number.as_bytes());
    let hash = blake3::keyed_hash(&key, citizen.name.as_bytes()).to_hex();
    format!("{APPLICANT}:{}", &hash.as_str()[..32])
}

/// What the draft hands in: what is not asked any more stays in the draft.
fn submission_of(draft: &Draft, item: &Item, today: domain::Day) -> Submission {
    let mut submission = crate::capture::submission_of(draft, item, today);
    let asked: Vec<_> = domain::plan::asked_materials(item, &submission.form, today);
    let is_asked = |id: &MaterialId| asked.iter().any(|one| one.id == *id);
    submission.attachments.retain(|one| is_asked(&one.material));
    // A paper that is handed in need not come from the library any more.
    let handed_in: Vec<_> = submission.attachments.iter().map(|one| one.material.clone()).collect();
    submission.borrowed.retain(|one| is_asked(&one.material) && !handed_in.contains(&one.material));
    submission
}

fn fault(field: &str, label: &str, reason: &str) -> FormFault {
    FormFault { field: field.to_owned(), label: label.to_owned(), reason: reason.to_owned() }
}

fn unfit(reason: &str) -> ActError {
    ActError::Unfit { what: "application", reason: reason.to_owned() }
}
