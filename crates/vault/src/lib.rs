//! Data at rest: what a stolen disk does not tell (I34).
//!
//! One random key for each machine ([`DataKey`]) opens its database, attachments and own keys. It is stored nowhere as it is;
//! the [`Keyring`] beside the data holds it sealed several times: for every officer's password, for a key file on a stick, and
//! for the city's hub, so that a forgotten password costs a telephone call and not the cases nobody else has yet ([`escrow`]).
//! Pure: files are the caller's.

pub mod escrow;
mod key;
mod keyring;

pub use escrow::Machine;
pub use key::{DataKey, Lid, Part};
pub use keyring::{FileSecret, Keyring, KeyringFault};
