//! `city-hub catalogue`: a draft of the next release is imported, compared, published; the release in force is exported.
//!
//! The draft is the one that the editor's page works on. Importing checks everything (the lint of
//! the pack and the life of its items) and takes nothing from a file with faults; all of them are told at once.

use anyhow::{Context, Result, bail};
use clap::Subcommand;
use domain::pack::edit::{self, COLUMNS};
use domain::pack::{CityPack, Pieces, piece_of, split_items};
use serde_json::{Map, Value};
use std::path::{Path, PathBuf};
use tier::Common;
use tier::serve::Opened;

#[derive(Subcommand)]
pub enum CatalogueVerb {
    /// Take changes into the draft: a folder with a whole city pack, a JSON file (`items.json`, one item or a list of items), or a
    /// table (CSV or XLSX) with a column `id` and columns to change
    Import { file: PathBuf },
    /// What the draft would change
    Diff,
    /// Publish the draft as a new release
    Publish,
    /// Throw the draft away
    Discard,
    /// Write the release in force into a folder
    Export {
        #[arg(long)]
        to: PathBuf,
        /// `json` writes the pack, `csv` a table of the items
        #[arg(long, default_value = "json")]
        format: Format,
    },
    /// Which node has which release
    RollOut,
    /// Numbers of standards, coverage and streamlining, computed from the register
    Standards,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Json,
    Csv,
}

fn draft_path(common: &Common) -> PathBuf {
    common.data_dir.join("catalogue-draft.json")
}

/// A draft that an earlier version left in the data folder is taken into the database, where the editor's page works on it too;
/// never over what somebody has drafted since.
async fn take_old_draft(common: &Common, hall: &casework::Hall) -> Result<()> {
    let path = draft_path(common);
    let Ok(text) = std::fs::read_to_string(&path) else { return Ok(()) };
    let known = hall.store.pack_draft().await?;
    if !known.pieces.is_empty() {
        eprintln!("{} of an earlier version is left alone: there is a newer draft", path.display());
        return Ok(());
    }
    let pieces: Pieces = serde_json::from_str(&text)
        .with_context(|| format!("{} is damaged: remove it and import the draft again", path.display()))?;
    hall.draft_pack("cli", known.version, &pieces).await?;
    std::fs::remove_file(&path)?;
    Ok(())
}

/// # Errors
/// With every fault, one on a line; nothing was taken then.
pub async fn run(common: &Common, verb: CatalogueVerb) -> Result<()> {
    let opened = common.open()?;
    let hall = &opened.hall;
    if matches!(verb, CatalogueVerb::Import { .. } | CatalogueVerb::Diff | CatalogueVerb::Publish) {
        take_old_draft(common, hall).await?;
    }
    match verb {
        CatalogueVerb::Import { file } => {
            let waits = hall.catalogue_draft().await?;
            if !waits.faults.is_empty() && !file.is_dir() {
                let faults = waits.faults.join("\n");
                bail!(
                    "the draft that {} saved has faults; mend them on its page, or `catalogue discard`:\n{faults}",
                    waits.by
                );
            }
            let (version, before) = hall.drafted_pieces().await?;
            let draft = imported(&file, before)?;
            let found = hall.catalogue_diff(&draft).await?;
            hall.draft_pack("cli", version, &draft).await?;
            let count = found.added.len() + found.removed.len() + found.changed.len();
            println!(
                "the draft is whole and changes {count} items; see `catalogue diff`, then `catalogue publish`"
            );
        }
        CatalogueVerb::Diff => {
            let found = hall.catalogue_diff(&hall.drafted_pieces().await?.1).await?;
            if common.json {
                println!("{}", serde_json::to_string(&found)?);
                return Ok(());
            }
            found.added.iter().for_each(|item| println!("+ {item}"));
            found.removed.iter().for_each(|item| println!("- {item}"));
            for item in &found.changed {
                println!("{} {}", item.item, item.name);
                item.changes.iter().for_each(|change| println!("    {change}"));
            }
            found.pieces.iter().for_each(|piece| println!("~ {piece}"));
        }
        CatalogueVerb::Publish => {
            let version = hall.store.pack_draft().await?.version;
            let release = hall.publish_draft("cli", version).await?;
            opened.ensure_seals().await?;
            println!("release {release} is published; nodes get it at their next contact");
        }
        CatalogueVerb::Discard => {
            let version = hall.store.pack_draft().await?.version;
            hall.discard_draft("cli", version).await?;
            println!("the draft is empty; what is published stays");
        }
        CatalogueVerb::Export { to, format } => {
            let pieces = hall.store.pack_pieces(None).await?;
            std::fs::create_dir_all(&to)?;
            let written = match format {
                Format::Json => export_json(&pieces, &to)?,
                Format::Csv => export_csv(&pieces, &to)?,
            };
            println!("{} files in {}", written, to.display());
        }
        CatalogueVerb::RollOut => roll_out(common, &opened).await?,
        CatalogueVerb::Standards => {
            let summary = hall.standards()?;
            if common.json {
                println!("{}", serde_json::to_string(&summary)?);
                return Ok(());
            }
            println!("{} standards: {:?}", summary.total, summary.by_class);
            println!(
                "{} of {} items covered ({:.2} %)",
                summary.items_covered, summary.items, summary.coverage_percent
            );
            println!(
                "days streamlined {:.2} %, papers streamlined {:.2} %",
                summary.days_streamlined_percent, summary.papers_streamlined_percent
            );
        }
    }
    Ok(())
}

