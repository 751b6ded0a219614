//! What a citizen may see and do at the hub without an officer between: how their own matter stands, what they want to say to it.
//!
//! Nobody is told of a case that is not theirs, not even that it exists: a wrong number and somebody else's get one answer, and
//! guessing is slowed down as at the log-in of officers.

use crate::{ActError, CaseView, Hall, LoginError, Officer};
use domain::access::Roles;
use domain::catalogue::FieldKind;
use domain::form::Form;
use domain::{CaseNo, EntryId, MaterialId};
use serde_json::Value;
use std::sync::PoisonError;

/// A person, or a body by the person who acts for it, that has proven who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Citizen {
    pub name: String,
    /// Citizen number (居民身份证号) or unified social credit code.
    pub number: String,
}

impl Citizen {
    /// Whether the form was handed in by or for this person.
    fn is_of(&self, form: &Form) -> bool {
        let text = |key: &str| form.get(key).and_then(Value::as_str).unwrap_or("");
        let numbers = ["id_no", "legal_rep_id", "uscc"].map(text);
        let names = ["name", "org_name", "legal_rep"].map(text);
        numbers.contains(&self.number.as_str()) && names.contains(&self.name.as_str())
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
        // Listed behind the work: what came a moment ago is listed now.
        while self.store.list_persons().await? > 0 {}
        let mut views = Vec::new();
        for case in self.store.cases_of_person(&citizen.number, CASES_MAX).await? {
            if citizen.is_of(&self.form_of(&case).await?) {
                views.push(self.view(&case).await?);
            }
        }
        views.sort_by_key(|view| std::cmp::Reverse(view.dossier.captured_at));
        Ok(views)
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

    /// How a case stands, for whoever holds its number and knows the last four characters of the applicant's.
    ///
    /// # Errors
    /// [`LoginError::Wrong`] for a number that does not exist and for wrong characters alike; [`LoginError::Throttled`] for
    /// whoever guesses.
    pub async fn progress(&self, case: &str, last_four: &str, source: &str) -> Result<CaseView, LoginError> {
        let now = self.now();
        let what = format!("progress {}", case.chars().take(60).collect::<String>());
        let throttle = || self.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        // A place that guesses at many numbers waits as well as one that guesses at one.
        for name in [what.as_str(), "progress"] {
            if let Some(seconds) = throttle().wait(name, source, now) {
                return Err(LoginError::Throttled { seconds });
            }
        }
        throttle().failed(&what, source, now);
        throttle().failed("progress", source, now);
        let case: CaseNo = case.trim().parse().map_err(|_| LoginError::Wrong)?;
        if self.store.dossier(&case).await?.is_none() {
            return Err(LoginError::Wrong);
        }
        let form = self.form_of(&case).await.map_err(|_| LoginError::Wrong)?;
        let number = domain::form::applicant(&form).1;
        let wanted = number.len().checked_sub(4).and_then(|at| number.get(at..));
        if wanted.is_none_or(|wanted| !wanted.eq_ignore_ascii_case(last_four.trim())) {
            return Err(LoginError::Wrong);
        }
        throttle().succeeded(&what, source);
        throttle().succeeded("progress", source);
        self.store.note_act(now, APPLICANT, "read", &format!("/hall/progress/{case}")).await?;
        self.view(&case).await.map_err(|_| LoginError::Wrong)
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
        self.case_of(citizen, case).await?;
        self.add_slip(&applicant(), case, kind, text, request).await
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
        self.case_of(citizen, case).await?;
        self.make_up(&applicant(), case, scans, request).await
    }
}

/// Under this name the audit knows applicants; who it was stands in the case.
pub const APPLICANT: &str = "申请人";

/// Holds no role: what an applicant may do is decided by whose case it is.
fn applicant() -> Officer {
    Officer::of_house(APPLICANT, None, Roles::default())
}

fn not_theirs(case: &CaseNo) -> ActError {
    ActError::NotFound { what: "您的办件", value: case.to_string() }
}
