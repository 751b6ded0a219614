//! Journals and how two nodes bring them together: entries, heads, positions, sessions, receipts, back-off.
//!
//! Sans-I/O: frames and stored results come in, frames and storage requests go out; nothing here sends, sleeps, stores
//! or reads a clock. Promise: a position moves only over a verified, gap-free run of entries (I9), and only the receiver
//! moves it (I11). Not here: what an entry means (`domain`), keys (`trust`), bytes on a socket (`link`).

pub mod backoff;
pub mod entry;
pub mod epoch;
pub mod flow;
pub mod frame;
pub mod journal;
pub mod receipt;
pub mod run;
pub mod session;

pub use entry::{Core, Entry, Hash, RawEntry, Signature};
pub use frame::{Ack, Frame, Hello, RunFault};
pub use journal::{Channel, JournalId, Position};
pub use receipt::{Custody, Ticks};
pub use run::{CheckedRun, Previous, Run, Sign, Stored, Verify};
pub use session::{Output, Session};

/// An entry may not be larger, body and core together.
pub const ENTRY_BYTES_MAX: usize = 256 * 1024;
/// A batch may not be larger once unpacked.
pub const BATCH_BYTES_MAX: usize = 1024 * 1024;
