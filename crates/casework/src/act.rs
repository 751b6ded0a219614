//! What an officer does to a case: claim, complete, return, decide, issue, deliver, and the slips anybody may add.

use crate::{ActError, CaseView, Hall, Officer};
use domain::catalogue::{Item, StageKind};
use domain::clock::Procedure;
use domain::delegation::Delegate;
use domain::delivery::{Channel, Proof};
use domain::dossier::decide::{self, Command};
use domain::dossier::{Dossier, Licence, NotAcceptedGround, Outcome};
use domain::fee::Charge;
use domain::form::FormFault;
use domain::inspection::Slot;
use domain::network::Tier;
use domain::pack::CityPack;
use domain::{CaseNo, Day, EntryId, MaterialId, OrgId, StageId, Timestamp, numbers};
use store::{Append, StoreError, StoredDossier};

/// An officer's order, before numbers and licences are filled in.
#[derive(Debug, Clone)]
pub enum Order {
    Claim { stage: StageId },
    Release { stage: StageId },
    Complete { stage: StageId, agrees: bool, opinion: String, officers: Vec<String> },
    CheckOriginals { stage: StageId, materials: Vec<MaterialId> },
    Reassign { stage: StageId, to: String, reason: String },
    Post { stage: StageId, place: String },
    ProposeInspection { stage: StageId, slots: Vec<Slot> },
    ConfirmInspection { stage: StageId, body: Option<OrgId>, slots: Vec<u32> },
    FixInspection { stage: StageId, slot: u32 },
    HoldInspection { stage: StageId, officers: Vec<String>, absent: Vec<OrgId> },
    FindInspection { stage: StageId, body: Option<OrgId>, passed: bool, text: String },
    NoticeHearing { stage: StageId, on: Day, place: String },
    HoldHearing { stage: StageId, record: String },
    Charge { stage: StageId, charge: Charge },
    Dispatch { stage: StageId, carrier: String, waybill: String },
    FailDelivery { stage: StageId, channel: Channel, reason: String },
    Return { stage: StageId, faults: Vec<FormFault>, again: Option<String> },
    NotAccept { stage: StageId, ground: NotAcceptedGround, text: String },
    Suspend { stage: StageId, procedure: Procedure, basis: String, days: u32 },
    Resume { stage: StageId, finding: String },
    Extend { stage: StageId, days: u32, reason: String },
    TakeMakeUp { stage: StageId, slip: EntryId },
    RefuseMakeUp { stage: StageId, slip: EntryId, reason: String },
    BreakCommitment { stage: StageId, finding: String },
    DeclineGreen { stage: StageId, reason: String },
    Decide { stage: StageId, outcome: Outcome, text: String, article: Option<String> },
    Issue { stage: StageId, opinion: String },
    Deliver { stage: StageId, receiver: String, channel: Channel, proof: Proof },
    Withdraw { slip: EntryId },
    Recall,
}

/// Windows of one body number their papers from one series: each round one of them gets through.
const ROUNDS_MAX: usize = 16;

