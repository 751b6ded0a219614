//! The network as a picture: the hub in the middle, towns around it, villages around their town.
//! Shape tells the tier (square, diamond, circle); fill and outline tell the state, so colour is never needed.

use super::chart::escape;
use crate::lang::Lang;
use casework::NodeStatus;
use domain::Timestamp;
use domain::network::Tier;
use std::f64::consts::TAU;
use std::fmt::Write;

const SIZE: f64 = 760.0;
/// Heard within this: shown as in touch.
const IN_TOUCH_MS: i64 = 10 * 60_000;

struct Placed<'a> {
    node: &'a NodeStatus,
    x: f64,
    y: f64,
}

/// The map as SVG; the table beside it says the same in words.
pub(crate) fn svg(nodes: &[NodeStatus], now: Timestamp, lang: Lang) -> String {
    let placed = place(nodes);
    let mut svg = format!(
        "<svg class=\"map\" viewBox=\"0 0 {SIZE} {SIZE}\" role=\"img\" xmlns=\"http://www.w3.org/2000/svg\"><title>{}</title>",
        lang.t(&format!("全市节点运行图:{} 个节点", nodes.len()))
    );
    for child in &placed {
        if let Some(parent) = placed.iter().find(|parent| Some(&parent.node.id) == child.node.parent.as_ref())
        {
            line(&mut svg, child, parent);
        }
    }
    placed.iter().for_each(|node| mark(&mut svg, node, now, lang));
    svg.push_str("</svg>");
    svg
}

fn place(nodes: &[NodeStatus]) -> Vec<Placed<'_>> {
    let middle = SIZE / 2.0;
    let mut placed: Vec<Placed<'_>> = nodes
        .iter()
        .filter(|n| n.tier == Tier::City)
        .map(|node| Placed { node, x: middle, y: middle })
        .collect();
    let towns: Vec<&NodeStatus> = nodes.iter().filter(|node| node.tier == Tier::Town).collect();
    for (index, town) in towns.iter().enumerate() {
        let angle = TAU * index as f64 / towns.len().max(1) as f64;
        placed.push(Placed { node: town, x: middle + 190.0 * angle.cos(), y: middle + 190.0 * angle.sin() });
        let villages: Vec<&NodeStatus> =
            nodes.iter().filter(|node| node.parent.as_ref() == Some(&town.id)).collect();
        let slice = TAU / towns.len().max(1) as f64 * 0.9;
        for (place, village) in villages.iter().enumerate() {
            let turn = angle - slice / 2.0 + slice * (place as f64 + 0.5) / villages.len() as f64;
            let radius = if place % 2 == 0 { 310.0 } else { 355.0 };
            placed.push(Placed {
                node: village,
                x: middle + radius * turn.cos(),
                y: middle + radius * turn.sin(),
            });
        }
    }
    placed
}

fn line(svg: &mut String, from: &Placed<'_>, to: &Placed<'_>) {
    let waiting = from.node.own_head > from.node.acknowledged;
    let dash = if waiting { " stroke-dasharray=\"4 3\"" } else { "" };
    // Writing to a String cannot fail.
    let _ = write!(
        svg,
        "<line x1=\"{:.1}\" y1=\"{:.1}\" x2=\"{:.1}\" y2=\"{:.1}\" class=\"wire\"{dash}/>",
        from.x, from.y, to.x, to.y
    );
}

fn mark(svg: &mut String, placed: &Placed<'_>, now: Timestamp, lang: Lang) {
    let Placed { node, x, y } = placed;
    let heard = node.tier == Tier::City || node.last_contact.is_some_and(|at| now.since(at) < IN_TOUCH_MS);
    let class = if heard { "in-touch" } else { "silent" };
    let name = escape(&node.name);
    let state = match heard {
        true => format!("有联系,已收 {}", node.acknowledged),
        false => format!("未联系,已收 {}", node.acknowledged),
    };
    let state = lang.t(&state);
    let _ = write!(svg, "<g class=\"{class}\"><title>{name} {}:{state}</title>", node.id);
    let _ = match node.tier {
        Tier::City => {
            write!(svg, "<rect x=\"{:.1}\" y=\"{:.1}\" width=\"36\" height=\"36\"/>", x - 18.0, y - 18.0)
        }
        Tier::Town => write!(
            svg,
            "<path d=\"M{x:.1} {:.1} L{:.1} {y:.1} L{x:.1} {:.1} L{:.1} {y:.1} Z\"/>",
            y - 14.0,
            x + 14.0,
            y + 14.0,
            x - 14.0
        ),
        Tier::Village => write!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"6\"/>"),
    };
    if node.tier != Tier::Village {
        let _ = write!(svg, "<text x=\"{x:.1}\" y=\"{:.1}\">{name}</text>", y + 32.0);
    }
    svg.push_str("</g>");
}
