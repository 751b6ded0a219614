//! What an officer does to a case: claim, complete, return, decide, issue, deliver, and the slips anybody may add.

use crate::desk::LaidOut;
use crate::{ActError, CaseView, Hall, Officer};
use domain::access::Permission;
use domain::catalogue::{Item, StageKind};
use domain::delegation::Delegate;
use domain::dossier::decide::{self, Actor, Command};
use domain::dossier::{Dossier, Licence, Outcome};
use domain::network::Tier;
use domain::pack::CityPack;
use domain::paper::SealedPaper;
use domain::sheet::{self, Section};
use domain::{CaseNo, EntryId, StageId, Timestamp, numbers};
use serde::Serialize;
use store::{Append, StoreError, StoredDossier};

/// Windows of one body number their papers from one series: each round one of them gets through.
const ROUNDS_MAX: usize = 16;

/// What the audit calls it.
fn action(order: &Command) -> &'static str {
    match order {
        Command::Claim { .. } => "claim",
        Command::Release { .. } => "release",
        Command::Complete { .. } => "complete",
        Command::Return { .. } => "return",
        Command::NotAccept { .. } => "not-accept",
        Command::Suspend { .. } => "suspend",
        Command::Resume { .. } => "resume",
        Command::Extend { .. } => "extend",
        Command::CheckOriginals { .. } => "check-originals",
        Command::Reassign { .. } => "reassign",
        Command::Post { .. } => "post",
        Command::ProposeInspection { .. } => "propose-inspection",
        Command::ConfirmInspection { .. } => "confirm-inspection",
        Command::FixInspection { .. } => "fix-inspection",
        Command::HoldInspection { .. } => "hold-inspection",
        Command::FindInspection { .. } => "find-inspection",
        Command::NoticeHearing { .. } => "notice-hearing",
        Command::HoldHearing { .. } => "hold-hearing",
        Command::Charge { .. } => "charge",
        Command::Dispatch { .. } => "dispatch",
        Command::FailDelivery { .. } => "fail-delivery",
        Command::TakeMakeUp { .. } => "take-make-up",
        Command::RefuseMakeUp { .. } => "refuse-make-up",
        Command::BreakCommitment { .. } => "commitment-false",
        Command::DeclineGreen { .. } => "decline-green",
        Command::Decide { .. } => "decide",
        Command::Issue { .. } => "issue",
        Command::Deliver { .. } => "deliver",
        Command::Withdraw { .. } => "withdraw",
        Command::Resubmit(_) => "resubmit",
        Command::Recall => "recall",
    }
}
/// Judges papers, so the papers must be here.
fn needs_papers(order: &Command) -> bool {
    matches!(
        order,
        Command::Complete { .. }
            | Command::Decide { .. }
            | Command::Issue { .. }
            | Command::TakeMakeUp { .. }
    )
}
/// Ends in a paper under seal.
fn seals(order: &Command) -> bool {
    matches!(order, Command::Decide { .. } | Command::NotAccept { .. })
}
/// Computes from the form that was handed in.
fn needs_form(order: &Command, item: &Item) -> bool {
    let ends_payment =
        |stage: &StageId| item.stage(stage).is_some_and(|stage| stage.kind == StageKind::Payment);
    match order {
        Command::Charge { .. } => true,
        Command::Complete { stage, .. } => ends_payment(stage),
        _ => false,
    }
}

/// An order that may be carried out, and what it takes.
struct Prepared {
    act: decide::Act,
    action: &'static str,
    actor: Actor,
    serials: Vec<(String, u64)>,
}

/// A paper that an order would make.
#[derive(Debug, Clone, Serialize)]
pub struct Preview {
    pub title: String,
    pub to: String,
    pub sections: Vec<Section>,
}

impl Hall {
    pub(crate) async fn stored(&self, case: &CaseNo) -> Result<StoredDossier, ActError> {
        self.store
            .dossier(case)
            .await?
            .ok_or_else(|| ActError::NotFound { what: "办件", value: case.to_string() })
    }

    /// Carries out one order. `request` makes a retry harmless; give the same one again after a lost answer.
    ///
    /// # Errors
    /// [`ActError`]; nothing was changed.
    pub async fn perform(
        &self,
        officer: &Officer,
        case: &CaseNo,
        order: Command,
        request: Option<EntryId>,
    ) -> Result<CaseView, ActError> {
        let request = request.unwrap_or_else(|| self.random.entry_id(self.now()));
        // Somebody else's page may come between reading and appending: read again and decide again, on what now stands.
        for _ in 0..ROUNDS_MAX {
            match self.try_perform(officer, case, order.clone(), request).await {
                Err(ActError::Store(StoreError::Stale { .. } | StoreError::SerialTaken { .. })) => {}
                Err(error) => return self.answer_if_repeated(case, request, error).await,
                Ok(()) => return self.view(case).await,
            }
        }
        Err(StoreError::Stale { case: case.clone() }.into())
    }

    /// A retry of an act that succeeded would now be refused (the stage is done); the caller is told what is true instead.
    async fn answer_if_repeated(
        &self,
        case: &CaseNo,
        request: EntryId,
        error: ActError,
    ) -> Result<CaseView, ActError> {
        let done = matches!(error, ActError::Refused(_))
            && self.store.history(case).await?.iter().any(|line| line.entry == request);
        if done { self.view(case).await } else { Err(error) }
    }

