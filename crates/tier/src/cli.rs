//! The command line every tier has. `--json` on every verb that reads; exit 0 ok, 1 failed, 2 usage, 3 degraded.

use crate::at_rest::{KeyVerb, Unlock};
use crate::serve::{Opened, Parts};
use anyhow::{Context, Result};
use clap::{Args, Subcommand};
use domain::access::Roles;
use std::path::PathBuf;
use std::process::ExitCode;
use vault::DataKey;

#[derive(Debug, Args)]
pub struct Common {
    /// Folder of this node's data
    #[arg(long, env = "TONGBAN_DATA_DIR", default_value = "tongban-data", global = true)]
    pub data_dir: PathBuf,
    /// Machine-readable output
    #[arg(long, global = true)]
    pub json: bool,
    #[command(flatten)]
    pub unlock: Unlock,
}

impl Common {
    /// The key of this node's data; `None` where it lies open.
    ///
    /// # Errors
    /// With the remedy.
    pub fn key(&self) -> Result<Option<DataKey>> {
        self.unlock.open(&self.data_dir)
    }

    /// This node's data, opened for a verb.
    ///
    /// # Errors
    /// With the remedy.
    pub fn open(&self) -> Result<Opened> {
        Opened::open(&self.data_dir, &Parts::default(), self.key()?)
    }
}

/// Verbs of every tier.
#[derive(Debug, Subcommand)]
pub enum Verb {
    /// Serve until stopped (Ctrl-C or SIGTERM)
    Serve,
    /// Cases, entries waiting for the parent, receipts
    Status,
    /// Check every journal's chain and signatures, and the audit rows
    VerifyLog,
    /// Look for trouble without changing anything; each fault names the next command
    Doctor,
    /// Write what the neighbour lacks into a bag file, for a courier
    ExportBag {
        /// Folder for the file
        #[arg(long)]
        to: PathBuf,
        /// The node it is for; the parent if left out
        #[arg(long, value_name = "NODE")]
        r#for: Option<domain::NodeId>,
    },
    /// Take a bag file
    ImportBag { file: PathBuf },
    /// Fold all projections anew from the journals
    Rebuild,
    /// Copy this node's whole data into a folder, while it serves; the copy is checked before it counts
    Backup {
        /// Folder for backups; attachments in it are shared by all of them
        #[arg(long)]
        to: Option<PathBuf>,
        #[command(subcommand)]
        verb: Option<BackupVerb>,
    },
    /// Put a backup in place of this node's data; the present data is moved aside
    Restore {
        /// Folder of one backup, as `backup list` shows it
        from: PathBuf,
        /// Check the backup and say what would happen; change nothing
        #[arg(long)]
        dry_run: bool,
        /// At the hub: two administrators
        #[command(flatten)]
        persons: TwoPersons,
    },
    /// After a restore: what this node waits for; with an option, a person's decision to go on
    Recover {
        /// Do not wait for this neighbour; what only it has comes back when it returns
        #[arg(long, value_name = "NODE")]
        without: Vec<domain::NodeId>,
        /// This copy of the node counts, though another one took over
        #[arg(long)]
        take_over: bool,
    },
    /// The transport certificate; a serving node renews it by itself
    Cert {
        #[command(subcommand)]
        verb: CertVerb,
    },
    /// Where the data lies encrypted: who opens it
    Key {
        #[command(subcommand)]
        verb: KeyVerb,
    },
    /// Officer accounts
    User {
        #[command(subcommand)]
        verb: UserVerb,
    },
    /// The audit rows
    Audit {
        #[command(subcommand)]
        verb: AuditVerb,
    },
    /// Cases here with a limit that is near or over
    Warnings,
    /// 对账: for every village, captured = at town = at hub, or the difference with its reason; exit 3 if a difference is
    /// older than a day
    Reconcile {
        /// Hub: also sign it into the journal to all, as happens every day
        #[arg(long)]
        sign: bool,
    },
    /// How every limit of a case was computed, article by article
    Explain { case: domain::CaseNo },
    /// Check a paper under seal, from its file or the text of its QR code, with no network
    VerifyDocument {
        /// File of the paper (HTML), or the text of the QR code
        paper: String,
    },
    /// The calendar of working days
    Calendar {
        #[command(subcommand)]
        verb: CalendarVerb,
    },
    /// Version of this program
    Version,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
pub enum CertVerb {
    /// Machine, last day, days left
    Show,
    /// Ask for the next one now
    Renew,
}

#[derive(Debug, Subcommand)]
pub enum BackupVerb {
    /// Finished backups in a folder, newest first
    List {
        #[arg(long)]
        from: PathBuf,
    },
}

#[derive(Debug, Subcommand)]
pub enum CalendarVerb {
    /// The last day of a limit, for anyone to check by hand
    Due {
        /// The day of the event that starts the limit; it is day 0
        #[arg(long)]
        anchor: domain::Day,
        #[arg(long)]
        working_days: u32,
    },
}

/// The two officers that some acts need. Each proves themselves on standard input, in this order, with one line: the password,
/// a space, and the code of the phone.
#[derive(Debug, Clone, Args)]
pub struct TwoPersons {
    /// Log-in name of the first officer
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Log-in name of the second officer
    #[arg(long, value_name = "NAME")]
    pub second: Option<String>,
}

#[derive(Debug, Subcommand)]
pub enum AuditVerb {
    /// Write the whole audit into a file that `tongban-verify audit FILE` checks; asks for two auditors
    Export {
        #[arg(long)]
        to: PathBuf,
        #[command(flatten)]
        persons: TwoPersons,
    },
}

#[derive(Debug, Subcommand)]
pub enum UserVerb {
    /// Add an officer, or give a known one other roles and a new password
    Add {
        /// Log-in name: letters, digits, dot, hyphen, underscore
        name: String,
        /// Name shown to others
        #[arg(long)]
        display: Option<String>,
        /// Body of the city the officer acts for (hub)
        #[arg(long)]
        body: Option<domain::OrgId>,
        /// Roles with commas between: proxy_officer (village); town_window, town_supervisor (town); intake, handler, reviewer,
        /// inspector, approver, chief_representative, supervision_officer, registrar, catalogue_editor (hub); administrator,
        /// auditor (alone, anywhere). In a village and a town the everyday one may be left out
        #[arg(long)]
        role: Option<Roles>,
        /// Read the password from standard input; otherwise one is made and printed once
        #[arg(long)]
        password_stdin: bool,
    },
    /// Add many at once: lines of `name<TAB>display<TAB>body<TAB>password<TAB>roles<TAB>secret` on standard input; body may be
    /// empty, roles as for `add`, and the secret of the phone's codes (base32) left out
    Import,
    /// A forgotten password or a lost phone: both are made anew and printed once
    Reset { name: String },
    /// Somebody has left; their log-ins end, their drafts stay for their colleagues
    Disable { name: String },
    /// Take back `disable`
    Enable { name: String },
    /// List officers with their roles
    List,
}

/// Runs a program's work on `threads` threads and maps its end to an exit code.
pub fn run_program(threads: usize, work: impl Future<Output = Result<ExitCode>>) -> ExitCode {
    runtime::logs::start();
    let built = tokio::runtime::Builder::new_multi_thread().worker_threads(threads).enable_all().build();
    let outcome = built.context("start the runtime").and_then(|runtime| runtime.block_on(work));
    outcome.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    })
}
