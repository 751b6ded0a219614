//! `init`: a new city, from a city pack. Running it again changes nothing that is there.

use anyhow::{Context, Result, bail};
use domain::NodeId;
use domain::network::Tier;
use domain::pack::{CityPack, Pieces, split_items};
use domain::seams::{Clock, Random};
use runtime::config::Listen;
use runtime::{NodeConfig, OsRandom, SystemClock};
use std::path::Path;
use tier::serve::{Opened, Parts};
use trust::CaFolder;
use trust::files::{IdentityFolder, SIGN_KEY, TLS_CERT, TLS_KEY};

/// Piece name and file name of everything but the items.
pub(crate) const FILES: [(&str, &str); 10] = [
    ("divisions", "divisions_kaili.csv"),
    ("calendar", "calendar_cn.csv"),
    ("calendar_years", "calendar_cn_years.csv"),
    ("calendar_provisional", "calendar_cn_provisional_2027.csv"),
    ("calendar_region", "calendar_region.csv"),
    ("orgs", "orgs_kaili.json"),
    ("licence_types", "licence_types.json"),
    ("standards", "standards.csv"),
    ("supervision", "supervision.json"),
    ("english", "english.txt"),
];

/// A city may do without these.
const OPTIONAL: [&str; 1] = ["english"];

/// Reads and checks a city pack.
///
/// # Errors
/// With every fault of every file, one on a line: file, item, field, reason.
pub fn read_pack(folder: &Path) -> Result<Pieces> {
    let read = |name: &str| {
        let path = folder.join(name);
        std::fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
    };
    let broken = |broken: domain::pack::BrokenPack| {
        let lines: Vec<String> = broken.0.iter().map(ToString::to_string).collect();
        anyhow::anyhow!("the city pack has {} faults; nothing was taken:\n{}", lines.len(), lines.join("\n"))
    };
    let mut pieces = split_items(&read("items.json")?).map_err(broken)?;
    for (piece, file) in FILES {
        if OPTIONAL.contains(&piece) && !folder.join(file).exists() {
            continue;
        }
        pieces.insert(piece.to_owned(), read(file)?);
    }
    CityPack::parse(&pieces).map_err(broken)?;
    Ok(pieces)
}

/// Makes the hub: CA, keys, configuration, first catalogue release.
///
/// # Errors
/// With the remedy; a broken pack leaves the folder empty.
pub async fn init(data: &Path, pack: &Path, city: &str, listen: Listen) -> Result<()> {
    if NodeConfig::path(data).exists() {
        bail!("a city was made in {} already; nothing was changed", data.display());
    }
    let pieces = read_pack(pack)?;
    let id: NodeId = "hub".parse()?;
    make_identity(data, city, &id)?;
    let place = "522601".to_owned();
    let name = CityPack::parse(&pieces)?.divisions.full_name(&place);
    let config = NodeConfig {
        id,
        tier: Tier::City,
        city: city.to_owned(),
        place,
        name: format!("{name}政务服务中心"),
        listen,
        parent: None,
        devices: Default::default(),
        sign_on: None,
    };
    config.save(data)?;
    // Serving introduces the hub before anything else; here nothing serves yet, so it is done by hand.
    let opened = Opened::open(data, &Parts::default(), None)?;
    opened.introduce().await?;
    opened.hall.publish_pack("init", &pieces).await?;
    opened.ensure_seals().await?;
    Ok(())
}

fn make_identity(data: &Path, city: &str, id: &NodeId) -> Result<()> {
    let folder = IdentityFolder::of(data);
    let now = SystemClock.now();
    let ca = CaFolder::of(IdentityFolder::of(data), city).found(now)?;
    let mut secret = [0; 32];
    OsRandom.fill(&mut secret);
    let (tls_key, csr) = trust::ca::new_request(id)?;
    let certificate = ca.issue(&csr, &trust::ca::Machine { node: id.clone(), incarnation: 1 }, 1, now)?;
    for (name, text) in
        [(SIGN_KEY, trust::hex(&secret).as_str()), (TLS_KEY, &tls_key), (TLS_CERT, &certificate.pem)]
    {
        folder.write(name, text)?;
    }
    Ok(())
}
