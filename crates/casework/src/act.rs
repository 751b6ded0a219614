//! What an officer does to a case: claim, complete, return, decide, issue, deliver, and the slips anybody may add.

use crate::{ActError, CaseView, Hall, Officer};
use domain::catalogue::{Item, StageKind};
use domain::clock::Procedure;
use domain::dossier::decide::{self, Command, Desk};
use domain::dossier::{Dossier, Licence, NotAcceptedGround, Outcome, Slip};
use domain::form::FormFault;
use domain::network::Tier;
use domain::pack::CityPack;
use domain::{CaseNo, EntryId, StageId, Timestamp, numbers};
use store::{Append, NewEntry, StoreError, StoredDossier, kind};

/// An officer's order, before numbers and licences are filled in.
#[derive(Debug, Clone)]
pub enum Order {
    Claim { stage: StageId },
    Release { stage: StageId },
    Complete { stage: StageId, agrees: bool, opinion: String },
    Return { stage: StageId, faults: Vec<FormFault>, again: Option<String> },
    NotAccept { stage: StageId, ground: NotAcceptedGround, text: String },
    Suspend { stage: StageId, procedure: Procedure, basis: String, days: u32 },
    Resume { stage: StageId, finding: String },
    Extend { stage: StageId, days: u32, reason: String },
    Decide { stage: StageId, outcome: Outcome, text: String },
    Issue { stage: StageId, opinion: String },
    Deliver { stage: StageId, receiver: String, proof: String },
    Withdraw { slip: EntryId },
    Recall,
}

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
            Order::Decide { .. } => "decide",
            Order::Issue { .. } => "issue",
            Order::Deliver { .. } => "deliver",
            Order::Withdraw { .. } => "withdraw",
            Order::Recall => "recall",
        }
    }
    /// Judges papers, so the papers must be here.
    fn needs_papers(&self) -> bool {
        matches!(self, Order::Complete { .. } | Order::Decide { .. } | Order::Issue { .. })
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
        for _ in 0..4 {
            match self.try_perform(officer, case, order.clone(), request).await {
                Err(ActError::Store(StoreError::Stale { .. })) => {}
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
        if self.deem_if_due(&stored).await? {
            stored = self.stored(case).await?;
        }
        let (_, pack, item) = self.item(Some(stored.dossier.release), &stored.dossier.item)?;
        if order.needs_papers() && stored.missing_attachments > 0 {
            return Err(ActError::Incomplete { missing: stored.missing_attachments });
        }
        let action = order.action();
        let (actor, now) = (self.actor(officer), self.now());
        let network = self.store.network();
        let (_, newest) = self.pack(None)?;
        let desk =
            Desk { item: &item, network: &network, calendar: &newest.calendar, received: stored.received };
        // First without a licence number: a refused act must not use one up.
        let dry = self.command(&pack, &item, &stored.dossier, order.clone(), "", now)?;
        decide::decide(&stored.dossier, &desk, &actor, dry, now)?;
        let serial =
            if self.issues(&item, &order) { self.licence_serial(&item, now).await? } else { String::new() };
        let command = self.command(&pack, &item, &stored.dossier, order, &serial, now)?;
        let act = decide::decide(&stored.dossier, &desk, &actor, command, now)?;
        let append = self.append_of(action, officer, request, act, stored.dossier.pages)?;
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

    /// A town's serials carry its code: it may issue while the city link is down and never meet the hub's numbers.
    async fn licence_serial(&self, item: &Item, now: Timestamp) -> Result<String, ActError> {
        let year = now.day().year();
        let number = self.store.next_serial(&format!("licence/{}/{year}", item.body)).await?;
        Ok(if self.tier == Tier::City {
            format!("{year}{number:08}")
        } else {
            format!("{year}{}{number:06}", self.me().code())
        })
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
            Order::Complete { stage, agrees, opinion } => Command::Complete { stage, agrees, opinion },
            Order::Return { stage, faults, again } => Command::Return { stage, faults, again },
            Order::NotAccept { stage, ground, text } => Command::NotAccept { stage, ground, text },
            Order::Suspend { stage, procedure, basis, days } => {
                Command::Suspend { stage, procedure, basis, days }
            }
            Order::Resume { stage, finding } => Command::Resume { stage, finding },
            Order::Extend { stage, days, reason } => Command::Extend { stage, days, reason },
            Order::Decide { stage, outcome, text } => Command::Decide {
                stage,
                outcome,
                text,
                licence: self.licence(pack, item, dossier, serial, now)?,
            },
            Order::Issue { stage, opinion } => {
                Command::Issue { stage, opinion, licence: self.licence(pack, item, dossier, serial, now)? }
            }
            Order::Deliver { stage, receiver, proof } => Command::Deliver { stage, receiver, proof },
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

    /// Adds a slip: it changes nothing until the holder writes a page about it.
    ///
    /// # Errors
    /// [`ActError::Unfit`] for an unknown kind.
    pub async fn add_slip(
        &self,
        officer: &Officer,
        case: &CaseNo,
        kind_name: &str,
        text: String,
    ) -> Result<EntryId, ActError> {
        if !matches!(kind_name, "withdraw" | "note" | "rating" | "applicant_notice") {
            let reason = "便条种类应为 withdraw、note、rating 或 applicant_notice".to_owned();
            return Err(ActError::Unfit { what: "slip", reason });
        }
        let stored = self.stored(case).await?;
        let now = self.now();
        let id = self.random.entry_id(now);
        let slip =
            Slip { id, case: case.clone(), kind: kind_name.to_owned(), text, by: self.me().clone(), at: now };
        let body =
            serde_json::to_vec(&slip).map_err(|e| ActError::Unfit { what: "slip", reason: e.to_string() })?;
        let channel = self.channel_for(&stored.dossier.origin);
        let append = Append {
            at: now,
            officer: officer.name.clone(),
            action: "slip",
            entries: vec![NewEntry { id, channel, kind: kind::SLIP, subject: case.to_string(), body }],
            expected: None,
            consumes_draft: None,
            consumes_enrolment: None,
            attachments_here: Vec::new(),
        };
        self.store.append(append).await?;
        Ok(id)
    }
}
