//! 流程图: the stages of an item as a picture, one row below another, what runs side by side beside each other. The mark and the
//! outline of a box say how far it is, so that no colour is needed; a table beside it says the same in words.

use super::chart::escape;
use domain::StageId;
use domain::catalogue::{Item, Stage};
use domain::dossier::Dossier;
use domain::plan;
use std::collections::BTreeMap;
use std::fmt::Write;

/// How far a stage of one case is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Done,
    Now,
    Waits,
    /// Done only when somebody asks for it.
    IfAsked,
    /// Its condition does not hold for this case, or a refusal made it pointless.
    NotNeeded,
}

/// How far each stage of an item is, in the order of the catalogue.
pub(super) fn states(item: &Item, dossier: &Dossier) -> Vec<State> {
    let ready = plan::ready_stages(item, dossier);
    let state = |stage: &Stage| {
        let done = dossier.stages.get(&stage.id).is_some_and(|state| state.done.is_some());
        match done {
            true => State::Done,
            false if plan::is_settled(stage, dossier) || dossier.is_void() => State::NotNeeded,
            false if ready.iter().any(|one| one.id == stage.id) => State::Now,
            false if stage.trigger.is_some() => State::IfAsked,
            false => State::Waits,
        }
    };
    item.stages.iter().map(state).collect()
}

impl State {
    pub fn chinese(self) -> &'static str {
        match self {
            State::Done => "已办结",
            State::Now => "正在办",
            State::Waits => "还没到",
            State::IfAsked => "有需要时办",
            State::NotNeeded => "不需要",
        }
    }
    pub fn class(self) -> &'static str {
        match self {
            State::Done => "ok",
            State::Now => "warn",
            State::Waits | State::IfAsked | State::NotNeeded => "soft",
        }
    }
    fn mark(self) -> &'static str {
        match self {
            State::Done => "✓",
            State::Now => "▶",
            State::Waits | State::IfAsked => "",
            State::NotNeeded => "✕",
        }
    }
    fn outline(self) -> &'static str {
        match self {
            State::Done => "done",
            State::Now => "now",
            State::Waits | State::IfAsked => "waits",
            State::NotNeeded => "not-needed",
        }
    }
}

/// As narrow as a phone; the letters keep their size there.
const WIDTH: f64 = 340.0;
const GAP: f64 = 8.0;
const BOX_MAX: f64 = 180.0;
const LETTER: f64 = 11.0;
const LATIN: f64 = 5.8;
const LINE: f64 = 15.0;
const LINES_MAX: usize = 5;
/// Between two rows, where the lines run.
const BETWEEN: f64 = 22.0;

/// A stage as the picture shows it, in the reader's language.
pub(super) struct Shown<'s> {
    pub stage: &'s Stage,
    pub name: String,
    pub state: State,
    /// The state in words.
    pub told: String,
}

struct Placed<'s> {
    shown: &'s Shown<'s>,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    lines: Vec<String>,
}

/// Rows of stages: each stands below everything it comes after.
fn rows<'s>(stages: &'s [Shown<'s>]) -> Vec<Vec<&'s Shown<'s>>> {
    let mut row_of: BTreeMap<&StageId, usize> = stages.iter().map(|shown| (&shown.stage.id, 0)).collect();
    // One round settles one more row; a graph that goes in a circle ends here too.
    for _ in stages {
        for Shown { stage, .. } in stages {
            let below = stage.after.iter().filter_map(|id| row_of.get(id)).max().map_or(0, |row| row + 1);
            row_of.insert(&stage.id, below.min(stages.len()));
        }
    }
    let mut rows: BTreeMap<usize, Vec<&Shown<'_>>> = BTreeMap::new();
    for shown in stages {
        rows.entry(row_of.get(&shown.stage.id).copied().unwrap_or(0)).or_default().push(shown);
    }
    rows.into_values().collect()
}

/// A name cut into lines that fit, between its words where it has any; what does not fit ends in dots, the title has it whole.
fn cut(name: &str, width: f64) -> Vec<String> {
    let room = width - 10.0;
    let wide = |text: &str| text.chars().map(|c| if c.is_ascii() { LATIN } else { LETTER }).sum::<f64>();
    let mut lines: Vec<String> = Vec::new();
    for word in name.split_inclusive(|c: char| !c.is_ascii() || c == ' ') {
        match lines.last_mut() {
            Some(line) if wide(line) + wide(word.trim_end()) <= room => line.push_str(word),
            _ => lines.push(word.to_owned()),
        }
    }
    lines.iter_mut().for_each(|line| line.truncate(line.trim_end().len()));
    // A single word may be longer than a box of a crowded row.
    let letters = (room / LATIN).max(2.0) as usize;
    let short = |line: &String| -> Vec<String> {
        line.chars().collect::<Vec<_>>().chunks(letters).map(|part| part.iter().collect()).collect()
    };
    lines = lines.iter().flat_map(short).collect();
    if lines.len() > LINES_MAX {
        lines.truncate(LINES_MAX);
        if let Some(last) = lines.last_mut() {
            last.pop();
            last.push('…');
        }
    }
    lines
}

