//! The city pack (城市数据包): divisions, calendar, bodies, licence types and catalogue of one city.
//!
//! A pack is a set of named texts (pieces). The hub reads them from files, checks everything, and publishes them; every
//! node builds the same [`CityPack`] from the same pieces. A pack with faults is refused whole, all faults told at once.

pub mod edit;
mod english;
mod item;
mod lint;

use crate::bundle::{self, Bundle, JoinPolicy};
use crate::calendar::Calendar;
use crate::catalogue::{Item, Items, LicenceType, Org};
use crate::division::Divisions;
use crate::{ItemId, OrgId};
use crate::{standards, supervision};
pub use english::English;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

/// Named texts of a pack: `divisions`, `calendar`, `calendar_years`, `calendar_provisional`, `calendar_region`, `orgs`,
/// `licence_types`, `standards`, `supervision`, `english`, `form_groups`, `bundles`, and one `item/<id>` for each item.
pub type Pieces = BTreeMap<String, String>;

/// What the piece of an item is called, by its id; that of an id nobody has is no piece.
pub fn piece_of(item: impl fmt::Display) -> String {
    format!("item/{item}")
}

/// One thing that is wrong with a pack.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    pub file: String,
    pub item: String,
    pub field: String,
    pub reason: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}: {}", self.file, self.item, self.field, self.reason)
    }
}

/// A pack that was refused. Nothing of it was taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the city pack has {} faults; the first: {}", .0.len(), .0[0])]
pub struct BrokenPack(pub Vec<Fault>);

/// A checked pack, ready to use.
#[derive(Debug)]
pub struct CityPack {
    pub items: Items,
    pub bundles: Vec<Bundle>,
    pub orgs: BTreeMap<OrgId, Org>,
    pub licence_types: BTreeMap<String, LicenceType>,
    pub divisions: Divisions,
    pub calendar: Calendar,
    /// Empty in a pack without the piece `standards`.
    pub standards: standards::Register,
    /// Empty in a pack without the piece `supervision`: nothing is supervised then.
    pub supervision: supervision::Rules,
    /// Empty in a pack without the piece `english`.
    pub english: English,
    /// The whole of each item as published, for the people who read the guide.
    pub guides: BTreeMap<ItemId, Arc<str>>,
}

/// Collects faults while the pack is read, so that one broken line does not hide the next.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn add(&mut self, file: &str, item: &str, field: &str, reason: impl Into<String>) {
        self.0.push(Fault {
            file: file.into(),
            item: item.into(),
            field: field.into(),
            reason: reason.into(),
        });
    }
}

/// Splits the `items.json` of a pack folder into pieces; the other files are pieces as they are.
///
/// # Errors
/// When the text is not JSON or not of the outer shape `{form_groups, items, bundles}`.
pub fn split_items(text: &str) -> Result<Pieces, BrokenPack> {
    let mut faults = Faults::default();
    let mut pieces = Pieces::new();
    let file: Value = serde_json::from_str(text).unwrap_or_else(|error| {
        faults.add("items.json", "-", "-", format!("not JSON ({error}); the file may be half written"));
        Value::Null
    });
    if faults.0.is_empty() {
        for key in ["form_groups", "bundles"] {
            match file.get(key) {
                Some(value) => drop(pieces.insert(key.to_owned(), value.to_string())),
                None => faults.add("items.json", "-", key, "missing"),
            }
        }
        match file.get("items").and_then(Value::as_array) {
            Some(items) => {
                for (index, item) in items.iter().enumerate() {
                    match item.get("id").and_then(Value::as_str).and_then(|id| id.parse::<ItemId>().ok()) {
                        Some(id) => {
                            if pieces.insert(piece_of(&id), item.to_string()).is_some() {
                                faults.add("items.json", id.as_str(), "id", "two items have this id");
                            }
                        }
                        None => faults.add("items.json", &format!("#{index}"), "id", "missing or not a slug"),
                    }
                }
            }
            None => faults.add("items.json", "-", "items", "missing or not a list"),
        }
    }
    if faults.0.is_empty() { Ok(pieces) } else { Err(BrokenPack(faults.0)) }
}

