//! Harnesses: a real city in one process ([`city`]), a city under virtual time ([`sim`]), spoilt input for every decoder
//! ([`fuzz`]), and the benchmarks' measures ([`measure`]).

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // harnesses of real processes; a failing unwrap fails the test

pub mod city;
pub mod fuzz;
mod listening;
pub mod measure;
pub mod provider;
pub mod sim;
