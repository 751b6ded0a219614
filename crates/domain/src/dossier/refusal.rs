//! Why an act was refused, in the words of the counter: what is wrong and how to mend it.

use crate::catalogue::StageKind;
use crate::delegation::{NoDelegation, Power};
use crate::fee::FeeFault;
use crate::form::FormFault;
use crate::network::Tier;
use crate::{CaseNo, Day, NodeId, OrgId, StageId};
use std::fmt;

/// Why an act was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    HeldElsewhere {
        holder: NodeId,
    },
    NoSuchStage {
        stage: String,
    },
    NotReady {
        stage: StageId,
        ready: Vec<StageId>,
    },
    OtherTier {
        stage: StageId,
        tier: Tier,
    },
    OtherBody {
        stage: StageId,
        bodies: Vec<OrgId>,
    },
    ClaimedBy {
        officer: String,
    },
    NotClaimed {
        stage: StageId,
    },
    WrongAct {
        stage: StageId,
        kind: StageKind,
    },
    NoReason,
    MustRefuse,
    NeedsLicence,
    NotReturned,
    Faulty(Vec<FormFault>),
    Undecidable,
    NoSuchSlip,
    Over,
    NotSuperior,
    NoNode {
        tier: Tier,
    },
    NoDelegation {
        stage: String,
        power: Power,
        lacks: NoDelegation,
    },
    NoArticle,
    Lacking {
        materials: Vec<String>,
    },
    BrokenWord {
        case: CaseNo,
    },
    NotWhatLacks,
    NoCommitment,
    NotGreen,
    RestsOn {
        cases: Vec<CaseNo>,
    },
    RestsOnRefused {
        cases: Vec<CaseNo>,
    },
    LicenceHeld {
        cases: Vec<CaseNo>,
    },
    LibraryPending {
        materials: Vec<String>,
    },
    NotInLibrary {
        materials: Vec<String>,
    },
    NotPosted,
    StillPosted {
        until: Day,
    },
    TwoOfficers,
    NotInspected,
    NoFinding {
        bodies: Vec<OrgId>,
    },
    VisitFixed,
    BadSlots,
    NotConfirmed {
        bodies: Vec<OrgId>,
    },
    CitizenNotAsked,
    Waived,
    NoBody,
    HearingOpen,
    HearingAsked,
    HearingTooSoon {
        first: Day,
    },
    HearingTooLate {
        last: Day,
    },
    FeeBeforeAcceptance,
    FeeTwice,
    Fee(FeeFault),
    Proof(&'static str),
    Doubtful {
        why: String,
    },
    Overreach,
    DeemFirst,
    SecondNotice,
    AlreadyAccepted,
    NotAccepted,
    Suspended {
        since: Day,
    },
    NotSuspended,
    SamePerson,
    /// The officer bears another duty in this case, by the stage `did`.
    OtherDuty {
        stage: String,
        did: String,
    },
    AlreadyExtended,
    TooLong {
        days_max: u32,
    },
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let join = |ids: &[StageId]| ids.iter().map(StageId::as_str).collect::<Vec<_>>().join("、");
        match self {
            Refusal::HeldElsewhere { holder } => {
                write!(f, "案卷现在 {holder},只有持卷节点可以办理;请等案卷转来")
            }
            Refusal::NoSuchStage { stage } => write!(f, "该事项没有环节 {stage};请按办件详情中的环节办理"),
            Refusal::NotReady { stage, ready } if ready.is_empty() => {
                write!(f, "环节 {stage} 现在不能办理,没有待办环节")
            }
            Refusal::NotReady { stage, ready } => {
                write!(f, "环节 {stage} 现在不能办理;当前可办:{}", join(ready))
            }
            Refusal::OtherTier { stage, tier } => write!(f, "环节 {stage} 由{}办理", tier_name(*tier)),
            Refusal::OtherBody { stage, bodies } => {
                let names = bodies.iter().map(OrgId::as_str).collect::<Vec<_>>().join("、");
                write!(f, "环节 {stage} 由部门 {names} 办理;请用该部门的账号登录")
            }
            Refusal::ClaimedBy { officer } => write!(f, "已由 {officer} 认领;请其办理或退还后再认领"),
            Refusal::NotClaimed { stage } => write!(f, "请先认领环节 {stage} 再办理"),
            Refusal::WrongAct { stage, kind } => {
                write!(f, "环节 {stage} 的类型是 {},请用相应的操作", kind.as_str())
            }
            Refusal::NoReason => f.write_str("请写明理由"),
            Refusal::MustRefuse => f.write_str("有环节意见为不同意,只能作出不予决定,或由该环节重新办理"),
            Refusal::NeedsLicence => f.write_str("准予后应制发证照,但没有证照编号"),
            Refusal::NotReturned => f.write_str("该件没有被退回,不需要重新提交"),
            Refusal::Faulty(faults) => {
                f.write_str("表单或材料有误:")?;
                for fault in faults {
                    write!(f, "{}:{};", fault.label, fault.reason)?;
                }
                Ok(())
            }
            Refusal::Undecidable => {
                f.write_str("按所填内容,本事项没有可作决定的环节;请修改表单或到市政务服务中心窗口办理")
            }
            Refusal::NoSuchSlip => f.write_str("没有这张便条;请先由申请人提出"),
            Refusal::Over => f.write_str("该件已有决定或已办结,不能再撤回"),
            Refusal::Overreach => f.write_str("该处理不属于本级的权限;请交由镇便民服务中心或市级部门办理"),
            Refusal::DeemFirst => {
                f.write_str("五个工作日内没有告知申请人,该件依法视为受理;系统正在登记,请重新打开后再办理")
            }
            Refusal::SecondNotice => f.write_str(
                "已作过一次性补正告知,不得再次要求补正;确因新提交的材料有问题,请在 again 中写明理由(《行政许可法》第三十二条)",
            ),
            Refusal::AlreadyAccepted => f.write_str("该件已受理,不能再退回补正或不予受理;请作出准予或不予的决定"),
            Refusal::NotAccepted => f.write_str("该件尚未受理,或已作出决定,不能停止或延长期限"),
            Refusal::Suspended { since } => {
                write!(f, "该件自 {since} 起期限停止计算;请先登记该程序已结束,再作出决定")
            }
            Refusal::NotSuspended => f.write_str("该件的期限没有停止计算"),
            Refusal::SamePerson => {
                f.write_str("申请人和批准人不能是同一人;请由承办人认领环节,由本部门另一位负责人批准")
            }
            Refusal::OtherDuty { stage, did } => write!(
                f,
                "本件的“{did}”由您办理;承办、审核、批准须由不同的人办理,请交由另一位工作人员办理“{stage}”"
            ),
            Refusal::AlreadyExtended => f.write_str("办理期限只能延长一次(《行政许可法》第四十二条)"),
            Refusal::TooLong { days_max } => {
                write!(f, "工作日数应为 1 至 {days_max};请改正")
            }
            Refusal::NoDelegation { stage, power, lacks } => write!(
                f,
                "办理“{stage}”须有{}的授权委托书:{lacks};请向委托部门申请,或由受委托的人办理",
                power.chinese()
            ),
            Refusal::NoArticle => f.write_str("不予决定须在 article 中写明所依据的条款(《行政许可法》第三十八条)"),
            Refusal::Lacking { materials } => write!(
                f,
                "容缺的材料尚未补交:{};补齐后才能准予或制证",
                materials.join("、")
            ),
            Refusal::BrokenWord { case } => write!(
                f,
                "申请人在 {case} 一件中承诺不实,不再适用容缺受理;请一次性告知补正"
            ),
            Refusal::NotWhatLacks => f.write_str("所指的不是该件所缺或已提交的材料;请核对材料编号"),
            Refusal::NoCommitment => f.write_str("该件没有容缺承诺,或已登记为承诺不实"),
            Refusal::NotGreen => f.write_str("该件没有申请绿色通道"),
            Refusal::RestsOn { cases } => {
                write!(f, "本事项须在同一“一件事”的这些办件决定之后作出决定:{}", numbers(cases))
            }
            Refusal::RestsOnRefused { cases } => {
                write!(f, "所依据的办件未获准予:{};本事项只能不予或由申请人撤回", numbers(cases))
            }
            Refusal::LicenceHeld { cases } => {
                write!(f, "按“一件事”的约定,这些办件准予之后才制发证照:{}", numbers(cases))
            }
            Refusal::LibraryPending { materials } => write!(
                f,
                "市证照库尚未答复:{};请稍候,或请申请人直接提交",
                materials.join("、")
            ),
            Refusal::NotInLibrary { materials } => {
                write!(f, "市证照库没有可用的:{};请一次性告知申请人提交,已受理的请其补交", materials.join("、"))
            }
            Refusal::NotPosted => f.write_str("请先登记公示的地点,公示期满后再办结"),
            Refusal::StillPosted { until } => write!(f, "公示到 {until} 当日终了,次日起才能办结"),
            Refusal::TwoOfficers => {
                f.write_str("现场核查须有两名以上工作人员(《行政许可法》第三十四条),请在 officers 中写明")
            }
            Refusal::NotInspected => f.write_str("联合查验尚未约定时间或尚未进行;请先提出时间、各部门确认、申请人选定"),
            Refusal::NoFinding { bodies } => write!(f, "这些部门还没有写明查验意见:{}", listed(bodies)),
            Refusal::VisitFixed => f.write_str("查验时间或结果已定,只进行一次,不再更改"),
            Refusal::BadSlots => f.write_str("时间不可用:应为今天或以后的日期,形如 09:30,且为已提出的时间之一"),
            Refusal::NotConfirmed { bodies } => write!(f, "这些部门没有确认该时间:{}", listed(bodies)),
            Refusal::CitizenNotAsked => f.write_str("申请人还没有选定该时间;请登记便条 inspection_slot,内容为所选时间,形如 2026-11-25 09:30"),
            Refusal::Waived => f.write_str("该部门未到场,视为放弃查验,不得要求再次查验"),
            Refusal::NoBody => f.write_str("查验意见须由参加查验的部门作出;请用该部门的账号登录,镇里请在 body 中写明部门"),
            Refusal::HearingAsked => f.write_str(
                "申请人或利害关系人已要求听证;请先告知听证时间和地点,听证后再作决定(《行政许可法》第四十七条)",
            ),
            Refusal::HearingOpen => f.write_str("听证尚未举行或已有听证安排;作出决定须依据听证笔录"),
            Refusal::HearingTooSoon { first } => {
                write!(f, "听证应提前七日通知,不得早于 {first}(《行政许可法》第四十八条)")
            }
            Refusal::HearingTooLate { last } => {
                write!(f, "听证应在申请后二十个工作日内举行,不得晚于 {last}(《行政许可法》第四十七条)")
            }
            Refusal::FeeBeforeAcceptance => f.write_str("受理前不得收费"),
            Refusal::FeeTwice => f.write_str("这项费用已经收过"),
            Refusal::Fee(fault) => write!(f, "收费与目录不符:{fault}"),
            Refusal::Proof(fault) => f.write_str(fault),
            Refusal::Doubtful { why } => write!(f, "决定未能核验,不得交付:{why}"),
            Refusal::NotSuperior => f.write_str("只有上级节点可以调回案卷"),
            Refusal::NoNode { tier } => {
                write!(f, "没有负责该村的{}节点;请管理员检查节点登记", tier_name(*tier))
            }
        }
    }
}
impl std::error::Error for Refusal {}

fn numbers(cases: &[CaseNo]) -> String {
    cases.iter().map(CaseNo::as_str).collect::<Vec<_>>().join("、")
}

fn listed(bodies: &[OrgId]) -> String {
    bodies.iter().map(OrgId::as_str).collect::<Vec<_>>().join("、")
}

fn tier_name(tier: Tier) -> &'static str {
    match tier {
        Tier::Village => "村级代办点",
        Tier::Town => "镇便民服务中心",
        Tier::City => "市政务服务中心",
    }
}