impl CityPack {
    /// # Errors
    /// [`BrokenPack`] with every fault found: file, item, field, reason.
    pub fn parse(pieces: &Pieces) -> Result<CityPack, BrokenPack> {
        let mut faults = Faults::default();
        let text = |name: &str| pieces.get(name).map_or("", String::as_str);
        let divisions = Divisions::parse(text("divisions")).unwrap_or_else(|bad| {
            bad.into_iter().for_each(|(line, reason)| {
                faults.add("divisions_kaili.csv", &format!("line {line}"), "-", reason)
            });
            Divisions::default()
        });
        let mut calendar =
            Calendar::parse(text("calendar"), text("calendar_years"), text("calendar_provisional"))
                .unwrap_or_else(|bad| {
                    bad.into_iter().for_each(|f| {
                        faults.add("calendar_cn.csv", &format!("line {}", f.line), "-", f.reason)
                    });
                    Calendar::default()
                });
        calendar.overlay(text("calendar_region")).unwrap_or_else(|bad| {
            bad.into_iter()
                .for_each(|f| faults.add("calendar_region.csv", &format!("line {}", f.line), "-", f.reason));
        });
        if divisions.iter().next().is_none() {
            faults.add("divisions_kaili.csv", "-", "-", "holds no division");
        }
        let orgs = read_orgs(text("orgs"), &mut faults);
        let licence_types = read_licence_types(text("licence_types"), &mut faults);
        let groups = json("items.json", "form_groups", text("form_groups"), &mut faults);
        let mut items = Items::new();
        let mut guides = BTreeMap::new();
        for (name, text) in pieces.iter().filter_map(|(name, text)| Some((name.strip_prefix("item/")?, text)))
        {
            let value = json("items.json", name, text, &mut faults);
            if value.is_null() {
                continue;
            }
            if let Some(item) = item::read(name, &value, &groups, &mut faults) {
                lint::check(&item, &orgs, &licence_types, &mut faults);
                guides.insert(item.id.clone(), Arc::from(text.as_str()));
                items.insert(item.id.clone(), Arc::new(item));
            }
        }
        if items.is_empty() {
            faults.add("items.json", "-", "items", "holds no readable item");
        }
        let bundles = read_bundles(text("bundles"), &items, &mut faults);
        let supervision = read_supervision(text("supervision"), &mut faults);
        let standards = read_standards(text("standards"), &items, &mut faults);
        let english = english::read(text("english"), &mut faults);
        if faults.0.is_empty() {
            Ok(CityPack {
                items,
                bundles,
                orgs,
                licence_types,
                divisions,
                calendar,
                standards,
                supervision,
                english,
                guides,
            })
        } else {
            faults.0.sort();
            Err(BrokenPack(faults.0))
        }
    }

    pub fn item(&self, id: &ItemId) -> Option<&Arc<Item>> {
        self.items.get(id)
    }
    pub fn bundle(&self, id: &str) -> Option<&Bundle> {
        self.bundles.iter().find(|bundle| bundle.id == id)
    }
    pub fn org_name<'a>(&'a self, id: &'a OrgId) -> &'a str {
        self.orgs.get(id).map_or(id.as_str(), |org| &org.name)
    }
}

fn json(file: &str, item: &str, text: &str, faults: &mut Faults) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| {
        let reason = if text.is_empty() { "missing".to_owned() } else { format!("not JSON ({error})") };
        faults.add(file, item, "-", reason);
        Value::Null
    })
}

