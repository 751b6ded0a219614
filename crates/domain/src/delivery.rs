//! Delivery (送达): how a result reaches the citizen, what proves it, and where the paper original is meanwhile.
//!
//! Pure. Delivered is only what is proven; an attempt that failed is kept; an original has one holder at a time.

use crate::form::FormFault;
use crate::network::Tier;
use crate::{Day, NodeId, Timestamp};
use serde::{Deserialize, Serialize};

/// 送达方式.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// 窗口自取.
    Pickup,
    /// 镇便民服务中心代发.
    Town,
    /// 代办员送到.
    #[default]
    Proxy,
    /// 邮寄.
    Post,
    /// 电子送达.
    Electronic,
}

/// How the applicant would like to have the result (取件方式). A wish: whoever hands over may find that it cannot be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wish {
    pub channel: Channel,
    /// Where to: the postal address; empty where nobody has to travel.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub to: String,
}

impl Wish {
    /// What is wrong with it, for the officer; `None` when it can be followed.
    pub fn fault(&self) -> Option<FormFault> {
        let lacks = self.channel == Channel::Post && self.to.trim().is_empty();
        lacks.then(|| FormFault {
            field: "wish".into(),
            label: "取件方式".into(),
            reason: "邮寄须写明收件地址和联系电话".into(),
        })
    }
}

/// What shows that it arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ProofKind {
    /// The receiver's signature, by name.
    #[default]
    Signature,
    /// Hash of a photo of the hand-over.
    Photo,
    /// The six digits the receiver was sent.
    Code,
    /// The carrier's waybill, signed for.
    Waybill,
}

impl Channel {
    /// How a result reaches an applicant who wished for nothing else, from the counter of this tier.
    pub fn usual(tier: Tier) -> Channel {
        match tier {
            Tier::Village => Channel::Proxy,
            Tier::Town | Tier::City => Channel::Pickup,
        }
    }

    /// How a result reaches this applicant from the counter of this tier.
    pub fn wished(wish: Option<&Wish>, tier: Tier) -> Channel {
        wish.map_or_else(|| Channel::usual(tier), |wish| wish.channel)
    }

    pub const ALL: [Channel; 5] =
        [Channel::Proxy, Channel::Pickup, Channel::Town, Channel::Post, Channel::Electronic];

    /// As written in pages and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Channel::Pickup => "pickup",
            Channel::Town => "town",
            Channel::Proxy => "proxy",
            Channel::Post => "post",
            Channel::Electronic => "electronic",
        }
    }
    pub fn chinese(self) -> &'static str {
        match self {
            Channel::Pickup => "窗口自取",
            Channel::Town => "镇中心代发",
            Channel::Proxy => "代办员送达",
            Channel::Post => "邮寄",
            Channel::Electronic => "电子送达",
        }
    }
    fn accepts(self, kind: ProofKind) -> bool {
        match self {
            // A proxy's hand-over needs the citizen's own confirmation, as a window's does.
            Channel::Pickup | Channel::Town | Channel::Proxy => kind != ProofKind::Waybill,
            Channel::Post => kind == ProofKind::Waybill,
            Channel::Electronic => kind == ProofKind::Code,
        }
    }
}

/// 凭证.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    pub kind: ProofKind,
    pub text: String,
}

/// Kind of the slip, and name of its one attachment, by which the photo of a hand-over joins the case.
pub const PHOTO: &str = "delivery_photo";

/// Handed to a carrier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dispatch {
    pub carrier: String,
    pub waybill: String,
    pub on: Day,
}

/// An attempt that did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    pub channel: Channel,
    pub reason: String,
    pub officer: String,
    pub at: Timestamp,
}

/// What is wrong with a proof; `None` when it proves a delivery by this channel.
pub fn proof_fault(channel: Channel, proof: &Proof, dispatch: Option<&Dispatch>) -> Option<&'static str> {
    let text = proof.text.trim();
    if !channel.accepts(proof.kind) {
        return Some("这种送达方式须用相应的凭证:邮寄用运单,电子送达用验证码,其余用签名、照片或验证码");
    }
    match proof.kind {
        ProofKind::Signature if text.is_empty() => Some("请由领取人签名"),
        ProofKind::Photo if text.len() != 64 => Some("请拍一张交付时的照片"),
        ProofKind::Code if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_digit()) => {
            Some("验证码应为 6 位数字")
        }
        ProofKind::Waybill if !is_waybill(text) => Some("运单号应为 8 至 32 位字母或数字"),
        ProofKind::Waybill if dispatch.is_none_or(|sent| sent.waybill != text) => {
            Some("运单号与寄出时登记的不符;请先登记寄出")
        }
        _ => None,
    }
}

pub fn is_waybill(text: &str) -> bool {
    (8..=32).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// One hand-over of a paper original (原件流转): the village officer as postman.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginalStep {
    /// Which paper: number of a licence, name of a material.
    pub paper: String,
    /// Who gave it: `applicant`, a node, a carrier's waybill.
    pub from: String,
    pub to: String,
    /// 1, 2, 3 … along the way of this paper, as its writer knew it: clocks of different nodes give no order.
    #[serde(default)]
    pub no: u32,
}

/// Where each original is now: (paper, holder, since).
pub fn originals<'a>(
    steps: impl Iterator<Item = (&'a OriginalStep, Timestamp, &'a NodeId)>,
) -> Vec<(String, String, Timestamp)> {
    let mut now: Vec<(String, String, Timestamp)> = Vec::new();
    let mut steps: Vec<_> = steps.collect();
    steps.sort_by_key(|(step, ..)| step.no);
    for (step, at, _) in steps {
        match now.iter_mut().find(|(paper, ..)| *paper == step.paper) {
            Some(known) => (known.1, known.2) = (step.to.clone(), at),
            None => now.push((step.paper.clone(), step.to.clone(), at)),
        }
    }
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_channel_has_its_own_proof() {
        let proof = |kind, text: &str| Proof { kind, text: text.into() };
        let sent = Dispatch {
            carrier: "邮政".into(),
            waybill: "EA123456789CN".into(),
            on: "2026-11-24".parse().unwrap(),
        };
        let fault = |channel, proof: Proof| proof_fault(channel, &proof, Some(&sent));
        assert_eq!(fault(Channel::Proxy, proof(ProofKind::Signature, "杨兰梅")), None);
        assert!(fault(Channel::Proxy, proof(ProofKind::Signature, " ")).is_some());
        assert!(fault(Channel::Proxy, proof(ProofKind::Waybill, "EA123456789CN")).is_some());
        assert_eq!(fault(Channel::Post, proof(ProofKind::Waybill, "EA123456789CN")), None);
        assert!(fault(Channel::Post, proof(ProofKind::Waybill, "EA000000000CN")).is_some(), "another parcel");
        assert!(proof_fault(Channel::Post, &proof(ProofKind::Waybill, "EA123456789CN"), None).is_some());
        assert_eq!(fault(Channel::Electronic, proof(ProofKind::Code, "123456")), None);
        assert!(fault(Channel::Electronic, proof(ProofKind::Code, "12345")).is_some());
        assert!(fault(Channel::Electronic, proof(ProofKind::Signature, "x")).is_some());
    }
}