async fn roll_out(common: &Common, opened: &Opened) -> Result<()> {
    let (release, _) = opened.hall.pack(None)?;
    let nodes = opened.hall.nodes().await?;
    let have = nodes.iter().filter(|node| node.catalogue_release == Some(release)).count();
    if common.json {
        let behind: Vec<_> = nodes
            .iter()
            .filter(|node| node.catalogue_release != Some(release))
            .map(|node| &node.id)
            .collect();
        println!(
            "{}",
            serde_json::json!({ "release": release, "nodes": nodes.len(), "have": have, "behind": behind })
        );
        return Ok(());
    }
    println!("release {release}: {have} of {} nodes", nodes.len());
    for node in nodes.iter().filter(|node| node.catalogue_release != Some(release)) {
        let has = node.catalogue_release.map_or("none".to_owned(), |has| has.to_string());
        println!("    {} {} has {has}", node.id, node.name);
    }
    Ok(())
}

/// The draft with the changes of one file in it.
fn imported(file: &Path, mut draft: Pieces) -> Result<Pieces> {
    if file.is_dir() {
        return crate::init::read_pack(file);
    }
    match file.extension().and_then(|end| end.to_str()) {
        Some("json") => {
            let text = std::fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
            let value: Value =
                serde_json::from_str(&text).with_context(|| format!("{} is not JSON", file.display()))?;
            if value.get("items").is_some() {
                draft.retain(|name, _| !name.starts_with("item/"));
                draft.extend(split_items(&text)?);
                return Ok(draft);
            }
            let items = value.as_array().cloned().unwrap_or_else(|| vec![value]);
            for item in items {
                let id = item["id"].as_str().context("an item has no id")?;
                draft.insert(piece_of(id), item.to_string());
            }
            Ok(draft)
        }
        Some("csv" | "xlsx") => {
            let rows = table(file)?;
            apply_table(&mut draft, &rows)?;
            Ok(draft)
        }
        _ => bail!("{}: a folder, .json, .csv or .xlsx is expected", file.display()),
    }
}

/// The rows of a table as text, the head first.
fn table(file: &Path) -> Result<Vec<Vec<String>>> {
    if file.extension().is_some_and(|end| end == "csv") {
        let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_path(file)?;
        return reader.records().map(|row| Ok(row?.iter().map(str::to_owned).collect())).collect();
    }
    use calamine::Reader;
    let mut book: calamine::Xlsx<_> = calamine::open_workbook(file)?;
    let sheet = book.worksheet_range_at(0).context("the workbook has no sheet")??;
    Ok(sheet.rows().map(|row| row.iter().map(ToString::to_string).collect()).collect())
}

