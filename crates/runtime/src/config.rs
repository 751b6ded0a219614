//! The configuration of a node: `node.toml` in its data folder, written by `init` or `join`.

use domain::NodeId;
use domain::network::Tier;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NodeConfig {
    pub id: NodeId,
    pub tier: Tier,
    pub city: String,
    /// Division code the node speaks for.
    pub place: String,
    pub name: String,
    pub listen: Listen,
    /// None for the hub.
    pub parent: Option<Parent>,
    /// What stands beside the counter of a village or a town.
    #[serde(default, skip_serializing_if = "Devices::are_none")]
    pub devices: Devices,
    /// Where citizens prove who they are (统一身份认证); the hub's alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sign_on: Option<SignOn>,
}

/// Devices beside a counter, as the software that came with them hands over what they read. (A reader that types like a keyboard
/// needs nothing here.)
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Devices {
    /// The folder the scanner writes into (扫描文件夹). What is taken into a draft is deleted there: the folder is not encrypted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scan_folder: Option<PathBuf>,
    /// The file an ID reader writes (JSON, or the `wz.txt` of the common readers); deleted once it is read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_file: Option<PathBuf>,
    /// The reader's own service on this machine, asked by GET, which answers JSON: `http://127.0.0.1:…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card_url: Option<String>,
}

impl Devices {
    fn are_none(&self) -> bool {
        *self == Devices::default()
    }
    pub fn reads_cards(&self) -> bool {
        self.card_file.is_some() || self.card_url.is_some()
    }
}

/// An OpenID Connect provider, and what this city is to it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignOn {
    /// As citizens know it: 贵州政务服务网.
    pub name: String,
    /// The provider's issuer, `https://…`.
    pub issuer: String,
    pub client_id: String,
    /// File with the client's secret; absent for a public client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_secret_file: Option<PathBuf>,
    /// How browsers reach this hub, `https://host`; `/hall/login/back` under it is what is registered at the provider.
    pub public: String,
    /// What is asked for.
    #[serde(default = "SignOn::scopes", skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<String>,
    /// The claims of the ID token that hold name and number (居民身份证号 or 统一社会信用代码).
    #[serde(default = "SignOn::name_claim")]
    pub name_claim: String,
    #[serde(default = "SignOn::number_claim")]
    pub number_claim: String,
    /// Authority of the provider's TLS certificate, PEM, where it is none that the system knows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
}

impl SignOn {
    fn scopes() -> Vec<String> {
        vec!["profile".to_owned()]
    }
    fn name_claim() -> String {
        "name".to_owned()
    }
    fn number_claim() -> String {
        "id_number".to_owned()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listen {
    /// Pages and API. Loopback unless the network in front of it is trusted.
    pub web: String,
    /// Children's links; a village has none.
    pub link: Option<String>,
    /// The door for nodes that hold a join token.
    pub enrol: Option<String>,
    /// Names under which the pages are asked for, beside the loopback ones and the address of `web`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hosts: Vec<String>,
    /// Proxies before the pages. Of what comes from them the last address of `X-Forwarded-For` is the caller's; without them
    /// that header is anybody's word.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub proxies: Vec<IpAddr>,
}

impl Listen {
    pub fn new(web: String, link: Option<String>, enrol: Option<String>) -> Listen {
        Listen { web, link, enrol, hosts: Vec::new(), proxies: Vec::new() }
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parent {
    pub id: NodeId,
    /// `host:port` of its link door.
    pub address: String,
    /// `host:port` of its door for joining nodes, where a certificate that ran out is renewed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub door: Option<String>,
}

#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    #[error("no node lives in {folder} yet: run `init` (hub) or `join` (town, village) first")]
    Absent { folder: String },
    #[error("read {path}")]
    Read { path: String, source: std::io::Error },
    #[error("{path} is not as it should be")]
    Parse { path: String, source: Box<toml::de::Error> },
    #[error("write {path}")]
    Write { path: String, source: std::io::Error },
}

impl NodeConfig {
    pub fn path(data: &Path) -> PathBuf {
        data.join("node.toml")
    }

    /// # Errors
    /// [`ConfigError`]; an unknown key is one, with its place.
    pub fn load(data: &Path) -> Result<NodeConfig, ConfigError> {
        let path = Self::path(data);
        let shown = path.display().to_string();
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(ConfigError::Absent { folder: data.display().to_string() });
            }
            Err(source) => return Err(ConfigError::Read { path: shown, source }),
        };
        toml::from_str(&text).map_err(|source| ConfigError::Parse { path: shown, source: Box::new(source) })
    }

    /// # Errors
    /// [`ConfigError::Write`].
    pub fn save(&self, data: &Path) -> Result<(), ConfigError> {
        let path = Self::path(data);
        let text = toml::to_string_pretty(self).expect("plain data serialises");
        let write = || {
            std::fs::create_dir_all(data)?;
            let temporary = path.with_extension("toml.new");
            std::fs::write(&temporary, text)?;
            std::fs::File::open(&temporary)?.sync_all()?;
            std::fs::rename(&temporary, &path)
        };
        write().map_err(|source| ConfigError::Write { path: path.display().to_string(), source })
    }
}
