//! The language of a page (中/EN). Chinese is the source: every text stands in the code and the templates as people here read
//! it, and the phrase book gives the English beside it.
//!
//! A phrase may have holes (`第 {} 行`), so that what the domain says about a form needs no second way of saying it. What stands in a
//! hole is looked up too. What stands in the catalogue (items, papers, fields) is the city's to say: its pack has the English, and a
//! page asks for it by `c`. Not translated, on purpose: what people wrote (names, opinions).

use domain::pack::{CityPack, English};
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{LazyLock, Mutex, PoisonError, RwLock};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Lang {
    #[default]
    Chinese,
    English,
}

/// One line for each phrase: Chinese, ` = `, English. `#` begins a comment.
const PHRASES: &str = include_str!("../phrases/en.txt");

/// What the lint of the catalogue says, which is written for the command line: English, ` = `, Chinese.
const LINT: &str = include_str!("../phrases/lint.txt");

/// What the audit calls an act: as it is written there, ` = `, Chinese.
const AUDIT: &str = include_str!("../phrases/audit.txt");

/// A phrase with holes, cut at them: as it is asked for, and as it is said.
struct Pattern {
    asked: Vec<&'static str>,
    said: Vec<&'static str>,
}

struct PhraseBook {
    whole: BTreeMap<&'static str, &'static str>,
    /// Those that say most first: a longer phrase is the more certain one.
    patterns: Vec<Pattern>,
    /// What it does not know of a hole the city's own words may: they are English, as this book is.
    with_city: bool,
}

fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = text.lines().filter(|line| !line.trim().is_empty() && !line.starts_with('#'));
    lines.filter_map(|line| line.split_once(" = "))
}

static BOOK: LazyLock<PhraseBook> =
    LazyLock::new(|| PhraseBook { with_city: true, ..PhraseBook::of(PHRASES) });
static LINT_BOOK: LazyLock<PhraseBook> = LazyLock::new(|| PhraseBook::of(LINT));
static AUDIT_BOOK: LazyLock<PhraseBook> = LazyLock::new(|| PhraseBook::of(AUDIT));

/// The city's own words, of the release that was looked at last. One for the program: whoever serves several nodes in one, as tests
/// do, serves one city.
static CITY: LazyLock<RwLock<English>> = LazyLock::new(RwLock::default);

/// From now on the catalogue is said in the words of this pack.
pub(crate) fn learn(pack: &CityPack) {
    let known = CITY.read().unwrap_or_else(PoisonError::into_inner).clone();
    if !std::sync::Arc::ptr_eq(&known, &pack.english) {
        *CITY.write().unwrap_or_else(PoisonError::into_inner) = pack.english.clone();
    }
}

fn city_says(text: &str) -> Option<String> {
    CITY.read().unwrap_or_else(PoisonError::into_inner).get(text).map(|said| said.to_string())
}

impl PhraseBook {
    fn of(text: &'static str) -> PhraseBook {
        let mut book = PhraseBook { whole: BTreeMap::new(), patterns: Vec::new(), with_city: false };
        for (asked, said) in lines(text) {
            match asked.contains("{}") {
                false => drop(book.whole.insert(asked, said)),
                true => book
                    .patterns
                    .push(Pattern { asked: asked.split("{}").collect(), said: said.split("{}").collect() }),
            }
        }
        let weight = |pattern: &Pattern| pattern.asked.iter().map(|part| part.len()).sum::<usize>();
        book.patterns.sort_by_key(|pattern| std::cmp::Reverse(weight(pattern)));
        book
    }

    fn look_up(&self, text: &str, depth: u8) -> Option<String> {
        if let Some(said) = self.whole.get(text) {
            return Some((*said).to_owned());
        }
        let found = self.patterns.iter().find_map(|pattern| Some((pattern, pattern.holes(text)?)));
        let (pattern, holes) = found?;
        let mut said = pattern.said.first().map(|part| (*part).to_owned()).unwrap_or_default();
        for (hole, part) in holes.iter().zip(pattern.said.iter().skip(1)) {
            let inner = (depth < DEPTH_MAX).then(|| self.look_up(hole, depth + 1)).flatten();
            let inner = inner.or_else(|| city_says(hole).filter(|_| self.with_city));
            said.push_str(inner.as_deref().unwrap_or(hole));
            said.push_str(part);
        }
        Some(said)
    }
}

