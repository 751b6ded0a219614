//! Which lists an officer has open. A console that looks again every few seconds reads the same list; that is one row in the
//! audit for each [`SAME_MS`], not thousands. A case that is opened is a row each time. And how much of the lists an officer has been shown.

use domain::{CaseNo, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

const SAME_MS: i64 = 600_000;
const REMEMBERED_MAX: usize = 4_096;

#[derive(Debug, Default)]
pub struct Seen(BTreeMap<(String, String), Timestamp>);

impl Seen {
    /// True until it was noted, and again after ten minutes.
    pub fn is_new(&self, officer: &str, list: &str, now: Timestamp) -> bool {
        let known = self.0.get(&(officer.to_owned(), list.to_owned()));
        !known.is_some_and(|at| lately(now, at))
    }

    /// The row stands.
    pub fn noted(&mut self, officer: &str, list: &str, now: Timestamp) {
        if self.0.len() >= REMEMBERED_MAX {
            self.0.retain(|_, at| lately(now, at));
        }
        if self.0.len() >= REMEMBERED_MAX {
            self.0.clear();
        }
        self.0.insert((officer.to_owned(), list.to_owned()), now);
    }
}

/// How many cases of a list one officer may be shown in an hour. A day's work does not need a tenth of it; whoever wants the whole
/// list has it exported, which two persons sign.
const LISTED_MAX: usize = 2_000;
const LISTED_MS: i64 = 3_600_000;

/// Which cases the lists have shown to whom in the present hour.
#[derive(Debug, Default)]
pub struct Listed(BTreeMap<String, (Timestamp, BTreeSet<CaseNo>)>);

impl Listed {
    /// Notes what a list is about to show. `false`: too much for one hour; it must not be shown.
    pub fn show<'c>(
        &mut self,
        officer: &str,
        cases: impl IntoIterator<Item = &'c CaseNo>,
        now: Timestamp,
    ) -> bool {
        self.0.retain(|_, (since, _)| (0..LISTED_MS).contains(&(now.as_ms() - since.as_ms())));
        let (_, shown) = self.0.entry(officer.to_owned()).or_insert_with(|| (now, BTreeSet::new()));
        for case in cases {
            if shown.len() >= LISTED_MAX && !shown.contains(case) {
                return false;
            }
            shown.insert(case.clone());
        }
        true
    }
}

fn lately(now: Timestamp, at: &Timestamp) -> bool {
    (0..SAME_MS).contains(&(now.as_ms() - at.as_ms()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_list_is_not_paged_through_by_one_officer() {
        let mut listed = Listed::default();
        let at = |seconds: i64| Timestamp::from_ms(1_700_000_000_000 + seconds * 1000);
        let node = "kl-00-v001".parse().unwrap();
        let cases: Vec<CaseNo> =
            (0..2_100).map(|n| CaseNo::make(&node, "2026-11-23".parse().unwrap(), n)).collect();
        for _ in 0..100 {
            assert!(listed.show("wang", &cases[..20], at(0)), "the same page again costs nothing");
        }
        assert!(listed.show("wang", &cases[..2_000], at(1)));
        assert!(!listed.show("wang", &cases[2_000..], at(2)));
        assert!(listed.show("wang", &cases[..20], at(2)), "what was shown stays on the screen");
        assert!(listed.show("yang", &cases[2_000..], at(2)));
        assert!(listed.show("wang", &cases[2_000..], at(3_700)), "the next hour");
    }

    #[test]
    fn a_list_that_is_looked_at_all_day_is_a_row_every_ten_minutes() {
        let mut seen = Seen::default();
        let at = |seconds: i64| Timestamp::from_ms(1_700_000_000_000 + seconds * 1000);
        let mut rows = 0;
        for s in (0..3600).step_by(5) {
            if seen.is_new("wang", "/queue", at(s)) {
                seen.noted("wang", "/queue", at(s));
                rows += 1;
            }
        }
        assert_eq!(rows, 6);
        assert!(seen.is_new("yang", "/queue", at(3600)), "somebody else's look is another row");
        for n in 0..3 * REMEMBERED_MAX {
            seen.noted("wang", &n.to_string(), at(3600));
        }
        assert!(seen.0.len() <= REMEMBERED_MAX);
    }
}