/// Puts every filled cell into its item; all faults are told at once.
fn apply_table(draft: &mut Pieces, rows: &[Vec<String>]) -> Result<()> {
    let (head, rows) = rows.split_first().context("the table is empty")?;
    // A spreadsheet may begin its file with a mark of its own.
    let head: Vec<&str> = head.iter().map(|cell| cell.trim().trim_start_matches('\u{feff}')).collect();
    let id_at = head.iter().position(|cell| *cell == "id").context("the table has no column `id`")?;
    let mut faults = Vec::new();
    for unknown in head.iter().filter(|cell| **cell != "id" && !COLUMNS.iter().any(|(name, _)| name == *cell))
    {
        faults.push(format!(
            "column {unknown:?} is unknown; known are id, {}",
            COLUMNS.map(|(name, _)| name).join(", ")
        ));
    }
    for (index, row) in rows.iter().enumerate() {
        let line = index + 2;
        let id = row.get(id_at).map_or("", |cell| cell.trim());
        let name = piece_of(id);
        let Some(mut item) = draft.get(&name).and_then(|text| serde_json::from_str::<Value>(text).ok())
        else {
            faults.push(format!("line {line}: item {id:?} is not in the catalogue"));
            continue;
        };
        for (column, cell) in head.iter().zip(row).filter(|(_, cell)| !cell.trim().is_empty()) {
            if !COLUMNS.iter().any(|(name, _)| name == column) {
                continue;
            }
            if let Err(reason) = edit::put(&mut item, column, cell.trim()) {
                faults.push(format!("line {line}: {column}: {reason}"));
            }
        }
        draft.insert(name, item.to_string());
    }
    if faults.is_empty() {
        Ok(())
    } else {
        bail!("{} faults; nothing was taken:\n{}", faults.len(), faults.join("\n"))
    }
}

fn export_json(pieces: &Pieces, to: &Path) -> Result<usize> {
    let parse = |text: &String| serde_json::from_str::<Value>(text);
    let mut whole = Map::new();
    for name in ["form_groups", "bundles"] {
        whole.insert(name.to_owned(), pieces.get(name).map(parse).transpose()?.unwrap_or_default());
    }
    let items = pieces.iter().filter(|(name, _)| name.starts_with("item/"));
    whole.insert(
        "items".to_owned(),
        Value::Array(items.map(|(_, text)| parse(text)).collect::<Result<_, _>>()?),
    );
    std::fs::write(to.join("items.json"), serde_json::to_string_pretty(&whole)?)?;
    let mut written = 1;
    for (piece, file) in crate::init::FILES {
        if let Some(text) = pieces.get(piece) {
            std::fs::write(to.join(file), text)?;
            written += 1;
        }
    }
    Ok(written)
}

fn export_csv(pieces: &Pieces, to: &Path) -> Result<usize> {
    let pack = CityPack::parse(pieces)?;
    let mut writer = csv::Writer::from_path(to.join("items.csv"))?;
    writer.write_record(std::iter::once("id").chain(COLUMNS.map(|(name, _)| name)))?;
    for item in pack.items.values() {
        let value: Value = serde_json::from_str(pieces.get(&piece_of(&item.id)).map_or("", String::as_str))?;
        let row =
            std::iter::once(item.id.to_string()).chain(COLUMNS.map(|(name, _)| edit::get(&value, name)));
        writer.write_record(row)?;
    }
    writer.flush()?;
    Ok(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::pack::kaili_pieces;

    fn rows(text: &str) -> Vec<Vec<String>> {
        text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn a_table_changes_what_it_names_and_nothing_of_a_table_with_faults_is_taken() {
        let mut draft = kaili_pieces();
        apply_table(&mut draft, &rows("\u{feff}id,promised_days,state\nfood,5.0,\ndibao,,suspended\n"))
            .unwrap();
        let pack = CityPack::parse(&draft).unwrap();
        assert_eq!(pack.item(&"food".parse().unwrap()).unwrap().promised.days, 5);
        assert_eq!(pack.item(&"dibao".parse().unwrap()).unwrap().life.state.chinese(), "暂停");
        let told =
            apply_table(&mut draft, &rows("id,promised_days,colour\nfood,soon,red\nair,1,\n")).unwrap_err();
        for part in ["3 faults", "colour", "\"soon\" is no number", "\"air\" is not in the catalogue"] {
            assert!(told.to_string().contains(part), "{part} is missing in {told}");
        }
    }

    #[test]
    fn what_is_exported_can_be_imported_again() {
        let folder = std::env::temp_dir().join(format!("tongban-export-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let pieces = kaili_pieces();
        export_json(&pieces, &folder).unwrap();
        export_csv(&pieces, &folder).unwrap();
        let again = imported(&folder.join("items.json"), pieces.clone()).unwrap();
        assert_eq!(CityPack::parse(&again).unwrap().items.len(), 64);
        let by_table = imported(&folder.join("items.csv"), pieces.clone()).unwrap();
        let food = |pieces: &Pieces| {
            CityPack::parse(pieces).unwrap().item(&"food".parse().unwrap()).unwrap().promised
        };
        assert_eq!(food(&by_table), food(&pieces));
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
