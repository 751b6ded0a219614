//! Print sheets of a case: everything a sheet is made from, read at once.

use crate::{ActError, Hall};
use domain::CaseNo;
use domain::clock;
use domain::dossier::{Dossier, Page, PageBody};
use domain::sheet::{self, Sheet, SheetKind, Source};
use trust::{ReceiptClaim, SealClaim};

impl Hall {
    /// # Errors
    /// [`ActError::Unfit`] saying what has to happen before this sheet can be printed. `alert` names the alert of a 督办单.
    pub async fn sheet(
        &self,
        case: &CaseNo,
        kind: SheetKind,
        alert: Option<&str>,
    ) -> Result<Sheet, ActError> {
        let stored = self.stored(case).await?;
        let dossier = &stored.dossier;
        let (_, pack, item) = self.item(Some(dossier.release), &dossier.item)?;
        // A decision that cannot be believed is not made believable on paper.
        if matches!(kind, SheetKind::Decision | SheetKind::NotAccepted)
            && let Some(why) = self.doubt(dossier, &item)
        {
            return Err(ActError::Unfit {
                what: "sheet", reason: format!("决定未能核验,不得打印:{why}")
            });
        }
        let (_, newest) = self.pack(None)?;
        let timers = clock::timers(&item, dossier, stored.received);
        let timers: Vec<_> = timers.iter().map(|timer| timer.explain(&newest.calendar)).collect();
        let (pages, captured) = self.applied_pages(case).await?;
        let alert = match alert {
            Some(key) => self.store.alert(case, key).await?,
            None => None,
        };
        let place_name = self.store.network().get(&dossier.origin).map(|node| node.name.clone());
        let source = Source {
            dossier,
            item: &item,
            body_name: pack.org_name(&item.body),
            place_name: &place_name.unwrap_or_default(),
            pages: &pages,
            timers: &timers,
            alert: alert.as_ref(),
            code: &self.slip_code(dossier, &captured),
            sealed_code: &|paper| SealClaim::of(paper).encode(),
        };
        sheet::build(kind, &source).map_err(|none| ActError::Unfit { what: "sheet", reason: none.0 })
    }

    /// The sheets that can be printed now.
    ///
    /// # Errors
    /// [`ActError::NotFound`].
    pub async fn printable(&self, case: &CaseNo) -> Result<Vec<SheetKind>, ActError> {
        let mut kinds = Vec::new();
        for kind in SheetKind::ALL.into_iter().filter(|kind| *kind != SheetKind::Alert) {
            match self.sheet(case, kind, None).await {
                Ok(_) => kinds.push(kind),
                Err(ActError::Unfit { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(kinds)
    }

    /// The pages that count, in order, and the hash of the entry that holds the capture.
    async fn applied_pages(&self, case: &CaseNo) -> Result<(Vec<Page>, String), ActError> {
        let (mut pages, mut captured) = (Vec::new(), String::new());
        for line in self.store.history(case).await?.into_iter().filter(|line| line.verdict == "applied") {
            let Some(page) = line.page.and_then(|page| serde_json::from_value::<Page>(page).ok()) else {
                continue;
            };
            if matches!(page.body, PageBody::Captured(_)) {
                captured = line.hash;
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
