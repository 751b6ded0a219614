//! The city pack as the catalogue's editors hand it in, and forms as officers and citizens fill them.

use domain::Timestamp;
use domain::form::Form;
use domain::pack::{CityPack, Pieces, kaili_pieces};
use rand::SeedableRng;
use rand::rngs::StdRng;
use std::sync::OnceLock;

const NOW: Timestamp = testkit::dice::MONDAY;

fn small() -> &'static Pieces {
    static PIECES: OnceLock<Pieces> = OnceLock::new();
    PIECES.get_or_init(|| {
        let mut pieces = kaili_pieces();
        let kept = ["item/dibao", "item/food", "item/geti"];
        pieces.retain(|name, _| !name.starts_with("item/") || kept.contains(&name.as_str()));
        pieces.insert("bundles".into(), "[]".into());
        pieces.remove("standards");
        pieces
    })
}

/// The first line names a piece, the rest is what stands in it. A pack is taken whole or refused with its faults.
pub fn feed(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let (name, piece) = text.split_once('\n').unwrap_or(("items.json", &text));
    if name == "items.json" {
        let _ = domain::pack::split_items(piece);
        return;
    }
    let mut pieces = small().clone();
    pieces.insert(name.to_owned(), piece.to_owned());
    match CityPack::parse(&pieces) {
        Err(bad) => assert!(!bad.0.is_empty(), "refused without a reason"),
        // What is taken can be worked with.
        Ok(pack) => pack.items.values().for_each(|item| {
            let _ = domain::form::check(item, &Form::new(), NOW.day());
            let _ = domain::plan::skipped_stages(item, &Form::new(), NOW.day());
        }),
    }
}

pub fn samples() -> Vec<Vec<u8>> {
    let mut samples: Vec<Vec<u8>> =
        small().iter().map(|(name, text)| format!("{name}\n{text}").into_bytes()).collect();
    samples.push(b"items.json\n{\"form_groups\":{},\"items\":[],\"bundles\":[]}".to_vec());
    samples
}

fn whole() -> &'static CityPack {
    static PACK: OnceLock<CityPack> = OnceLock::new();
    PACK.get_or_init(|| CityPack::parse(&kaili_pieces()).unwrap())
}

/// The first line names an item, the rest is its filled form.
pub fn form(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let Some((item, form)) = text.split_once('\n') else { return };
    let Some(item) = item.parse().ok().and_then(|id| whole().items.get(&id)) else { return };
    let Ok(form) = serde_json::from_str::<Form>(form) else { return };
    let today = NOW.day();
    let faults = domain::form::check(item, &form, today);
    let _ = domain::form::applicant(&form);
    let _ = domain::plan::skipped_stages(item, &form, today);
    let _ = domain::plan::missing_materials(item, &form, today, &[]);
    if faults.is_empty() {
        let again = serde_json::from_str(&serde_json::to_string(&form).unwrap()).unwrap();
        assert_eq!(domain::form::check(item, &again, today), faults, "what was fit stays fit on its way");
    }
}

pub fn sample_forms() -> Vec<Vec<u8>> {
    let people = testkit::applicants();
    let mut dice = StdRng::seed_from_u64(11);
    let filled = |item: &std::sync::Arc<domain::catalogue::Item>| {
        let form = testkit::fill(item, &people, NOW.day(), &mut dice);
        format!("{}\n{}", item.id, serde_json::to_string(&form).unwrap()).into_bytes()
    };
    whole().items.values().map(filled).collect()
}
