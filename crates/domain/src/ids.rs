//! Identifiers. Every id is its own type, so that a stage can never be passed where an item is meant.

use crate::numbers::check37_36;
use serde::de::Visitor;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;

/// An identifier that does not have the form its type asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a valid {kind}: {value:?}")]
pub struct BadId {
    pub kind: &'static str,
    pub value: String,
}

/// Reads an id where it stands.
struct Parsed<T>(PhantomData<T>);

impl<T: FromStr<Err = BadId>> Visitor<'_> for Parsed<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an id")
    }
    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $ok:expr) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(std::sync::Arc<str>);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }
        impl FromStr for $name {
            type Err = BadId;
            fn from_str(text: &str) -> Result<Self, BadId> {
                let ok: fn(&str) -> bool = $ok;
                if ok(text) { Ok(Self(text.into())) } else { Err(BadId { kind: $kind, value: text.chars().take(80).collect() }) }
            }
        }
        // By hand, because the derived way makes a text of its own of each, and a page names a dozen.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_str(Parsed(PhantomData))
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

fn is_slug(text: &str) -> bool {
    (1..=40).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_' || b == b'-')
}

text_id!(
    /// A node of the network: `hub`, `t-…` or `v-…`. Never a division code: divisions are re-coded and merged.
    NodeId, "node id", |t| (1..=24).contains(&t.len()) && is_slug(t)
);
text_id!(
    /// A service item (事项) of the catalogue, e.g. `dibao`.
    ItemId, "item id", is_slug
);
text_id!(
    /// A stage (环节) of an item.
    StageId, "stage id", is_slug
);
text_id!(
    /// A material (申请材料) of an item.
    MaterialId, "material id", is_slug
);
text_id!(
    /// A body (部门) of the city, e.g. `mz`.
    OrgId, "body id", is_slug
);
text_id!(
    /// An e-licence number as in GB/T 36904.
    LicenceNo, "licence number", |t| (1..=100).contains(&t.len()) && t.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.')
);
text_id!(
    /// A case number (办件编号), made offline: `yymmdd-NODECODE-RANDOMxC`, the last character checks the others.
    ///
    /// The date is the village clock's and informs only; uniqueness comes from the node code and 40 random bits, so
    /// that neither a restored backup nor a wrong clock can make a number twice (I20).
    CaseNo, "case number", is_case_no
);

impl NodeId {
    /// The eight upper-case characters that stand for this node inside numbers made by it.
    pub fn code(&self) -> String {
        let tail = self.0.split_once('-').map_or(&*self.0, |(_, tail)| tail);
        let mut code: String = tail
            .bytes()
            .filter(u8::is_ascii_alphanumeric)
            .take(8)
            .map(|b| b.to_ascii_uppercase() as char)
            .collect();
        while code.len() < 8 {
            code.push('0');
        }
        code
    }
}

/// Crockford's alphabet: no I, L, O, U, so a number can be read aloud over the telephone.
pub const CROCKFORD: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl CaseNo {
    /// Makes a number from the day shown by the maker's clock and 40 random bits (the rest of `random` is ignored).
    pub fn make(node: &NodeId, day: crate::Day, random: u64) -> CaseNo {
        let tail: String = (0..8).map(|i| CROCKFORD[(random >> (5 * i)) as usize & 31] as char).collect();
        let body =
            format!("{:02}{:02}{:02}-{}-{}", day.year() % 100, day.month(), day.day(), node.code(), tail);
        let check = check37_36(&body).expect("digits, upper-case letters and hyphens only");
        CaseNo(format!("{body}{check}").into())
    }
}

fn is_case_no(text: &str) -> bool {
    text.len() == 25
        && text.is_ascii()
        && text.as_bytes()[6] == b'-'
        && text.as_bytes()[15] == b'-'
        && check37_36(&text[..24]) == text.chars().last()
}

/// A UUIDv7 made by whoever asked for a change, so that asking twice is harmless.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId(pub [u8; 16]);

impl EntryId {
    /// Lays out a UUIDv7 (RFC 9562 §5.7) from a time and ten random bytes.
    pub fn v7(at: crate::Timestamp, random: [u8; 10]) -> EntryId {
        let mut id = [0u8; 16];
        id[..6].copy_from_slice(&(at.as_ms().max(0) as u64).to_be_bytes()[2..]);
        id[6..].copy_from_slice(&random);
        id[6] = 0x70 | (id[6] & 0x0f);
        id[8] = 0x80 | (id[8] & 0x3f);
        EntryId(id)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}
impl fmt::Debug for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
impl FromStr for EntryId {
    type Err = BadId;
    fn from_str(text: &str) -> Result<Self, BadId> {
        let bad = || BadId { kind: "entry id", value: text.chars().take(80).collect() };
        let hex: Vec<u8> = text.bytes().filter(|b| *b != b'-').collect();
        if hex.len() != 32 {
            return Err(bad());
        }
        let mut id = [0u8; 16];
        for (i, pair) in hex.chunks(2).enumerate() {
            let digit = |b: u8| (b as char).to_digit(16).map(|d| d as u8);
            id[i] = digit(pair[0]).zip(digit(pair[1])).map(|(high, low)| high << 4 | low).ok_or_else(bad)?;
        }
        Ok(EntryId(id))
    }
}
impl Serialize for EntryId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for EntryId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_number_made_offline_reads_back_and_a_slip_of_the_pen_is_caught() {
        let node: NodeId = "v-7k3qzpam".parse().unwrap();
        let no = CaseNo::make(&node, "2026-11-23".parse().unwrap(), 0xdead_beef_1234);
        assert_eq!(no.as_str().parse::<CaseNo>(), Ok(no.clone()));
        assert!(no.as_str().starts_with("261123-7K3QZPAM-"), "{no}");
        for at in (0..24).filter(|at| !matches!(at, 6 | 15)) {
            let mut wrong = no.as_str().as_bytes().to_vec();
            wrong[at] = if wrong[at] == b'7' { b'8' } else { b'7' };
            assert!(String::from_utf8(wrong).unwrap().parse::<CaseNo>().is_err(), "position {at}");
        }
    }

    #[test]
    fn an_entry_id_survives_its_text_form() {
        let id = EntryId::v7(crate::Timestamp::from_ms(1_795_000_000_000), [9; 10]);
        assert_eq!(id.to_string().parse::<EntryId>(), Ok(id));
        assert!("x".parse::<EntryId>().is_err());
    }
}
