//! Fees (收费): nothing is charged but what the catalogue lists, at the amount it gives, after acceptance.
//!
//! Pure. Amounts are in fen (分), so that sums are exact.

use crate::Day;
use crate::catalogue::Item;
use crate::expr::{Expr, Outcome, Scope};
use crate::form::Form;
use serde::{Deserialize, Serialize};

/// A fee of an item.
#[derive(Debug, Clone)]
pub struct Fee {
    pub name: String,
    /// For one unit, in fen.
    pub amount_fen: i64,
    pub unit: String,
    /// The text that allows it. Without one nothing may be charged.
    pub basis: String,
    pub when: Option<Expr>,
    /// How many units; one where there is no expression.
    pub quantity: Option<Expr>,
    /// Who does not pay.
    pub waive: Vec<String>,
    /// Another authority that collects it; then nothing is charged here.
    pub collector: Option<String>,
}

/// What was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    pub fee: String,
    pub amount_fen: i64,
    /// Number of the receipt given (票据号).
    pub receipt: String,
    /// Why less than the catalogue's amount was taken: one of those who do not pay.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waived: Option<String>,
    pub page: u32,
}

/// The fees of this form, with the amount each comes to.
pub fn due<'a>(item: &'a Item, form: &Form, today: Day) -> Vec<(&'a Fee, i64)> {
    let scope = Scope { form, today, rows: None, own: None };
    let owed = item.fees.iter().filter(|fee| fee.collector.is_none());
    let owed = owed.filter(|fee| fee.when.as_ref().is_none_or(|when| when.holds(&scope)));
    owed.map(|fee| {
        let units = match fee.quantity.as_ref().map(|quantity| quantity.eval(&scope)) {
            None => 1.0,
            Some(Outcome::Number(number)) => number,
            // A number that cannot be computed is nobody's debt; the officer sees that nothing is due.
            Some(_) => 0.0,
        };
        (fee, (fee.amount_fen as f64 * units).round() as i64)
    })
    .filter(|(_, fen)| *fen > 0)
    .collect()
}

/// What is wrong with a charge; `None` when it is the catalogue's.
pub fn fault(item: &Item, form: &Form, charge: &Charge, today: Day) -> Option<FeeFault> {
    let Some((fee, fen)) = due(item, form, today).into_iter().find(|(fee, _)| fee.name == charge.fee) else {
        return Some(FeeFault::NotListed);
    };
    match &charge.waived {
        Some(who) if !fee.waive.contains(who) => Some(FeeFault::NoSuchWaiver),
        Some(_) if charge.amount_fen == 0 => None,
        _ if charge.amount_fen == fen => None,
        _ => Some(FeeFault::Amount { want: fen, got: charge.amount_fen }),
    }
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FeeFault {
    #[error("目录没有这项收费,或本件不应收")]
    NotListed,
    #[error("目录没有规定这类减免对象")]
    NoSuchWaiver,
    #[error("应收 {}.{:02} 元,实收 {}.{:02} 元", want / 100, want % 100, got / 100, got % 100)]
    Amount { want: i64, got: i64 },
    #[error("{fee} 应收 {}.{:02} 元,尚未收取或减免", want / 100, want % 100)]
    Open { fee: String, want: i64 },
}
