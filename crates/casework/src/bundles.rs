//! One-thing bundles (一件事): one draft, one capture, one receipt, several cases; and what they say together.

use crate::{ActError, CaseView, Hall, Officer};
use domain::bundle::{self, Bundle, InBundle, Member, Waiting};
use domain::catalogue::Item;
use domain::dossier::decide::{self, Opening, Refusal};
use domain::dossier::{Dossier, Status, Submission};
use domain::form::{FormFault, filling};
use domain::pack::CityPack;
use domain::{CaseNo, Day, ItemId, MaterialId};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::{Append, BundleDraft, Draft};

/// One matter of a bundle, as this node has it.
#[derive(Debug, Clone, Serialize)]
pub struct MemberView {
    pub item: ItemId,
    pub item_name: String,
    pub case: CaseNo,
    /// `None` while no page of it has reached this node.
    pub status: Option<Status>,
    /// Cases whose decision it waits for.
    pub waits_for: Vec<CaseNo>,
}

#[derive(Debug, Clone, Serialize)]
pub struct BundleView {
    pub bundle: String,
    pub name: String,
    pub members: Vec<MemberView>,
    /// The one list of what is to be mended, over all matters.
    pub supplement: Vec<FormFault>,
    /// Every matter has its answer.
    pub finished: bool,
    /// The day promised for the whole; `None` until all matters are accepted.
    pub promised: Option<Day>,
}

impl Hall {
    /// # Errors
    /// [`ActError::NotFound`] for a bundle that is not in the list in force.
    pub async fn start_bundle(&self, officer: &Officer, id: &str) -> Result<Draft, ActError> {
        let (_, pack) = self.pack(None)?;
        let bundle = known(&pack, id)?;
        let lead = bundle.items.first().ok_or_else(|| missing(id))?;
        for item in &bundle.items {
            self.item_in_force(&officer.name, item).await?;
        }
        let own = BundleDraft { bundle: id.to_owned(), own: BTreeMap::new() };
        self.new_draft(officer, lead, Some(own)).await
    }

    pub(crate) fn bundle_of(&self, draft: &Draft) -> Result<(Bundle, Vec<Arc<Item>>), ActError> {
        let id = draft.bundle.as_ref().map_or("", |bundle| &bundle.bundle);
        let (_, pack) = self.pack(Some(draft.release))?;
        let bundle = known(&pack, id)?.clone();
        let items: Option<Vec<_>> = bundle.items.iter().map(|item| pack.item(item).cloned()).collect();
        let items = items.ok_or_else(|| missing(id))?;
        Ok((bundle, items))
    }

    /// Is `paper` (`food--m2`) asked for by an item of the bundle?
    pub(crate) fn asks_for(&self, draft: &Draft, paper: &MaterialId) -> Result<bool, ActError> {
        let (_, items) = self.bundle_of(draft)?;
        let named = |item: &Arc<Item>| {
            item.materials.iter().any(|one| bundle::paper_id(&item.id, &one.id).as_ref() == Some(paper))
        };
        Ok(items.iter().any(named))
    }

    /// Everything that is wrong with any matter of the bundle, each fault with its item.
    pub(crate) fn bundle_faults(&self, draft: &Draft) -> Result<Vec<FormFault>, ActError> {
        let (_, items) = self.bundle_of(draft)?;
        let today = self.now().day();
        Ok(faults_of(&items, &submissions(draft, &items, today), today))
    }

    /// All matters in one durable step, or none: the citizen holds one receipt.
    pub(crate) async fn capture_bundle(
        &self,
        officer: &Officer,
        draft: &Draft,
    ) -> Result<CaseView, ActError> {
        let (bundle, items) = self.bundle_of(draft)?;
        let now = self.now();
        let submissions = submissions(draft, &items, now.day());
        let faults = faults_of(&items, &submissions, now.day());
        if !faults.is_empty() {
            return Err(Refusal::Faulty(faults).into());
        }
        // As with a single matter: what has been suspended or repealed since the draft was begun is not taken in.
        for item in &items {
            self.item_in_force(&officer.name, &item.id).await?;
        }
        let network = self.store.network();
        let member = |item: &Arc<Item>| Member {
            item: item.id.clone(),
            case: CaseNo::make(self.me(), now.day(), self.random.u64()),
        };
        let members: Vec<Member> = items.iter().map(member).collect();
        let within = InBundle { bundle: bundle.id, members };
        let mut entries = Vec::new();
        for ((item, submission), member) in items.iter().zip(submissions).zip(&within.members) {
            let (case, bundle) = (member.case.clone(), Some(within.clone()));
            let opening = Opening { case, item, release: draft.release, bundle };
            let act = decide::capture(opening, submission, &self.actor(officer), &network, now)?;
            // The draft's own id is that of the first entry: a retry after a lost answer is the same act.
            let request = if entries.is_empty() { draft.id } else { self.random.entry_id(now) };
            entries.extend(self.entries_of(request, &act)?);
        }
        let append = Append {
            attachments_here: draft.attachments.iter().map(|paper| paper.hash.clone()).collect(),
            consumes_draft: Some((draft.id, draft.version)),
            ..Append::new(now, officer.name.clone(), "capture bundle", entries)
        };
        self.store.append(append).await?;
        let lead = self.store.case_of_request(draft.id).await?;
        let lead = lead.ok_or_else(|| ActError::NotFound { what: "草稿", value: draft.id.to_string() })?;
        self.view(&lead).await
    }

