//! The acts that judge at a stage: complete, return, refuse to accept, decide, issue, deliver.

use super::decide::{Command, Desk, Refusal};
use super::procedures::of_kind;
use super::{Dossier, Licence, NotAcceptedGround, Outcome, PageBody, procedures};
use crate::catalogue::{Item, Stage, StageKind};
use crate::library::{self, Standing};
use crate::{Day, MaterialId, plan};

/// The pages of an act at a stage that is ready and claimed.
pub(super) fn act(
    dossier: &Dossier,
    desk: &Desk<'_>,
    stage: &Stage,
    command: Command,
    today: Day,
) -> Result<Vec<PageBody>, Refusal> {
    let item = desk.item;
    let wrong = || Refusal::WrongAct { stage: stage.id.clone(), kind: stage.kind };
    let noted = dossier.slips.iter().filter(|slip| Some(&slip.kind) == stage.trigger.as_ref()).take(1);
    let mut pages: Vec<PageBody> = noted.map(|slip| PageBody::SlipNoted { slip: slip.id }).collect();
    match command {
        Command::Complete { stage: id, agrees, opinion, officers } => {
            if matches!(stage.kind, StageKind::Decision | StageKind::Issue | StageKind::Deliver) {
                return Err(wrong());
            }
            if !agrees && opinion.trim().is_empty() {
                return Err(Refusal::NoReason);
            }
            procedures::may_complete(dossier, desk, stage, agrees, &officers, today)?;
            pages.push(PageBody::StageDone { stage: id, agrees, opinion, officers });
        }
        Command::Return { stage: id, faults, again } => {
            may_answer(dossier, item, stage)?;
            let again = again.filter(|reason| !reason.trim().is_empty());
            if dossier.notices > 0 && again.is_none() {
                return Err(Refusal::SecondNotice);
            }
            if faults.is_empty() || faults.iter().any(|fault| fault.reason.trim().is_empty()) {
                return Err(Refusal::NoReason);
            }
            pages.push(PageBody::Returned { stage: id, faults, again });
            // A counter that took it in itself has the applicant before it already.
            if dossier.origin != dossier.holder {
                pages.push(PageBody::HandedOver { to: dossier.origin.clone() });
            }
        }
        Command::NotAccept { stage: id, ground, text } => {
            may_answer(dossier, item, stage)?;
            let named = match &ground {
                NotAcceptedGround::NotNeeded => true,
                NotAcceptedGround::NotOurs { competent: word }
                | NotAcceptedGround::Unmet { article: word } => !word.trim().is_empty(),
            };
            if !named || text.trim().is_empty() {
                return Err(Refusal::NoReason);
            }
            pages.push(PageBody::NotAccepted { stage: id, ground, text });
        }
        Command::Decide { stage: id, outcome, text, article, licence } => {
            if let Some(open) = dossier.suspended() {
                return Err(Refusal::Suspended { since: open.from });
            }
            of_kind(stage, StageKind::Decision)?;
            if outcome == Outcome::Granted && dossier.has_objection() {
                return Err(Refusal::MustRefuse);
            }
            let article = article.filter(|article| !article.trim().is_empty());
            if outcome == Outcome::Refused {
                if text.trim().is_empty() {
                    return Err(Refusal::NoReason);
                }
                if article.is_none() {
                    return Err(Refusal::NoArticle);
                }
            }
            if dossier.hearing.as_ref().is_some_and(|hearing| hearing.record.is_none()) {
                return Err(Refusal::HearingOpen);
            }
            if procedures::hearing_asked(dossier) {
                return Err(Refusal::HearingAsked);
            }
            let issues_now = !item.stages.iter().any(|stage| stage.kind == StageKind::Issue);
            if outcome == Outcome::Granted {
                rests_well(desk)?;
                nothing_lacks(dossier, item)?;
                if issues_now && item.result.licence.is_some() {
                    no_licence_before(desk)?;
                }
            }
            pages.push(PageBody::Decided { stage: id, outcome, text, article });
            if outcome == Outcome::Granted && issues_now {
                pages.extend(issued(item, licence)?);
            }
        }
        Command::Issue { stage: id, licence, opinion } => {
            of_kind(stage, StageKind::Issue)?;
            nothing_lacks(dossier, item)?;
            no_licence_before(desk)?;
            pages.extend(issued(item, licence)?);
            pages.push(PageBody::StageDone { stage: id, agrees: true, opinion, officers: Vec::new() });
        }
        // Everything else is carried out before an act gets here.
        _ => return Err(wrong()),
    }
    Ok(pages)
}

/// A bundle: what this decision rests on has been granted (一件事).
fn rests_well(desk: &Desk<'_>) -> Result<(), Refusal> {
    if !desk.waiting.undecided.is_empty() {
        return Err(Refusal::RestsOn { cases: desk.waiting.undecided.clone() });
    }
    if !desk.waiting.refused.is_empty() {
        return Err(Refusal::RestsOnRefused { cases: desk.waiting.refused.clone() });
    }
    Ok(())
}

fn no_licence_before(desk: &Desk<'_>) -> Result<(), Refusal> {
    match &desk.waiting.holds_licence[..] {
        [] => Ok(()),
        cases => Err(Refusal::LicenceHeld { cases: cases.to_vec() }),
    }
}

/// The answers of art. 32 belong to the check of the papers, or to whatever stage accepts, and come before acceptance.
fn may_answer(dossier: &Dossier, item: &Item, stage: &Stage) -> Result<(), Refusal> {
    let checks = matches!(
        stage.kind,
        StageKind::CompletenessCheck | StageKind::Accept | StageKind::Review | StageKind::HomeVisit
    ) || plan::accepting_stage(item).is_some_and(|accepting| accepting.id == stage.id);
    if dossier.accepted.is_some() {
        return Err(Refusal::AlreadyAccepted);
    }
    if checks { Ok(()) } else { Err(Refusal::WrongAct { stage: stage.id.clone(), kind: stage.kind }) }
}

fn issued(item: &Item, licence: Option<Licence>) -> Result<Option<PageBody>, Refusal> {
    match (&item.result.licence, licence) {
        (None, _) => Ok(None),
        (Some(_), Some(licence)) => Ok(Some(PageBody::Issued { licence })),
        (Some(_), None) => Err(Refusal::NeedsLicence),
    }
}

/// No grant and no licence before the promised papers are here (容缺), and those to come from the library.
fn nothing_lacks(dossier: &Dossier, item: &Item) -> Result<(), Refusal> {
    lent(dossier, item)?;
    if dossier.lacking.is_empty() {
        return Ok(());
    }
    Err(Refusal::Lacking { materials: names(item, &dossier.lacking) })
}

/// What the applicant let the city take from its library is there.
pub(super) fn lent(dossier: &Dossier, item: &Item) -> Result<(), Refusal> {
    match library::standing(dossier) {
        Standing::Complete => Ok(()),
        Standing::Pending(materials) => Err(Refusal::LibraryPending { materials: names(item, &materials) }),
        Standing::Absent(materials) => Err(Refusal::NotInLibrary { materials: names(item, &materials) }),
    }
}

fn names(item: &Item, materials: &[MaterialId]) -> Vec<String> {
    let name = |id: &MaterialId| item.material(id).map_or_else(|| id.to_string(), |known| known.name.clone());
    materials.iter().map(name).collect()
}