impl Pattern {
    /// What stands in the holes, if the text is of this pattern.
    fn holes<'t>(&self, text: &'t str) -> Option<Vec<&'t str>> {
        let (first, rest) = self.asked.split_first()?;
        let mut left = text.strip_prefix(first)?;
        let mut holes = Vec::with_capacity(rest.len());
        for (index, part) in rest.iter().enumerate() {
            let last = index + 1 == rest.len();
            let at = match (last, part.is_empty()) {
                (true, true) => left.len(),
                (true, false) => left.strip_suffix(part)?.len(),
                (false, _) => left.find(part)?,
            };
            holes.push(&left[..at]);
            left = &left[at + part.len()..];
        }
        Some(holes)
    }
}

/// How deep phrases stand in the holes of others.
const DEPTH_MAX: u8 = 3;

fn look_up(text: &str, depth: u8) -> Option<String> {
    BOOK.look_up(text, depth)
}

impl Lang {
    /// The text in this language; as it is where the phrase book does not know it.
    pub fn t<'a>(self, text: &'a str) -> Cow<'a, str> {
        match self {
            Lang::Chinese => Cow::Borrowed(text),
            Lang::English => match look_up(text, 0) {
                Some(said) => Cow::Owned(said),
                None => {
                    note_missing(text);
                    Cow::Borrowed(text)
                }
            },
        }
    }
    /// What stands in the catalogue, in this language: as the city says it, or the phrase book where it is no word of the city's.
    pub fn c<'a>(self, text: &'a str) -> Cow<'a, str> {
        match self {
            Lang::Chinese => Cow::Borrowed(text),
            Lang::English => match (city_says(text), text.split_once(':')) {
                (Some(said), _) => Cow::Owned(said),
                // A field of a bundle says which item asks for it.
                (None, Some((item, field))) => Cow::Owned(format!("{}: {}", self.c(item), self.c(field))),
                (None, None) => self.t(text),
            },
        }
    }
    /// What the lint says of a catalogue, in this language.
    pub fn lint<'a>(self, text: &'a str) -> Cow<'a, str> {
        match (self, is_chinese(text)) {
            (Lang::English, true) => self.t(text),
            (Lang::English, false) => Cow::Borrowed(text),
            (Lang::Chinese, _) => LINT_BOOK.look_up(text, 0).map_or(Cow::Borrowed(text), Cow::Owned),
        }
    }
    /// An act of the audit, in this language; as it is written where nobody has named it.
    pub fn audit<'a>(self, action: &'a str) -> Cow<'a, str> {
        match self {
            Lang::English => Cow::Borrowed(action),
            Lang::Chinese => AUDIT_BOOK.look_up(action, 0).map_or(Cow::Borrowed(action), Cow::Owned),
        }
    }
    /// As a page declares it.
    pub fn code(self) -> &'static str {
        match self {
            Lang::Chinese => "zh-CN",
            Lang::English => "en",
        }
    }
}

/// Acts of the audit that have a name, in the order in which a list offers them.
pub(crate) fn audited_acts() -> impl Iterator<Item = &'static str> {
    lines(AUDIT).map(|(action, _)| action)
}

static MISSING: LazyLock<Mutex<BTreeSet<String>>> = LazyLock::new(Mutex::default);
const MISSING_MAX: usize = 500;

fn is_chinese(text: &str) -> bool {
    text.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c))
}

/// For tests alone: what is asked for here is written by us, but what stands in its holes may be a citizen's.
fn note_missing(text: &str) {
    if cfg!(debug_assertions) && is_chinese(text) {
        let mut missing = MISSING.lock().unwrap_or_else(PoisonError::into_inner);
        if missing.len() < MISSING_MAX {
            missing.insert(text.to_owned());
        }
    }
}