fn read_standards(text: &str, items: &Items, faults: &mut Faults) -> standards::Register {
    const FILE: &str = "standards.csv";
    if text.is_empty() {
        return standards::Register::default();
    }
    let register = standards::Register::parse(text).unwrap_or_else(|bad| {
        bad.into_iter().for_each(|(line, reason)| faults.add(FILE, &format!("line {line}"), "-", reason));
        standards::Register::default()
    });
    for standard in &register.0 {
        for item in standard.items.iter().filter(|item| !items.contains_key(*item)) {
            faults.add(FILE, &standard.number, "items", format!("{item} is not in the catalogue"));
        }
    }
    register
}

fn read_supervision(text: &str, faults: &mut Faults) -> supervision::Rules {
    if text.is_empty() {
        return supervision::Rules::default();
    }
    supervision::Rules::parse(text).unwrap_or_else(|bad| {
        bad.into_iter().for_each(|(rule, reason)| faults.add("supervision.json", &rule, "-", reason));
        supervision::Rules::default()
    })
}

fn read_orgs(text: &str, faults: &mut Faults) -> BTreeMap<OrgId, Org> {
    const FILE: &str = "orgs_kaili.json";
    let mut orgs = BTreeMap::new();
    for value in json(FILE, "-", text, faults).as_array().into_iter().flatten() {
        let get = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("");
        let Ok(id) = get("id").parse::<OrgId>() else {
            faults.add(FILE, get("id"), "id", "missing or not a slug");
            continue;
        };
        if get("name").is_empty() {
            faults.add(FILE, id.as_str(), "name", "missing");
        }
        if let Err(fault) = crate::numbers::check_credit_code(get("uscc")) {
            faults.add(FILE, id.as_str(), "uscc", fault.to_string());
        }
        let of_town = get("tier") == "town";
        let (name, credit_code) = (get("name").into(), get("uscc").into());
        orgs.insert(id.clone(), Org { id, name, credit_code, of_town });
    }
    orgs
}

fn read_licence_types(text: &str, faults: &mut Faults) -> BTreeMap<String, LicenceType> {
    const FILE: &str = "licence_types.json";
    let mut types = BTreeMap::new();
    for value in json(FILE, "-", text, faults).as_array().into_iter().flatten() {
        let get = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("");
        let kind = LicenceType {
            id: get("id").into(),
            name: get("name").into(),
            type_code: get("type_code").into(),
            validity: get("validity").into(),
        };
        if kind.type_code.len() != 21 {
            faults.add(
                FILE,
                &kind.id,
                "type_code",
                "must be 21 characters: credit code + 3 digits (GB/T 36904)",
            );
        }
        types.insert(kind.id.clone(), kind);
    }
    types
}

fn read_bundles(text: &str, items: &Items, faults: &mut Faults) -> Vec<Bundle> {
    let value = json("items.json", "bundles", text, faults);
    let mut bundles = Vec::new();
    for value in value.as_array().into_iter().flatten() {
        let get = |key: &str| value.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
        let id = get("id");
        let members: Vec<&str> = value
            .get("items")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let known: Vec<ItemId> =
            members.iter().filter_map(|m| m.parse().ok()).filter(|m| items.contains_key(m)).collect();
        if known.len() != members.len() || known.is_empty() {
            faults.add(
                "items.json",
                &id,
                "items",
                format!("names items that are not in the catalogue: {members:?}"),
            );
        }
        let promised_days = value.get("promised_days").and_then(Value::as_u64).unwrap_or(0) as u32;
        let after = bundle::parse_order(&get("order"), &known).unwrap_or_else(|reason| {
            faults.add("items.json", &id, "order", reason);
            BTreeMap::new()
        });
        let policy = match value.get("policy") {
            None => JoinPolicy::default(),
            Some(policy) => serde_json::from_value(policy.clone()).unwrap_or_else(|_| {
                faults.add("items.json", &id, "policy", "must be each_issues, all_required or lead_decides");
                JoinPolicy::default()
            }),
        };
        bundles.push(Bundle { id, name: get("name"), items: known, after, policy, promised_days });
    }
    bundles
}