    async fn try_perform(
        &self,
        officer: &Officer,
        case: &CaseNo,
        order: Command,
        request: EntryId,
    ) -> Result<(), ActError> {
        let mut stored = self.stored(case).await?;
        if self.law_acts(&stored).await? {
            stored = self.stored(case).await?;
        }
        let dossier = &stored.dossier;
        let Prepared { act, action, actor, serials } = self.prepare(officer, &stored, order).await?;
        let relies_on = act.delegation.clone();
        let delegate = Delegate { node: actor.node.clone(), officer: actor.officer.clone() };
        let append = Append {
            takes_serials: serials,
            relies_on: relies_on.map(|number| (number, delegate)),
            ..self.append_of(action, officer, request, act, dossier.pages)?
        };
        self.store.append(append).await?;
        Ok(())
    }

    /// The sealed papers that an order would make, as their receiver would read them. Nothing is written and no number is taken: the
    /// ones that stand there are those that would be taken now.
    ///
    /// # Errors
    /// As [`Hall::perform`].
    pub async fn preview(
        &self,
        officer: &Officer,
        case: &CaseNo,
        order: Command,
    ) -> Result<Vec<Preview>, ActError> {
        let stored = self.stored(case).await?;
        let before = stored.dossier.papers.len();
        let act = self.prepare(officer, &stored, order).await?.act;
        let unfit = |reason: String| ActError::Unfit { what: "paper", reason };
        let read = |paper: &SealedPaper| {
            let (title, to, sections) = sheet::read_paper(paper).map_err(|bad| unfit(bad.0))?;
            Ok(Preview { title, to, sections })
        };
        act.after.papers.iter().skip(before).map(read).collect()
    }

    /// What an order comes to, with the numbers and the seal it would take.
    async fn prepare(
        &self,
        officer: &Officer,
        stored: &StoredDossier,
        order: Command,
    ) -> Result<Prepared, ActError> {
        let dossier = &stored.dossier;
        let mut laid = self.lay_out(stored).await?;
        let stage = order.stage().and_then(|id| laid.item.stage(id)).map(|stage| stage.kind);
        self.allow(officer, Permission::of(&order, stage))?;
        if needs_form(&order, &laid.item) {
            laid.form = self.form_of(&dossier.case).await?;
        }
        if needs_papers(&order) && stored.missing_attachments > 0 {
            return Err(ActError::Incomplete { missing: stored.missing_attachments });
        }
        let action = action(&order);
        let (actor, now) = (self.actor(officer), self.now());
        // First without numbers and seal: who may not act is told so before anything else.
        let dry = self.with_licence(&laid, dossier, order.clone(), "", now)?;
        decide::decide(dossier, &laid.plain(), &actor, dry, now)?;
        let mut serials = Vec::new();
        let mut serial = String::new();
        if self.issues(&laid.item, &order) {
            let (scope, number) = self.licence_serial(&laid.item, now).await?;
            serial = self.licence_number(number, now);
            serials.push((scope, number));
        }
        let stamp = match seals(&order) {
            true => Some(self.stamp(&laid.item, &laid.pack, now).await?),
            false => None,
        };
        let command = self.with_licence(&laid, dossier, order, &serial, now)?;
        let desk = stamp.as_ref().map_or_else(|| laid.plain(), |stamp| laid.desk(stamp));
        let act = decide::decide(dossier, &desk, &actor, command, now)?;
        serials.extend(stamp.iter().flat_map(|stamp| stamp.serials.clone()));
        Ok(Prepared { act, action, actor, serials })
    }

    fn issues(&self, item: &Item, order: &Command) -> bool {
        let has_stage = item.stages.iter().any(|stage| stage.kind == StageKind::Issue);
        item.result.licence.is_some()
            && match order {
                Command::Decide { outcome, .. } => *outcome == Outcome::Granted && !has_stage,
                Command::Issue { .. } => true,
                _ => false,
            }
    }

    async fn licence_serial(&self, item: &Item, now: Timestamp) -> Result<(String, u64), ActError> {
        let scope = format!("licence/{}/{}", item.body, now.day().year());
        let number = self.store.last_serial(&scope).await? + 1;
        Ok((scope, number))
    }

    /// A town's numbers carry its code: it may issue while the city link is down and never meet the hub's.
    fn licence_number(&self, number: u64, now: Timestamp) -> String {
        let year = now.day().year();
        match self.tier {
            Tier::City => format!("{year}{number:08}"),
            Tier::Town | Tier::Village => format!("{year}{}{number:06}", self.me().code()),
        }
    }

    /// The order with the licence that goes out with it, if one does.
    fn with_licence(
        &self,
        laid: &LaidOut,
        dossier: &Dossier,
        mut order: Command,
        serial: &str,
        now: Timestamp,
    ) -> Result<Command, ActError> {
        if let Command::Decide { licence, .. } | Command::Issue { licence, .. } = &mut order {
            *licence = self.licence(&laid.pack, &laid.item, dossier, serial, now)?;
        }
        Ok(order)
    }

    fn licence(
        &self,
        pack: &CityPack,
        item: &Item,
        dossier: &Dossier,
        serial: &str,
        now: Timestamp,
    ) -> Result<Option<Licence>, ActError> {
        let Some(kind) = item.result.licence.as_ref().and_then(|id| pack.licence_types.get(id)) else {
            return Ok(None);
        };
        let issuer = pack
            .orgs
            .get(&item.body)
            .ok_or_else(|| ActError::NotFound { what: "发证部门", value: item.body.to_string() })?;
        let number =
            numbers::make_licence_no(&kind.type_code, &issuer.credit_code, serial, 1).ok_or_else(|| {
                ActError::Unfit {
                    what: "licence", reason: "证照类型编码含有不允许的字符".to_owned()
                }
            })?;
        Ok(Some(Licence {
            number,
            kind: kind.id.clone(),
            name: item.result.name.clone(),
            holder: dossier.applicant.clone(),
            issuer: issuer.name.clone(),
            issued_on: now.day(),
        }))
    }
}
