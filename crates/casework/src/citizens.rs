//! What a citizen may see and do at the hub without an officer between: how their own matter stands, what they want to say to it.
//!
//! Nobody is told of a case that is not theirs, not even that it exists: a wrong number and somebody else's get one answer.

use crate::{ActError, CaseView, Hall, Officer};
use domain::access::Roles;
use domain::catalogue::FieldKind;
use domain::dossier::Dossier;
use domain::form::Form;
use domain::{CaseNo, EntryId, MaterialId};
use serde_json::Value;
use store::StoredDossier;

/// A person, or a body by the person who acts for it, that has proven who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citizen {
    pub name: String,
    /// Citizen number (居民身份证号) or unified social credit code.
    pub number: String,
}

impl Citizen {
    /// Whether the form was handed in by or for this person.
    pub(crate) fn is_of(&self, form: &Form) -> bool {
        let text = |key: &str| form.get(key).and_then(Value::as_str).unwrap_or("");
        let names = ["name", "org_name", "legal_rep"].map(text);
        domain::form::numbers(form).any(|number| number == self.number) && names.contains(&self.name.as_str())
    }
}

/// Cases that are looked through for one person.
const CASES_MAX: u32 = 200;

impl Hall {
    /// All cases of a person that have reached this node, the newest first.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn cases_of(&self, citizen: &Citizen) -> Result<Vec<CaseView>, ActError> {
        let mut views = Vec::new();
        for StoredDossier { dossier, .. } in self.cases_of_number(&citizen.number).await? {
            if citizen.is_of(&self.form_of(&dossier.case).await?) {
                views.push(self.view(&dossier.case).await?);
            }
        }
        Ok(views)
    }

    /// Cases of whoever has this number, a citizen's or a company's, that have reached this node; the newest first.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn cases_of_number(&self, number: &str) -> Result<Vec<StoredDossier>, ActError> {
        let mut cases = Vec::new();
        for case in self.listed_under(number, CASES_MAX).await? {
            cases.extend(self.store.dossier(&case).await?);
        }
        cases.sort_by_key(|stored| std::cmp::Reverse(stored.dossier.captured_at));
        Ok(cases)
    }

    /// Cases that are listed under a number. They are listed behind the work: what came a moment ago is listed now.
    pub(crate) async fn listed_under(&self, number: &str, limit: u32) -> Result<Vec<CaseNo>, ActError> {
        while self.store.list_persons().await? {}
        Ok(self.store.cases_of_person(number, limit).await?)
    }

    /// One case of a person.
    ///
    /// # Errors
    /// [`ActError::NotFound`] for a number that is nobody's and for one that is somebody else's alike.
    pub async fn case_of(&self, citizen: &Citizen, case: &CaseNo) -> Result<CaseView, ActError> {
        match self.store.dossier(case).await? {
            Some(_) if citizen.is_of(&self.form_of(case).await?) => self.view(case).await,
            _ => Err(not_theirs(case)),
        }
    }

    /// How a case stands, for whoever holds its number and knows the last four characters of the applicant's, or of the body's.
    /// Whoever asks is slowed down by the caller: a wrong number and wrong characters are one answer.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn progress(&self, case: &str, last_four: &str) -> Result<Option<CaseView>, ActError> {
        let Ok(case) = case.trim().parse::<CaseNo>() else { return Ok(None) };
        if self.store.dossier(&case).await?.is_none() {
            return Ok(None);
        }
        let form = self.form_of(&case).await?;
        if !ends_so(&form, last_four) {
            return Ok(None);
        }
        self.note_applicant("read", &format!("/hall/progress/{case}")).await?;
        Ok(Some(self.view(&case).await?))
    }

    /// What an applicant did or read stands in the audit; whose it was, the case says (I37).
    ///
    /// # Errors
    /// [`ActError::Store`]; nothing is to be told then.
    pub async fn note_applicant(&self, action: &'static str, subject: &str) -> Result<(), ActError> {
        Ok(self.store.note_act(self.now(), APPLICANT, action, subject).await?)
    }

    /// The telephone number that stands on a person's newest case: where a code can be sent that only they will read.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn phone_of(&self, citizen: &Citizen) -> Result<Option<String>, ActError> {
        for view in self.cases_of(citizen).await? {
            let form = self.form_of(&view.case).await?;
            let (_, _, item) = self.item(Some(view.dossier.release), &view.dossier.item)?;
            let phones = item.fields.iter().filter(|field| field.kind == FieldKind::Mobile);
            let mut typed = phones.filter_map(|field| form.get(&field.key)?.as_str());
            if let Some(phone) = typed.find(|phone| !phone.is_empty()) {
                return Ok(Some(phone.to_owned()));
            }
        }
        Ok(None)
    }

    /// What an applicant says beside their case: a note, that they want it back, a hearing, a time for the inspection.
    ///
    /// # Errors
    /// As [`Hall::case_of`] and [`Hall::add_slip`].
    pub async fn applicant_says(
        &self,
        citizen: &Citizen,
        case: &CaseNo,
        kind: &str,
        text: String,
        request: Option<EntryId>,
    ) -> Result<EntryId, ActError> {
        let view = self.case_of(citizen, case).await?;
        let unfit = |reason: &str| Err(ActError::Unfit { what: "slip", reason: reason.to_owned() });
        if text.chars().count() > TEXT_MAX {
            return unfit("不能超过 1000 字;请分次说明");
        }
        if !May::of(self, &view.dossier).say(kind, &text) {
            return unfit("这件事现在不能这样提出;请看页面上的最新状态");
        }
        self.add_slip(&applicant(), case, kind, text, theirs(citizen, request)).await
    }

    /// Papers that were promised for later (容缺补交), from the applicant's own phone.
    ///
    /// # Errors
    /// As [`Hall::case_of`] and [`Hall::make_up`].
    pub async fn hand_in(
        &self,
        citizen: &Citizen,
        case: &CaseNo,
        scans: Vec<(MaterialId, Vec<u8>)>,
        request: Option<EntryId>,
    ) -> Result<EntryId, ActError> {
        let view = self.case_of(citizen, case).await?;
        if !May::of(self, &view.dossier).more {
            let reason = "今天补交和说明的次数太多;请明天再来,或到代办点办理".to_owned();
            return Err(ActError::Unfit { what: "slip", reason });
        }
        self.make_up(&applicant(), case, scans, theirs(citizen, request)).await
    }
}

