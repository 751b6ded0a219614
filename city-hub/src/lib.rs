//! The city hub (市政务服务中心): publishes the catalogue, enrols nodes, runs the approvals.
//!
//! What it has in common with the other tiers is in `tier`; here is what only the hub can do.

pub mod ca;
pub mod catalogue;
pub mod cli;
pub mod init;
mod nodes;
pub mod sign_on;

use runtime::NodeConfig;
use runtime::config::ConfigError;
use std::path::Path;
use std::sync::Arc;
use tier::Parts;

/// What a serving hub has from outside: the provider of citizens' log-ins, where `node.toml` names one.
///
/// # Errors
/// When the configuration names one that cannot be.
pub fn parts_of(data: &Path) -> anyhow::Result<Parts> {
    let parts = Parts::default();
    let config = match NodeConfig::load(data) {
        Ok(config) => config,
        // The verb itself says that there is none.
        Err(ConfigError::Absent { .. }) => return Ok(parts),
        Err(error) => return Err(error.into()),
    };
    let Some(config) = &config.sign_on else { return Ok(parts) };
    let sign_on = sign_on::Oidc::new(config, parts.clock.clone())?;
    Ok(Parts { sign_on: Some(Arc::new(sign_on)), ..parts })
}
