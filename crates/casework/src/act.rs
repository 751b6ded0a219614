//! What an officer does to a case: claim, complete, return, decide, issue, deliver, and the slips anybody may add.

use crate::{ActError, CaseView, Hall, Officer};
use domain::catalogue::{Item, StageKind};
use domain::clock::Procedure;
use domain::delegation::Delegate;
use domain::dossier::decide::{self, Command};
use domain::dossier::{Attachment, Dossier, Licence, NotAcceptedGround, Outcome, Slip};
use domain::form::FormFault;
use domain::network::Tier;
use domain::pack::CityPack;
use domain::{CaseNo, EntryId, MaterialId, StageId, Timestamp, numbers, tolerance};
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
    TakeMakeUp { stage: StageId, slip: EntryId },
    RefuseMakeUp { stage: StageId, slip: EntryId, reason: String },
    BreakCommitment { stage: StageId, finding: String },
    DeclineGreen { stage: StageId, reason: String },
    Decide { stage: StageId, outcome: Outcome, text: String, article: Option<String> },
    Issue { stage: StageId, opinion: String },
    Deliver { stage: StageId, receiver: String, proof: String },
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
        let laid = self.lay_out(&stored).await?;
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
            Order::Complete { stage, agrees, opinion } => Command::Complete { stage, agrees, opinion },
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
        self.write_slip(officer, &stored.dossier, kind_name, text, Vec::new()).await
    }

    /// Hands in papers that were promised for later (容缺补交), by a slip that whoever holds the case then judges.
    ///
    /// # Errors
    /// [`ActError::Unfit`] when nothing is lacking, or when a file is no JPEG, PNG or PDF.
    pub async fn make_up(
        &self,
        officer: &Officer,
        case: &CaseNo,
        scans: Vec<(MaterialId, Vec<u8>)>,
    ) -> Result<EntryId, ActError> {
        let stored = self.stored(case).await?;
        let lacking = &stored.dossier.lacking;
        if let Some((material, _)) = scans.iter().find(|(material, _)| !lacking.contains(material)) {
            let reason = format!("该件并不缺 {material};所缺的是:{lacking:?}");
            return Err(ActError::Unfit { what: "make_up", reason });
        }
        if scans.is_empty() {
            return Err(ActError::Unfit { what: "make_up", reason: "请附上补交的材料".to_owned() });
        }
        let mut papers = Vec::new();
        for (material, bytes) in scans {
            papers.push(self.keep_blob(material, bytes).await?);
        }
        self.write_slip(officer, &stored.dossier, tolerance::MAKE_UP, String::new(), papers).await
    }

    async fn write_slip(
        &self,
        officer: &Officer,
        dossier: &Dossier,
        kind_name: &str,
        text: String,
        attachments: Vec<Attachment>,
    ) -> Result<EntryId, ActError> {
        let now = self.now();
        let id = self.random.entry_id(now);
        let here = attachments.iter().map(|one| one.hash.clone()).collect();
        let (case, kind_name) = (dossier.case.clone(), kind_name.to_owned());
        let slip = Slip { id, case, kind: kind_name, text, attachments, by: self.me().clone(), at: now };
        let body =
            serde_json::to_vec(&slip).map_err(|e| ActError::Unfit { what: "slip", reason: e.to_string() })?;
        let channel = self.channel_for(&dossier.origin);
        let entry = NewEntry { id, channel, kind: kind::SLIP, subject: dossier.case.to_string(), body };
        let append =
            Append { attachments_here: here, ..Append::new(now, officer.name.clone(), "slip", vec![entry]) };
        self.store.append(append).await?;
        Ok(id)
    }
}
