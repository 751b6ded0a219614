//! What every process needs around its work: clock, randomness, configuration, logs, shutdown, the lock on its data.
//!
//! The only crate that reads the clock of the machine.

mod apart;
pub mod config;
pub mod guests;
pub mod lock;
pub mod logs;
pub mod seams;
pub mod shutdown;

pub use apart::apart;
pub use config::NodeConfig;
pub use guests::{Guests, Place};
pub use lock::DataLock;
pub use seams::{DRILL_CLOCK, OsRandom, SystemClock, clock, is_drill};
pub use shutdown::Shutdown;
