//! Working days (工作日): Monday to Friday, corrected by the State Council's yearly arrangement.
//!
//! Pure: calendar and days are arguments, so all three tiers get the same answer. A year is final, provisional (the
//! statutory days are known, the make-up days are not) or absent; a due day that touches a year which is not final is
//! marked provisional and must be projected again when the arrangement is published.
//! Not here: suspensions and extensions (they belong to a case), warning that a limit is close.

use crate::Day;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum YearStatus {
    Final,
    Provisional,
}

/// The unit in which a limit is counted. Statutory limits of administrative licensing are working days (art. 82).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DayUnit {
    Workday,
    Natural,
}

/// A limit such as "20 working days".
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    pub days: u32,
    pub unit: DayUnit,
}

impl Limit {
    /// As it is told to people.
    pub fn chinese(self) -> String {
        match (self.days, self.unit) {
            (0, _) => "当场办结".to_owned(),
            (days, DayUnit::Workday) => format!("{days} 个工作日"),
            (days, DayUnit::Natural) => format!("{days} 日"),
        }
    }
}

/// The last day on which an act is still in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueDay {
    pub day: Day,
    /// True when a counted day falls in a year whose arrangement is not final.
    pub provisional: bool,
}

/// Days that do not count: from the day after `from` through `to`. As with a limit, the day of the event is day 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    pub from: Day,
    pub to: Day,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Calendar {
    days_off: BTreeSet<Day>,
    days_worked: BTreeSet<Day>,
    years: BTreeMap<i16, YearStatus>,
    region: BTreeMap<Day, RegionDay>,
}

/// A day off of the prefecture (地方假日), laid over the national calendar.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegionDay {
    pub name: String,
    pub basis: String,
    /// Whether limits stand still on it: only where the notice says so, since the limits of art. 82 count working days and
    /// leave out statutory holidays alone.
    pub affects_limits: bool,
}

/// What is wrong with a calendar file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {reason}")]
pub struct CalendarFault {
    pub line: usize,
    pub reason: String,
}

impl Calendar {
    /// Reads the three calendar files of a city pack; `provisional` may be empty.
    ///
    /// # Errors
    /// All faults of the files at once.
    pub fn parse(exceptions: &str, years: &str, provisional: &str) -> Result<Calendar, Vec<CalendarFault>> {
        let mut calendar = Calendar::default();
        let mut faults = Vec::new();
        each_row(exceptions, &mut faults, |row| {
            let day: Day = row.first().copied().unwrap_or("").parse().map_err(|e| format!("{e}"))?;
            match row.get(1) {
                Some(&"holiday") => calendar.days_off.insert(day),
                Some(&"workday") => calendar.days_worked.insert(day),
                other => return Err(format!("kind must be holiday or workday, found {other:?}")),
            };
            Ok(())
        });
        each_row(years, &mut faults, |row| {
            let year: i16 =
                row.first().copied().unwrap_or("").parse().map_err(|_| "year is not a number".to_owned())?;
            match row.get(1) {
                Some(&"final") => drop(calendar.years.insert(year, YearStatus::Final)),
                Some(&"provisional" | &"not_announced") => {}
                other => {
                    return Err(format!(
                        "status must be final, provisional or not_announced, found {other:?}"
                    ));
                }
            }
            Ok(())
        });
        each_row(provisional, &mut faults, |row| {
            let day: Day = row.first().copied().unwrap_or("").parse().map_err(|e| format!("{e}"))?;
            if calendar.years.get(&day.year()) != Some(&YearStatus::Final) {
                calendar.days_off.insert(day);
                calendar.years.insert(day.year(), YearStatus::Provisional);
            }
            Ok(())
        });
        if faults.is_empty() { Ok(calendar) } else { Err(faults) }
    }

    /// Lays the days off of the region over the national calendar: rows of `date,kind,name,affects_limits,basis`.
    ///
    /// # Errors
    /// All faults of the file at once; the calendar is then as it was.
    pub fn overlay(&mut self, region: &str) -> Result<(), Vec<CalendarFault>> {
        let (mut faults, mut days) = (Vec::new(), BTreeMap::new());
        each_row(region, &mut faults, |row| {
            let [date, kind, name, affects, basis] = *row else {
                return Err(format!(
                    "expected date,kind,name,affects_limits,basis; found {} columns",
                    row.len()
                ));
            };
            let day: Day = date.parse().map_err(|e| format!("{e}"))?;
            let affects_limits = match affects {
                "yes" => true,
                "no" => false,
                other => return Err(format!("affects_limits must be yes or no, found {other:?}")),
            };
            if kind != "holiday" || name.is_empty() || basis.is_empty() {
                return Err("kind must be holiday, name and basis must not be empty".to_owned());
            }
            let (name, basis) = (name.to_owned(), basis.to_owned());
            days.insert(day, RegionDay { name, basis, affects_limits });
            Ok(())
        });
        if faults.is_empty() {
            self.region = days;
            Ok(())
        } else {
            Err(faults)
        }
    }

    /// Days off of the region from the day after `from` through `to`.
    pub fn region_days(&self, from: Day, to: Day) -> impl Iterator<Item = (Day, &RegionDay)> {
        let after = self.region.range(from..=to.max(from)).filter(move |(day, _)| **day > from);
        after.map(|(day, known)| (*day, known))
    }

    pub fn year_status(&self, year: i16) -> Option<YearStatus> {
        self.years.get(&year).copied()
    }

    pub fn is_working_day(&self, day: Day) -> bool {
        let off_here = self.region.get(&day).is_some_and(|known| known.affects_limits);
        !off_here && (self.days_worked.contains(&day) || (!day.is_weekend() && !self.days_off.contains(&day)))
    }

