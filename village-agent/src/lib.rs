//! The village agent (村级代办点): records applications with no network and hands over what comes home.
//!
//! What it has in common with the other tiers is in `tier`; here is what is its own.

pub mod cli;
