//! Bars as a picture: drawn by the server, told apart by pattern as well as by colour, and beside a table that says the same.

use std::fmt::Write;

/// One bar: whose it is, and how much of each series.
pub(super) struct Bar {
    pub label: String,
    pub parts: Vec<u64>,
}

/// As narrow as a phone; the letters keep their size there.
const WIDTH: f64 = 340.0;
const ROW: f64 = 44.0;
/// Names of three series stand beside each other.
const LEGEND: f64 = 24.0;
const PATTERNS: usize = 5;

/// Stacked bars, one under the other, with a legend; at most five series. `title` and the names are already in the reader's
/// language.
pub(super) fn stacked(title: &str, series: &[String], bars: &[Bar]) -> String {
    let longest = bars.iter().map(|bar| bar.parts.iter().sum::<u64>()).max().unwrap_or(0).max(1);
    let legend = LEGEND * series.len().div_ceil(3) as f64;
    let height = legend + ROW * bars.len() as f64;
    let mut svg = format!(
        "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>{}</title>{DEFS}",
        escape(title)
    );
    for (index, name) in series.iter().enumerate() {
        let (x, y) = (WIDTH / 3.0 * (index % 3) as f64, LEGEND * (index / 3) as f64);
        mark(&mut svg, index, (x, y + 4.0), (12.0, 12.0), "");
        text(&mut svg, x + 16.0, y + 14.0, name);
    }
    for (row, bar) in bars.iter().enumerate() {
        let (top, all) = (legend + ROW * row as f64, bar.parts.iter().sum::<u64>());
        text(&mut svg, 0.0, top + 14.0, &format!("{} {all}", bar.label));
        let mut x = 0.0;
        for (index, part) in bar.parts.iter().enumerate().filter(|(_, part)| **part > 0) {
            let width = *part as f64 / longest as f64 * WIDTH;
            let said = format!("{} {}: {part}", bar.label, series.get(index).map_or("", String::as_str));
            mark(&mut svg, index, (x, top + 20.0), (width, 14.0), &said);
            x += width;
        }
    }
    svg.push_str("</svg>");
    svg
}

/// Stripes and dots over the colours, for whoever does not see them and for paper.
const DEFS: &str = "<defs><pattern id=\"chart-1\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><path d=\"M0 6L6 0\" class=\"ink\"/></pattern>\
<pattern id=\"chart-2\" width=\"5\" height=\"5\" patternUnits=\"userSpaceOnUse\"><circle cx=\"2.5\" cy=\"2.5\" r=\"1\" class=\"dot\"/></pattern>\
<pattern id=\"chart-3\" width=\"6\" height=\"6\" patternUnits=\"userSpaceOnUse\"><path d=\"M0 0L6 6M0 6L6 0\" class=\"ink\"/></pattern>\
<pattern id=\"chart-4\" width=\"4\" height=\"4\" patternUnits=\"userSpaceOnUse\"><path d=\"M0 2H4\" class=\"ink\"/></pattern></defs>";

fn mark(svg: &mut String, series: usize, (x, y): (f64, f64), (width, height): (f64, f64), said: &str) {
    let series = series % PATTERNS;
    let place = format!("x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"");
    // Writing to a String cannot fail.
    let _ = write!(svg, "<g><rect class=\"series-{series}\" {place}/>");
    if series > 0 {
        let _ = write!(svg, "<rect fill=\"url(#chart-{series})\" {place}/>");
    }
    if !said.is_empty() {
        let _ = write!(svg, "<title>{}</title>", escape(said));
    }
    svg.push_str("</g>");
}

fn text(svg: &mut String, x: f64, y: f64, said: &str) {
    let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{y:.1}\">{}</text>", escape(said));
}

pub(super) fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_fills_the_width_and_every_part_says_what_it_is() {
        let bar = |label: &str, parts: &[u64]| Bar { label: label.to_owned(), parts: parts.to_vec() };
        let svg = stacked(
            "督办 <1>",
            &["黄牌".to_owned(), "红牌".to_owned()],
            &[bar("民政局", &[1, 3]), bar("林业局", &[2, 0])],
        );
        assert!(svg.contains("督办 &lt;1&gt;"), "{svg}");
        assert!(svg.contains("<title>民政局 红牌: 3</title>") && svg.contains("width=\"255.0\""), "{svg}");
        assert!(svg.contains("width=\"170.0\"") && !svg.contains("林业局 红牌"), "{svg}");
        assert!(!stacked("", &[], &[]).contains("NaN"));
    }
}
