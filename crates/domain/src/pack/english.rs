//! The catalogue in English: the city's own words, beside the phrase book of the pages.

use super::Faults;
use std::collections::BTreeMap;
use std::sync::Arc;

const FILE: &str = "english.txt";

/// Chinese as it stands in the pack, and the English for it. Shared: every page that is read in English looks here.
pub type English = Arc<BTreeMap<Box<str>, Box<str>>>;

/// Reads lines of `Chinese = English`; `#` begins a comment.
pub(super) fn read(text: &str, faults: &mut Faults) -> English {
    let mut words: BTreeMap<Box<str>, Box<str>> = BTreeMap::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let mut fault = |reason: String| faults.add(FILE, &format!("line {}", index + 1), "-", reason);
        match line.split_once(" = ") {
            Some((chinese, english)) if !chinese.trim().is_empty() && !english.trim().is_empty() => {
                if words.insert(chinese.trim().into(), english.trim().into()).is_some() {
                    fault(format!("{chinese} stands twice"));
                }
            }
            _ => fault("must be Chinese, ' = ', English".to_owned()),
        }
    }
    Arc::new(words)
}

#[cfg(test)]
mod tests {
    use super::super::{CityPack, kaili_pieces};

    #[test]
    fn everything_a_citizen_reads_of_the_catalogue_has_its_english() {
        let pack = CityPack::parse(&kaili_pieces()).unwrap();
        let mut asked: Vec<&str> = pack.orgs.values().map(|org| &*org.name).collect();
        asked.extend(pack.bundles.iter().map(|bundle| &*bundle.name));
        for item in pack.items.values() {
            asked.extend([&*item.name, &*item.result.name]);
            asked.extend(item.materials.iter().map(|paper| &*paper.name));
            asked.extend(item.stages.iter().map(|stage| &*stage.name));
            asked.extend(item.accept_conditions.iter().map(|text| &**text));
            asked.extend(item.fees.iter().map(|fee| &*fee.name));
            for field in &item.fields {
                asked.extend([&*field.label, &*field.group]);
                asked.extend(field.options.iter().map(|text| &**text));
            }
        }
        let chinese = |text: &&&str| text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c));
        let missing: Vec<&&str> =
            asked.iter().filter(chinese).filter(|text| !pack.english.contains_key(**text)).collect();
        assert!(missing.is_empty(), "add to deploy/kaili/english.txt: {missing:?}");
    }

    #[test]
    fn a_broken_line_is_told_by_its_number() {
        let mut pieces = kaili_pieces();
        pieces.insert("english".to_owned(), "开店 = A shop\n开店 = Shop\nnonsense\n".to_owned());
        let told = CityPack::parse(&pieces).unwrap_err().0;
        let told: Vec<String> = told.iter().map(ToString::to_string).collect();
        assert_eq!(told.len(), 2, "{told:?}");
        assert!(told[0].contains("line 2") && told[1].contains("line 3"), "{told:?}");
        pieces.remove("english");
        assert!(CityPack::parse(&pieces).unwrap().english.is_empty(), "a city may do without");
    }
}
