//! Badly rated matters: who has to do what by when, and what was done.

use crate::{ActError, Hall, Officer};
use domain::access::Jurisdiction;
use domain::network::Tier;
use domain::rating::{Grade, Rectification, Stage, StepBody, StepEntry};
use domain::{CaseNo, Day, EntryId, OrgId};
use serde::Serialize;
use std::collections::BTreeMap;
use store::{Append, NewEntry, RatingCount, kind};

#[derive(Debug, Clone, Serialize)]
pub struct RectificationView {
    pub stage: Stage,
    /// The last day of what is to be done now.
    pub due: Option<Day>,
    pub overdue: bool,
    #[serde(flatten)]
    pub rectification: Rectification,
}

/// How the matters of one department were rated (好差评).
#[derive(Debug, Clone, Serialize)]
pub struct Rated {
    pub body: OrgId,
    pub name: String,
    /// Cases by grade, in the order of [`Grade::ALL`].
    pub grades: [u64; 5],
    pub all: u64,
    /// Of a hundred, those that were not rated badly (好评率).
    pub good_percent: f64,
}

/// So far back ratings are counted.
const COUNTED_DAYS: i64 = 365;

impl Hall {
    /// Ratings of the last year within reach of an officer, by department; where most are bad, first.
    ///
    /// # Errors
    /// [`ActError::WrongTier`] in a village: who was rated does not see how.
    pub async fn ratings_of(&self, officer: &Officer) -> Result<Vec<Rated>, ActError> {
        if self.tier == Tier::Village {
            return Err(not_in_a_village());
        }
        let (_, pack) = self.pack(None)?;
        let since = self.now().plus_ms(-COUNTED_DAYS * 86_400_000);
        let mut bodies: BTreeMap<OrgId, [u64; 5]> = BTreeMap::new();
        for RatingCount { item, grade, count } in
            self.store.ratings(since, self.jurisdiction(officer)).await?
        {
            let Some(item) = pack.item(&item) else { continue };
            let grades = bodies.entry(item.body.clone()).or_default();
            grades[Grade::ALL.iter().position(|one| *one == grade).unwrap_or(0)] += count;
        }
        let rated = |(body, grades): (OrgId, [u64; 5])| {
            let (all, bad) = (grades.iter().sum::<u64>(), grades[3] + grades[4]);
            let good_percent = ((all - bad) as f64 * 1000.0 / all.max(1) as f64).round() / 10.0;
            Rated { name: pack.org_name(&body).to_owned(), body, grades, all, good_percent }
        };
        let mut all: Vec<Rated> = bodies.into_iter().map(rated).collect();
        all.sort_by(|one, other| one.good_percent.total_cmp(&other.good_percent));
        Ok(all)
    }

    /// Most urgent first; ended ones last.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn rectifications(&self, case: Option<CaseNo>) -> Result<Vec<RectificationView>, ActError> {
        // Who was rated never sees who rated.
        if self.tier == Tier::Village {
            return Err(not_in_a_village());
        }
        let (_, pack) = self.pack(None)?;
        let today = self.now().day();
        let view = |rectification: Rectification| {
            let due = rectification.due(&pack.calendar);
            let overdue = due.is_some_and(|due| due < today);
            RectificationView { stage: rectification.stage(), due, overdue, rectification }
        };
        let mut all: Vec<_> = self.store.rectifications(case).await?.into_iter().map(view).collect();
        all.sort_by_key(|one| (one.stage == Stage::Closed, one.due.is_none(), one.due));
        Ok(all)
    }

    /// As [`Hall::rectifications`], of the cases within reach of an officer.
    ///
    /// # Errors
    /// As [`Hall::rectifications`].
    pub async fn rectifications_of(&self, officer: &Officer) -> Result<Vec<RectificationView>, ActError> {
        let (mut reached, within) = (Vec::new(), self.jurisdiction(officer));
        for one in self.rectifications(None).await? {
            if self.lies_within(&within, &one.rectification.case).await? {
                reached.push(one);
            }
        }
        Ok(reached)
    }

    /// Whether a case is of those an officer sees; who sees all need not be looked up for each.
    ///
    /// # Errors
    /// [`ActError::Store`].
    pub async fn lies_within(&self, within: &Jurisdiction, case: &CaseNo) -> Result<bool, ActError> {
        Ok(*within == Jurisdiction::Everything || self.store.reaches(case, within).await?)
    }

    /// Notes a step: contact, mending, revisit, appeal or its decision. Towns and the hub only; a village is what was rated.
    /// `request` makes a retry harmless.
    ///
    /// # Errors
    /// [`ActError::Unfit`] naming what has to come first.
    pub async fn rectify(
        &self,
        officer: &Officer,
        case: &CaseNo,
        body: StepBody,
        request: Option<EntryId>,
    ) -> Result<RectificationView, ActError> {
        if self.tier == Tier::Village {
            return Err(not_in_a_village());
        }
        let known = self.rectification(case).await?;
        if known.rectification.steps.iter().any(|step| Some(step.entry) == request) {
            return Ok(known);
        }
        let refused = |error: domain::rating::RectifyRefusal| ActError::Unfit {
            what: "rectification",
            reason: error.to_string(),
        };
        known.rectification.check((self.me(), &officer.name), &body).map_err(refused)?;
        let (stored, now) = (self.stored(case).await?, self.now());
        let (node, officer_name) = (self.me().clone(), officer.name.clone());
        let said = StepEntry { case: case.clone(), at: now, node, officer: officer_name, body };
        let body = serde_json::to_vec(&said)
            .map_err(|e| ActError::Unfit { what: "rectification", reason: e.to_string() })?;
        let (id, channel) =
            (request.unwrap_or_else(|| self.random.entry_id(now)), self.channel_for(&stored.dossier.origin));
        let entry = NewEntry { id, channel, kind: kind::RECTIFICATION, subject: case.to_string(), body };
        self.store.append(Append::new(now, officer.name.clone(), "rectify", vec![entry])).await?;
        self.rectification(case).await
    }

    /// That of one case.
    ///
    /// # Errors
    /// [`ActError::NotFound`] for a case that was not rated badly.
    pub async fn rectification(&self, case: &CaseNo) -> Result<RectificationView, ActError> {
        let known = self.rectifications(Some(case.clone())).await?.into_iter().next();
        known.ok_or_else(|| ActError::NotFound { what: "差评整改", value: case.to_string() })
    }
}

fn not_in_a_village() -> ActError {
    ActError::WrongTier { what: "差评整改", place: "镇便民服务中心或市政务服务中心" }
}
