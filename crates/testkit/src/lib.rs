//! People, papers, clocks and dice for tests, demo and benchmarks. Everything follows from a seed.

pub mod api;
pub mod canary;
pub mod dice;
pub mod forms;
pub mod letters;
pub mod people;
pub mod scans;

pub use dice::{FakeClock, SeededRandom};
pub use forms::{fill, fill_bundle};
pub use people::{Applicant, applicants};
