//! What lies beside a dossier when somebody acts on it, and the seal that is pressed under what they decide.

use crate::{ActError, Hall};
use domain::bundle::Waiting;
use domain::catalogue::Item;
use domain::clock::Receipts;
use domain::delegation::{Delegate, Delegations, Exercise, Power};
use domain::dossier::Dossier;
use domain::dossier::decide::{Desk, NoSeal, Press};
use domain::form::{self, Form};
use domain::network::{Network, Tier};
use domain::pack::CityPack;
use domain::paper::{Drawn, PaperKind, SealName, SealedPaper};
use domain::{CaseNo, Day, NodeId, Timestamp};
use std::fmt;
use std::sync::Arc;
use store::StoredDossier;
use trust::{SealKey, SealRing};

/// A desk with everything on it, read once.
pub(crate) struct LaidOut {
    /// The release the case is judged by.
    pub pack: Arc<CityPack>,
    pub item: Arc<Item>,
    pub network: Arc<Network>,
    newest: Arc<CityPack>,
    delegations: Arc<Delegations>,
    receipts: Receipts,
    breached: Option<CaseNo>,
    doubt: Option<String>,
    waiting: Waiting,
    /// Read only for acts that compute from it.
    pub form: Form,
}

impl LaidOut {
    pub fn desk<'a>(&'a self, press: &'a dyn Press) -> Desk<'a> {
        Desk {
            item: &self.item,
            network: &self.network,
            // The newest calendar, not the one of the capture: a year announced later corrects what was provisional.
            calendar: &self.newest.calendar,
            delegations: &self.delegations,
            receipts: self.receipts,
            breached: self.breached.as_ref(),
            doubt: self.doubt.as_deref(),
            waiting: &self.waiting,
            form: &self.form,
            press,
        }
    }
    /// For acts that seal nothing.
    pub fn plain(&self) -> Desk<'_> {
        self.desk(&NoSeal)
    }
}

/// A seal with the numbers it will use.
pub(crate) struct Stamp {
    key: SealKey,
    number: String,
    ledger_no: u64,
    item: Arc<Item>,
    body_name: String,
    day: Day,
    /// The serials that must be taken with the page.
    pub serials: Vec<(String, u64)>,
}

impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "seal of {}", self.key.name.owner)
    }
}

impl Press for Stamp {
    fn press(&self, kind: PaperKind, after: &Dossier) -> Option<SealedPaper> {
        let drawn = Drawn {
            dossier: after,
            item: &self.item,
            body_name: &self.body_name,
            number: &self.number,
            day: self.day,
        };
        let content = match kind {
            PaperKind::Decision => drawn.decision(),
            PaperKind::NotAccepted => drawn.not_accepted(),
        }?;
        let content = serde_json::to_string(&content).ok()?;
        Some(self.key.press(kind, self.number.clone(), self.ledger_no, content))
    }
}

impl Hall {
    pub(crate) async fn lay_out(&self, stored: &StoredDossier) -> Result<LaidOut, ActError> {
        let dossier = &stored.dossier;
        let (_, pack, item) = self.item(Some(dossier.release), &dossier.item)?;
        let (_, newest) = self.pack(None)?;
        let doubt = self.doubt(dossier, &item);
        let breached = match dossier.lacking.is_empty() || dossier.accepted.is_some() {
            true => None,
            false => self.breach_of(&dossier.case).await?,
        };
        let waiting = self.waiting(dossier, &pack).await?;
        Ok(LaidOut {
            pack,
            item,
            network: self.store.network(),
            newest,
            delegations: self.store.delegations(),
            receipts: stored.receipts,
            breached,
            doubt,
            waiting,
            form: Form::new(),
        })
    }

    /// The earlier case in which the applicant of this one broke a commitment.
    async fn breach_of(&self, case: &CaseNo) -> Result<Option<CaseNo>, ActError> {
        match form::applicant(&self.form_of(case).await?).1 {
            "" => Ok(None),
            number => Ok(self.store.breach_of(number).await?),
        }
    }

    /// The form that counts now.
    pub(crate) async fn form_of(&self, case: &CaseNo) -> Result<Form, ActError> {
        let page = self.store.current_submission(case).await?;
        let submission = page.as_ref().and_then(|page| page.body.submission());
        Ok(submission.map(|submission| submission.form.to_form()).unwrap_or_default())
    }

