//! What the page about an act of two asks, and what it says of one.

use crate::fault::Fault;
use crate::page::accounts::roles_of;
use crate::page::bodies_of;
use crate::posted::Posted;
use crate::shell::Desk;
use casework::{NewAccount, SensitiveAct};
use domain::delegation::{Delegate, Revocation};
use domain::network::{Standing, Tier};
use domain::paper::SealName;
use trust::Suite;

pub(super) enum Kind {
    /// Known already: shown, and sent along.
    Fixed {
        shown: String,
    },
    /// Sent along without a word of its own.
    Hidden,
    Date,
    Long,
    /// Value and words of each.
    Choice {
        options: Vec<(String, String)>,
    },
}

pub(super) struct Field {
    pub name: &'static str,
    pub label: &'static str,
    pub value: String,
    pub kind: Kind,
}

/// One act as the page asks for it.
pub(super) struct Asked {
    pub kind: String,
    pub title: &'static str,
    /// What will happen.
    pub means: &'static str,
    pub fields: Vec<Field>,
}

/// The acts that are proposed on a page: as the form names them, as people call them, and what they do. The others are done at
/// the machine itself.
const ACTS: [(&str, &str, &str); 10] = [
    ("ban_node", "挂失节点", "电脑丢失或被盗时用:这台电脑立即不能再联系,挂失以后以它的名义签的内容不再收。"),
    ("evict_node", "撤并节点", "这个点不再办理:已经收到的照办,以后不再接受它的连接。"),
    ("readmit_node", "恢复节点", "挂失或撤并的点重新接入;找回的电脑先检查再恢复。"),
    ("revoke_letter", "撤销授权委托书", "自所写日期起受托人不再有此权限;之前办理的仍然有效。"),
    ("withdraw_seal", "停用印章", "自今天起不再使用;之前盖的文书仍然有效。"),
    ("renew_seal", "刻制新章", "新章立即启用并向全市备案,原章自今天起停用;原章以前盖的文书仍然有效。"),
    ("export_audit", "导出审计记录", "全部审计记录,供审计人员用单独的程序核验;复核后三十分钟内领取。"),
    ("export_cases", "导出办件清单", "全部办件的清单;复核后三十分钟内领取。"),
    ("give_account", "设立或更改账号", "口令给复核人,动态口令密钥给提出人:两个人各拿一半,当面交给本人。"),
    ("reset_account", "重设账号", "口令和动态口令都作废重设;口令给复核人,动态口令密钥给提出人。"),
];

const SAME_SUITE: &str = "与原章相同";

/// What a suite is called where people choose one.
pub(in crate::page) fn suite_name(suite: Suite) -> &'static str {
    match suite {
        Suite::Ed25519Sha256 => "Ed25519(SHA-256)",
        Suite::Sm2Sm3 => "国密 SM2(SM3)",
    }
}

/// By the name its `kind` has.
pub(super) fn title_of(kind: &str) -> &'static str {
    ACTS.iter().find(|(known, _, _)| *known == kind).map_or("在服务器上办理的操作", |(_, title, _)| title)
}

/// What it is done to, in words.
pub(super) fn fact_of(desk: &Desk, act: &SensitiveAct) -> String {
    let hall = &desk.console.hall;
    match act {
        SensitiveAct::BanNode { node }
        | SensitiveAct::EvictNode { node }
        | SensitiveAct::ReadmitNode { node } => format!("{} {node}", hall.store.network().name_of(node)),
        SensitiveAct::RevokeLetter(revocation) => {
            let whom = revocation.delegate.as_ref().map_or_else(
                || desk.t("全部受托人").into_owned(),
                |one| format!("{} {}", hall.store.network().name_of(&one.node), one.officer),
            );
            format!("{} · {whom} · {} · {}", revocation.number, revocation.from, revocation.reason)
        }
        SensitiveAct::WithdrawSeal(seal) => format!("{} {}", owner_name(desk, &seal.owner), seal.no),
        SensitiveAct::RenewSeal { body, suite } => {
            let suite = suite.map_or(SAME_SUITE, suite_name);
            format!("{} · {}", owner_name(desk, body.as_str()), desk.t(suite))
        }
        SensitiveAct::GiveAccount(new) => {
            let roles = new.roles.0.iter().map(|role| desk.t(role.chinese()).into_owned());
            format!("{} {} · {}", new.name, new.display, roles.collect::<Vec<_>>().join("、"))
        }
        SensitiveAct::ResetAccount { name } => name.clone(),
        _ => String::new(),
    }
}

pub(super) fn owner_name(desk: &Desk, owner: &str) -> String {
    let pack = desk.console.hall.store.pack(None);
    let body = owner.parse().ok().and_then(|id| Some(pack?.1.orgs.get(&id)?.name.clone()));
    let node = || {
        owner.parse().map_or_else(|_| owner.to_owned(), |id| desk.console.hall.store.network().name_of(&id))
    };
    body.unwrap_or_else(node)
}

