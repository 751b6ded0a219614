//! 取号叫号: who comes to which window next.
//!
//! Pure. A day's tickets are a list; an act changes one ticket, or two where a window that calls the next has done with the last.
//! Nobody is called twice, a caller who is repeated by a lost answer calls nobody else, and who missed their call may come back
//! behind those who wait. A ticket knows no name: it is paper in somebody's hand.

use crate::{Day, EntryId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Windows are numbered from 1.
pub const WINDOW_MAX: u8 = 99;
/// As many numbers as three digits have.
const NUMBERS_MAX: u32 = 999;

/// What somebody came for; each has a series of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matter {
    /// 办事.
    Apply,
    /// 取件.
    Collect,
    /// 咨询.
    Ask,
}

impl Matter {
    pub const ALL: [Matter; 3] = [Matter::Apply, Matter::Collect, Matter::Ask];

    pub fn as_str(self) -> &'static str {
        match self {
            Matter::Apply => "apply",
            Matter::Collect => "collect",
            Matter::Ask => "ask",
        }
    }
    pub fn from_name(text: &str) -> Option<Matter> {
        Matter::ALL.into_iter().find(|matter| matter.as_str() == text)
    }
    pub fn chinese(self) -> &'static str {
        match self {
            Matter::Apply => "办事",
            Matter::Collect => "取件",
            Matter::Ask => "咨询",
        }
    }
    fn letter(self) -> char {
        match self {
            Matter::Apply => 'A',
            Matter::Collect => 'B',
            Matter::Ask => 'C',
        }
    }
}

/// What stands on the paper: `A012`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Label {
    pub matter: Matter,
    pub no: u32,
}

impl fmt::Display for Label {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:03}", self.matter.letter(), self.no)
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("号码应为一个字母加三位数字,如 A012")]
pub struct BadLabel;

impl FromStr for Label {
    type Err = BadLabel;
    fn from_str(text: &str) -> Result<Label, BadLabel> {
        let mut letters = text.chars();
        let letter = letters.next().ok_or(BadLabel)?;
        let matter = Matter::ALL.into_iter().find(|matter| matter.letter() == letter).ok_or(BadLabel)?;
        let no: u32 = letters.as_str().parse().map_err(|_| BadLabel)?;
        let label = Label { matter, no };
        // One spelling each: a name of a page, too.
        if (1..=NUMBERS_MAX).contains(&no) && label.to_string() == text { Ok(label) } else { Err(BadLabel) }
    }
}

impl Serialize for Label {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for Label {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Label, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum State {
    /// `since`: later than the ticket where somebody missed their call and came back.
    Waiting {
        since: Timestamp,
    },
    Called {
        window: u8,
        at: Timestamp,
        times: u32,
    },
    Served {
        window: u8,
        called: Timestamp,
        until: Timestamp,
    },
    /// 过号.
    Missed {
        window: u8,
        at: Timestamp,
    },
}

/// One number of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ticket {
    pub day: Day,
    pub label: Label,
    /// 优先: old people, the disabled, soldiers, whoever comes with a small child.
    pub first: bool,
    pub taken: Timestamp,
    pub state: State,
    /// The acts that were done on it: asked for again, they are answered and not done again.
    pub requests: Vec<EntryId>,
}

impl Ticket {
    fn waits_since(&self) -> Option<Timestamp> {
        match self.state {
            State::Waiting { since } => Some(since),
            _ => None,
        }
    }

