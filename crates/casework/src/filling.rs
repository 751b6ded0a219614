//! Filling a draft a part at a time, as its pages do: what was typed on one page replaces what stood there, the rest stays, and
//! the form fills in by itself what follows.

use crate::{ActError, Citizen, Hall, Officer};
use domain::catalogue::{Field, Item, Material};
use domain::delivery::Wish;
use domain::form::Form;
use domain::form::filling;
use domain::{CaseNo, Day, EntryId, ItemId, MaterialId, plan};
use serde_json::Value;
use std::sync::Arc;
use store::Draft;

/// A field of a draft. In the draft of a bundle a field that only one item asks for names its item.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct FieldName {
    pub item: Option<ItemId>,
    pub key: String,
}

impl FieldName {
    /// As one word: how a fault names the field, and a page its control.
    pub fn control(&self) -> String {
        match &self.item {
            Some(item) => format!("{item}--{}", self.key),
            None => self.key.clone(),
        }
    }
}

/// The fields a draft asks for, each once, in the order in which they are asked.
#[derive(Debug, Clone)]
pub struct DraftForm {
    /// The items of the draft: one, or those of the bundle.
    pub items: Vec<Arc<Item>>,
    pub fields: Vec<(FieldName, Field)>,
}

impl DraftForm {
    fn of(items: Vec<Arc<Item>>, bundle: bool) -> DraftForm {
        let every: Vec<&Item> = items.iter().map(|item| &**item).collect();
        let shared = if bundle { domain::bundle::shared_fields(&every) } else { Vec::new() };
        let mut fields: Vec<(FieldName, Field)> = shared
            .iter()
            .map(|field| (FieldName { item: None, key: field.key.clone() }, (*field).clone()))
            .collect();
        for item in &every {
            let own = |field: &&Field| !shared.iter().any(|known| domain::bundle::is_alike(known, field));
            for field in item.fields.iter().filter(own) {
                let item = bundle.then(|| item.id.clone());
                fields.push((FieldName { item, key: field.key.clone() }, field.clone()));
            }
        }
        DraftForm { items, fields }
    }

    /// What the draft says to a field.
    pub fn value<'d>(draft: &'d Draft, name: &FieldName) -> Option<&'d Value> {
        match &name.item {
            Some(item) => draft.bundle.as_ref()?.own.get(item)?.get(&name.key),
            None => draft.form.get(&name.key),
        }
    }

    /// The form that the conditions of a field are asked of.
    pub fn around(&self, draft: &Draft, name: &FieldName) -> Form {
        let item = name.item.as_ref().and_then(|id| self.items.iter().find(|item| item.id == *id));
        item.map_or_else(|| draft.form.clone(), |item| self.form_of(draft, item))
    }

    /// The form of one item of the draft.
    pub fn form_of(&self, draft: &Draft, item: &Item) -> Form {
        match &draft.bundle {
            Some(bundle) => domain::bundle::form_of(item, &self.all(), &draft.form, bundle.own.get(&item.id)),
            None => draft.form.clone(),
        }
    }

    fn all(&self) -> Vec<&Item> {
        self.items.iter().map(|item| &**item).collect()
    }

    /// The papers that the draft asks for as it is filled in: the name each has in the draft, and what it is. In a bundle one
    /// copy serves all items that ask for the same paper.
    pub fn papers(&self, draft: &Draft, today: Day) -> Vec<(MaterialId, Material)> {
        let forms: Vec<Form> = self.items.iter().map(|item| self.form_of(draft, item)).collect();
        match (&draft.bundle, self.items.first().zip(forms.first())) {
            (None, Some((item, form))) => {
                let asked = plan::asked_materials(item, form, today).into_iter();
                asked.map(|material| (material.id.clone(), material.clone())).collect()
            }
            _ => domain::bundle::papers_asked(&self.all(), &forms, today),
        }
    }

    fn put(draft: &mut Draft, name: &FieldName, value: Option<Value>) {
        let form = match (&name.item, &mut draft.bundle) {
            (Some(item), Some(bundle)) => bundle.own.entry(item.clone()).or_default(),
            _ => &mut draft.form,
        };
        match value {
            Some(value) => drop(form.insert(name.key.clone(), value)),
            None => drop(form.remove(&name.key)),
        }
    }

    /// Writes back what the forms of the items fill in by themselves.
    fn settle(&self, draft: &mut Draft, fill: impl Fn(&Item, &mut Form)) {
        for item in &self.items {
            let before = self.form_of(draft, item);
            let mut after = before.clone();
            fill(item, &mut after);
            for field in &item.fields {
                if before.get(&field.key) != after.get(&field.key) {
                    let of_item = FieldName { item: Some(item.id.clone()), key: field.key.clone() };
                    let named = self.fields.iter().any(|(name, _)| *name == of_item);
                    let name = FieldName { item: of_item.item.filter(|_| named), key: of_item.key };
                    DraftForm::put(draft, &name, after.remove(&field.key));
                }
            }
        }
    }

    /// What stands in a new draft. `here`: division code of this place.
    pub(crate) fn begin(&self, draft: &mut Draft, here: &str) {
        self.settle(draft, |item, form| filling::begin(item, form, here));
    }
}

