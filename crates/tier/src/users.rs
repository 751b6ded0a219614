//! `user`: officers, their roles, and the secrets that are printed once.

use crate::cli::{Common, UserVerb};
use crate::serve::Opened;
use anyhow::{Context, Result, bail};
use casework::{Issued, NewAccount};
use domain::access::Roles;
use domain::seams::Random;
use fast_qr::QRBuilder;
use std::io::{IsTerminal, Read};
use std::process::ExitCode;
use store::Store;
use trust::CodeSecret;

/// Who the audit names for what is done on the machine itself.
const CLI: &str = "cli";

pub(crate) async fn run(common: &Common, opened: &Opened, verb: UserVerb) -> Result<ExitCode> {
    match verb {
        UserVerb::Add { name, display, body, role, password_stdin } => {
            let everyday = || Roles::everyday(opened.config.tier);
            let roles = role.or_else(everyday).context("say which roles: --role handler,reviewer …")?;
            let password = password(&*opened.hall.random, password_stdin)?;
            let new = NewAccount { display: display.unwrap_or_else(|| name.clone()), name, body, roles };
            let issued = opened.hall.put_account(CLI, new, &password, None).await?;
            print_once(common, &issued, (!password_stdin).then_some(password.as_str()));
        }
        UserVerb::Import => {
            for (index, line) in stdin()?.lines().enumerate().filter(|(_, line)| !line.is_empty()) {
                import(opened, line).await.with_context(|| format!("line {}", index + 1))?;
            }
        }
        UserVerb::Reset { name } => {
            let password = opened.hall.random_password();
            let issued = opened.hall.reset_account(CLI, &name, &password).await?;
            print_once(common, &issued, Some(&password));
        }
        UserVerb::Disable { name } => opened.hall.set_disabled(CLI, &name, true).await?,
        UserVerb::Enable { name } => opened.hall.set_disabled(CLI, &name, false).await?,
        UserVerb::List => list(common, opened).await?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The one on standard input, or a random one.
///
/// # Errors
/// When standard input cannot be read.
pub fn password(random: &dyn Random, from_stdin: bool) -> Result<String> {
    match from_stdin {
        true => Ok(stdin()?.trim_end_matches(['\r', '\n']).to_owned()),
        false => Ok(trust::account::random_password(random)),
    }
}

fn stdin() -> Result<String> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

async fn import(opened: &Opened, line: &str) -> Result<()> {
    let columns: Vec<&str> = line.split('\t').collect();
    let (name, display, body, password, roles, secret) = match columns[..] {
        [name, display, body, password, roles] => (name, display, body, password, roles, ""),
        [name, display, body, password, roles, secret] => (name, display, body, password, roles, secret),
        _ => bail!("expected name, display, body, password, roles and perhaps a secret, with tabs between"),
    };
    let body = if body.is_empty() { None } else { Some(body.parse()?) };
    let secret = match secret {
        "" => None,
        text => Some(CodeSecret::parse(text).context("the secret is no base32 of 160 bits")?),
    };
    let (name, display, roles) = (name.to_owned(), display.to_owned(), roles.parse()?);
    opened.hall.put_account(CLI, NewAccount { name, display, body, roles }, password, secret).await?;
    Ok(())
}

fn print_once(common: &Common, issued: &Issued, password: Option<&str>) {
    if common.json {
        println!("{}", issued.shown_once(password));
        return;
    }
    if let Some(password) = password {
        println!("{} {password}", issued.name);
    }
    if let Some(uri) = &issued.code_uri {
        print_with_code(uri);
    }
}

/// A line, and on a terminal also as a code that a phone can read at once.
pub(crate) fn print_with_code(line: &str) {
    println!("{line}");
    if let (true, Ok(code)) = (std::io::stdout().is_terminal(), QRBuilder::new(line).build()) {
        println!("{}", code.to_str());
    }
}

async fn list(common: &Common, opened: &Opened) -> Result<()> {
    let accounts = opened.store.accounts().await?;
    if common.json {
        println!("{}", serde_json::to_string(&accounts)?);
        return Ok(());
    }
    for account in accounts {
        let body = account.body.map_or(String::new(), |body| body.to_string());
        let roles = account.roles.map_or_else(|| "(from before roles)".to_owned(), |roles| roles.to_string());
        let code = if account.code_secret.is_some() { "\tcode" } else { "" };
        let disabled = if account.disabled { "\tdisabled" } else { "" };
        println!("{}\t{}\t{body}\t{roles}{code}{disabled}", account.name, account.display);
    }
    Ok(())
}