impl Order {
    fn action(&self) -> &'static str {
        match self {
            Order::Claim { .. } => "claim",
            Order::Release { .. } => "release",
            Order::Complete { .. } => "complete",
            Order::Return { .. } => "return",
            Order::NotAccept { .. } => "not-accept",
            Order::Suspend { .. } => "suspend",
            Order::Resume { .. } => "resume",
            Order::Extend { .. } => "extend",
            Order::CheckOriginals { .. } => "check-originals",
            Order::Reassign { .. } => "reassign",
            Order::Post { .. } => "post",
            Order::ProposeInspection { .. } => "propose-inspection",
            Order::ConfirmInspection { .. } => "confirm-inspection",
            Order::FixInspection { .. } => "fix-inspection",
            Order::HoldInspection { .. } => "hold-inspection",
            Order::FindInspection { .. } => "find-inspection",
            Order::NoticeHearing { .. } => "notice-hearing",
            Order::HoldHearing { .. } => "hold-hearing",
            Order::Charge { .. } => "charge",
            Order::Dispatch { .. } => "dispatch",
            Order::FailDelivery { .. } => "fail-delivery",
            Order::TakeMakeUp { .. } => "take-make-up",
            Order::RefuseMakeUp { .. } => "refuse-make-up",
            Order::BreakCommitment { .. } => "commitment-false",
            Order::DeclineGreen { .. } => "decline-green",
            Order::Decide { .. } => "decide",
            Order::Issue { .. } => "issue",
            Order::Deliver { .. } => "deliver",
            Order::Withdraw { .. } => "withdraw",
            Order::Recall => "recall",
        }
    }
    /// Judges papers, so the papers must be here.
    fn needs_papers(&self) -> bool {
        matches!(
            self,
            Order::Complete { .. } | Order::Decide { .. } | Order::Issue { .. } | Order::TakeMakeUp { .. }
        )
    }
    /// Ends in a paper under seal.
    fn seals(&self) -> bool {
        matches!(self, Order::Decide { .. } | Order::NotAccept { .. })
    }
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
        order: Order,
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
        order: Order,
        request: EntryId,
    ) -> Result<(), ActError> {
        let mut stored = self.stored(case).await?;
        if self.law_acts(&stored).await? {
            stored = self.stored(case).await?;
        }
        let dossier = &stored.dossier;
        let mut laid = self.lay_out(&stored).await?;
        if matches!(order, Order::Charge { .. } | Order::Complete { .. }) {
            laid.form = self.form_of(&dossier.case).await?;
        }
        if order.needs_papers() && stored.missing_attachments > 0 {
            return Err(ActError::Incomplete { missing: stored.missing_attachments });
        }
        let action = order.action();
        let (actor, now) = (self.actor(officer), self.now());
        // First without numbers and seal: who may not act is told so before anything else.
        let dry = self.command(&laid.pack, &laid.item, dossier, order.clone(), "", now)?;
        decide::decide(dossier, &laid.plain(), &actor, dry, now)?;
        let mut serials = Vec::new();
        let mut serial = String::new();
        if self.issues(&laid.item, &order) {
            let (scope, number) = self.licence_serial(&laid.item, now).await?;
            serial = self.licence_number(number, now);
            serials.push((scope, number));
        }
        let stamp = match order.seals() {
            true => Some(self.stamp(&laid.item, &laid.pack, now).await?),
            false => None,
        };
        let command = self.command(&laid.pack, &laid.item, dossier, order, &serial, now)?;
        let desk = stamp.as_ref().map_or_else(|| laid.plain(), |stamp| laid.desk(stamp));
        let act = decide::decide(dossier, &desk, &actor, command, now)?;
        serials.extend(stamp.iter().flat_map(|stamp| stamp.serials.clone()));
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

    fn issues(&self, item: &Item, order: &Order) -> bool {
        let has_stage = item.stages.iter().any(|stage| stage.kind == StageKind::Issue);
        item.result.licence.is_some()
            && match order {
                Order::Decide { outcome, .. } => *outcome == Outcome::Granted && !has_stage,
                Order::Issue { .. } => true,
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

    fn command(
        &self,
        pack: &CityPack,
        item: &Item,
        dossier: &Dossier,
        order: Order,
        serial: &str,
        now: Timestamp,
    ) -> Result<Command, ActError> {
        Ok(match order {
            Order::Claim { stage } => Command::Claim { stage },
            Order::Release { stage } => Command::Release { stage },
            Order::Complete { stage, agrees, opinion, officers } => {
                Command::Complete { stage, agrees, opinion, officers }
            }
            Order::CheckOriginals { stage, materials } => Command::CheckOriginals { stage, materials },
            Order::Reassign { stage, to, reason } => Command::Reassign { stage, to, reason },
            Order::Post { stage, place } => Command::Post { stage, place },
            Order::ProposeInspection { stage, slots } => Command::ProposeInspection { stage, slots },
            Order::ConfirmInspection { stage, body, slots } => {
                Command::ConfirmInspection { stage, body, slots }
            }
            Order::FixInspection { stage, slot } => Command::FixInspection { stage, slot },
            Order::HoldInspection { stage, officers, absent } => {
                Command::HoldInspection { stage, officers, absent }
            }
            Order::FindInspection { stage, body, passed, text } => {
                Command::FindInspection { stage, body, passed, text }
            }
            Order::NoticeHearing { stage, on, place } => Command::NoticeHearing { stage, on, place },
            Order::HoldHearing { stage, record } => Command::HoldHearing { stage, record },
            Order::Charge { stage, charge } => Command::Charge { stage, charge },
            Order::Dispatch { stage, carrier, waybill } => Command::Dispatch { stage, carrier, waybill },
            Order::FailDelivery { stage, channel, reason } => {
                Command::FailDelivery { stage, channel, reason }
            }
            Order::Return { stage, faults, again } => Command::Return { stage, faults, again },
            Order::NotAccept { stage, ground, text } => Command::NotAccept { stage, ground, text },
            Order::Suspend { stage, procedure, basis, days } => {
                Command::Suspend { stage, procedure, basis, days }
            }
            Order::Resume { stage, finding } => Command::Resume { stage, finding },
            Order::Extend { stage, days, reason } => Command::Extend { stage, days, reason },
            Order::TakeMakeUp { stage, slip } => Command::TakeMakeUp { stage, slip },
            Order::RefuseMakeUp { stage, slip, reason } => Command::RefuseMakeUp { stage, slip, reason },
            Order::BreakCommitment { stage, finding } => Command::BreakCommitment { stage, finding },
            Order::DeclineGreen { stage, reason } => Command::DeclineGreen { stage, reason },
            Order::Decide { stage, outcome, text, article } => Command::Decide {
                stage,
                outcome,
                text,
                article,
                licence: self.licence(pack, item, dossier, serial, now)?,
            },
            Order::Issue { stage, opinion } => {
                Command::Issue { stage, opinion, licence: self.licence(pack, item, dossier, serial, now)? }
            }
            Order::Deliver { stage, receiver, channel, proof } => {
                Command::Deliver { stage, receiver, channel, proof }
            }
            Order::Withdraw { slip } => Command::Withdraw { slip },
            Order::Recall => Command::Recall,
        })
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
