//! Instants and civil days. China keeps one time zone without summer time, so a day is arithmetic, not a database.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Milliseconds since 1970-01-01 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(i64);

const CHINA_OFFSET_MS: i64 = 8 * 3_600_000;
const DAY_MS: i64 = 86_400_000;

impl Timestamp {
    pub const fn from_ms(ms: i64) -> Timestamp {
        Timestamp(ms)
    }
    pub const fn as_ms(self) -> i64 {
        self.0
    }
    pub const fn plus_ms(self, ms: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(ms))
    }
    /// Milliseconds from `earlier` to `self`; negative when `earlier` is later.
    pub const fn since(self, earlier: Timestamp) -> i64 {
        self.0.saturating_sub(earlier.0)
    }
    /// The civil day in China (UTC+8).
    pub fn day(self) -> Day {
        let days = (self.0 + CHINA_OFFSET_MS).div_euclid(DAY_MS);
        Day(jiff::civil::date(1970, 1, 1)
            .saturating_add(jiff::Span::new().days(days.clamp(-700_000, 2_900_000))))
    }
    /// `2026-11-23 15:07` in China.
    pub fn to_minute(self) -> String {
        format!("{} {}", self.day(), self.to_clock())
    }
    /// `15:07` in China.
    pub fn to_clock(self) -> String {
        let minutes = (self.0 + CHINA_OFFSET_MS).rem_euclid(DAY_MS) / 60_000;
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}
impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}ms", self.0)
    }
}

/// A civil day in China.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(jiff::civil::Date);

impl Day {
    /// # Errors
    /// `None` when there is no such day (2025-02-29).
    pub fn new(year: i16, month: i8, day: i8) -> Option<Day> {
        jiff::civil::Date::new(year, month, day).ok().map(Day)
    }
    pub fn year(self) -> i16 {
        self.0.year()
    }
    pub fn month(self) -> i8 {
        self.0.month()
    }
    pub fn day(self) -> i8 {
        self.0.day()
    }
    pub fn next(self) -> Day {
        self.plus_days(1)
    }
    pub fn plus_days(self, days: i32) -> Day {
        Day(self.0.saturating_add(jiff::Span::new().days(days.clamp(-700_000, 700_000))))
    }
    pub fn is_weekend(self) -> bool {
        matches!(self.0.weekday(), jiff::civil::Weekday::Saturday | jiff::civil::Weekday::Sunday)
    }
    /// Whole days from `earlier` to `self`; negative when `earlier` is later.
    pub fn days_since(self, earlier: Day) -> i32 {
        earlier.0.until(self.0).map_or(0, |span| span.get_days())
    }
    /// Full years from `birth` to `self`: the age in law (周岁) counts from the day after the birthday's eve.
    pub fn years_since(self, birth: Day) -> i32 {
        let before_birthday = (self.month(), self.day()) < (birth.month(), birth.day());
        i32::from(self.year()) - i32::from(birth.year()) - i32::from(before_birthday)
    }
    /// The last instant of this day in China.
    pub fn end(self) -> Timestamp {
        let days = i64::from(self.days_since(Day(jiff::civil::date(1970, 1, 1))));
        Timestamp((days + 1) * DAY_MS - CHINA_OFFSET_MS - 1)
    }
}
impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl fmt::Debug for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}
impl std::str::FromStr for Day {
    type Err = crate::ids::BadId;
    fn from_str(text: &str) -> Result<Day, Self::Err> {
        let bad = || crate::ids::BadId { kind: "day (yyyy-mm-dd)", value: text.chars().take(40).collect() };
        // Only the one written form: a lenient parser would accept times and zones and drop them silently.
        if text.len() != 10 {
            return Err(bad());
        }
        text.parse().map(Day).map_err(|_| bad())
    }
}
impl TryFrom<String> for Day {
    type Error = crate::ids::BadId;
    fn try_from(text: String) -> Result<Day, Self::Error> {
        text.parse()
    }
}
impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn midnight_in_china_starts_the_day() {
        let day: Day = "2026-11-23".parse().unwrap();
        assert_eq!(day.end().day(), day);
        assert_eq!(day.end().plus_ms(1).day(), day.next());
        assert_eq!(Timestamp::from_ms(0).to_minute(), "1970-01-01 08:00");
    }

    #[test]
    fn a_person_turns_sixteen_on_the_birthday() {
        let birth: Day = "2010-11-23".parse().unwrap();
        assert_eq!("2026-11-22".parse::<Day>().unwrap().years_since(birth), 15);
        assert_eq!("2026-11-23".parse::<Day>().unwrap().years_since(birth), 16);
    }
}