    /// The seal for a decision on `item` made here now.
    ///
    /// # Errors
    /// [`ActError::Unfit`] when nobody here keeps a seal for the body.
    pub(crate) async fn stamp(
        &self,
        item: &Arc<Item>,
        pack: &CityPack,
        now: Timestamp,
    ) -> Result<Stamp, ActError> {
        let key = self.seals.seal_for(&item.body).ok_or_else(|| ActError::Unfit {
            what: "seal",
            reason: format!("{} 没有备案的审批专用章;请登记员在“授权和印章”里刻制", item.body),
        })?;
        self.is_in_use(&key.name)?;
        let year = now.day().year();
        let owner = key.name.owner.clone();
        let (numbers, ledger) = (format!("paper/{owner}/{year}"), format!("seal/{owner}/{}", key.name.no));
        let serial = self.store.last_serial(&numbers).await? + 1;
        let ledger_no = self.store.last_serial(&ledger).await? + 1;
        let body_name = pack.org_name(&item.body).to_owned();
        // A node's own numbers carry its code: a village or town that is set up anew never meets its earlier ones.
        let issuer = match self.tier {
            Tier::City => body_name.clone(),
            Tier::Town | Tier::Village => {
                let name = self.store.network().get(self.me()).map(|node| node.name.clone());
                format!("{}({})", name.unwrap_or_default(), self.me().code())
            }
        };
        Ok(Stamp {
            number: format!("{issuer}行决字〔{year}〕{serial}号"),
            serials: vec![(numbers, serial), (ledger, ledger_no)],
            ledger_no,
            key,
            item: item.clone(),
            body_name,
            day: now.day(),
        })
    }

    /// A seal whose record has not been published, or that is out of use, would make a paper nobody believes.
    fn is_in_use(&self, seal: &SealName) -> Result<(), ActError> {
        // A node's own key is known to everybody from its enrolment.
        if seal.no == 0 {
            return Ok(());
        }
        let reason = match self.store.seals().get(seal).map(|record| record.withdrawn) {
            Some(None) => return Ok(()),
            Some(Some(from)) => format!(
                "{} 第 {} 号印章自 {from} 起停用;请登记员在“授权和印章”里刻制新章",
                seal.owner, seal.no
            ),
            None => format!("{} 第 {} 号印章尚未备案;请管理员重新制章并备案", seal.owner, seal.no),
        };
        Err(ActError::Unfit { what: "seal", reason })
    }

    /// Why the answer that a case carries cannot be believed at this node; `None` when it verifies, or while there is none.
    pub(crate) fn doubt(&self, dossier: &Dossier, item: &Item) -> Option<String> {
        let network = self.store.network();
        let (by, kind) = match (&dossier.decision, &dossier.not_accepted) {
            (Some(decision), _) => {
                if let Some(lacks) = self.undelegated(dossier, item, &network) {
                    return Some(lacks);
                }
                (&decision.by, PaperKind::Decision)
            }
            (None, Some(refusal)) => (&refusal.by, PaperKind::NotAccepted),
            (None, None) => return None,
        };
        let Some(paper) = dossier.papers.iter().rev().find(|paper| paper.kind == kind) else {
            return Some("决定没有盖章".to_owned());
        };
        self.unsealed(dossier, item, by, paper, &network)
    }

    /// I18: the letter must have been good for this officer, item, area and day.
    fn undelegated(&self, dossier: &Dossier, item: &Item, network: &Network) -> Option<String> {
        let decision = dossier.decision.as_ref()?;
        let (Some(stage), Some(number)) =
            (decision.stage.as_ref().and_then(|id| item.stage(id)), decision.delegation.as_deref())
        else {
            return Some("决定没有写明授权委托书".to_owned());
        };
        let delegate = Delegate { node: decision.by.clone(), officer: decision.officer.clone() };
        let area = network.get(&dossier.origin).map_or("", |node| &node.place);
        let (power, day) = (Power::Decide, decision.at.day());
        let exercise = Exercise { delegate: &delegate, item, stage, power, area, day };
        self.store.delegations().stood(number, &exercise).err().map(|lacks| format!("{number}:{lacks}"))
    }

    fn unsealed(
        &self,
        dossier: &Dossier,
        item: &Item,
        by: &NodeId,
        paper: &SealedPaper,
        network: &Network,
    ) -> Option<String> {
        let content = match paper.read() {
            Ok(content) => content,
            Err(reason) => return Some(reason),
        };
        let outcome = dossier.decision.as_ref().map(|decision| decision.outcome);
        let says_the_same =
            content.case == dossier.case && content.item == dossier.item && content.outcome == outcome;
        let at_city = network.get(by).is_some_and(|node| node.tier == Tier::City);
        let owner = if at_city { item.body.as_str() } else { by.as_str() };
        if !says_the_same || paper.number != content.number {
            return Some("盖章文书与案卷不符".to_owned());
        }
        if paper.seal.owner != owner {
            return Some(format!("盖的是 {} 的章,应为 {owner} 的章", paper.seal.owner));
        }
        SealRing(self.store.seals()).verify(paper, content.day, network).err().map(|fault| fault.to_string())
    }
}
