//! An alert (督办) from the day it is raised to its conclusion. Nothing of it is ever deleted.

use super::Finding;
use crate::dossier::decide::Actor;
use crate::network::Tier;
use crate::{CaseNo, Day, EntryId, NodeId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

/// What an entry of kind `alert` says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertEntry {
    pub case: CaseNo,
    pub key: String,
    pub at: Timestamp,
    pub officer: String,
    pub body: AlertBody,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertBody {
    /// By the hub, from the log.
    Raised(Finding),
    /// 申诉, by whoever is held responsible.
    Appealed { text: String },
    /// 处理结果, by a person who is not.
    Concluded { kind: ConclusionKind, text: String },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ConclusionKind {
    /// 属实.
    Upheld,
    /// 申诉成立,撤销.
    Revoked,
    /// Pages that arrived later show that the rung was never reached. Concluded by the system.
    Disproved,
}

impl ConclusionKind {
    pub fn chinese(self) -> &'static str {
        match self {
            ConclusionKind::Upheld => "属实",
            ConclusionKind::Revoked => "申诉成立,撤销",
            ConclusionKind::Disproved => "后到材料证明未发生",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Appeal {
    pub entry: EntryId,
    pub node: NodeId,
    pub at: Timestamp,
    pub officer: String,
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conclusion {
    pub entry: EntryId,
    pub at: Timestamp,
    pub officer: String,
    pub kind: ConclusionKind,
    pub text: String,
}

/// The fold of the entries about one alert, the same in any order of arrival (I10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Alert {
    pub case: CaseNo,
    pub key: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised: Option<Finding>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raised_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub appeals: Vec<Appeal>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conclusion: Option<Conclusion>,
}

impl Alert {
    pub fn new(case: CaseNo, key: String) -> Alert {
        Alert { case, key, raised: None, raised_at: None, appeals: Vec::new(), conclusion: None }
    }

    /// Takes what one entry says. Of two that say the same thing the one with the lower id stands.
    pub fn take(&mut self, id: EntryId, author: &NodeId, entry: AlertEntry) {
        let AlertEntry { case: _, key: _, at, officer, body } = entry;
        match body {
            AlertBody::Raised(finding) => {
                if self.raised_at.is_none_or(|known| at < known) {
                    (self.raised, self.raised_at) = (Some(finding), Some(at));
                }
            }
            AlertBody::Appealed { text } => {
                if let Err(place) = self.appeals.binary_search_by_key(&id, |appeal| appeal.entry) {
                    self.appeals.insert(place, Appeal { entry: id, node: author.clone(), at, officer, text });
                }
            }
            AlertBody::Concluded { kind, text } => {
                if self.conclusion.as_ref().is_none_or(|known| id < known.entry) {
                    self.conclusion = Some(Conclusion { entry: id, at, officer, kind, text });
                }
            }
        }
    }

    pub fn is_open(&self) -> bool {
        self.raised.is_some() && self.conclusion.is_none()
    }
    pub fn day(&self) -> Option<Day> {
        self.raised.as_ref().map(|finding| finding.day)
    }
}

/// Why an act on an alert was refused. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AlertRefusal {
    NoReason,
    NotResponsible,
    OwnCase,
    Concluded,
    OnlyHub,
}

impl fmt::Display for AlertRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            AlertRefusal::NoReason => "请写明理由",
            AlertRefusal::NotResponsible => "只有被督办的单位可以申诉;请用该单位的账号登录",
            AlertRefusal::OwnCase => "被督办人和申诉人不能处理自己的督办;请由监察人员处理",
            AlertRefusal::Concluded => "该督办已有处理结果",
            AlertRefusal::OnlyHub => "督办的处理结果由市政务服务中心的监察人员作出",
        })
    }
}
impl std::error::Error for AlertRefusal {}

/// An appeal against an alert, by the node or body that is held responsible.
///
/// # Errors
/// [`AlertRefusal`].
pub fn appeal(alert: &Alert, actor: &Actor, text: &str) -> Result<AlertBody, AlertRefusal> {
    let responsible = &open_finding(alert)?.responsible;
    let ours = match (&responsible.body, actor.tier) {
        (Some(body), Tier::City) => actor.body.as_ref() == Some(body),
        (None, Tier::City) | (_, Tier::Town | Tier::Village) => responsible.node == actor.node,
    };
    if !ours {
        return Err(AlertRefusal::NotResponsible);
    }
    if text.trim().is_empty() {
        return Err(AlertRefusal::NoReason);
    }
    Ok(AlertBody::Appealed { text: text.to_owned() })
}

/// The conclusion of an alert, by somebody at the hub who is neither responsible for it nor speaks for a body that is.
///
/// # Errors
/// [`AlertRefusal`]. [`ConclusionKind::Disproved`] is not a person's to give.
pub fn conclude(
    alert: &Alert,
    actor: &Actor,
    kind: ConclusionKind,
    text: &str,
) -> Result<AlertBody, AlertRefusal> {
    let responsible = &open_finding(alert)?.responsible;
    let for_body = actor.body.is_some() && actor.body == responsible.body;
    let in_person = responsible.node == actor.node && responsible.officer.as_ref() == Some(&actor.officer);
    if actor.tier != Tier::City || kind == ConclusionKind::Disproved {
        return Err(AlertRefusal::OnlyHub);
    }
    let appealed =
        alert.appeals.iter().any(|appeal| appeal.node == actor.node && appeal.officer == actor.officer);
    if for_body || in_person || appealed {
        return Err(AlertRefusal::OwnCase);
    }
    if text.trim().is_empty() {
        return Err(AlertRefusal::NoReason);
    }
    Ok(AlertBody::Concluded { kind, text: text.to_owned() })
}

fn open_finding(alert: &Alert) -> Result<&Finding, AlertRefusal> {
    alert.raised.as_ref().filter(|_| alert.conclusion.is_none()).ok_or(AlertRefusal::Concluded)
}
