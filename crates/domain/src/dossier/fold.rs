//! The fold: what each page makes of the dossier, in whatever order pages arrive.

use super::*;
use crate::inspection::{Finding, Held};

impl Dossier {
    /// Offers the next page. `is_superior`: the author stands above the present holder, so it may recall.
    pub fn apply(&mut self, page: &Page, author: &NodeId, is_superior: bool) -> Verdict {
        if let PageBody::Recalled { to } = &page.body {
            return self.recall(page, to, is_superior);
        }
        if page.term < self.term {
            return Verdict::Late;
        }
        if page.term > self.term || page.no > self.pages + 1 {
            return Verdict::Held;
        }
        if page.no <= self.pages {
            return Verdict::Refused("another page stands at this number");
        }
        if *author != self.holder {
            return Verdict::Refused("its writer does not hold the dossier");
        }
        self.pages = page.no;
        self.take(&page.body, page, author);
        Verdict::Applied
    }

    fn recall(&mut self, page: &Page, to: &NodeId, is_superior: bool) -> Verdict {
        if page.no < 2 {
            return Verdict::Refused("there is nothing to recall before the capture");
        }
        if page.term == self.term && is_superior && self.recalled && page.no <= self.pages {
            // Two superiors recalled at once: the higher one's recall stands, whichever arrives first.
            return Verdict::Rewind { keep: page.no - 1 };
        }
        if page.term <= self.term {
            return Verdict::Late;
        }
        if page.term > self.term + 1 || page.no > self.pages + 1 {
            return Verdict::Held;
        }
        if !is_superior {
            return Verdict::Refused("only a superior of the holder may recall");
        }
        if page.no <= self.pages {
            return Verdict::Rewind { keep: page.no - 1 };
        }
        self.pages = page.no;
        self.term = page.term;
        self.holder = to.clone();
        self.recalled = true;
        Verdict::Applied
    }

    /// Adds a slip. It changes nothing by itself; slips are kept in id order so that arrival order does not show (I10).
    pub fn add_slip(&mut self, slip: Slip) {
        if let Err(at) = self.slips.binary_search_by_key(&slip.id, |known| known.id) {
            self.slips.insert(at, slip);
        }
    }

