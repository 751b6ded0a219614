//! Who may do what (岗位与权限): roles, the areas of work they open, and the cases they reach.
//!
//! Pure: one table, [`Role::permits`]. The consoles, the API and the counter ask it, and the access matrix that tests crawl is
//! generated from it (I35). A role opens an area; a letter of delegation (`delegation`) gives the power to bind the city in
//! it, and separation of duties (`duty`) keeps one case from being one person's. Not here: passwords and sessions (`trust`,
//! `casework`).
//!
//! Source: 网络安全等级保护基本要求 GB/T 22239-2019, 8.1.4.2 (least privilege, administrators and auditors apart).

use crate::catalogue::{Item, StageKind};
use crate::dossier::decide::Command;
use crate::duty::Duty;
use crate::network::Tier;
use crate::{ItemId, OrgId};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// An area of work that a route or an order belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Permission {
    /// What every officer of the house sees: the list of items, the calendar, how the node stands, the own account.
    House,
    /// Drafts and captures; resubmission and made-up papers.
    Record,
    /// Cases, their papers and sheets, as far as the jurisdiction reaches.
    ReadCases,
    /// 受理: completeness, acceptance, notices, refusals to take up, withdrawals.
    Handle,
    /// 审查.
    Review,
    /// 查验.
    Inspect,
    /// 决定.
    Decide,
    /// What a second person approves: suspension, extension, reassignment.
    Approve,
    /// 办结: publicity, payment, making and handing over.
    Finish,
    /// What anybody at the counter notes for the citizen: slips, ratings, the way of originals.
    Assist,
    /// A superior takes a dossier back.
    Recall,
    /// Limits that are near, and alerts.
    Warnings,
    /// The answer of who is held responsible.
    Appeal,
    /// Conclusions about alerts.
    Conclude,
    /// Badly rated matters.
    Rectify,
    /// Letters of delegation, seals, states of licences.
    Register,
    /// The state of a licence.
    ReadLicences,
    /// Items proposed, published, suspended.
    Catalogue,
    /// Incidents, and who stands in the network.
    Operate,
    /// Officers and their roles.
    Accounts,
    /// The audit rows, and their export.
    Audit,
}

impl Permission {
    pub const ALL: [Permission; 21] = [
        Permission::House,
        Permission::Record,
        Permission::ReadCases,
        Permission::Handle,
        Permission::Review,
        Permission::Inspect,
        Permission::Decide,
        Permission::Approve,
        Permission::Finish,
        Permission::Assist,
        Permission::Recall,
        Permission::Warnings,
        Permission::Appeal,
        Permission::Conclude,
        Permission::Rectify,
        Permission::Register,
        Permission::ReadLicences,
        Permission::Catalogue,
        Permission::Operate,
        Permission::Accounts,
        Permission::Audit,
    ];

