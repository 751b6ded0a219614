//! The badge (同步状态): how this node stands with its parent, in six states that shape, colour and words tell alike.
//!
//! It is computed from positions, never from "connected": a green line with entries waiting is not "all uploaded".

use crate::fault::Fault;
use crate::shell::{Desk, ago};
use casework::Outbox;
use domain::Timestamp;
use domain::access::Permission;
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

/// Where an upload began that pages look on at: how many cases the parent had then. Both ends of it only grow, so whoever looks
/// late says too little at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Upload(Option<u64>);

impl Upload {
    /// Of `all` cases the parent has `has`: how many of those that waited are up, and how many they were; `None` before the first is.
    fn look(&mut self, connected: bool, all: u64, has: u64) -> Option<(u64, u64)> {
        if !connected || has >= all {
            self.0 = None;
            return None;
        }
        let start = *self.0.get_or_insert(has);
        let done = has.saturating_sub(start);
        (done > 0).then(|| (done, all - start))
    }
}

impl Desk {
    /// Cases that this village recorded, and how many of those the parent has confirmed.
    async fn cases_known(&self, outbox: &Outbox) -> Result<(u64, u64), Fault> {
        let hall = &self.console.hall;
        let through = |seq: u64| hall.store.captured_through(hall.me(), seq);
        let all = through(outbox.own_head).await?;
        // A village that was set back may know of receipts for more than it has.
        Ok((all, through(outbox.parent_has).await?.min(all)))
    }

    /// `None` at the hub.
    pub(crate) async fn badge(&self) -> Result<Option<Badge>, Fault> {
        let Some(link) = &self.console.uplink else { return Ok(None) };
        let (outbox, now) = (self.console.hall.outbox().await?, self.now());
        let scans = self.counts.attachments_on_way;
        let ((all, has), cases) = match self.shell.tier {
            // What was mended or handed over waits like what was recorded.
            Tier::Village if outbox.waiting > 0 => (
                self.cases_known(&outbox).await?,
                self.console.hall.cases_unsigned(Tier::Town).await?.len() as u64,
            ),
            _ => ((0, 0), 0),
        };
        let waiting = Waiting { cases, records: outbox.waiting, scans }.words();
        // After a restart the last receipt says when somebody above last listened.
        let last = link.last_contact().max(outbox.parent_signed);
        let when = last.map_or("从未联系".to_owned(), |last| ago(last, now));
        // Never heard from at all: then what has waited longest says how long it has been.
        let since = last.or(outbox.oldest_waiting);
        let connected = link.connected.load(Ordering::Relaxed);
        let upload = &self.console.upload;
        let progress = upload.lock().unwrap_or_else(PoisonError::into_inner).look(connected, all, has);
        // Told to whoever can do something about it.
        let needs = if self.may(Permission::Operate) { self.counts.quarantined } else { 0 };
        let (mark, class, text, href) = match (connected, waiting) {
            (false, Some(_)) if since.is_some_and(|since| self.is_stale(since)) => {
                ("▲", "alarm", self.call_the_parent(), "/sync")
            }
            (false, None) => ("○", "off", format!("离线 · 没有待上传 · 上次 {when}"), "/sync"),
            (false, Some(words)) => {
                ("○", "off", format!("离线 · {words}已保存在本机 · 上次 {when}"), "/sync")
            }
            (true, None) if needs > 0 => {
                ("◆", "needs", format!("全部已上传 · {needs} 件需要您处理"), "/incidents")
            }
            (true, Some(words)) if needs > 0 => {
                ("◆", "needs", format!("待上传 {words} · {needs} 件需要您处理"), "/incidents")
            }
            (true, None) => ("●", "ok", format!("在线 · 全部已上传 · {when}"), "/sync"),
            (true, Some(words)) => match progress {
                Some((done, all)) => ("◑", "busy", format!("正在上传 {done}/{all}"), "/sync"),
                None => ("◔", "busy", format!("在线 · 待上传 {words}"), "/sync"),
            },
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
    fn progress_counts_cases_that_were_confirmed_and_begins_anew_when_the_line_breaks() {
        let mut upload = Upload::default();
        assert_eq!(upload.look(true, 8, 5), None, "three wait, nothing is done yet");
        assert_eq!(upload.look(true, 8, 6), Some((1, 3)));
        assert_eq!(upload.look(true, 10, 6), Some((1, 5)), "two more were recorded meanwhile");
        assert_eq!(
            upload.look(true, 8, 5),
            None,
            "who looked earlier and asks later says too little at most"
        );
        assert_eq!(upload.look(true, 10, 9), Some((4, 5)));
        assert_eq!(upload.look(false, 10, 9), None);
        assert_eq!(upload.look(true, 10, 9), None);
        assert_eq!(upload.look(true, 10, 10), None);
    }
}
