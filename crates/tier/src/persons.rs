//! Acts on the command line that two officers sign (双人复核).

use crate::cli::{Common, TwoPersons};
use crate::serve::Opened;
use anyhow::{Context, Result};
use casework::{AuditCursor, Hall, Proof, SensitiveAct};
use serde_json::json;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

/// Both signatures, read from standard input (from a terminal without showing what is typed).
struct Signatures {
    first: (String, Proof),
    second: (String, Proof),
}

impl TwoPersons {
    fn read(&self) -> Result<Signatures> {
        let missing = "two officers must sign: --by NAME --second NAME";
        let (first, second) = (self.by.clone().context(missing)?, self.second.clone().context(missing)?);
        let first = (first.clone(), proof_of(&first)?);
        Ok(Signatures { first, second: (second.clone(), proof_of(&second)?) })
    }

    /// Signs and carries out.
    ///
    /// # Errors
    /// When one of the two is not who they say, or may not; nothing was changed.
    pub async fn carry_out(&self, hall: &Hall, act: &SensitiveAct) -> Result<serde_json::Value> {
        let Signatures { first, second } = self.read()?;
        Ok(hall.by_two(act, (&first.0, &first.1), (&second.0, &second.1)).await?)
    }

    /// Signs; the caller carries out. Returns the names for the audit.
    ///
    /// # Errors
    /// As [`TwoPersons::carry_out`].
    pub async fn sign(&self, hall: &Hall, act: &SensitiveAct) -> Result<String> {
        let Signatures { first, second } = self.read()?;
        Ok(hall.both_sign(act, (&first.0, &first.1), (&second.0, &second.1)).await?)
    }
}

fn proof_of(name: &str) -> Result<Proof> {
    let line = if std::io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{name}: password, space, code: "))?
    } else {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line)?;
        line
    };
    let line = line.trim_end_matches(['\r', '\n']);
    Ok(match line.rsplit_once(' ') {
        Some((password, code)) => Proof { password: password.to_owned(), code: Some(code.to_owned()) },
        None => Proof { password: line.to_owned(), code: None },
    })
}

pub(crate) async fn export_audit(
    common: &Common,
    opened: &Opened,
    to: &Path,
    persons: &TwoPersons,
) -> Result<ExitCode> {
    let names = persons.sign(&opened.hall, &SensitiveAct::ExportAudit {}).await?;
    opened.hall.store.note_act(opened.hall.now(), &names, "export", "audit").await?;
    let temporary = to.with_extension("part");
    let file = std::fs::File::create(&temporary).with_context(|| format!("write {}", temporary.display()))?;
    let mut writer = std::io::BufWriter::new(&file);
    let mut cursor = Some(AuditCursor::Start);
    while let Some(at) = cursor {
        let (piece, next) = opened.hall.audit_piece(at).await?;
        writer.write_all(piece.as_bytes())?;
        cursor = next;
    }
    writer.flush()?;
    file.sync_all()?;
    std::fs::rename(&temporary, to)?;
    if common.json {
        println!("{}", json!({ "file": to }));
    } else {
        println!("{}; next: tongban-verify audit {}", to.display(), to.display());
    }
    Ok(ExitCode::SUCCESS)
}