const TEXT_MAX: usize = 1000;
/// What an applicant may put beside one case in a day: it all travels to the town, and down a village's thin line.
const SLIPS_A_DAY: usize = 20;

/// What an applicant may do about a case now: the page offers this, and the counter takes no more.
#[derive(Debug, Clone, Default)]
pub struct May {
    pub withdraw: bool,
    pub ask_hearing: bool,
    pub rate: bool,
    /// Times of a joint inspection to choose from.
    pub slots: Vec<String>,
    /// Anything more today.
    pub more: bool,
}

impl May {
    pub fn of(hall: &Hall, dossier: &Dossier) -> May {
        let open = dossier.decision.is_none() && dossier.not_accepted.is_none() && !dossier.is_void();
        let waiting =
            |kind: &str| dossier.slips.iter().any(|one| one.kind == kind && !dossier.noted.contains(&one.id));
        let today = hall.now().day();
        let said = dossier.slips.iter().filter(|one| one.from_applicant && one.at.day() == today).count();
        let visits = dossier.inspections.values().filter(|visit| visit.fixed.is_none());
        May {
            withdraw: open && !waiting("withdraw"),
            ask_hearing: open && dossier.hearing.is_none() && !waiting("hearing_request"),
            rate: !open && dossier.rating().is_none() && !waiting("rating"),
            slots: visits.flat_map(|visit| &visit.slots).map(ToString::to_string).collect(),
            more: said < SLIPS_A_DAY,
        }
    }

    fn say(&self, kind: &str, text: &str) -> bool {
        let offered = match kind {
            "withdraw" => self.withdraw,
            "hearing_request" => self.ask_hearing,
            "inspection_slot" => self.slots.iter().any(|slot| slot == text),
            "note" => true,
            _ => false,
        };
        offered && self.more
    }
}

/// The id of an act of this citizen: the same for the same form, and none that anybody else's act could have.
fn theirs(citizen: &Citizen, request: Option<EntryId>) -> Option<EntryId> {
    let hash = blake3::keyed_hash(
        &blake3::derive_key("tongban applicant's act 2026-11", citizen.number.as_bytes()),
        &request?.0,
    );
    let mut id = [0; 16];
    id.copy_from_slice(&hash.as_bytes()[..16]);
    Some(EntryId(id))
}

/// Under this name the audit knows applicants; who it was stands in the case.
pub const APPLICANT: &str = "申请人";

/// Whether one of the applicant's numbers ends with these characters.
pub(crate) fn ends_so(form: &Form, last_four: &str) -> bool {
    let ends = |number: &str| {
        let end = number.len().checked_sub(4).and_then(|at| number.get(at..));
        end.is_some_and(|end| end.eq_ignore_ascii_case(last_four.trim()))
    };
    domain::form::numbers(form).any(ends)
}

/// Holds no role: what an applicant may do is decided by whose case it is.
pub(crate) fn applicant() -> Officer {
    Officer::of_house(APPLICANT, None, Roles::default())
}

pub(crate) fn not_theirs(case: &CaseNo) -> ActError {
    ActError::NotFound { what: "您的办件", value: case.to_string() }
}
