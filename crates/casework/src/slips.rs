//! Slips: what anybody may put beside a case without holding it. None changes anything until the holder writes a page.

use crate::{ActError, Hall, Officer};
use domain::delivery::{self, OriginalStep};
use domain::dossier::{Attachment, Dossier, Slip};
use domain::network::Tier;
use domain::rating::Rating;
use domain::{CaseNo, EntryId, MaterialId, tolerance};
use store::{Append, HistoryLine, NewEntry, StoredDossier, kind};

/// Kinds that say no more than their text.
const PLAIN: [&str; 5] = ["withdraw", "note", "applicant_notice", "hearing_request", "inspection_slot"];

impl Hall {
    /// Adds a slip that says no more than its text. `request` makes a retry harmless; give the same one again after a lost answer.
    ///
    /// # Errors
    /// [`ActError::Unfit`] for an unknown kind.
    pub async fn add_slip(
        &self,
        officer: &Officer,
        case: &CaseNo,
        kind_name: &str,
        text: String,
        request: Option<EntryId>,
    ) -> Result<EntryId, ActError> {
        if !PLAIN.contains(&kind_name) {
            let reason = format!("便条种类应为 {};评价、补交和原件流转有各自的接口", PLAIN.join("、"));
            return Err(ActError::Unfit { what: "slip", reason });
        }
        let stored = self.stored(case).await?;
        let slip = self.new_slip(&stored.dossier, kind_name, text, request);
        let slip = Slip { from_applicant: officer.name == crate::APPLICANT, ..slip };
        self.write_slip(&officer.name, &stored.dossier, slip).await
    }

    /// Hands in papers that were promised for later (容缺补交); whoever holds the case then judges them. `request` as in
    /// [`Hall::add_slip`].
    ///
    /// # Errors
    /// [`ActError::Unfit`] when nothing is lacking, or when a file is no JPEG, PNG or PDF.
    pub async fn make_up(
        &self,
        officer: &Officer,
        case: &CaseNo,
        scans: Vec<(MaterialId, Vec<u8>)>,
        request: Option<EntryId>,
    ) -> Result<EntryId, ActError> {
        let stored = self.stored(case).await?;
        let dossier = &stored.dossier;
        if let Some((material, _)) = scans.iter().find(|(material, _)| !dossier.lacks(material)) {
            let borrowed = dossier.borrowed.iter().map(|one| &one.material);
            let lacking: Vec<&str> = dossier.lacking.iter().chain(borrowed).map(MaterialId::as_str).collect();
            let reason = format!("该件并不缺 {material};所缺的是:{}", lacking.join("、"));
            return Err(ActError::Unfit { what: "make_up", reason });
        }
        if scans.is_empty() {
            return Err(ActError::Unfit { what: "make_up", reason: "请附上补交的材料".to_owned() });
        }
        let mut slip = self.new_slip(&stored.dossier, tolerance::MAKE_UP, String::new(), request);
        slip.from_applicant = officer.name == crate::APPLICANT;
        for (material, bytes) in scans {
            slip.attachments.push(self.keep_blob(material, bytes).await?);
        }
        self.write_slip(&officer.name, &stored.dossier, slip).await
    }

    /// Keeps the photo of a hand-over with the case, once; its fingerprint is the proof of the delivery.
    ///
    /// # Errors
    /// [`ActError::Unfit`] for what is no JPEG or PNG, and for a case that is not to be handed over here now.
    pub async fn keep_delivery_photo(
        &self,
        officer: &Officer,
        case: &CaseNo,
        bytes: Vec<u8>,
    ) -> Result<String, ActError> {
        let stored = self.stored(case).await?;
        let hash = blake3::hash(&bytes).to_hex().to_string();
        let is_it = |known: &Attachment| known.material.as_str() == delivery::PHOTO && known.hash == hash;
        if stored.dossier.all_attachments().any(is_it) {
            return Ok(hash);
        }
        // Only who hands something over has a photo of it.
        let hands_over = self.view(case).await?.ready.iter().any(|stage| stage.kind == "deliver");
        if !hands_over {
            let reason = "这一件现在不在本节点送达,不收交付照片".to_owned();
            return Err(ActError::Unfit { what: "photo", reason });
        }
        if bytes.starts_with(b"%PDF") {
            let reason = "交付照片须为 JPEG 或 PNG 图片".to_owned();
            return Err(ActError::Unfit { what: "photo", reason });
        }
        let material = delivery::PHOTO.parse().expect("a name as the catalogue writes them");
        let photo = self.keep_blob(material, bytes).await?;
        let mut slip = self.new_slip(&stored.dossier, delivery::PHOTO, String::new(), None);
        slip.attachments.push(photo);
        self.write_slip(&officer.name, &stored.dossier, slip).await?;
        Ok(hash)
    }

    /// The citizen's rating of a matter that has come to its end (好差评). It carries no officer: who was rated never sees who
    /// rated.
    ///
    /// # Errors
    /// [`ActError::Unfit`] before there is a result, or when the matter has been rated.
    pub async fn rate(&self, case: &CaseNo, rating: Rating) -> Result<EntryId, ActError> {
        let stored = self.may_be_rated(case).await?;
        let dossier = &stored.dossier;
        let slip = Slip { rating: Some(rating), ..self.new_slip(dossier, "rating", String::new(), None) };
        self.write_slip("", dossier, slip).await
    }

