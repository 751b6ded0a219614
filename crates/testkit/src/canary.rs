//! Words that must never stand in a log (I33): the names, numbers and telephones of every applicant there is.

use crate::people::applicants;
use std::collections::BTreeSet;
use std::sync::OnceLock;

/// Numbers and telephones are long enough to be nobody else's word; of names those of three characters and more.
fn words() -> &'static BTreeSet<String> {
    static WORDS: OnceLock<BTreeSet<String>> = OnceLock::new();
    WORDS.get_or_init(|| {
        let of = |person: crate::Applicant| [person.name, person.id_no, person.mobile];
        applicants().into_iter().flat_map(of).filter(|word| word.chars().count() >= 3).collect()
    })
}

/// The first word of a citizen in a text, with the line it stands in.
pub fn find(text: &str) -> Option<String> {
    let lengths: BTreeSet<usize> = words().iter().map(|word| word.chars().count()).collect();
    text.lines().find_map(|line| {
        let starts: Vec<usize> = line.char_indices().map(|(at, _)| at).chain([line.len()]).collect();
        let windows = |length: usize| starts.windows(length + 1).map(move |at| (at[0], at[length]));
        let found = lengths
            .iter()
            .flat_map(|length| windows(*length))
            .find(|(from, to)| words().contains(&line[*from..*to]))?;
        Some(format!("{} in: {line}", &line[found.0..found.1]))
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_citizen_in_a_log_is_found() {
        let person = crate::applicants().into_iter().find(|person| person.name.chars().count() == 3).unwrap();
        for word in [&person.name, &person.id_no, &person.mobile] {
            let line = format!("{{\"level\":\"WARN\",\"message\":\"form of {word} refused\"}}");
            assert!(super::find(&format!("all is well\n{line}")).unwrap().contains(&line));
        }
        assert_eq!(super::find("case 261126-V7K3QZPA-00000000A of t-522601108 was relayed in 12 ms"), None);
    }
}
