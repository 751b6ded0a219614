//! Harnesses: a real city in one process ([`city`]) and a city under virtual time ([`sim`]).

#![allow(clippy::disallowed_methods, clippy::unwrap_used)] // harnesses of real processes; a failing unwrap fails the test

pub mod city;
pub mod sim;