    pub fn chinese(self) -> &'static str {
        match self {
            Permission::House => "一般使用",
            Permission::Record => "代办收件",
            Permission::ReadCases => "查阅办件",
            Permission::Handle => "受理",
            Permission::Review => "审查",
            Permission::Inspect => "查验",
            Permission::Decide => "决定",
            Permission::Approve => "期限和改派的批准",
            Permission::Finish => "公示、收费、制证和送达",
            Permission::Assist => "便条和评价登记",
            Permission::Recall => "调回案卷",
            Permission::Warnings => "查看临期和督办",
            Permission::Appeal => "督办申诉",
            Permission::Conclude => "督办处理",
            Permission::Rectify => "差评整改",
            Permission::Register => "授权、印章和证照状态登记",
            Permission::ReadLicences => "查询证照状态",
            Permission::Catalogue => "事项目录管理",
            Permission::Operate => "运行维护",
            Permission::Accounts => "账号管理",
            Permission::Audit => "审计",
        }
    }

    /// Half of a signature that only counts with another person's (双人复核): one person who could give out two of these would
    /// sign alone.
    pub fn signs_with_another(self) -> bool {
        matches!(self, Permission::Register | Permission::Conclude)
    }

    /// Asked for the second factor: whatever binds the city, or opens doors to others.
    pub fn needs_second_factor(self, tier: Tier) -> bool {
        let binds = matches!(self, Permission::Decide | Permission::Register | Permission::Catalogue);
        let opens = matches!(self, Permission::Operate | Permission::Accounts | Permission::Audit);
        tier == Tier::City && (binds || opens)
    }

    /// What an order asks for, given in which kind of stage; `None` for orders about a whole case.
    pub fn of(order: &Command, stage: Option<StageKind>) -> Permission {
        match order {
            Command::Suspend { .. }
            | Command::Resume { .. }
            | Command::Extend { .. }
            | Command::Reassign { .. } => Permission::Approve,
            Command::Return { .. }
            | Command::NotAccept { .. }
            | Command::DeclineGreen { .. }
            | Command::Withdraw { .. } => Permission::Handle,
            Command::Decide { .. } => Permission::Decide,
            Command::Issue { .. }
            | Command::Deliver { .. }
            | Command::Dispatch { .. }
            | Command::FailDelivery { .. }
            | Command::Charge { .. }
            | Command::Post { .. } => Permission::Finish,
            Command::Resubmit(_) => Permission::Record,
            Command::Recall => Permission::Recall,
            Command::Claim { .. }
            | Command::Release { .. }
            | Command::Complete { .. }
            | Command::CheckOriginals { .. }
            | Command::TakeMakeUp { .. }
            | Command::RefuseMakeUp { .. }
            | Command::BreakCommitment { .. }
            | Command::ProposeInspection { .. }
            | Command::ConfirmInspection { .. }
            | Command::FixInspection { .. }
            | Command::HoldInspection { .. }
            | Command::FindInspection { .. }
            | Command::NoticeHearing { .. }
            | Command::HoldHearing { .. } => stage.map_or(Permission::Handle, Permission::of_stage),
        }
    }

    fn of_stage(kind: StageKind) -> Permission {
        match (kind, Duty::of(kind)) {
            (
                StageKind::HomeVisit
                | StageKind::Inspection
                | StageKind::JointInspection
                | StageKind::PostInspection,
                _,
            ) => Permission::Inspect,
            (_, Some(Duty::Handle)) => Permission::Handle,
            (_, Some(Duty::Review)) => Permission::Review,
            (_, Some(Duty::Approve)) => Permission::Decide,
            (_, None) => Permission::Finish,
        }
    }
}

/// A post (岗位) that an account is given. An account may hold several, except for those that stand alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// 代办员.
    ProxyOfficer,
    /// 镇综合窗口.
    TownWindow,
    /// 镇便民服务中心负责人.
    TownSupervisor,
    /// 市综合受理窗口.
    Intake,
    /// 承办人.
    Handler,
    /// 审核人.
    Reviewer,
    /// 查验人员.
    Inspector,
    /// 批准人.
    Approver,
    /// 首席代表: the body has delegated everything to the window.
    ChiefRepresentative,
    /// 电子监察员.
    SupervisionOfficer,
    /// 授权和印章登记员.
    Registrar,
    /// 目录管理员.
    CatalogueEditor,
    /// 系统管理员.
    Administrator,
    /// 审计员.
    Auditor,
}

const READING: &[Permission] = &[Permission::House, Permission::ReadCases, Permission::ReadLicences];
const COUNTER: &[Permission] = &[
    Permission::House,
    Permission::ReadCases,
    Permission::ReadLicences,
    Permission::Handle,
    Permission::Finish,
    Permission::Assist,
    Permission::Warnings,
];

impl Role {
    pub const ALL: [Role; 14] = [
        Role::ProxyOfficer,
        Role::TownWindow,
        Role::TownSupervisor,
        Role::Intake,
        Role::Handler,
        Role::Reviewer,
        Role::Inspector,
        Role::Approver,
        Role::ChiefRepresentative,
        Role::SupervisionOfficer,
        Role::Registrar,
        Role::CatalogueEditor,
        Role::Administrator,
        Role::Auditor,
    ];

