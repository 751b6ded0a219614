//! The badge (同步状态): how this node stands with its parent, in six states that shape, colour and words tell alike.
//!
//! It is computed from positions, never from "connected": a green line with entries waiting is not "all uploaded".

use crate::fault::Fault;
use crate::shell::{Desk, ago};
use casework::Outbox;
use domain::Timestamp;
use domain::calendar::{DayUnit, Limit};
use domain::network::Tier;
use std::sync::PoisonError;
use std::sync::atomic::Ordering;

#[derive(Debug, Clone)]
pub(crate) struct Badge {
    pub mark: &'static str,
    pub class: &'static str,
    pub text: String,
    /// The page that explains it.
    pub href: &'static str,
}

/// What the parent has not confirmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Waiting {
    cases: u64,
    records: u64,
    scans: u64,
}

impl Waiting {
    /// Counted one by one: cases where there are some.
    fn count(self) -> u64 {
        if self.cases > 0 { self.cases } else { self.records }
    }

    /// As people count it; `None` when everything is up.
    fn words(self) -> Option<String> {
        let scans = self.scans;
        let records = match (self.cases, self.records) {
            (0, 0) if scans == 0 => return None,
            (0, 0) => return Some(format!("{scans} 份扫描件")),
            (0, records) => format!("{records} 条记录"),
            (cases, _) => format!("{cases} 件"),
        };
        Some(if scans == 0 { records } else { format!("{records}、{scans} 份扫描件") })
    }
}

/// How much of what waited went up while pages looked on; begun anew whenever all is up or the line is down.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Upload {
    waiting: u64,
    done: u64,
}

impl Upload {
    /// Takes note of what waits now; what is done and how much there is to do, once something was done.
    fn look(&mut self, connected: bool, waiting: u64) -> Option<(u64, u64)> {
        if !connected || waiting == 0 {
            *self = Upload::default();
            return None;
        }
        self.done += self.waiting.saturating_sub(waiting);
        self.waiting = waiting;
        (self.done > 0).then_some((self.done, self.done + waiting))
    }
}

impl Desk {
    /// Cases of this village that the parent has not confirmed, and those that the hub has not.
    pub async fn cases_waiting(&self) -> Result<(u64, u64), Fault> {
        let hall = &self.console.hall;
        let outbox = hall.outbox().await?;
        let through = |seq: u64| hall.store.captured_through(hall.me(), seq);
        let all = through(outbox.own_head).await?;
        // A village that was set back may know of receipts for more than it has.
        let beyond = |known: u64| all.saturating_sub(known);
        Ok((beyond(through(outbox.parent_has).await?), beyond(through(outbox.hub_has).await?)))
    }

    /// `None` at the hub.
    pub(crate) async fn badge(&self) -> Result<Option<Badge>, Fault> {
        let Some(link) = &self.console.uplink else { return Ok(None) };
        let (outbox, now) = (self.console.hall.outbox().await?, self.now());
        let waiting = self.what_waits(&outbox).await?;
        // After a restart the last receipt says when somebody above last listened.
        let last = link.last_contact().max(outbox.parent_signed);
        let when = last.map_or("从未联系".to_owned(), |last| ago(last, now));
        // Never heard from at all: then what has waited longest says how long it has been.
        let since = last.or(outbox.oldest_waiting);
        let connected = link.connected.load(Ordering::Relaxed);
        let upload = &self.console.upload;
        let progress = upload.lock().unwrap_or_else(PoisonError::into_inner).look(connected, waiting.count());
        let needs = self.counts.quarantined;
        let (mark, class, text, href) = match (connected, waiting.words()) {
            (false, Some(_)) if since.is_some_and(|since| self.is_stale(since)) => {
                ("▲", "alarm", self.call_the_parent(), "/sync")
            }
            (false, None) => ("○", "off", format!("离线 · 没有待上传 · 上次 {when}"), "/sync"),
            (false, Some(words)) => {
                ("○", "off", format!("离线 · {words}已保存在本机 · 上次 {when}"), "/sync")
            }
            (true, _) if needs > 0 => ("▲", "needs", format!("{needs} 件需要您处理"), "/incidents"),
            (true, None) => ("●", "ok", format!("在线 · 全部已上传 · {when}"), "/sync"),
            (true, Some(words)) => {
                let text = match progress {
                    Some((done, all)) => format!("正在上传 {done}/{all}"),
                    None => format!("在线 · 待上传 {words}"),
                };
                ("◐", "busy", text, "/sync")
            }
        };
        Ok(Some(Badge { mark, class, text: self.t(&text).into_owned(), href }))
    }

    fn call_the_parent(&self) -> String {
        let network = self.console.hall.store.network();
        let parent = network.parent(self.console.hall.me()).and_then(|parent| network.get(parent));
        match parent.and_then(|parent| parent.contact.as_ref()) {
            Some(contact) => format!("已 3 个工作日未同步,请联系上级中心 {}", contact.phone),
            None => "已 3 个工作日未同步,请联系上级中心".to_owned(),
        }
    }

    /// What the parent has not confirmed, as people count it: cases where there are some, else records; and scans, which
    /// travel by themselves.
    async fn what_waits(&self, outbox: &Outbox) -> Result<Waiting, Fault> {
        let cases = match self.shell.tier {
            Tier::Village => self.cases_waiting().await?.0,
            Tier::Town | Tier::City => 0,
        };
        Ok(Waiting { cases, records: outbox.waiting, scans: self.counts.attachments_on_way })
    }

    /// Three working days without the parent: what lies here may miss a limit.
    pub fn is_stale(&self, last: Timestamp) -> bool {
        let limit = Limit { days: 3, unit: DayUnit::Workday };
        let known = self.console.hall.store.pack(None);
        known.is_some_and(|(_, pack)| pack.calendar.due_day(last.day(), limit).day <= self.today())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_told_as_people_count_it() {
        let words = |cases, records, scans| Waiting { cases, records, scans }.words();
        assert_eq!(words(0, 0, 0), None);
        assert_eq!(words(2, 5, 0).unwrap(), "2 件");
        assert_eq!(words(0, 5, 3).unwrap(), "5 条记录、3 份扫描件");
        assert_eq!(words(0, 0, 3).unwrap(), "3 份扫描件");
    }

    #[test]
    fn progress_counts_what_was_confirmed_and_begins_anew_when_the_line_breaks() {
        let mut upload = Upload::default();
        assert_eq!(upload.look(true, 3), None, "nothing is done yet");
        assert_eq!(upload.look(true, 2), Some((1, 3)));
        assert_eq!(upload.look(true, 4), Some((1, 5)), "two more were recorded meanwhile");
        assert_eq!(upload.look(true, 1), Some((4, 5)));
        assert_eq!(upload.look(false, 1), None);
        assert_eq!(upload.look(true, 1), None);
        assert_eq!(upload.look(true, 0), None);
    }
}
