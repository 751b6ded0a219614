//! A form as somebody wrote it down: its text is kept, and taken apart only when somebody asks what stands in it.
//!
//! Every node that a case passes through reads its pages, and hardly any asks more of the form than whose it is. The text is
//! looked through as strictly as if it were taken apart, so that asking later cannot fail.

use super::{Form, NAMES, applicant};
use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;
use std::fmt;
use std::ops::Deref;
use std::sync::OnceLock;

/// A form that is read when it is needed. Says the same as the [`Form`] that its text stands for.
#[derive(Clone, Default)]
pub struct Written {
    /// As it came; `None` of one that was filled in here.
    text: Option<Box<RawValue>>,
    /// The first of [`applicant`], where there is a text.
    name: String,
    form: OnceLock<Form>,
}

impl Written {
    /// The name that lists are read by, without taking the form apart.
    pub fn applicant_name(&self) -> &str {
        if self.text.is_some() { &self.name } else { applicant(self).0 }
    }
    pub fn to_form(&self) -> Form {
        Form::clone(self)
    }
}

impl Deref for Written {
    type Target = Form;

    fn deref(&self) -> &Form {
        self.form.get_or_init(|| {
            let text = self.text.as_ref().map_or("{}", |text| text.get());
            // It was looked through when it came, so there is a form; and a neighbour's bytes are nothing to panic about.
            serde_json::from_str(text).unwrap_or_default()
        })
    }
}

impl From<Form> for Written {
    fn from(form: Form) -> Written {
        Written { text: None, name: String::new(), form: form.into() }
    }
}

impl PartialEq for Written {
    fn eq(&self, other: &Written) -> bool {
        **self == **other
    }
}
impl Eq for Written {}

impl fmt::Debug for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl Serialize for Written {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.text {
            Some(text) => text.serialize(serializer),
            None => (**self).serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Written, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let Seen { names } = serde_json::from_str(text.get()).map_err(serde::de::Error::custom)?;
        let name = names.into_iter().flatten().next().unwrap_or_default();
        Ok(Written { text: Some(text), name, form: OnceLock::new() })
    }
}

/// What a look through a form finds.
struct Seen {
    names: [Option<String>; NAMES.len()],
}

impl<'de> Deserialize<'de> for Seen {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seen, D::Error> {
        deserializer.deserialize_map(Through)
    }
}

struct Through;

impl<'de> Visitor<'de> for Through {
    type Value = Seen;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a form")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Seen, A::Error> {
        let mut seen = Seen { names: Default::default() };
        while let Some(place) = fields.next_key_seed(Place)? {
            let text = fields.next_value_seed(Look { keeps: place.is_some() })?;
            // The last of two of one name counts, as in the form.
            if let Some(place) = place {
                seen.names[place] = text;
            }
        }
        Ok(seen)
    }
}

/// The place of a key among [`NAMES`].
struct Place;

impl<'de> DeserializeSeed<'de> for Place {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<usize>, D::Error> {
        deserializer.deserialize_str(self)
    }
}
impl Visitor<'_> for Place {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a field")
    }
    fn visit_str<E>(self, key: &str) -> Result<Option<usize>, E> {
        Ok(NAMES.iter().position(|name| *name == key))
    }
}

/// Looks through a value; gives its text, if it is one and is wanted.
#[derive(Clone, Copy)]
struct Look {
    keeps: bool,
}

impl<'de> DeserializeSeed<'de> for Look {
    type Value = Option<String>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}
impl<'de> Visitor<'de> for Look {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }
    fn visit_str<E>(self, text: &str) -> Result<Option<String>, E> {
        Ok(self.keeps.then(|| text.to_owned()))
    }
    fn visit_bool<E>(self, _: bool) -> Result<Option<String>, E> {
        Ok(None)
    }
    fn visit_i64<E>(self, _: i64) -> Result<Option<String>, E> {
        Ok(None)
    }
    fn visit_u64<E>(self, _: u64) -> Result<Option<String>, E> {
        Ok(None)
    }
    fn visit_f64<E>(self, _: f64) -> Result<Option<String>, E> {
        Ok(None)
    }
    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Option<String>, A::Error> {
        let inside = Look { keeps: false };
        while list.next_element_seed(inside)?.is_some() {}
        Ok(None)
    }
    fn visit_map<A: MapAccess<'de>>(self, mut rows: A) -> Result<Option<String>, A::Error> {
        while rows.next_key_seed(Ordinary)?.is_some() {
            rows.next_value_seed(Look { keeps: false })?;
        }
        Ok(None)
    }
}

