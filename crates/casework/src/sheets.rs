//! Print sheets of a case: everything a sheet is made from, read at once.

use crate::{ActError, Hall};
use domain::CaseNo;
use domain::catalogue::Item;
use domain::clock::{self, Explained};
use domain::dossier::{Dossier, Page, PageBody};
use domain::pack::CityPack;
use domain::sheet::{self, Sheet, SheetKind, Source};
use domain::supervision::Alert;
use std::sync::Arc;
use store::StoredDossier;
use trust::{ReceiptClaim, SealClaim};

/// What the sheets of one case are made from, read once.
struct Gathered {
    stored: StoredDossier,
    pack: Arc<CityPack>,
    item: Arc<Item>,
    timers: Vec<Explained>,
    pages: Vec<Page>,
    place_name: String,
    code: String,
    doubt: Option<String>,
}

impl Gathered {
    fn sheet(&self, kind: SheetKind, alert: Option<&Alert>) -> Result<Sheet, ActError> {
        // A decision that cannot be believed is not made believable on paper.
        if matches!(kind, SheetKind::Decision | SheetKind::NotAccepted | SheetKind::Licence)
            && let Some(why) = &self.doubt
        {
            return Err(ActError::Unfit {
                what: "sheet", reason: format!("决定未能核验,不得打印:{why}")
            });
        }
        let source = Source {
            dossier: &self.stored.dossier,
            item: &self.item,
            body_name: self.pack.org_name(&self.item.body),
            place_name: &self.place_name,
            pages: &self.pages,
            timers: &self.timers,
            alert,
            code: &self.code,
            sealed_code: &|paper| SealClaim::of(paper).map(|claim| claim.encode()),
        };
        sheet::build(kind, &source).map_err(|none| ActError::Unfit { what: "sheet", reason: none.0 })
    }
}

impl Hall {
    async fn gather(&self, case: &CaseNo) -> Result<Gathered, ActError> {
        let stored = self.stored(case).await?;
        let dossier = &stored.dossier;
        let (_, pack, item) = self.item(Some(dossier.release), &dossier.item)?;
        let (_, newest) = self.pack(None)?;
        let timers = clock::timers(&item, dossier, stored.receipts);
        let timers = timers.iter().map(|timer| timer.explain(&newest.calendar)).collect();
        let (pages, captured) = self.applied_pages(case).await?;
        let place_name = self.store.network().get(&dossier.origin).map(|node| node.name.clone());
        let (place_name, code) = (place_name.unwrap_or_default(), self.slip_code(dossier, &captured));
        let doubt = self.doubt(dossier, &item);
        Ok(Gathered { stored, pack, item, timers, pages, place_name, code, doubt })
    }

    /// # Errors
    /// [`ActError::Unfit`] saying what has to happen before this sheet can be printed. `alert` names the alert of a 督办单.
    pub async fn sheet(
        &self,
        case: &CaseNo,
        kind: SheetKind,
        alert: Option<&str>,
    ) -> Result<Sheet, ActError> {
        let gathered = self.gather(case).await?;
        let alert = match alert {
            Some(key) => self.store.alert(case, key).await?,
            None => None,
        };
        gathered.sheet(kind, alert.as_ref())
    }

    /// The sheets that can be printed now.
    ///
    /// # Errors
    /// [`ActError::NotFound`].
    pub async fn printable(&self, case: &CaseNo) -> Result<Vec<SheetKind>, ActError> {
        let gathered = self.gather(case).await?;
        let kinds = SheetKind::ALL.into_iter().filter(|kind| *kind != SheetKind::Alert);
        Ok(kinds.filter(|kind| gathered.sheet(*kind, None).is_ok()).collect())
    }

    /// The pages that count, in order, and the hash of the entry that holds the capture. Whoever wrote a page here stands in it by the
    /// name people know them by: pages bear log-ins, and other houses' log-ins say nothing here.
    async fn applied_pages(&self, case: &CaseNo) -> Result<(Vec<Page>, String), ActError> {
        let (mut pages, mut captured) = (Vec::new(), String::new());
        let accounts = self.store.accounts().await?;
        for line in self.store.history(case).await?.into_iter().filter(|line| line.verdict == "applied") {
            let Some(mut page) = line.page.and_then(|page| serde_json::from_value::<Page>(page).ok()) else {
                continue;
            };
            if matches!(page.body, PageBody::Captured(_)) {
                captured = line.hash;
            }
            let known = accounts.iter().find(|account| account.name == page.officer);
            if let Some(account) = known.filter(|one| line.author == *self.me() && !one.display.is_empty()) {
                page.officer = account.display.clone();
            }
            pages.push(page);
        }
        Ok((pages, captured))
    }

    /// The QR code of a slip: signed by this node where it took in the case, the bare number elsewhere.
    fn slip_code(&self, dossier: &Dossier, entry_hash: &str) -> String {
        let case = &dossier.case;
        match self.seals.own().filter(|_| dossier.origin == *self.me()) {
            Some(key) => ReceiptClaim::make(&key, case, self.me(), entry_hash).encode(),
            None => case.to_string(),
        }
    }
}