/// Texts that were asked for in English so far and that the phrase book lacks. Empty in a release build.
pub fn untranslated() -> Vec<String> {
    MISSING.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_lint_is_said_in_chinese_to_whoever_reads_chinese() {
        let zh = Lang::Chinese;
        assert_eq!(
            zh.lint("items.json: food: stages: the longest way through takes 5 working days, promised are 4"),
            "food:环节:最长的一条路要 5 个工作日,承诺的是 4"
        );
        assert_eq!(zh.lint("items.json: food: stages: no stage decides"), "food:环节:没有作出决定的环节");
        assert_eq!(Lang::English.lint("no stage decides"), "no stage decides");
    }

    #[test]
    fn a_phrase_with_holes_is_said_with_what_stands_in_them() {
        let en = Lang::English;
        assert_eq!(
            en.t("公民身份号码应为 18 位,现在是 14 位"),
            "citizen number: must have 18 characters, it has 14 now"
        );
        assert_eq!(en.t("必填"), "required");
        assert_eq!(Lang::Chinese.t("必填"), "必填");
        let pattern = Pattern { asked: "第 {} 行 {}:{}".split("{}").collect(), said: vec![""; 4] };
        assert_eq!(pattern.holes("第 2 行 姓名:必填"), Some(vec!["2", "姓名", "必填"]));
        assert_eq!(pattern.holes("第 2 列 姓名"), None);
    }

    #[test]
    fn every_phrase_has_as_many_holes_in_both_languages_and_stands_once() {
        let mut seen = BTreeSet::new();
        for (chinese, english) in lines(PHRASES) {
            assert_eq!(chinese.matches("{}").count(), english.matches("{}").count(), "{chinese}");
            assert!(!english.trim().is_empty() && !is_chinese(english), "{chinese} = {english}");
            assert!(seen.insert(chinese), "{chinese} stands twice");
        }
    }

    /// What the templates and pages ask for by `t("…")`.
    fn asked(folder: &Path, into: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                asked(&path, into);
            } else if path.extension().is_some_and(|end| end == "rs" || end == "html")
                && !path.ends_with("lang.rs")
            {
                let text = std::fs::read_to_string(&path).unwrap();
                for (at, _) in text.match_indices("t(\"") {
                    let begins = !text[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_');
                    let asked = text[at + 3..].split('"').next().unwrap_or("");
                    if begins && is_chinese(asked) {
                        into.insert(asked.to_owned());
                    }
                }
            }
        }
    }

    /// Chinese texts of the code itself, which reach a page by way of a variable; what is formatted in stands as a hole.
    fn written(text: &str, into: &mut BTreeSet<String>) {
        let code = text.split("#[cfg(test)]").next().unwrap_or("");
        let lines = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        let code = lines.collect::<Vec<_>>().join("\n");
        for literal in code.split('"').skip(1).step_by(2).filter(|literal| is_chinese(literal)) {
            let mut said = String::new();
            let mut within = false;
            for c in literal.chars() {
                match c {
                    '{' => within = true,
                    '}' => {
                        within = false;
                        said.push_str("{}");
                    }
                    _ if !within => said.push(c),
                    _ => {}
                }
            }
            into.insert(said);
        }
    }

    #[test]
    fn what_the_code_says_to_people_is_in_the_phrase_book() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
        let mut texts = BTreeSet::new();
        let mut files: Vec<_> = [
            "orders.rs",
            "timeline.rs",
            "shell.rs",
            "pages.rs",
            "posted.rs",
            "page.rs",
            "hall.rs",
            "locked.rs",
        ]
        .map(|file| root.join(file))
        .into();
        for folder in [
            "orders",
            "page",
            "page/case",
            "page/editor",
            "page/incidents",
            "page/machines",
            "page/pairs",
            "hall",
        ] {
            let inside = std::fs::read_dir(root.join(folder)).unwrap().map(|entry| entry.unwrap().path());
            files.extend(inside.filter(|path| path.is_file() && !path.ends_with("tests.rs")));
        }
        for file in files {
            written(&std::fs::read_to_string(file).unwrap(), &mut texts);
        }
        // The marks of the badge and what is put together from parts that are each in the book.
        let missing: Vec<&String> = texts.iter().filter(|text| look_up(text, 0).is_none()).collect();
        assert!(missing.is_empty(), "add to phrases/en.txt: {missing:#?}");
    }

    #[test]
    fn everything_the_pages_say_is_in_the_phrase_book() {
        let mut texts = BTreeSet::new();
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        asked(&root.join("templates"), &mut texts);
        asked(&root.join("src"), &mut texts);
        assert!(!texts.is_empty());
        let missing: Vec<&String> = texts.iter().filter(|text| look_up(text, 0).is_none()).collect();
        assert!(missing.is_empty(), "add to phrases/en.txt: {missing:#?}");
    }
}