    fn changed(&self, state: State, request: EntryId) -> Ticket {
        let mut changed = Ticket { state, ..self.clone() };
        changed.requests.push(request);
        changed
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Order {
    Take {
        matter: Matter,
        first: bool,
    },
    /// The next one, of one matter or of any, to this window, which has done with whoever was there.
    Call {
        window: u8,
        matter: Option<Matter>,
    },
    /// 重叫.
    Again {
        label: Label,
    },
    Done {
        label: Label,
    },
    Miss {
        label: Label,
    },
    /// 过号重排: whoever missed their call waits again.
    Back {
        label: Label,
    },
}

/// Why an order was not carried out. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    #[error("没有人在等;有人取号后再叫")]
    NobodyWaits,
    #[error("今天没有 {0} 号;请核对号码")]
    Unknown(Label),
    #[error("{0} 号现在不在窗口;请看下面的最新状态")]
    NotCalled(Label),
    #[error("{0} 号没有过号,不用重排")]
    NotMissed(Label),
    #[error("窗口号应在 1 到 99 之间")]
    BadWindow,
    #[error("{}今天的号已取完;请改到明天,或由窗口直接受理", .0.chinese())]
    NoNumbers(Matter),
}

/// Carries out an order on the tickets of a day: those that changed, the one that was meant first.
///
/// # Errors
/// [`Refusal`].
pub fn act(
    tickets: &[Ticket],
    day: Day,
    order: Order,
    request: EntryId,
    now: Timestamp,
) -> Result<Vec<Ticket>, Refusal> {
    if let Some(done) = tickets.iter().find(|ticket| ticket.requests.contains(&request)) {
        return Ok(vec![done.clone()]);
    }
    let of =
        |label: Label| tickets.iter().find(|ticket| ticket.label == label).ok_or(Refusal::Unknown(label));
    // Behind everybody who waits, whatever the clock says: it may have been set back.
    let last = || {
        let newest = tickets.iter().filter_map(Ticket::waits_since).max();
        State::Waiting { since: newest.map_or(now, |newest| newest.plus_ms(1).max(now)) }
    };
    match order {
        Order::Take { matter, first } => {
            let taken = tickets.iter().filter(|one| one.label.matter == matter).map(|one| one.label.no).max();
            let no = taken.unwrap_or(0) + 1;
            if no > NUMBERS_MAX {
                return Err(Refusal::NoNumbers(matter));
            }
            let label = Label { matter, no };
            Ok(vec![Ticket { day, label, first, taken: now, state: last(), requests: vec![request] }])
        }
        Order::Call { window, matter } => call(tickets, window, matter, request, now),
        Order::Again { label } | Order::Done { label } | Order::Miss { label } => {
            let ticket = of(label)?;
            let State::Called { window, at, times } = ticket.state else {
                return Err(Refusal::NotCalled(label));
            };
            let state = match order {
                Order::Again { .. } => State::Called { window, at: now, times: times + 1 },
                Order::Done { .. } => State::Served { window, called: at, until: now },
                _ => State::Missed { window, at: now },
            };
            Ok(vec![ticket.changed(state, request)])
        }
        Order::Back { label } => match of(label)? {
            ticket if matches!(ticket.state, State::Missed { .. }) => {
                Ok(vec![ticket.changed(last(), request)])
            }
            _ => Err(Refusal::NotMissed(label)),
        },
    }
}

fn call(
    tickets: &[Ticket],
    window: u8,
    matter: Option<Matter>,
    request: EntryId,
    now: Timestamp,
) -> Result<Vec<Ticket>, Refusal> {
    if !(1..=WINDOW_MAX).contains(&window) {
        return Err(Refusal::BadWindow);
    }
    let wanted = |ticket: &&Ticket| matter.is_none_or(|matter| ticket.label.matter == matter);
    let next = waiting(tickets).into_iter().find(wanted).ok_or(Refusal::NobodyWaits)?;
    let called = State::Called { window, at: now, times: 1 };
    let mut all = vec![next.changed(called, request)];
    // Not in their names: a retry of this call must find the one that was called.
    all.extend(tickets.iter().filter_map(|ticket| match ticket.state {
        State::Called { window: theirs, at, .. } if theirs == window => {
            Some(Ticket { state: State::Served { window, called: at, until: now }, ..ticket.clone() })
        }
        _ => None,
    }));
    Ok(all)
}

/// Who waits, in the order in which they will be called.
pub fn waiting(tickets: &[Ticket]) -> Vec<&Ticket> {
    let mut waiting: Vec<&Ticket> = tickets.iter().filter(|ticket| ticket.waits_since().is_some()).collect();
    waiting.sort_by_key(|ticket| (!ticket.first, ticket.waits_since(), ticket.taken, ticket.label));
    waiting
}

/// A day at the windows in figures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub taken: usize,
    pub waiting: usize,
    /// At a window now; in the evening, those of whom nobody said that they were done.
    pub called: usize,
    pub served: usize,
    pub missed: usize,
    /// From taking a number to being called, of those who were called; minutes, rounded up.
    pub mean_wait_min: i64,
    pub longest_wait_min: i64,
}

pub fn summary(tickets: &[Ticket]) -> Summary {
    let mut all = Summary { taken: tickets.len(), ..Summary::default() };
    let (mut waits, mut sum) = (0, 0);
    for ticket in tickets {
        let called = match ticket.state {
            State::Waiting { .. } => {
                all.waiting += 1;
                None
            }
            State::Missed { .. } => {
                all.missed += 1;
                None
            }
            State::Called { at, .. } => {
                all.called += 1;
                Some(at)
            }
            State::Served { called, .. } => {
                all.served += 1;
                Some(called)
            }
        };
        if let Some(called) = called {
            let minutes = (called.since(ticket.taken).max(0) + 59_999) / 60_000;
            (waits, sum) = (waits + 1, sum + minutes);
            all.longest_wait_min = all.longest_wait_min.max(minutes);
        }
    }
    all.mean_wait_min = if waits == 0 { 0 } else { (sum + waits - 1) / waits };
    all
}

#[cfg(test)]
mod tests;
