//! A page of a dossier in words, for the timeline: what happened, by whom it is told beside it.

use domain::catalogue::Item;
use domain::delivery::PHOTO;
use domain::dossier::{NotAcceptedGround, Outcome, PageBody, Slip};
use domain::pack::CityPack;
use domain::{NodeId, StageId};

/// What a page says, in a few words, and what its writer added in their own.
pub(crate) struct Said {
    pub what: String,
    pub words: String,
}

fn said(what: impl Into<String>, words: impl Into<String>) -> Said {
    Said { what: what.into(), words: words.into() }
}

/// `node_name` gives the name of a node as people know it.
pub(crate) fn page(
    body: &PageBody,
    item: &Item,
    pack: &CityPack,
    node_name: &dyn Fn(&NodeId) -> String,
) -> Said {
    let stage = |id: &StageId| item.stage(id).map_or_else(|| id.to_string(), |stage| stage.name.clone());
    let org = |id: &domain::OrgId| pack.org_name(id).to_owned();
    match body {
        PageBody::Captured(_) => said("收件", ""),
        PageBody::Resubmitted(_) => said("补正后重新提交", ""),
        PageBody::HandedOver { to } => said(format!("案卷移交:{}", node_name(to)), ""),
        PageBody::Claimed { stage: id } => said(format!("认领:{}", stage(id)), ""),
        PageBody::Released { stage: id } => said(format!("退还认领:{}", stage(id)), ""),
        PageBody::StageDone { stage: id, agrees, opinion, officers } => {
            let answer = if *agrees { "办结" } else { "不同意" };
            let who = if officers.is_empty() { String::new() } else { format!("({})", officers.join("、")) };
            said(format!("{}:{answer}", stage(id)), format!("{opinion}{who}"))
        }
        PageBody::OriginalsChecked { materials, .. } => said(format!("核对原件 {} 份", materials.len()), ""),
        PageBody::Reassigned { to, reason, .. } => said(format!("改派给 {to}"), reason),
        PageBody::Posted { place, until, .. } => said(format!("公示至 {until}"), place),
        PageBody::InspectionProposed { slots, .. } => {
            said("提出联合查验时间", slots.iter().map(ToString::to_string).collect::<Vec<_>>().join(";"))
        }
        PageBody::InspectionConfirmed { body, .. } => said("确认查验时间", org(body)),
        PageBody::InspectionFixed { .. } => said("定下查验时间", ""),
        PageBody::InspectionHeld { officers, .. } => said("联合查验已到场", officers.join("、")),
        PageBody::InspectionFound { body, passed, text, .. } => {
            let passed = if *passed { "查验通过" } else { "查验不通过" };
            said(passed, format!("{} {text}", org(body)))
        }
        PageBody::HearingNoticed { on, place, .. } => said(format!("听证定于 {on}"), place),
        PageBody::HearingHeld { record, .. } => said("听证已举行", record),
        PageBody::Charged { fee, amount_fen, receipt, waived, .. } => {
            let yuan = format!("{:.2}", *amount_fen as f64 / 100.0);
            said(format!("收费 {yuan} 元"), format!("{fee} {receipt} {}", waived.as_deref().unwrap_or("")))
        }
        PageBody::Dispatched { carrier, waybill, .. } => said("寄出", format!("{carrier} {waybill}")),
        PageBody::DeliveryFailed { reason, .. } => said("送达未成", reason),
        PageBody::Accepted { lacking, .. } if lacking.is_empty() => said("受理", ""),
        PageBody::Accepted { lacking, .. } => said(format!("容缺受理,待补交 {} 份", lacking.len()), ""),
        PageBody::MadeUp { papers, .. } => said(format!("收下补交的材料 {} 份", papers.len()), ""),
        PageBody::MakeUpRefused { reason, .. } => said("退回补交的材料", reason),
        PageBody::Lapsed { due } => said(format!("{due} 前没有补交,视为撤回"), ""),
        PageBody::CommitmentFalse { finding } => said("承诺不实", finding),
        PageBody::GreenDeclined { reason } => said("不适用绿色通道", reason),
        PageBody::DeemedAccepted { received } => said(format!("逾期未答复,依法视为 {received} 受理"), ""),
        PageBody::Returned { faults, .. } => {
            let list = faults.iter().map(|fault| format!("{}:{}", fault.label, fault.reason));
            said(format!("退回补正,共 {} 处", faults.len()), list.collect::<Vec<_>>().join(";"))
        }
        PageBody::NotAccepted { ground, text, .. } => said(
            "不予受理",
            match ground {
                NotAcceptedGround::NotNeeded => text.clone(),
                NotAcceptedGround::NotOurs { competent: word }
                | NotAcceptedGround::Unmet { article: word } => {
                    format!("{text}({word})")
                }
            },
        ),
        PageBody::Suspended { procedure, basis, .. } => {
            said("期限停止计算", format!("{} {basis}", procedure.chinese()))
        }
        PageBody::Resumed { finding } => said("期限恢复计算", finding),
        PageBody::Extended { days, reason, .. } => said(format!("期限延长 {days} 个工作日"), reason),
        PageBody::Reprojected { .. } => said("按新公布的日历重算期限", ""),
        PageBody::Decided { outcome, text, article, .. } => {
            let answer = if *outcome == Outcome::Granted { "决定:准予" } else { "决定:不予" };
            said(answer, [text.as_str(), article.as_deref().unwrap_or("")].join(" ").trim())
        }
        PageBody::Sealed { paper } => said("盖章", paper.number.clone()),
        PageBody::Issued { licence } => said("制发证照", format!("{} {}", licence.name, licence.number)),
        PageBody::Delivered { receiver, channel, .. } => {
            said("送达", format!("{} {receiver}", channel.chinese()))
        }
        PageBody::SlipNoted { .. } => said("收到便条", ""),
        PageBody::Withdrawn { .. } => said("撤回申请", ""),
        PageBody::Recalled { to } => said(format!("上级调回案卷:{}", node_name(to)), ""),
    }
}

pub(crate) fn slip(slip: &Slip) -> Said {
    let what = match slip.kind.as_str() {
        "withdraw" => "便条:申请撤回",
        "note" => "便条",
        "applicant_notice" => "便条:申请人已通知",
        "hearing_request" => "便条:申请听证",
        "inspection_slot" => "便条:申请人选定查验时间",
        "make_up" => "便条:补交材料",
        "library" => "便条:证照库答复",
        "rating" => "便条:申请人已评价",
        "original" => "便条:原件流转",
        PHOTO => "便条:交付照片",
        _ => "便条",
    };
    said(what, slip.text.clone())
}
