//! What stands beside the counter: a scanner that writes into a folder, a reader for identity cards.

pub(crate) mod card;
pub(crate) mod scans;
