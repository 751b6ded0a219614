//! Separation of duties (职责分离): who handles a case, who reviews it and who approves it are three persons.
//!
//! Pure: a function of the item and the dossier. The desk refuses by it, supervision finds by it what a log shows all the same.

use crate::catalogue::{Handling, Item, Stage, StageKind};
use crate::dossier::Dossier;
use crate::{NodeId, StageId};

/// What a person answers for in a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Duty {
    /// 承办: takes the application up.
    Handle,
    /// 审核: examines papers and facts.
    Review,
    /// 批准: decides.
    Approve,
}

impl Duty {
    /// The duty a stage carries; `None` for those anybody of the house may do (notice, payment, making and handing over).
    pub fn of(kind: StageKind) -> Option<Duty> {
        use StageKind as Kind;
        match kind {
            Kind::CompletenessCheck | Kind::Accept => Some(Duty::Handle),
            Kind::Review
            | Kind::ParallelReview
            | Kind::HomeVisit
            | Kind::Appraisal
            | Kind::Inspection
            | Kind::JointInspection
            | Kind::ExpertReview => Some(Duty::Review),
            Kind::Decision => Some(Duty::Approve),
            Kind::Intake
            | Kind::Appointment
            | Kind::Publicity
            | Kind::Special
            | Kind::Hearing
            | Kind::Payment
            | Kind::Issue
            | Kind::Deliver
            | Kind::PostInspection => None,
        }
    }
}

/// The stage by which `officer` at `node` already bears another duty than that of `stage`, so that somebody else must do it.
/// Items decided on the spot (即办件) are one person's.
pub fn other_duty<'a>(
    item: &'a Item,
    dossier: &Dossier,
    stage: &StageId,
    (node, officer): (&NodeId, &str),
) -> Option<&'a Stage> {
    if item.handling == Handling::Instant {
        return None;
    }
    let duty = Duty::of(item.stage(stage)?.kind)?;
    let did = |done: &Stage| {
        let state = dossier.stages.get(&done.id).and_then(|state| state.done.as_ref());
        state.is_some_and(|done| done.by.as_ref() == Some(node) && done.officer == officer)
    };
    item.stages.iter().find(|done| Duty::of(done.kind).is_some_and(|other| other != duty) && did(done))
}