    /// As written on the command line and in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Role::ProxyOfficer => "proxy_officer",
            Role::TownWindow => "town_window",
            Role::TownSupervisor => "town_supervisor",
            Role::Intake => "intake",
            Role::Handler => "handler",
            Role::Reviewer => "reviewer",
            Role::Inspector => "inspector",
            Role::Approver => "approver",
            Role::ChiefRepresentative => "chief_representative",
            Role::SupervisionOfficer => "supervision_officer",
            Role::Registrar => "registrar",
            Role::CatalogueEditor => "catalogue_editor",
            Role::Administrator => "administrator",
            Role::Auditor => "auditor",
        }
    }

    pub fn chinese(self) -> &'static str {
        match self {
            Role::ProxyOfficer => "代办员",
            Role::TownWindow => "镇窗口",
            Role::TownSupervisor => "镇中心负责人",
            Role::Intake => "综合受理窗口",
            Role::Handler => "承办人",
            Role::Reviewer => "审核人",
            Role::Inspector => "查验人员",
            Role::Approver => "批准人",
            Role::ChiefRepresentative => "首席代表",
            Role::SupervisionOfficer => "电子监察员",
            Role::Registrar => "登记员",
            Role::CatalogueEditor => "目录管理员",
            Role::Administrator => "系统管理员",
            Role::Auditor => "审计员",
        }
    }

    /// Whether the post exists at nodes of this tier.
    pub fn is_at(self, tier: Tier) -> bool {
        match self {
            Role::ProxyOfficer => tier == Tier::Village,
            Role::TownWindow | Role::TownSupervisor => tier == Tier::Town,
            Role::Administrator | Role::Auditor => true,
            Role::Intake
            | Role::Handler
            | Role::Reviewer
            | Role::Inspector
            | Role::Approver
            | Role::ChiefRepresentative
            | Role::SupervisionOfficer
            | Role::Registrar
            | Role::CatalogueEditor => tier == Tier::City,
        }
    }

    /// Acts for a department of the city, so the account must name one.
    pub fn needs_body(self) -> bool {
        matches!(
            self,
            Role::Handler | Role::Reviewer | Role::Inspector | Role::Approver | Role::ChiefRepresentative
        )
    }

    /// Nobody may both act and look after the record of acts (I38); who gives out accounts works no cases with one.
    pub fn stands_alone(self) -> bool {
        matches!(self, Role::Administrator | Role::Auditor)
    }

    /// Reaches the cases of all departments.
    fn reaches_all(self) -> bool {
        matches!(self, Role::Intake | Role::SupervisionOfficer)
    }

    pub fn permits(self, permission: Permission) -> bool {
        self.opens().iter().any(|areas| areas.contains(&permission))
    }

    fn opens(self) -> &'static [&'static [Permission]] {
        use Permission as P;
        const TOWN: &[Permission] = &[P::Record, P::Review, P::Inspect, P::Decide, P::Appeal];
        match self {
            Role::ProxyOfficer => {
                &[COUNTER, &[P::Record, P::Review, P::Inspect, P::Decide, P::Approve, P::Appeal]]
            }
            Role::TownWindow => &[COUNTER, TOWN],
            Role::TownSupervisor => &[COUNTER, TOWN, &[P::Approve, P::Recall, P::Rectify, P::Operate]],
            Role::Intake | Role::Handler => &[COUNTER],
            Role::ChiefRepresentative => {
                &[COUNTER, &[P::Review, P::Inspect, P::Decide, P::Approve, P::Appeal, P::Rectify]]
            }
            // Who plans a visit notes what the citizen chose.
            Role::Reviewer => &[READING, &[P::Review, P::Inspect, P::Assist, P::Warnings]],
            Role::Inspector => &[READING, &[P::Inspect, P::Assist]],
            Role::Approver => &[READING, &[P::Decide, P::Approve, P::Warnings, P::Appeal, P::Rectify]],
            Role::SupervisionOfficer => {
                &[READING, &[P::Warnings, P::Conclude, P::Rectify, P::Recall, P::Assist]]
            }
            Role::Registrar => &[&[P::House, P::Register, P::ReadLicences]],
            Role::CatalogueEditor => &[&[P::House, P::Catalogue]],
            Role::Administrator => &[&[P::House, P::Operate, P::Accounts]],
            Role::Auditor => &[&[P::House, P::Audit]],
        }
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Role {
    type Err = BadRoles;
    fn from_str(text: &str) -> Result<Role, BadRoles> {
        Role::ALL.into_iter().find(|role| role.as_str() == text).ok_or_else(|| {
            let known: Vec<&str> = Role::ALL.iter().map(|role| role.as_str()).collect();
            BadRoles(format!("没有岗位 {text};可用的有 {}", known.join("、")))
        })
    }
}

/// Roles that cannot be given, with what to mend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadRoles(pub String);

/// What one account holds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Roles(pub BTreeSet<Role>);

impl Roles {
    pub fn new(roles: impl IntoIterator<Item = Role>) -> Roles {
        Roles(roles.into_iter().collect())
    }

    /// Of accounts made before there were roles: what they could do then.
    pub fn of_old(tier: Tier, body: Option<&OrgId>) -> Roles {
        match (tier, body) {
            (Tier::Village, _) => Roles::new([Role::ProxyOfficer]),
            (Tier::Town, _) => Roles::new([Role::TownSupervisor]),
            (Tier::City, Some(_)) => Roles::new([Role::ChiefRepresentative]),
            (Tier::City, None) => Roles::new([Role::SupervisionOfficer, Role::Registrar]),
        }
    }

    /// The everyday post of a house, where the account names none. At the hub there is no such thing.
    pub fn everyday(tier: Tier) -> Option<Roles> {
        match tier {
            Tier::Village => Some(Roles::new([Role::ProxyOfficer])),
            Tier::Town => Some(Roles::new([Role::TownWindow])),
            Tier::City => None,
        }
    }

    pub fn permit(&self, permission: Permission) -> bool {
        self.0.iter().any(|role| role.permits(permission))
    }

    /// Whether anything these roles open asks for a second factor at this tier.
    pub fn need_second_factor(&self, tier: Tier) -> bool {
        Permission::ALL.iter().any(|area| area.needs_second_factor(tier) && self.permit(*area))
    }

    /// Whether such an account is half of a signature that only counts with another one.
    pub fn sign_with_another(&self) -> bool {
        Permission::ALL.iter().any(|area| area.signs_with_another() && self.permit(*area))
    }

    /// # Errors
    /// [`BadRoles`]: none, not of this tier, two that stand alone, or a department missing.
    pub fn check(&self, tier: Tier, body: Option<&OrgId>) -> Result<(), BadRoles> {
        let bad = |reason: String| Err(BadRoles(reason));
        if self.0.is_empty() {
            return bad("账号至少要有一个岗位".to_owned());
        }
        for role in &self.0 {
            let name = role.chinese();
            match role {
                role if !role.is_at(tier) => return bad(format!("本级没有{name}这个岗位")),
                role if role.stands_alone() && self.0.len() > 1 => {
                    return bad(format!("{name}不得兼任其他岗位;请另设账号"));
                }
                role if role.needs_body() && body.is_none() => {
                    return bad(format!("{name}须写明所属部门"));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The cases these roles reach at a node. `items` are those of all releases that the node knows.
    pub fn jurisdiction<'a>(
        &self,
        tier: Tier,
        body: Option<&OrgId>,
        items: impl Iterator<Item = &'a Item>,
    ) -> Jurisdiction {
        if !self.permit(Permission::ReadCases) {
            return Jurisdiction::Items(BTreeSet::new());
        }
        if tier != Tier::City || self.0.iter().any(|role| role.reaches_all()) {
            return Jurisdiction::Everything;
        }
        let Some(body) = body else { return Jurisdiction::Items(BTreeSet::new()) };
        let has_part =
            |item: &&Item| item.body == *body || item.stages.iter().any(|stage| stage.bodies.contains(body));
        Jurisdiction::Items(items.filter(has_part).map(|item| item.id.clone()).collect())
    }
}

impl FromStr for Roles {
    type Err = BadRoles;
    /// Names with commas between.
    fn from_str(text: &str) -> Result<Roles, BadRoles> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        names.map(Role::from_str).collect::<Result<_, _>>().map(Roles)
    }
}

impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.0.iter().map(|role| role.as_str()).collect();
        f.write_str(&names.join(","))
    }
}

/// Which cases somebody may see (管辖); the store asks it of every row it gives out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Jurisdiction {
    /// All cases of the node: a village's own, a town's and its villages', or the whole city's.
    #[default]
    Everything,
    /// Cases of these items: those in which the officer's department has a part.
    Items(BTreeSet<ItemId>),
}