    /// The last day on which an act is still in time; the anchoring day itself is day 0.
    ///
    /// # Source
    /// 《行政许可法》 art. 42 and 82 (working days); 《民法典》 art. 201 (the first day is not counted) and, for natural
    /// days, art. 203 (a last day that is a holiday moves to the next working day).
    pub fn due_day(&self, anchor: Day, limit: Limit) -> DueDay {
        self.due_day_around(anchor, limit, &[])
    }

    /// As [`Calendar::due_day`], with days that do not count.
    pub fn due_day_around(&self, anchor: Day, limit: Limit, pauses: &[Pause]) -> DueDay {
        let paused = |day: Day| pauses.iter().any(|pause| pause.from < day && day <= pause.to);
        let mut day = anchor;
        let mut provisional = false;
        let mut left = limit.days;
        while left > 0 {
            day = day.next();
            provisional |= self.year_status(day.year()) != Some(YearStatus::Final);
            if !paused(day) && (limit.unit == DayUnit::Natural || self.is_working_day(day)) {
                left -= 1;
            }
        }
        while limit.unit == DayUnit::Natural && limit.days > 0 && !self.is_working_day(day) {
            day = day.next();
        }
        DueDay { day, provisional }
    }

    /// The working day `days` after `from`, or before it when negative; `from` itself for 0.
    pub fn working_day_from(&self, from: Day, days: i32) -> Day {
        let mut day = from;
        let mut left = days.unsigned_abs();
        while left > 0 {
            day = day.plus_days(days.signum());
            left -= u32::from(self.is_working_day(day));
        }
        day
    }

    /// Working days from the day after `from` up to and including `to`; negative when `to` is earlier.
    pub fn working_days_left(&self, from: Day, to: Day) -> i32 {
        let (early, late, sign) = if from <= to { (from, to, 1) } else { (to, from, -1) };
        let mut day = early;
        let mut count = 0;
        while day < late && count < 10_000 {
            day = day.next();
            count += i32::from(self.is_working_day(day));
        }
        count * sign
    }
}

fn each_row(
    text: &str,
    faults: &mut Vec<CalendarFault>,
    mut read: impl FnMut(&[&str]) -> Result<(), String>,
) {
    for (index, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
        let row: Vec<&str> = line.split(',').map(str::trim).collect();
        if let Err(reason) = read(&row) {
            faults.push(CalendarFault { line: index + 1, reason });
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn kaili() -> Calendar {
        Calendar::parse(
            include_str!("../../../deploy/kaili/calendar_cn.csv"),
            include_str!("../../../deploy/kaili/calendar_cn_years.csv"),
            include_str!("../../../deploy/kaili/calendar_cn_provisional_2027.csv"),
        )
        .unwrap()
    }

    #[test]
    fn every_deadline_vector_passes() {
        let file: serde_json::Value =
            serde_json::from_str(include_str!("../../../deploy/kaili/vectors_deadline.json")).unwrap();
        let calendar = kaili();
        for vector in file["vectors"].as_array().unwrap() {
            let start: Day = vector["start"].as_str().unwrap().parse().unwrap();
            assert_eq!(
                calendar.is_working_day(start),
                vector["start_is_workday"].as_bool().unwrap(),
                "{start}"
            );
            let limit =
                Limit { days: vector["add_workdays"].as_u64().unwrap() as u32, unit: DayUnit::Workday };
            let due = calendar.due_day(start, limit);
            match vector["deadline"].as_str() {
                Some(day) => {
                    assert_eq!((due.day.to_string().as_str(), due.provisional), (day, false), "{vector}")
                }
                None => {
                    let day = vector["provisional_with_statutory_days"].as_str().unwrap();
                    assert_eq!((due.day.to_string().as_str(), due.provisional), (day, true), "{vector}");
                }
            }
        }
    }

    #[test]
    fn a_limit_of_no_days_ends_today() {
        let today: Day = "2026-11-23".parse().unwrap();
        let due = kaili().due_day(today, Limit { days: 0, unit: DayUnit::Workday });
        assert_eq!(due, DueDay { day: today, provisional: false });
    }

    #[test]
    fn natural_days_that_end_on_a_holiday_move_to_the_next_working_day() {
        let due = kaili().due_day("2026-09-28".parse().unwrap(), Limit { days: 7, unit: DayUnit::Natural });
        assert_eq!(due.day.to_string(), "2026-10-08");
    }

    #[test]
    fn a_day_off_of_the_region_counts_only_where_its_notice_says_so() {
        let mut calendar = kaili();
        let (from, limit) = ("2026-07-22".parse().unwrap(), Limit { days: 2, unit: DayUnit::Workday });
        assert_eq!(calendar.due_day(from, limit).day.to_string(), "2026-07-24");
        let row = |affects: &str| format!("h\n2026-07-23,holiday,州庆,{affects},自治条例第61条\n");
        calendar.overlay(&row("no")).unwrap();
        assert_eq!(calendar.due_day(from, limit).day.to_string(), "2026-07-24");
        calendar.overlay(&row("yes")).unwrap();
        assert_eq!(calendar.due_day(from, limit).day.to_string(), "2026-07-27");
        assert_eq!(calendar.overlay("h\n2026-07-23,holiday,,yes,x\nx\n").unwrap_err().len(), 2);
        assert_eq!(calendar.region_days(from, from.plus_days(9)).count(), 1, "a broken file changes nothing");
    }

    #[test]
    fn all_faults_of_a_broken_file_are_told_at_once() {
        let faults = Calendar::parse(
            "date,kind,name\n2026-02-30,holiday,x\n2026-01-01,feast,x\n",
            "h\nabc,final\n",
            "",
        )
        .unwrap_err();
        assert_eq!(faults.iter().map(|f| f.line).collect::<Vec<_>>(), [2, 3, 2]);
    }
}