/// A former answer that this form could have taken: another item may offer other choices under the same name.
fn fits(field: &Field, value: &Value) -> bool {
    field.options.is_empty() || value.as_str().is_some_and(|text| field.options.iter().any(|one| one == text))
}

impl Hall {
    /// # Errors
    /// [`ActError::NotFound`] of a draft whose item is not in its release any more.
    pub fn draft_form(&self, draft: &Draft) -> Result<DraftForm, ActError> {
        let items = match &draft.bundle {
            Some(_) => self.bundle_of(draft)?.1,
            None => vec![self.item(Some(draft.release), &draft.item)?.2],
        };
        Ok(DraftForm::of(items, draft.bundle.is_some()))
    }

    /// Saves what was typed on one page: `None` empties a field. Fields that are not named stay as they are.
    ///
    /// # Errors
    /// A stale version is refused, both are kept (I23).
    pub async fn fill(
        &self,
        officer: &Officer,
        id: EntryId,
        version: u32,
        typed: Vec<(FieldName, Option<Value>)>,
    ) -> Result<Draft, ActError> {
        self.fill_for(&officer.name, id, version, typed, None).await
    }

    /// As [`Hall::fill`]. `only`: of nobody else is anything filled in that is known here.
    pub(crate) async fn fill_for(
        &self,
        reader: &str,
        id: EntryId,
        version: u32,
        typed: Vec<(FieldName, Option<Value>)>,
        only: Option<&Citizen>,
    ) -> Result<Draft, ActError> {
        let mut draft = self.draft(id).await?;
        let form = self.draft_form(&draft)?;
        let (now, today) = (self.now(), self.now().day());
        let card = domain::form::applicant(&draft.form).1.to_owned();
        for (name, value) in typed {
            DraftForm::put(&mut draft, &name, value);
        }
        self.prefill(reader, &mut draft, &card, only).await?;
        form.settle(&mut draft, |item, form| {
            filling::forget(item, form, &card, today);
            filling::complete(item, form, today);
        });
        (draft.version, draft.updated) = (version, now);
        draft.version = self.store.save_draft(draft.clone()).await?;
        Ok(draft)
    }

    /// Once a card is read: what its bearer said of themselves when they last applied here, where nothing stands yet. Of another
    /// card than before, what came of the former one goes first.
    pub(crate) async fn prefill(
        &self,
        reader: &str,
        draft: &mut Draft,
        before: &str,
        only: Option<&Citizen>,
    ) -> Result<(), ActError> {
        let form = self.draft_form(draft)?;
        let card = domain::form::applicant(&draft.form).1.to_owned();
        if card == before || only.is_some_and(|only| only.number != card) {
            return Ok(());
        }
        let of_person = |(name, field): &&(FieldName, Field)| {
            name.item.is_none()
                && !field.group.is_empty()
                && field.rules.computed.is_none()
                && field.prefill.is_none()
        };
        let fields: Vec<_> = form.fields.iter().filter(of_person).collect();
        if let Some((_, former)) = self.known_person(before).await? {
            for (name, _) in &fields {
                let theirs = former.get(&name.key).filter(|_| name.key != "id_no");
                if theirs.is_some()
                    && draft.form.get(&name.key) == theirs
                    && theirs != Some(&card.clone().into())
                {
                    DraftForm::put(draft, name, None);
                }
            }
        }
        let Some((case, known)) = self.known_person(&card).await? else { return Ok(()) };
        if only.is_some_and(|only| !only.is_of(&known)) {
            return Ok(());
        }
        // A company's premises and a person's home bear one key and two labels.
        let before = self.stored(&case).await?.dossier;
        let (_, _, item) = self.item(Some(before.release), &before.item)?;
        let means_the_same = |field: &Field| {
            item.fields.iter().any(|theirs| theirs.key == field.key && theirs.label == field.label)
        };
        for (name, field) in &fields {
            let value = known.get(&name.key).filter(|value| fits(field, value) && means_the_same(field));
            if let (Some(value), None) = (value, draft.form.get(&name.key)) {
                DraftForm::put(draft, name, Some(value.clone()));
            }
        }
        let read = format!("/cases/{case} (prefill)");
        self.store.note_act(self.now(), reader, "read", &read).await?;
        Ok(())
    }

    /// The newest case of a person at this node, and its form.
    async fn known_person(&self, number: &str) -> Result<Option<(CaseNo, Form)>, ActError> {
        if number.is_empty() {
            return Ok(None);
        }
        let Some(case) = self.listed_under(number, 1).await?.pop() else { return Ok(None) };
        let form = self.form_of(&case).await?;
        Ok((domain::form::applicant(&form).1 == number).then_some((case, form)))
    }

    /// Notes how the applicant would like to have the result.
    ///
    /// # Errors
    /// A stale version is refused, both are kept (I23).
    pub async fn save_wish(&self, id: EntryId, version: u32, wish: Wish) -> Result<Draft, ActError> {
        let mut draft = self.draft(id).await?;
        (draft.wish, draft.version, draft.updated) = (Some(wish), version, self.now());
        draft.version = self.store.save_draft(draft.clone()).await?;
        Ok(draft)
    }
}