impl Jurisdiction {
    pub fn reaches(&self, item: &ItemId) -> bool {
        match self {
            Jurisdiction::Everything => true,
            Jurisdiction::Items(items) => items.contains(item),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(id: &str) -> OrgId {
        id.parse().unwrap()
    }

    #[test]
    fn nobody_both_acts_and_keeps_the_record_of_acts() {
        for role in Role::ALL {
            let acts = [
                Permission::Record,
                Permission::Handle,
                Permission::Review,
                Permission::Inspect,
                Permission::Decide,
                Permission::Approve,
                Permission::Finish,
                Permission::Assist,
                Permission::Accounts,
                Permission::Register,
            ];
            let keeps = role.permits(Permission::Audit);
            assert!(!(keeps && acts.iter().any(|act| role.permits(*act))), "I38: {role}");
            assert!(!role.stands_alone() || !role.permits(Permission::ReadCases), "{role}");
        }
        let both = Roles::new([Role::Auditor, Role::SupervisionOfficer]);
        assert!(both.check(Tier::City, None).unwrap_err().0.contains("审计员不得兼任"));
    }

    #[test]
    fn every_area_of_work_is_somebodys_and_every_role_has_a_house() {
        for permission in Permission::ALL {
            assert!(Role::ALL.iter().any(|role| role.permits(permission)), "{permission:?}");
        }
        for role in Role::ALL {
            assert!(role.permits(Permission::House), "{role}");
            let tiers = [Tier::Village, Tier::Town, Tier::City];
            assert!(tiers.into_iter().any(|tier| role.is_at(tier)), "{role}");
            assert_eq!(role.as_str().parse(), Ok(role));
        }
    }

    #[test]
    fn roles_that_do_not_fit_are_refused_with_the_reason() {
        let told = |roles: &str, tier, of: Option<&OrgId>| {
            roles.parse::<Roles>().and_then(|roles| roles.check(tier, of)).unwrap_err().0
        };
        assert!(told("", Tier::City, None).contains("至少"));
        assert!(told("emperor", Tier::City, None).contains("没有岗位 emperor"));
        assert!(told("proxy_officer", Tier::City, None).contains("本级没有"));
        assert!(told("approver", Tier::City, None).contains("部门"));
        let good: Roles = "handler,reviewer".parse().unwrap();
        assert_eq!(good.check(Tier::City, Some(&body("mz"))), Ok(()));
    }

    #[test]
    fn a_department_reaches_the_cases_in_which_it_has_a_part() {
        let pack = crate::pack::CityPack::parse(&crate::pack::kaili_pieces()).unwrap();
        let items = || pack.items.values().map(|item| &**item);
        let sj = body("sj");
        let of = |roles: &str, body: Option<&OrgId>| {
            roles.parse::<Roles>().unwrap().jurisdiction(Tier::City, body, items())
        };
        let market = of("reviewer", Some(&sj));
        assert!(market.reaches(&"food".parse().unwrap()));
        assert!(!market.reaches(&"gaoling".parse().unwrap()), "the civil affairs bureau's own");
        assert_eq!(of("intake", Some(&body("zw"))), Jurisdiction::Everything);
        let none = Jurisdiction::Items(BTreeSet::new());
        assert_eq!(of("administrator", None), none);
        assert_eq!(of("auditor", Some(&sj)), none);
    }
}