    fn take(&mut self, body: &PageBody, page: &Page, author: &NodeId) {
        match body {
            // A second capture cannot change what the citizen confirmed; resubmission is the page for that.
            PageBody::Captured(_) | PageBody::Recalled { .. } => {}
            PageBody::SlipNoted { slip } => self.noted.push(*slip),
            PageBody::HandedOver { to } => {
                self.holder = to.clone();
                self.recalled = false;
            }
            PageBody::Claimed { stage } => self.stage(stage).claimed_by = Some(page.officer.clone()),
            PageBody::Released { stage } => self.stage(stage).claimed_by = None,
            PageBody::StageDone { stage, agrees, .. } => self.close_stage(stage, page, author, *agrees),
            PageBody::Accepted { on, .. } => self.accept(*on, author, false),
            PageBody::MadeUp { slip, papers } => self.take_make_up(*slip, papers, page.at.day()),
            PageBody::MakeUpRefused { slip, .. } => {
                self.noted.push(*slip);
                self.make_up_refused.insert(*slip, page.at.day());
            }
            PageBody::Lapsed { due } => self.lapsed = Some(*due),
            PageBody::CommitmentFalse { finding } => {
                let (finding, officer) = (finding.clone(), page.officer.clone());
                self.breach = Some(Breach { finding, officer, on: page.at.day() });
            }
            PageBody::GreenDeclined { reason } => {
                let (reason, officer) = (reason.clone(), page.officer.clone());
                self.green = None;
                self.green_declined = Some(green::Declined { reason, officer });
            }
            PageBody::DeemedAccepted { received } => self.accept(*received, author, true),
            PageBody::Returned { faults, .. } => {
                self.notices += 1;
                self.returned = Some(Returned { faults: faults.clone(), by: author.clone() });
            }
            PageBody::NotAccepted { stage, ground, text } => {
                self.close_stage(stage, page, author, false);
                self.not_accepted = Some(NotAccepted {
                    ground: ground.clone(),
                    text: text.clone(),
                    officer: page.officer.clone(),
                    at: page.at,
                    by: author.clone(),
                });
            }
            PageBody::Suspended { procedure, basis, days, handler } => self.suspensions.push(Suspension {
                procedure: *procedure,
                basis: basis.clone(),
                days: *days,
                handler: handler.clone(),
                approver: page.officer.clone(),
                from: page.at.day(),
                to: None,
                page: page.no,
            }),
            PageBody::Resumed { .. } => {
                if let Some(open) = self.suspensions.iter_mut().find(|one| one.to.is_none()) {
                    open.to = Some(page.at.day());
                }
            }
            PageBody::Extended { days, reason, handler } => {
                self.extension = Some(Extension {
                    days: *days,
                    reason: reason.clone(),
                    handler: handler.clone(),
                    approver: page.officer.clone(),
                    on: page.at.day(),
                    page: page.no,
                });
            }
            PageBody::Reprojected { release, moved } => self.reprojections.push(Reprojection {
                release: *release,
                on: page.at.day(),
                page: page.no,
                moved: moved.clone(),
            }),
            PageBody::Resubmitted(submission) => {
                self.returned = None;
                self.take_submission(submission, page, author);
            }
            PageBody::Decided { stage, outcome, text, article } => {
                self.close_stage(stage, page, author, *outcome == Outcome::Granted);
                self.decision = Some(Decision {
                    outcome: *outcome,
                    text: text.clone(),
                    article: article.clone(),
                    stage: Some(stage.clone()),
                    delegation: page.delegation.clone(),
                    officer: page.officer.clone(),
                    at: page.at,
                    by: author.clone(),
                    page: page.no,
                });
            }
            // A seal is pressed where the answer was given, and nowhere later.
            PageBody::Sealed { paper } if self.answered_by() == Some(author) => {
                self.papers.push(paper.clone())
            }
            PageBody::Sealed { .. } => {}
            PageBody::OriginalsChecked { materials, .. } => self.checked.extend(materials.iter().cloned()),
            PageBody::Reassigned { stage, to, .. } => self.stage(stage).claimed_by = Some(to.clone()),
            PageBody::Posted { stage, place, until } => {
                let posting = Posting { place: place.clone(), from: page.at.day(), until: *until };
                self.posted.insert(stage.clone(), posting);
            }
            PageBody::InspectionProposed { stage, slots } => {
                let proposed = Inspection { slots: slots.clone(), ..Inspection::default() };
                self.inspections.insert(stage.clone(), proposed);
            }
            PageBody::InspectionConfirmed { stage, .. }
            | PageBody::InspectionFixed { stage, .. }
            | PageBody::InspectionHeld { stage, .. }
            | PageBody::InspectionFound { stage, .. } => {
                // After a restore the answer to a proposal may come back where the proposal does not: it answers nothing then, and
                // the visit is proposed anew.
                if let Some(visit) = self.inspections.get_mut(stage) {
                    inspect(visit, body, page);
                }
            }
            PageBody::HearingNoticed { on, place, .. } => {
                let noticed = page.at.day();
                self.hearing = Some(Hearing { on: *on, place: place.clone(), noticed, record: None });
            }
            PageBody::HearingHeld { record, .. } => {
                if let Some(hearing) = &mut self.hearing {
                    hearing.record = Some(record.clone());
                }
            }
            PageBody::Charged { fee, amount_fen, receipt, waived, .. } => self.charges.push(Charge {
                fee: fee.clone(),
                amount_fen: *amount_fen,
                receipt: receipt.clone(),
                waived: waived.clone(),
                page: page.no,
            }),
            PageBody::Dispatched { carrier, waybill, .. } => {
                let (carrier, waybill) = (carrier.clone(), waybill.clone());
                self.dispatched = Some(Dispatch { carrier, waybill, on: page.at.day() });
            }
            PageBody::DeliveryFailed { channel, reason, .. } => {
                let (reason, officer) = (reason.clone(), page.officer.clone());
                self.attempts.push(Attempt { channel: *channel, reason, officer, at: page.at });
            }
            PageBody::Issued { licence } => self.licence = Some(licence.clone()),
            PageBody::Delivered { stage, receiver, proof, channel, kind } => {
                self.close_stage(stage, page, author, true);
                let (receiver, proof) = (receiver.clone(), proof.clone());
                let (channel, kind) = (*channel, *kind);
                self.delivered = Some(Delivery { receiver, proof, channel, kind, at: page.at });
            }
            PageBody::Withdrawn { .. } => self.withdrawn = true,
        }
    }

