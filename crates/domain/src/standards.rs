//! The register of standards (标准体系): which standards exist, which items they cover, and by how much they streamlined.
//!
//! Pure. Every rate is computed from the rows; none is typed in.

use crate::ItemId;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// 标准类别.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// 国家标准.
    National,
    /// 中心管理标准.
    Centre,
    /// 服务提供标准.
    Service,
}

const CLASSES: [(&str, Class); 3] =
    [("national", Class::National), ("centre", Class::Centre), ("service", Class::Service)];

/// One standard. A service standard says what an item asked for before and asks for since.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Standard {
    pub number: String,
    pub name: String,
    pub class: Class,
    /// Empty for a standard of the house.
    pub items: Vec<ItemId>,
    /// Working days to an answer: (before, since).
    pub days: (u32, u32),
    /// Papers asked for: (before, since).
    pub papers: (u32, u32),
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Register(pub Vec<Standard>);

/// What the register comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub total: usize,
    pub by_class: BTreeMap<&'static str, usize>,
    /// Items that a service standard covers, of all items.
    pub items_covered: usize,
    pub items: usize,
    pub coverage_percent: f64,
    /// By how much days and papers became fewer, over all service standards.
    pub days_streamlined_percent: f64,
    pub papers_streamlined_percent: f64,
}

impl Register {
    /// Reads the piece `standards`: lines `number,name,class,items,days_before,days,papers_before,papers`, items parted by `;`.
    ///
    /// # Errors
    /// Every fault: (line, reason).
    pub fn parse(text: &str) -> Result<Register, Vec<(usize, String)>> {
        let (mut all, mut faults) = (Vec::new(), Vec::new());
        let mut numbers = BTreeSet::new();
        for (index, line) in text.lines().enumerate().skip(1).filter(|(_, line)| !line.trim().is_empty()) {
            match read(line) {
                Ok(standard) if !numbers.insert(standard.number.clone()) => {
                    faults.push((index + 1, format!("{} stands twice", standard.number)));
                }
                Ok(standard) => all.push(standard),
                Err(reason) => faults.push((index + 1, reason)),
            }
        }
        if faults.is_empty() { Ok(Register(all)) } else { Err(faults) }
    }

    /// `items` are those of the catalogue.
    pub fn summary<'i>(&self, items: impl Iterator<Item = &'i ItemId>) -> Summary {
        let items: BTreeSet<&ItemId> = items.collect();
        let service = || self.0.iter().filter(|one| one.class == Class::Service);
        let covered: BTreeSet<&ItemId> =
            service().flat_map(|one| &one.items).filter(|id| items.contains(id)).collect();
        let sum = |of: fn(&Standard) -> (u32, u32)| {
            service().map(of).fold((0u32, 0u32), |sum, (before, since)| (sum.0 + before, sum.1 + since))
        };
        let percent = |part: f64, whole: f64| if whole == 0.0 { 0.0 } else { part * 100.0 / whole };
        let fewer =
            |(before, since): (u32, u32)| percent(f64::from(before) - f64::from(since), f64::from(before));
        let of = |class: Class| self.0.iter().filter(|one| one.class == class).count();
        Summary {
            total: self.0.len(),
            by_class: CLASSES.iter().map(|(name, class)| (*name, of(*class))).collect(),
            items_covered: covered.len(),
            items: items.len(),
            coverage_percent: percent(covered.len() as f64, items.len() as f64),
            days_streamlined_percent: fewer(sum(|one| one.days)),
            papers_streamlined_percent: fewer(sum(|one| one.papers)),
        }
    }
}

fn read(line: &str) -> Result<Standard, String> {
    let cells: Vec<&str> = line.split(',').map(str::trim).collect();
    let [number, name, class, items, days_before, days, papers_before, papers] = cells[..] else {
        return Err(format!("{} columns instead of 8", cells.len()));
    };
    let count = |text: &str| text.parse::<u32>().map_err(|_| format!("{text:?} is no number"));
    let class = CLASSES.iter().find(|(known, _)| *known == class).map(|(_, class)| *class);
    let items = items.split(';').filter(|item| !item.is_empty()).map(str::parse).collect::<Result<_, _>>();
    let standard = Standard {
        number: number.to_owned(),
        name: name.to_owned(),
        class: class.ok_or("class must be national, centre or service")?,
        items: items.map_err(|error: crate::ids::BadId| error.to_string())?,
        days: (count(days_before)?, count(days)?),
        papers: (count(papers_before)?, count(papers)?),
    };
    if number.is_empty() || name.is_empty() {
        return Err("number or name is missing".to_owned());
    }
    if standard.days.1 > standard.days.0 || standard.papers.1 > standard.papers.0 {
        return Err("a standard may not ask for more than before".to_owned());
    }
    Ok(standard)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dossier::tests::PACK;

    /// The figures published of Kaili's centre: 9 + 61 + 272 = 342 standards, streamlined by 54.46 % and 52.61 %.
    #[test]
    fn the_published_figures_follow_from_the_register() {
        let summary = PACK.standards.summary(PACK.items.keys());
        assert_eq!(summary.total, 342);
        assert_eq!(summary.by_class, BTreeMap::from([("national", 9), ("centre", 61), ("service", 272)]));
        assert_eq!(format!("{:.2}", summary.days_streamlined_percent), "54.46");
        assert_eq!(format!("{:.2}", summary.papers_streamlined_percent), "52.61");
        assert_eq!(summary.items_covered, summary.items, "every item has a standard");
    }

    #[test]
    fn a_broken_register_names_every_line() {
        let text = "head\nA,名,centre,,0,0,0,0\nA,名,centre,,0,0,0,0\nB,名,other,,0,0,0,0\nC,名,service,x,1,2,0,0\nD\n";
        let faults = Register::parse(text).unwrap_err();
        let lines: Vec<usize> = faults.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [3, 4, 5, 6], "{faults:?}");
    }
}
