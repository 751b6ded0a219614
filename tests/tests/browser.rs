//! The consoles in a real browser: Debian's Chromium, driven the way people use it. `tests/run.sh` installs it; without it these
//! stories fail and say so.

#![allow(clippy::disallowed_methods, clippy::unwrap_used)]

#[path = "browser/apply.rs"]
mod apply;
#[path = "browser/board.rs"]
mod board;
#[path = "browser/crawl.rs"]
mod crawl;
#[path = "browser/devices.rs"]
mod devices;
#[path = "browser/governing.rs"]
mod governing;
#[path = "browser/hall.rs"]
mod hall;
#[path = "browser/house.rs"]
mod house;
#[path = "browser/incidents.rs"]
mod incidents;
#[path = "browser/killed.rs"]
mod killed;
#[path = "browser/looks.rs"]
mod looks;
#[path = "browser/papers.rs"]
mod papers;
#[path = "browser/recording.rs"]
mod recording;
#[path = "browser/sign_on.rs"]
mod sign_on;
#[path = "browser/tab.rs"]
mod tab;
#[path = "browser/windows.rs"]
mod windows;
#[path = "browser/work.rs"]
mod work;