fn place<'s>(stages: &'s [Shown<'s>]) -> (Vec<Placed<'s>>, f64) {
    let (mut placed, mut top) = (Vec::new(), 2.0);
    for row in rows(stages) {
        let share = (WIDTH - GAP * (row.len() as f64 - 1.0) - 4.0) / row.len() as f64;
        let width = share.min(BOX_MAX);
        let texts: Vec<Vec<String>> = row.iter().map(|shown| cut(&shown.name, width)).collect();
        let height = texts.iter().map(Vec::len).max().unwrap_or(1) as f64 * LINE + 10.0;
        let all = width * row.len() as f64 + GAP * (row.len() as f64 - 1.0);
        let left = (WIDTH - all) / 2.0;
        for (index, (shown, lines)) in row.into_iter().zip(texts).enumerate() {
            let x = left + (width + GAP) * index as f64;
            placed.push(Placed { shown, x, y: top, width, height, lines });
        }
        top += height + BETWEEN;
    }
    (placed, top - BETWEEN + 2.0)
}

/// The picture. `title` is in the reader's language.
pub(super) fn svg(title: &str, stages: &[Shown<'_>]) -> String {
    let (placed, height) = place(stages);
    let mut svg = format!(
        "<svg class=\"flow\" viewBox=\"0 0 {WIDTH} {height:.0}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>{}</title>",
        escape(title)
    );
    for to in &placed {
        for from in placed.iter().filter(|from| to.shown.stage.after.contains(&from.shown.stage.id)) {
            // Writing to a String cannot fail.
            let _ = write!(
                svg,
                "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"wire\"/>",
                from.x + from.width / 2.0,
                from.y + from.height,
                to.x + to.width / 2.0,
                to.y
            );
        }
    }
    placed.iter().for_each(|one| draw(&mut svg, one));
    svg.push_str("</svg>");
    svg
}

fn draw(svg: &mut String, one: &Placed<'_>) {
    let Placed { shown, x, y, width, height, lines } = one;
    let _ = write!(
        svg,
        "<g class=\"{}\"><title>{} {}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"4\"/>",
        shown.state.outline(),
        escape(&shown.name),
        escape(&shown.told)
    );
    let first = y + (height - lines.len() as f64 * LINE) / 2.0 + 11.5;
    for (index, line) in lines.iter().enumerate() {
        let mark = if index == 0 { shown.state.mark() } else { "" };
        let _ = write!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\">{mark}{}</text>",
            x + width / 2.0,
            first + LINE * index as f64,
            escape(line)
        );
    }
    svg.push_str("</g>");
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::pack::{CityPack, kaili_pieces};

    fn city() -> CityPack {
        CityPack::parse(&kaili_pieces()).unwrap()
    }

    fn shown(stages: &[Stage]) -> Vec<Shown<'_>> {
        let one =
            |stage| Shown { stage, name: stage.name.clone(), state: State::Waits, told: "还没到".into() };
        stages.iter().map(one).collect()
    }

    #[test]
    fn what_runs_side_by_side_stands_in_one_row_below_what_it_comes_after() {
        let pack = city();
        for item in pack.items.values() {
            let shown = shown(&item.stages);
            let rows = rows(&shown);
            assert_eq!(rows.iter().map(Vec::len).sum::<usize>(), item.stages.len(), "{}", item.id);
            let row_of = |id: &StageId| rows.iter().position(|row| row.iter().any(|one| one.stage.id == *id));
            for stage in &item.stages {
                for before in &stage.after {
                    assert!(row_of(before) < row_of(&stage.id), "{}: {before} before {}", item.id, stage.id);
                }
            }
            let svg = svg(&item.name, &shown);
            assert_eq!(svg.matches("<rect").count(), item.stages.len());
            assert!(!svg.contains("NaN") && !svg.contains("=\"-"), "{svg}");
        }
    }

    #[test]
    fn a_long_name_is_cut_and_a_circle_ends() {
        assert_eq!(cut("镇核对材料", 60.0), ["镇核对材", "料"]);
        assert_eq!(cut("Village officer takes in", 100.0), ["Village officer", "takes in"]);
        assert_eq!(cut("Administrative", 68.0), ["Administra", "tive"]);
        assert_eq!(cut(&"很".repeat(100), 60.0).len(), LINES_MAX);
        let pack = city();
        let mut stages = pack.items.values().next().unwrap().stages.clone();
        let last = stages.last().unwrap().id.clone();
        stages[0].after = vec![last];
        assert!(!rows(&shown(&stages)).is_empty());
    }
}
