//! Money and hand-over: what may be charged, and what counts as delivered.

use super::decide::{Desk, Refusal};
use super::procedures::of_kind;
use super::{Attachment, Dossier, PageBody};
use crate::catalogue::{Stage, StageKind};
use crate::delivery::{self, Channel, Proof, ProofKind};
use crate::fee::{self, Charge};

/// A charge of the catalogue, after acceptance and once.
pub(super) fn charge(
    dossier: &Dossier,
    desk: &Desk<'_>,
    stage: &Stage,
    charge: Charge,
) -> Result<Vec<PageBody>, Refusal> {
    let Some(accepted) = &dossier.accepted else { return Err(Refusal::FeeBeforeAcceptance) };
    if dossier.charges.iter().any(|known| known.fee == charge.fee) {
        return Err(Refusal::FeeTwice);
    }
    if let Some(fault) = fee::fault(desk.item, desk.form, &charge, accepted.on) {
        return Err(Refusal::Fee(fault));
    }
    if charge.receipt.trim().is_empty() && charge.amount_fen > 0 {
        return Err(Refusal::NoReason);
    }
    let Charge { fee, amount_fen, receipt, waived, page: _ } = charge;
    Ok(vec![PageBody::Charged { stage: stage.id.clone(), fee, amount_fen, receipt, waived }])
}

/// A result whose letter or seal does not verify goes out by no way.
fn believed(desk: &Desk<'_>) -> Result<(), Refusal> {
    desk.doubt.map_or(Ok(()), |doubt| Err(Refusal::Doubtful { why: doubt.to_owned() }))
}

pub(super) fn dispatch(
    dossier: &Dossier,
    desk: &Desk<'_>,
    stage: &Stage,
    carrier: String,
    waybill: String,
) -> Result<Vec<PageBody>, Refusal> {
    of_kind(stage, StageKind::Deliver)?;
    believed(desk)?;
    if carrier.trim().is_empty() || !delivery::is_waybill(&waybill) {
        return Err(Refusal::Proof("请写明承运人和运单号;运单号应为 8 至 32 位字母或数字"));
    }
    if dossier.dispatched.as_ref().is_some_and(|sent| sent.waybill == waybill) {
        return Err(Refusal::Proof("这个运单已经登记寄出"));
    }
    Ok(vec![PageBody::Dispatched { stage: stage.id.clone(), carrier, waybill }])
}

pub(super) fn fail_delivery(
    stage: &Stage,
    channel: Channel,
    reason: String,
) -> Result<Vec<PageBody>, Refusal> {
    of_kind(stage, StageKind::Deliver)?;
    if reason.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    Ok(vec![PageBody::DeliveryFailed { stage: stage.id.clone(), channel, reason }])
}

pub(super) fn deliver(
    dossier: &Dossier,
    desk: &Desk<'_>,
    stage: &Stage,
    receiver: String,
    channel: Channel,
    proof: Proof,
) -> Result<Vec<PageBody>, Refusal> {
    of_kind(stage, StageKind::Deliver)?;
    believed(desk)?;
    if receiver.trim().is_empty() {
        return Err(Refusal::NoReason);
    }
    if let Some(fault) = delivery::proof_fault(channel, &proof, dossier.dispatched.as_ref()) {
        return Err(Refusal::Proof(fault));
    }
    // A photo that nobody can look at proves nothing.
    let taken =
        |known: &Attachment| known.material.as_str() == delivery::PHOTO && known.hash == proof.text.trim();
    if proof.kind == ProofKind::Photo && !dossier.all_attachments().any(taken) {
        return Err(Refusal::Proof("这张照片不在本件的附件里;请先上传照片"));
    }
    let Proof { kind, text: proof } = proof;
    Ok(vec![PageBody::Delivered { stage: stage.id.clone(), receiver, proof, channel, kind }])
}