/// A key to which the reader of values gives no meaning of its own: what stands under that one it would read a second time.
struct Ordinary;

impl<'de> DeserializeSeed<'de> for Ordinary {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}
impl Visitor<'_> for Ordinary {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a column")
    }
    fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<(), E> {
        if key == RAW { Err(E::custom("a name that means something else")) } else { Ok(()) }
    }
}

/// What `serde_json` calls raw text by.
const RAW: &str = "$serde_json::private::RawValue";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn a_form_says_the_same_whether_it_is_taken_apart_or_not() {
        for form in [
            json!({}),
            json!({ "name": "杨阿妹", "table": [{ "name": "x", "n": [1, -2, 0.5, null, true] }] }),
            json!({ "org_name": "凯里某店", "legal_rep": "杨" }),
            json!({ "name": 7, "legal_rep": "杨" }),
            json!({ "name": "", "org_name": "店" }),
            json!({ "note": { "name": "not the applicant" } }),
        ] {
            let whole: Form = serde_json::from_value(form.clone()).unwrap();
            let text = form.to_string();
            let ways: [Written; 3] = [
                serde_json::from_str(&text).unwrap(),
                serde_json::from_value(form).unwrap(),
                Written::from(whole.clone()),
            ];
            for written in ways {
                assert_eq!(written.applicant_name(), applicant(&whole).0, "{text}");
                assert_eq!(serde_json::to_string(&written).unwrap(), text);
                assert_eq!(*written, whole);
                assert_eq!(serde_json::to_string(&written).unwrap(), text);
            }
        }
    }

    #[test]
    fn of_a_field_that_stands_there_twice_the_last_counts() {
        let written: Written = serde_json::from_str(r#"{"name":"a","n\u0061me":"b"}"#).unwrap();
        assert_eq!((written.applicant_name(), &written["name"]), ("b", &json!("b")));
    }

    fn any_value() -> impl Strategy<Value = String> {
        let leaf = prop::sample::select(vec![
            "1",
            "-0.5",
            "1e999",
            "null",
            "true",
            "\"1\"",
            "\"杨\"",
            "\"\\ud800\"",
            "\"\\u0041\"",
            "01",
        ])
        .prop_map(str::to_owned);
        leaf.prop_recursive(4, 24, 4, |inside| {
            let key = prop::sample::select(vec!["name", "org_name", "legal_rep", "n\\u0061me", "x", RAW]);
            prop_oneof![
                prop::collection::vec(inside.clone(), 0..4).prop_map(|list| format!("[{}]", list.join(","))),
                prop::collection::vec((key, inside), 0..4).prop_map(|fields| {
                    let fields: Vec<String> =
                        fields.iter().map(|(key, value)| format!("\"{key}\":{value}")).collect();
                    format!("{{{}}}", fields.join(","))
                }),
            ]
        })
    }

    proptest! {
        /// Nothing is taken as a form that is none, and the name is the form's, whatever somebody signs.
        #[test]
        fn what_is_taken_is_the_form_that_its_text_stands_for(text in any_value()) {
            if let Ok(written) = serde_json::from_str::<Written>(&text) {
                let form = serde_json::from_str::<Form>(&text);
                prop_assert!(form.is_ok(), "{text}");
                let form = form.unwrap();
                prop_assert_eq!(written.applicant_name(), applicant(&form).0);
                prop_assert_eq!(&*written, &form);
            }
        }
    }

    /// Whatever cannot be read as a form is refused when it comes, not when somebody asks.
    #[test]
    fn what_is_no_form_is_refused_at_once() {
        let deep = format!("{{\"a\":{}1{}}}", "[".repeat(200), "]".repeat(200));
        let broken = [
            "[]",
            "1",
            "null",
            "\"x\"",
            r#"{"a":1e999}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":"\q"}"#,
            r#"{"a":01}"#,
            "{\"a\":\"\u{1}\"}",
            r#"{"a":1,}"#,
            r#"{1:2}"#,
            r#"{"a":{"$serde_json::private::RawValue":1}}"#,
            r#"{"name":[{"$serde_json::private::RawValue":"\"x"}]}"#,
            &deep,
        ];
        for text in broken {
            assert!(serde_json::from_str::<Form>(text).is_err(), "{text}");
            assert!(serde_json::from_str::<Written>(text).is_err(), "{text}");
            assert!(serde_json::from_slice::<Written>(text.as_bytes()).is_err(), "{text}");
        }
        assert!(serde_json::from_slice::<Written>(b"{\"a\":\"\xff\"}").is_err());
    }
}