    pub(super) fn take_submission(&mut self, submission: &Submission, page: &Page, author: &NodeId) {
        self.applicant = submission.form.applicant_name().to_owned();
        self.attachments = submission.attachments.clone();
        self.skipped = submission.skipped.clone();
        self.submitted_page = page.no;
        self.online = submission.online.clone();
        let entered = submission.online.as_ref().map_or_else(|| page.at.day(), |online| online.on);
        self.received = (self.intake != Tier::Village).then_some(entered);
        self.lacking =
            submission.commitment.as_ref().map(|promise| promise.materials.clone()).unwrap_or_default();
        // What was compared was the scan of then.
        self.checked.clear();
        self.made_up = None;
        self.make_up_refused.clear();
        self.borrowed = submission.borrowed.clone();
        self.wish = submission.wish.clone();
        self.green = submission.green.clone().filter(|_| self.green_declined.is_none());
        for stage in &submission.closes {
            self.close_stage(stage, page, author, true);
        }
    }

    fn take_make_up(&mut self, slip: EntryId, papers: &[Attachment], on: Day) {
        self.noted.push(slip);
        self.attachments.extend(papers.iter().cloned());
        let brought = |id: &MaterialId| papers.iter().any(|paper| paper.material == *id);
        // What has been brought need not come from the library any more.
        self.borrowed.retain(|one| !brought(&one.material));
        let promised = !self.lacking.is_empty();
        self.lacking.retain(|id| !brought(id));
        if promised && self.lacking.is_empty() {
            self.made_up = Some(on);
        }
    }

    fn answered_by(&self) -> Option<&NodeId> {
        let decided = self.decision.as_ref().map(|decision| &decision.by);
        decided.or(self.not_accepted.as_ref().map(|refusal| &refusal.by))
    }

    fn accept(&mut self, on: Day, by: &NodeId, deemed: bool) {
        self.accepted = Some(Accepted { on, by: by.clone(), deemed });
    }

    fn stage(&mut self, id: &StageId) -> &mut StageState {
        self.stages.entry(id.clone()).or_default()
    }
    fn close_stage(&mut self, id: &StageId, page: &Page, author: &NodeId, agrees: bool) {
        let (officer, by) = (page.officer.clone(), Some(author.clone()));
        self.stage(id).done = Some(StageDone { officer, by, at: page.at, agrees });
    }
}

/// What one page makes of a joint inspection.
fn inspect(visit: &mut Inspection, body: &PageBody, page: &Page) {
    match body {
        PageBody::InspectionConfirmed { body, slots, .. } => {
            let known = slots.iter().copied().filter(|slot| visit.slots.get(*slot as usize).is_some());
            visit.confirmed.insert(body.clone(), known.collect());
        }
        PageBody::InspectionFixed { slot, citizen, .. } if visit.slots.get(*slot as usize).is_some() => {
            visit.fixed = Some((*slot, *citizen));
        }
        PageBody::InspectionHeld { officers, absent, .. } => {
            let (officers, absent) = (officers.iter().cloned().collect(), absent.iter().cloned().collect());
            visit.held = Some(Held { on: page.at.day(), officers, absent });
        }
        PageBody::InspectionFound { body, passed, text, .. } => {
            let (text, officer) = (text.clone(), page.officer.clone());
            visit.findings.insert(body.clone(), Finding { passed: *passed, text, officer });
        }
        // The caller hands in pages of an inspection only.
        _ => {}
    }
}
