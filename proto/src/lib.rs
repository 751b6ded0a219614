//! The wire protocol between nodes, generated from `tongban/*/v1/*.proto`. Wire types stop at the door: only `link` uses them.

#![allow(clippy::all, unused_qualifications, rust_2018_idioms)] // generated

pub mod link {
    pub mod v1 {
        tonic::include_proto!("tongban.link.v1");
    }
}