    /// The same at a counter, where an officer hands the form to the applicant.
    ///
    /// # Errors
    /// [`ActError::Unfit`] for who worked on the case at the hub, or belongs to its department; as [`Hall::rate`] otherwise.
    pub async fn rate_at_counter(
        &self,
        officer: &Officer,
        case: &CaseNo,
        rating: Rating,
    ) -> Result<EntryId, ActError> {
        if !self.may_take_rating(officer, &self.stored(case).await?.dossier).await? {
            let reason =
                "经办的人和部门不能录入对自己的评价;请由没有经办本件的窗口办理,或请申请人自己在网上评价";
            return Err(ActError::Unfit { what: "rating", reason: reason.to_owned() });
        }
        self.rate(case, rating).await
    }

    /// Whether this officer may hand the form to the applicant. In a village or a town those who serve are few, and the applicant
    /// stands before them; at the hub whoever is rated keeps away from it.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn may_take_rating(&self, officer: &Officer, dossier: &Dossier) -> Result<bool, ActError> {
        if self.tier != Tier::City {
            return Ok(true);
        }
        let item = self.item(Some(dossier.release), &dossier.item)?.2;
        if officer.body.as_ref() == Some(&item.body) {
            return Ok(false);
        }
        let wrote = |line: &HistoryLine| {
            let by = line.page.as_ref().and_then(|page| page["officer"].as_str());
            line.author == *self.me() && by == Some(officer.name.as_str())
        };
        Ok(!self.store.history(&dossier.case).await?.iter().any(wrote))
    }

    /// A case that has its result, and no rating yet.
    ///
    /// # Errors
    /// [`ActError::Unfit`] of any other.
    pub async fn may_be_rated(&self, case: &CaseNo) -> Result<StoredDossier, ActError> {
        let stored = self.stored(case).await?;
        let dossier = &stored.dossier;
        let unfit = |reason: &str| Err(ActError::Unfit { what: "rating", reason: reason.to_owned() });
        if dossier.rating().is_some() {
            return unfit("该件已经评价过,一事一评");
        }
        if dossier.decision.is_none() && dossier.not_accepted.is_none() && !dossier.is_void() {
            return unfit("该件尚无结果,办结后再请申请人评价");
        }
        Ok(stored)
    }

    /// Notes that a paper original changed hands (原件流转).
    ///
    /// # Errors
    /// [`ActError::Unfit`] when somebody else has it, as far as this node knows.
    pub async fn move_original(
        &self,
        officer: &Officer,
        case: &CaseNo,
        mut step: OriginalStep,
    ) -> Result<EntryId, ActError> {
        let stored = self.stored(case).await?;
        let dossier = &stored.dossier;
        let unfit = |reason: String| Err(ActError::Unfit { what: "original", reason });
        if [&step.paper, &step.from, &step.to].iter().any(|text| text.trim().is_empty())
            || step.from == step.to
        {
            return unfit("请写明是哪份原件、由谁交给谁".to_owned());
        }
        let now = originals(dossier);
        if let Some((_, holder, _)) = now.iter().find(|(paper, ..)| *paper == step.paper)
            && *holder != step.from
        {
            return unfit(format!("{} 现在 {holder} 处,不能由 {} 交出", step.paper, step.from));
        }
        let known = dossier.slips.iter().filter_map(|slip| slip.original.as_ref());
        step.no = known.filter(|one| one.paper == step.paper).map(|one| one.no).max().unwrap_or(0) + 1;
        let slip = Slip { original: Some(step), ..self.new_slip(dossier, "original", String::new(), None) };
        self.write_slip(&officer.name, dossier, slip).await
    }

    pub(crate) fn new_slip(
        &self,
        dossier: &Dossier,
        kind_name: &str,
        text: String,
        request: Option<EntryId>,
    ) -> Slip {
        let now = self.now();
        let id = request.unwrap_or_else(|| self.random.entry_id(now));
        Slip::plain(id, dossier.case.clone(), kind_name, text, self.me().clone(), now)
    }

    pub(crate) async fn write_slip(
        &self,
        officer: &str,
        dossier: &Dossier,
        slip: Slip,
    ) -> Result<EntryId, ActError> {
        let (id, at) = (slip.id, slip.at);
        let here = slip.attachments.iter().map(|one| one.hash.clone()).collect();
        let body =
            serde_json::to_vec(&slip).map_err(|e| ActError::Unfit { what: "slip", reason: e.to_string() })?;
        let channel = self.channel_for(&dossier.origin);
        let entry = NewEntry { id, channel, kind: kind::SLIP, subject: dossier.case.to_string(), body };
        let append = Append { attachments_here: here, ..Append::new(at, officer, "slip", vec![entry]) };
        self.store.append(append).await?;
        Ok(id)
    }
}

/// Where each paper original of a case is: (paper, holder, since).
pub(crate) fn originals(dossier: &Dossier) -> Vec<(String, String, domain::Timestamp)> {
    let steps = dossier.slips.iter().filter_map(|slip| Some((slip.original.as_ref()?, slip.at, &slip.by)));
    delivery::originals(steps)
}