/// The act that a form means.
pub(super) fn act_of(posted: &Posted) -> Result<SensitiveAct, Fault> {
    let text = |name: &str| posted.get(name).to_owned();
    let node = || posted.get("node").parse().map_err(|_| Fault::unfit("请选择是哪个点"));
    Ok(match posted.get("kind") {
        "ban_node" => SensitiveAct::BanNode { node: node()? },
        "evict_node" => SensitiveAct::EvictNode { node: node()? },
        "readmit_node" => SensitiveAct::ReadmitNode { node: node()? },
        "revoke_letter" => SensitiveAct::RevokeLetter(Revocation {
            number: text("number"),
            delegate: delegate_of(posted.get("delegate"))?,
            from: posted.get("from").parse().map_err(|_| Fault::unfit("请填写自哪天起撤销"))?,
            reason: text("reason"),
        }),
        "withdraw_seal" => SensitiveAct::WithdrawSeal(SealName {
            owner: text("owner"),
            no: posted.get("no").parse().map_err(|_| Fault::unfit("请写明第几号章"))?,
        }),
        "renew_seal" => SensitiveAct::RenewSeal {
            body: posted.get("body").parse().map_err(|_| Fault::unfit("请选择部门"))?,
            suite: match posted.get("suite") {
                "" => None,
                name => Some(name.parse().map_err(|_| Fault::unfit("请从列出的算法中选择"))?),
            },
        },
        "export_audit" => SensitiveAct::ExportAudit {},
        "export_cases" => SensitiveAct::ExportCases {},
        "give_account" => SensitiveAct::GiveAccount(NewAccount {
            name: text("name"),
            display: text("display"),
            body: posted.get("body").parse().ok(),
            roles: roles_of(posted),
        }),
        "reset_account" => SensitiveAct::ResetAccount { name: text("name") },
        _ => return Err(unknown()),
    })
}

fn unknown() -> Fault {
    Fault::unfit("请从节点、授权和印章、账号、审计或办件的页面提出")
}

/// `node officer`; nothing for everybody.
fn delegate_of(text: &str) -> Result<Option<Delegate>, Fault> {
    if text.is_empty() {
        return Ok(None);
    }
    let broken = || Fault::unfit("请选择撤销谁的授权");
    let (node, officer) = text.split_once(' ').ok_or_else(broken)?;
    Ok(Some(Delegate { node: node.parse().map_err(|_| broken())?, officer: officer.to_owned() }))
}

impl Asked {
    pub fn of(desk: &Desk, typed: &Posted) -> Result<Asked, Fault> {
        let kind = typed.get("kind");
        let (_, title, means) = ACTS.into_iter().find(|(known, _, _)| *known == kind).ok_or_else(unknown)?;
        Ok(Asked { kind: kind.to_owned(), title, means, fields: fields(desk, kind, typed) })
    }
}

fn fields(desk: &Desk, kind: &str, typed: &Posted) -> Vec<Field> {
    let field = |name, label, kind| Field { name, label, value: typed.get(name).to_owned(), kind };
    let fixed = |name, label, shown: String| field(name, label, Kind::Fixed { shown });
    let shown = |name: &'static str, label| fixed(name, label, typed.get(name).to_owned());
    match kind {
        "ban_node" | "evict_node" | "readmit_node" => {
            vec![field("node", "地点", Kind::Choice { options: nodes(desk, kind == "readmit_node") })]
        }
        "revoke_letter" => {
            let today = desk.today().to_string();
            let from = if typed.has("from") { typed.get("from").to_owned() } else { today };
            vec![
                shown("number", "文号"),
                field("delegate", "撤销谁的", Kind::Choice { options: delegates(desk, typed.get("number")) }),
                Field { name: "from", label: "自哪天起", value: from, kind: Kind::Date },
                field("reason", "撤销理由", Kind::Long),
            ]
        }
        "withdraw_seal" => {
            vec![fixed("owner", "部门", owner_name(desk, typed.get("owner"))), shown("no", "章号")]
        }
        "renew_seal" => {
            let none = || (String::new(), String::new());
            let bodies = desk.console.hall.pack(None).map(|(_, pack)| bodies_of(&pack)).unwrap_or_default();
            let suite = |one: Suite| (one.name().to_owned(), desk.t(suite_name(one)).into_owned());
            let same = (String::new(), desk.t(SAME_SUITE).into_owned());
            vec![
                field("body", "部门", Kind::Choice { options: [none()].into_iter().chain(bodies).collect() }),
                field(
                    "suite",
                    "签名算法",
                    Kind::Choice { options: [same].into_iter().chain(Suite::ALL.map(suite)).collect() },
                ),
            ]
        }
        "give_account" => {
            let roles = roles_of(typed);
            let names = roles.0.iter().map(|role| desk.t(role.chinese()).into_owned()).collect::<Vec<_>>();
            let mut asked = vec![shown("name", "用户名"), shown("display", "姓名")];
            if !typed.get("body").is_empty() {
                asked.push(fixed("body", "部门", owner_name(desk, typed.get("body"))));
            }
            let mut words = Some(names.join("、"));
            asked.extend(roles.0.iter().map(|role| {
                let kind = words.take().map_or(Kind::Hidden, |shown| Kind::Fixed { shown });
                Field { name: "role", label: "岗位", value: role.as_str().to_owned(), kind }
            }));
            asked
        }
        "reset_account" => vec![shown("name", "用户名")],
        _ => Vec::new(),
    }
}

/// Those who can be shut out, or those who can come back.
fn nodes(desk: &Desk, out: bool) -> Vec<(String, String)> {
    let network = desk.console.hall.store.network();
    let meant =
        network.iter().filter(|node| node.tier != Tier::City && (node.standing != Standing::Active) == out);
    let option =
        |node: &domain::network::NodeRecord| (node.id.to_string(), format!("{} {}", node.name, node.id));
    std::iter::once((String::new(), String::new())).chain(meant.map(option)).collect()
}

fn delegates(desk: &Desk, number: &str) -> Vec<(String, String)> {
    let (known, network) = (desk.console.hall.store.delegations(), desk.console.hall.store.network());
    let all = (String::new(), desk.t("全部受托人").into_owned());
    let each = known.get(number).into_iter().flat_map(|letter| &letter.delegates).map(|one| {
        (format!("{} {}", one.node, one.officer), format!("{} {}", network.name_of(&one.node), one.officer))
    });
    std::iter::once(all).chain(each).collect()
}