/// Kaili's pack as it stands in `deploy/kaili`, for tests of every crate.
#[doc(hidden)]
pub fn kaili_pieces() -> Pieces {
    let mut pieces =
        split_items(include_str!("../../../deploy/kaili/items.json")).expect("the shipped pack is whole");
    for (name, text) in [
        ("divisions", include_str!("../../../deploy/kaili/divisions_kaili.csv")),
        ("calendar", include_str!("../../../deploy/kaili/calendar_cn.csv")),
        ("calendar_years", include_str!("../../../deploy/kaili/calendar_cn_years.csv")),
        ("calendar_provisional", include_str!("../../../deploy/kaili/calendar_cn_provisional_2027.csv")),
        ("calendar_region", include_str!("../../../deploy/kaili/calendar_region.csv")),
        ("orgs", include_str!("../../../deploy/kaili/orgs_kaili.json")),
        ("licence_types", include_str!("../../../deploy/kaili/licence_types.json")),
        ("standards", include_str!("../../../deploy/kaili/standards.csv")),
        ("supervision", include_str!("../../../deploy/kaili/supervision.json")),
        ("english", include_str!("../../../deploy/kaili/english.txt")),
    ] {
        pieces.insert(name.to_owned(), text.to_owned());
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_catalogue_of_kaili_passes() {
        let pack = CityPack::parse(&kaili_pieces()).unwrap_or_else(|bad| panic!("{:#?}", bad.0));
        assert_eq!((pack.items.len(), pack.bundles.len(), pack.orgs.len()), (64, 6, 46));
        assert_eq!(pack.items.values().map(|item| item.materials.len()).sum::<usize>(), 313);
        assert_eq!(pack.items.values().map(|item| item.stages.len()).sum::<usize>(), 373 + 19);
        let implied = pack
            .items
            .values()
            .filter(|item| item.stages.iter().any(|stage| stage.id.as_str() == "handover"));
        assert_eq!(implied.count(), 19, "items that leave the hand-over to be understood");
    }

    #[test]
    fn a_broken_pack_is_refused_with_all_its_faults() {
        let mut pieces = kaili_pieces();
        let change = |pieces: &mut Pieces, item: &str, edit: &dyn Fn(&mut Value)| {
            let mut value: Value = serde_json::from_str(&pieces[item]).unwrap();
            edit(&mut value);
            pieces.insert(item.into(), value.to_string());
        };
        change(&mut pieces, "item/dibao", &|v| v["stages"][2]["after"][0] = "nowhere".into());
        change(&mut pieces, "item/food", &|v| v["stages"][1]["after"][0] = "deliver".into());
        change(&mut pieces, "item/geti", &|v| v["materials"][0]["when"] = "a in [".into());
        change(&mut pieces, "item/road", &|v| v["promised_limit"]["days"] = 99.into());
        change(&mut pieces, "item/hotel", &|v| drop(v.as_object_mut().unwrap().remove("form")));
        pieces.insert("item/vet".into(), "{\"id\":\"vet\"".into());
        pieces.insert("calendar".into(), "date,kind,name\n2026-13-01,holiday,x\n".into());
        let faults = CityPack::parse(&pieces).unwrap_err().0;
        let told: Vec<String> = faults.iter().map(|f| format!("{}/{}", f.item, f.field)).collect();
        for want in [
            "dibao/stages",
            "food/stages",
            "geti/materials",
            "road/promised_limit",
            "hotel/form",
            "vet/-",
            "line 2/-",
        ] {
            assert!(told.iter().any(|t| t == want), "{want} is missing from {told:#?}");
        }
    }

    #[test]
    fn a_half_written_file_says_so() {
        let text = include_str!("../../../deploy/kaili/items.json");
        let mut cut = text.len() / 2;
        while !text.is_char_boundary(cut) {
            cut += 1;
        }
        let fault = &split_items(&text[..cut]).unwrap_err().0[0];
        assert!(fault.reason.contains("half written"), "{fault}");
    }
}