    /// What the bundle makes a case wait for, as far as this node knows.
    pub(crate) async fn waiting(&self, dossier: &Dossier, pack: &CityPack) -> Result<Waiting, ActError> {
        let Some(within) = &dossier.bundle else { return Ok(Waiting::default()) };
        let Some(bundle) = pack.bundle(&within.bundle) else { return Ok(Waiting::default()) };
        let others = self.members(within).await?;
        Ok(bundle::waiting(bundle, within, &dossier.item, |case| others.get(case)))
    }

    async fn members(&self, within: &InBundle) -> Result<BTreeMap<CaseNo, Dossier>, ActError> {
        let mut members = BTreeMap::new();
        for member in &within.members {
            if let Some(stored) = self.store.dossier(&member.case).await? {
                members.insert(member.case.clone(), stored.dossier);
            }
        }
        Ok(members)
    }

    /// The bundle that `case` belongs to, seen as one thing.
    ///
    /// # Errors
    /// [`ActError::NotFound`] when it belongs to none.
    pub async fn bundle(&self, case: &CaseNo) -> Result<BundleView, ActError> {
        let dossier = self.stored(case).await?.dossier;
        let within = dossier.bundle.as_ref().ok_or_else(|| ActError::NotFound {
            what: "一件事(该件是单独办理的)",
            value: case.to_string(),
        })?;
        let (_, pack) = self.pack(Some(dossier.release))?;
        let (_, newest) = self.pack(None)?;
        let bundle = known(&pack, &within.bundle)?;
        let dossiers = self.members(within).await?;
        let (mut members, mut supplement) = (Vec::new(), Vec::new());
        for member in &within.members {
            let Some(item) = pack.item(&member.item) else { continue };
            let known = dossiers.get(&member.case);
            let returned = known.and_then(|dossier| dossier.returned.as_ref());
            let faults = returned.map(|returned| returned.faults.clone()).unwrap_or_default();
            supplement.extend(faults.into_iter().map(|fault| bundle::fault_in(item, fault)));
            let waiting = bundle::waiting(bundle, within, &member.item, |case| dossiers.get(case));
            members.push(MemberView {
                item: member.item.clone(),
                item_name: item.name.clone(),
                case: member.case.clone(),
                status: known.map(Dossier::status),
                waits_for: waiting.undecided,
            });
        }
        let accepted = |member: &Member| Some(dossiers.get(&member.case)?.accepted.as_ref()?.on);
        let accepted: Option<Vec<Day>> = within.members.iter().map(accepted).collect();
        let limit =
            domain::calendar::Limit { days: bundle.promised_days, unit: domain::calendar::DayUnit::Workday };
        let promised = accepted.and_then(|days| days.into_iter().max());
        let answered =
            |status: Status| !matches!(status, Status::Captured | Status::Returned | Status::Accepted);
        Ok(BundleView {
            bundle: within.bundle.clone(),
            name: bundle.name.clone(),
            finished: members.iter().all(|member| member.status.is_some_and(answered)),
            members,
            supplement,
            promised: promised.map(|day| newest.calendar.due_day(day, limit).day),
        })
    }
}

fn submissions(draft: &Draft, items: &[Arc<Item>], today: Day) -> Vec<Submission> {
    let all: Vec<&Item> = items.iter().map(|item| &**item).collect();
    let own = draft.bundle.as_ref().map(|bundle| &bundle.own);
    let of = |item: &&Item| {
        let mut form = bundle::form_of(item, &all, &draft.form, own.and_then(|own| own.get(&item.id)));
        filling::ask_only(item, &mut form, today);
        Submission {
            form: form.into(),
            attachments: bundle::papers_of(item, &all, &draft.attachments),
            wish: draft.wish.clone(),
            ..Submission::default()
        }
    };
    all.iter().map(of).collect()
}

/// Every fault once: what several items ask for together is asked for, and mended, in one place.
fn faults_of(items: &[Arc<Item>], submissions: &[Submission], today: Day) -> Vec<FormFault> {
    let all: Vec<&Item> = items.iter().map(|item| &**item).collect();
    let forms: Vec<_> = submissions.iter().map(|submission| submission.form.to_form()).collect();
    let papers = bundle::papers_asked(&all, &forms, today);
    let mut faults: Vec<FormFault> = Vec::new();
    for (item, submission) in items.iter().zip(submissions) {
        for fault in decide::submission_faults(item, submission, today) {
            let fault = bundle::fault_in_draft(item, &all, &papers, fault);
            if !faults.iter().any(|known| (&known.field, &known.reason) == (&fault.field, &fault.reason)) {
                faults.push(fault);
            }
        }
    }
    faults
}

fn missing(id: &str) -> ActError {
    ActError::NotFound { what: "一件事(目录清单外不得办理)", value: id.to_owned() }
}

fn known<'p>(pack: &'p CityPack, id: &str) -> Result<&'p Bundle, ActError> {
    pack.bundle(id).ok_or_else(|| missing(id))
}
