//! Divisions (行政区划): a dated attribute of a node, never its identity. Names repeat, so a village is always shown
//! with its town.

use std::collections::BTreeMap;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum DivisionTier {
    Province,
    Prefecture,
    County,
    Town,
    Village,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Division {
    pub code: String,
    pub name: String,
    /// `柿花村` for 柿花村村民委员会; what people say.
    pub short: String,
    pub tier: DivisionTier,
    pub parent: Option<String>,
}

/// The divisions of one edition of the statistics bureau's table, by code.
#[derive(Debug, Clone, Default)]
pub struct Divisions {
    by_code: BTreeMap<String, Division>,
}

impl Divisions {
    /// Reads `code,name,tier,parent,…` rows.
    ///
    /// # Errors
    /// All faulty lines at once, as `(line, reason)`.
    pub fn parse(text: &str) -> Result<Divisions, Vec<(usize, String)>> {
        let mut divisions = Divisions::default();
        let mut faults = Vec::new();
        for (index, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
            let mut fault = |reason: String| faults.push((index + 1, reason));
            let row: Vec<&str> = line.split(',').map(str::trim).collect();
            let [code, name, tier, parent, ref more @ ..] = row[..] else {
                fault(format!("expected code,name,tier,parent; found {} columns", row.len()));
                continue;
            };
            let tier = match tier {
                "province" => DivisionTier::Province,
                "prefecture" => DivisionTier::Prefecture,
                "county" => DivisionTier::County,
                "town" => DivisionTier::Town,
                "village" => DivisionTier::Village,
                other => {
                    fault(format!("unknown tier {other:?}"));
                    continue;
                }
            };
            if code.is_empty() || !code.bytes().all(|b| b.is_ascii_digit()) || name.is_empty() {
                fault(format!("code {code:?} must be digits and the name must not be empty"));
                continue;
            }
            let parent = (!parent.is_empty()).then(|| parent.to_owned());
            let short = more.get(1).filter(|short| !short.is_empty()).map_or(name, |short| short).to_owned();
            let division = Division { code: code.to_owned(), name: name.to_owned(), short, tier, parent };
            if divisions.by_code.insert(code.to_owned(), division).is_some() {
                fault(format!("code {code} appears twice"));
            }
        }
        for division in divisions.by_code.values() {
            let parent = division.parent.as_ref();
            if parent.is_some_and(|parent| !divisions.by_code.contains_key(parent)) {
                faults.push((
                    0,
                    format!("{} names a parent {:?} that is not in the table", division.code, parent),
                ));
            }
        }
        if faults.is_empty() { Ok(divisions) } else { Err(faults) }
    }

    pub fn get(&self, code: &str) -> Option<&Division> {
        self.by_code.get(code)
    }
    pub fn iter(&self) -> impl Iterator<Item = &Division> {
        self.by_code.values()
    }
    pub fn children<'a>(&'a self, parent: &'a str) -> impl Iterator<Item = &'a Division> {
        self.by_code.values().filter(move |division| division.parent.as_deref() == Some(parent))
    }
    /// `碧波镇柿花村`: town and village together, because village names repeat.
    pub fn full_name(&self, code: &str) -> String {
        let Some(division) = self.get(code) else { return code.to_owned() };
        match division.parent.as_deref().and_then(|parent| self.get(parent)) {
            Some(town) if division.tier == DivisionTier::Village => {
                format!("{}{}", town.short, division.short)
            }
            _ => division.short.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kaili_has_twenty_towns_and_names_that_repeat() {
        let divisions = Divisions::parse(include_str!("../../../deploy/kaili/divisions_kaili.csv")).unwrap();
        assert_eq!(divisions.children("522601").count(), 20);
        assert_eq!(divisions.full_name("522601108201"), "碧波镇柿花村");
        let mut names: Vec<&str> =
            divisions.iter().filter(|d| d.tier == DivisionTier::Village).map(|d| d.name.as_str()).collect();
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert!(all == 208 && names.len() < all);
    }

    #[test]
    fn a_broken_table_tells_every_fault() {
        let faults = Divisions::parse("code,name,tier,parent\n1,甲,town,9\nx,乙,village,1\n2,丙,planet,1\n")
            .unwrap_err();
        assert_eq!(faults.iter().map(|(line, _)| *line).collect::<Vec<_>>(), [3, 4, 0]);
    }
}
