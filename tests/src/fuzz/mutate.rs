//! Small damage: bits, lengths, splices; and in JSON, values that are valid and not what anybody means.

use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use serde_json::{Value, json};

const LARGEST: usize = 1 << 20;

/// Spoils `input` in one place.
pub fn spoil(input: &mut Vec<u8>, corpus: &[Vec<u8>], dice: &mut StdRng) {
    // The last line of an input may be JSON where the first ones are not.
    let at = input.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    if dice.random_bool(0.8)
        && let Ok(mut value) = serde_json::from_slice::<Value>(&input[at..])
    {
        twist(&mut value, dice);
        input.truncate(at);
        input.extend(value.to_string().bytes());
        return;
    }
    damage(input, corpus, dice);
    input.truncate(LARGEST);
}

fn damage(input: &mut Vec<u8>, corpus: &[Vec<u8>], dice: &mut StdRng) {
    if input.is_empty() {
        input.push(dice.random());
        return;
    }
    let at = dice.random_range(0..input.len());
    match dice.random_range(0..8) {
        0 => input[at] ^= 1 << dice.random_range(0..8),
        1 => input[at] = *[0, 1, 0x7f, 0x80, 0xff, b'"', b'{', b'|', b'%'].choose(dice).unwrap(),
        2 => input.truncate(at),
        3 => {
            let end = (at + dice.random_range(1..64)).min(input.len());
            input.drain(at..end);
        }
        4 => {
            let end = (at + dice.random_range(1..256)).min(input.len());
            let again = input[at..end].to_vec();
            input.splice(at..at, again);
        }
        5 => {
            let other = corpus.choose(dice).unwrap();
            let from = dice.random_range(0..=other.len());
            let to = (from + dice.random_range(0..512)).min(other.len());
            input.splice(at..at, other[from..to].iter().copied());
        }
        6 => {
            // Lengths and numbers that are too large, in either order of bytes.
            let large: u32 = *[u32::MAX, 1 << 31, 1 << 24, 65_536].choose(dice).unwrap();
            let bytes = if dice.random() { large.to_be_bytes() } else { large.to_le_bytes() };
            for (place, byte) in input[at..].iter_mut().zip(bytes) {
                *place = byte;
            }
        }
        _ => {
            let end = (at + dice.random_range(1..16)).min(input.len());
            dice.fill(&mut input[at..end]);
        }
    }
}

/// Replaces, removes or adds one value somewhere in the tree.
fn twist(value: &mut Value, dice: &mut StdRng) {
    match value {
        Value::Object(map) if !map.is_empty() && dice.random_bool(0.85) => {
            let key = map.keys().nth(dice.random_range(0..map.len())).unwrap().clone();
            match dice.random_range(0..10) {
                0 => drop(map.remove(&key)),
                1 => drop(map.insert("unknown".into(), odd(dice))),
                _ => twist(map.get_mut(&key).unwrap(), dice),
            }
        }
        Value::Array(list) if !list.is_empty() && dice.random_bool(0.85) => {
            let at = dice.random_range(0..list.len());
            match dice.random_range(0..10) {
                0 => drop(list.remove(at)),
                1 => list.push(list[at].clone()),
                2 => list.insert(at, odd(dice)),
                _ => twist(&mut list[at], dice),
            }
        }
        other => *other = odd(dice),
    }
}

/// Values that are valid JSON and that nobody means.
fn odd(dice: &mut StdRng) -> Value {
    let long = "长".repeat(dice.random_range(0..3_000));
    let odd = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(i64::MAX),
        json!(i64::MIN),
        json!(u64::MAX),
        json!(1e308),
        json!(0.1),
        json!(""),
        json!(" "),
        json!("\u{0}"),
        json!("'; DROP TABLE audit; --"),
        json!("<script>alert(1)</script>"),
        json!("../../etc/passwd"),
        json!("hub"),
        json!("9999-12-31"),
        json!("0000-00-00"),
        json!("2026-02-30"),
        json!("\u{202e}倒"),
        json!(long),
        json!([]),
        json!({}),
        json!([[[[]]]]),
        json!({ "kind": "x" }),
    ];
    odd.choose(dice).unwrap().clone()
}
