//! The processes of the demo city: folders, ports, passwords, and how each is started, killed and started again.

use crate::Options;
use crate::proxy::Proxy;
use anyhow::{Context, Result, bail};
use domain::division::{DivisionTier, Divisions};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::AsyncWriteExt;
use tokio::process::{Child, Command};
use tokio::sync::Mutex;
use trust::CodeSecret;

pub const OFFICER: &str = "officer";
/// In a town and in a body three persons share the duties of a case: 承办, 审核, 批准. One password, for the demo only.
pub const DUTIES: [(&str, &str); 3] = [("1", "承办"), ("2", "审核"), ("3", "批准")];

/// Who works at the hub beside the departments: (account, name, roles). Some acts need two of a kind.
pub const HUB_STAFF: [(&str, &str, &str); 7] = [
    (OFFICER, "市中心值守", "supervision_officer,registrar"),
    ("registrar-2", "登记复核", "registrar"),
    ("admin", "系统管理员", "administrator"),
    ("admin-2", "系统管理员(复核)", "administrator"),
    ("editor", "目录管理员", "catalogue_editor"),
    ("auditor", "审计员", "auditor"),
    ("auditor-2", "审计员(复核)", "auditor"),
];

/// The account of another person of the same house: `sj-1` → `sj-2`, `officer` → `officer-2`.
pub fn colleague(account: &str, number: &str) -> String {
    match (account.strip_suffix("-1"), number) {
        (Some(body), number) => format!("{body}-{number}"),
        (None, "1") => account.to_owned(),
        (None, number) => format!("{account}-{number}"),
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Hub,
    Town,
    Village,
}

impl Kind {
    fn program(self) -> &'static str {
        match self {
            Kind::Hub => "city-hub",
            Kind::Town => "town-node",
            Kind::Village => "village-agent",
        }
    }
}

pub struct Site {
    pub kind: Kind,
    /// Division code.
    pub place: String,
    pub name: String,
    pub folder: PathBuf,
    pub web: u16,
    /// Index of the town among the sites, for a village.
    pub town: usize,
    pub password: String,
    pub id: std::sync::OnceLock<String>,
    pub proxy: std::sync::OnceLock<Arc<Proxy>>,
    process: Mutex<Option<Child>>,
}

pub struct City {
    pub options: Options,
    pub sites: Vec<Site>,
    /// Log-in of each body of the hub: (body, account, password).
    pub bodies: Vec<(String, String, String)>,
    /// The phone that makes the codes of everybody at the hub who needs them; for the demo only.
    pub phone: CodeSecret,
    programs: PathBuf,
}

/// Ports of a site: web, link, enrolment, and the switch in front of its parent.
struct Ports {
    web: u16,
    link: u16,
    enrol: u16,
    proxy: u16,
}

fn ports(options: &Options, index: usize) -> Ports {
    let first = options.port + index as u16 * 4;
    Ports { web: first, link: first + 1, enrol: first + 2, proxy: first + 3 }
}

fn password(dice: &mut StdRng) -> String {
    (0..12)
        .map(|_| domain::ids::CROCKFORD[dice.random_range(0..32)] as char)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

impl City {
    /// Chooses the sites from Kaili's real divisions: the first towns with enough villages, 柿花村 always among them.
    ///
    /// # Errors
    /// When the pack cannot be read or has too few divisions.
    pub fn plan(options: Options) -> Result<City> {
        let text = std::fs::read_to_string(options.pack.join("divisions_kaili.csv"))
            .context("read the city pack")?;
        let divisions = Divisions::parse(&text).map_err(|faults| anyhow::anyhow!("divisions: {faults:?}"))?;
        let mut dice = StdRng::seed_from_u64(domain::seams::Random::u64(&runtime::OsRandom));
        let mut towns: Vec<_> = divisions.iter().filter(|d| d.tier == DivisionTier::Town).collect();
        towns.sort_by_key(|town| {
            (
                town.code != "522601108",
                std::cmp::Reverse(divisions.children(&town.code).count()),
                town.code.clone(),
            )
        });
        towns.truncate(options.towns);
        let mut sites = vec![site(&options, 0, Kind::Hub, "522601", "凯里市", 0, &mut dice)];
        for town in &towns {
            let name = divisions.full_name(&town.code);
            sites.push(site(&options, sites.len(), Kind::Town, &town.code, &name, 0, &mut dice));
        }
        // Villages round by round, so that every town has about as many.
        let mut round = 0;
        while sites.len() < 1 + towns.len() + options.villages {
            let before = sites.len();
            for (index, town) in towns.iter().enumerate() {
                let mut villages: Vec<_> = divisions.children(&town.code).collect();
                villages.sort_by_key(|village| (village.code != "522601108201", village.code.clone()));
                if let Some(village) =
                    villages.get(round).filter(|_| sites.len() < 1 + towns.len() + options.villages)
                {
                    let name = divisions.full_name(&village.code);
                    sites.push(site(
                        &options,
                        sites.len(),
                        Kind::Village,
                        &village.code,
                        &name,
                        1 + index,
                        &mut dice,
                    ));
                }
            }
            if sites.len() == before {
                bail!("{} towns have only {} villages", towns.len(), before - 1 - towns.len());
            }
            round += 1;
        }
        let orgs: Value =
            serde_json::from_str(&std::fs::read_to_string(options.pack.join("orgs_kaili.json"))?)?;
        let ids = orgs.as_array().into_iter().flatten().filter_map(|org| org["id"].as_str());
        let bodies = ids.map(|id| (id.to_owned(), format!("{id}-1"), password(&mut dice))).collect();
        let programs = std::env::current_exe()?.parent().context("no folder of programs")?.to_path_buf();
        let phone = CodeSecret::make(&runtime::OsRandom);
        Ok(City { options, sites, bodies, phone, programs })
    }

    pub fn villages(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().filter(|site| site.kind == Kind::Village)
    }
    pub fn towns(&self) -> impl Iterator<Item = &Site> {
        self.sites.iter().filter(|site| site.kind == Kind::Town)
    }
    pub fn hub(&self) -> &Site {
        &self.sites[0]
    }

    /// The file of the clock that all nodes of the demo live by.
    pub fn drill_clock(&self) -> PathBuf {
        self.options.dir.join("drill-clock")
    }

    fn command(&self, site: &Site, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.programs.join(site.kind.program()));
        command
            .arg("--data-dir")
            .arg(&site.folder)
            .args(arguments)
            .env("TONGBAN_LOG", "warn")
            .env(runtime::DRILL_CLOCK, self.drill_clock())
            .kill_on_drop(true);
        if site.kind == Kind::Village {
            // The stick is in: a machine that is killed in the drill starts again by itself.
            command.arg("--key-file").arg(self.key_file(site));
        }
        command
    }

    /// Key files of the villages, apart from their data; called as their folders.
    fn keys(&self) -> PathBuf {
        self.options.dir.join("keys")
    }
    fn key_file(&self, site: &Site) -> PathBuf {
        let name = site.folder.file_name().unwrap_or_default().to_string_lossy();
        self.keys().join(format!("{name}.key"))
    }

    /// Runs a verb of a site's program to its end and gives what it printed.
    ///
    /// # Errors
    /// With what it said when it failed.
    pub async fn verb(&self, site: &Site, arguments: &[&str], input: Option<String>) -> Result<String> {
        let mut command = self.command(site, arguments);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child =
            command.spawn().with_context(|| format!("start {} (is it built?)", site.kind.program()))?;
        let mut stdin = child.stdin.take().context("no standard input")?;
        stdin.write_all(input.unwrap_or_default().as_bytes()).await?;
        drop(stdin);
        let output = child.wait_with_output().await?;
        if !output.status.success() {
            bail!(
                "{} {}: {}",
                site.kind.program(),
                arguments[0],
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// Makes the city, joins every node by token, makes accounts, starts all processes.
    ///
    /// # Errors
    /// With the failing step.
    pub async fn build(&self, say: &(dyn Fn(String) + Sync)) -> Result<()> {
        if self.options.dir.exists() {
            std::fs::remove_dir_all(&self.options.dir)
                .with_context(|| format!("empty {}", self.options.dir.display()))?;
        }
        std::fs::create_dir_all(&self.options.dir)?;
        let started = Instant::now();
        self.init_hub().await?;
        say(format!(
            "hub: CA, catalogue, {} accounts ({:.1} s)",
            self.bodies.len(),
            started.elapsed().as_secs_f32()
        ));
        for (index, site) in self.sites.iter().enumerate().filter(|(_, site)| site.kind == Kind::Town) {
            self.join(index, site).await.with_context(|| site.name.clone())?;
        }
        say(format!(
            "{} towns joined by token ({:.1} s)",
            self.towns().count(),
            started.elapsed().as_secs_f32()
        ));
        let villages: Vec<(usize, &Site)> =
            self.sites.iter().enumerate().filter(|(_, site)| site.kind == Kind::Village).collect();
        let join = async |village: Option<&(usize, &Site)>| match village {
            Some((index, site)) => self.join(*index, site).await.with_context(|| site.name.clone()),
            None => Ok(()),
        };
        // Two at a time: most of joining is waiting for the disk, or one core's work for the password.
        for (pair, two) in villages.chunks(2).enumerate() {
            tokio::try_join!(join(two.first()), join(two.get(1)))?;
            let done = (2 * pair + two.len(), villages.len());
            if done.0 % 50 == 0 || done.0 == done.1 {
                let seconds = started.elapsed().as_secs_f32();
                say(format!("{} of {} villages joined ({seconds:.1} s)", done.0, done.1));
            }
        }
        Ok(())
    }

    async fn init_hub(&self) -> Result<()> {
        let (hub, ports) = (self.hub(), ports(&self.options, 0));
        let address = |port: u16| format!("127.0.0.1:{port}");
        let pack = self.options.pack.display().to_string();
        let (web, link, enrol) = (address(ports.web), address(ports.link), address(ports.enrol));
        self.verb(hub, &["init", "--pack", &pack, "--web", &web, "--link", &link, "--enrol", &enrol], None)
            .await?;
        let mut accounts = String::new();
        for (body, account, password) in &self.bodies {
            for (number, duty) in DUTIES {
                let account = colleague(account, number);
                let (roles, secret) = match number {
                    "1" => ("handler,inspector", String::new()),
                    "2" => ("reviewer", String::new()),
                    _ => ("approver", self.phone.base32()),
                };
                let line = format!("{account}\t{body} {duty}\t{body}\t{password}\t{roles}\t{secret}\n");
                accounts.push_str(&line);
            }
        }
        let (password, secret) = (&hub.password, self.phone.base32());
        for (account, display, roles) in HUB_STAFF {
            accounts.push_str(&format!("{account}\t{display}\t\t{password}\t{roles}\t{secret}\n"));
        }
        self.verb(hub, &["user", "import"], Some(accounts)).await?;
        let _ = hub.id.set("hub".to_owned());
        self.start(hub).await
    }

    async fn join(&self, index: usize, site: &Site) -> Result<()> {
        let (own, parent) = (ports(&self.options, index), ports(&self.options, site.town));
        let which = if site.kind == Kind::Town { "--town" } else { "--village" };
        let token = self.verb(self.hub(), &["--json", "enroll-token", which, &site.place], None).await?;
        let token: Value = serde_json::from_str(&token).context("the token")?;
        let line = token["token"].as_str().context("the token")?.to_owned();
        let address = |port: u16| format!("127.0.0.1:{port}");
        let proxy = Proxy::start(own.proxy, parent.link).await?;
        let _ = site.proxy.set(proxy);
        let (web, link, enrol) = (address(own.web), address(own.link), address(own.enrol));
        let (door, through) = (address(parent.enrol), address(own.proxy));
        let mut arguments = vec!["join", &door, "--token", &line, "--parent", &through, "--web", &web];
        match site.kind {
            Kind::Village => {
                arguments.extend(["--officer", OFFICER, "--display", "值守人员", "--password-stdin"])
            }
            Kind::Town | Kind::Hub => arguments.extend(["--link", &link, "--enrol", &enrol]),
        }
        // A town's own link to the hub may be a moment away: its villages are told to try again.
        let started = Instant::now();
        loop {
            match self.verb(site, &arguments, Some(site.password.clone())).await {
                Ok(_) => break,
                Err(error) if started.elapsed() > Duration::from_secs(30) => return Err(error),
                Err(_) => tokio::time::sleep(Duration::from_millis(300)).await,
            }
        }
        let _ = site.id.set(token["node"].as_str().unwrap_or("").to_owned());
        if site.kind == Kind::Town {
            let mut accounts = format!("{OFFICER}\t值守人员\t\t{}\ttown_window\n", site.password);
            for (number, duty) in DUTIES.iter().skip(1) {
                let (account, roles) = (colleague(OFFICER, number), "town_supervisor");
                accounts.push_str(&format!("{account}\t{duty}\t\t{}\t{roles}\n", site.password));
            }
            self.verb(site, &["user", "import"], Some(accounts)).await?;
        }
        self.start(site).await
    }

    /// Whatever a node wrote into its log about a citizen; there is to be nothing (I33).
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn citizens_in_logs(&self) -> Result<Vec<String>> {
        let mut found = Vec::new();
        for site in self.sites.iter().filter(|site| site.folder.join("log.jsonl").exists()) {
            let log = std::fs::read(site.folder.join("log.jsonl"))?;
            if let Some(word) = testkit::canary::find(&String::from_utf8_lossy(&log)) {
                found.push(format!("{}: a citizen in the log: {word}", site.name));
            }
        }
        Ok(found)
    }

    /// Starts a site's process and waits until its web door answers.
    ///
    /// # Errors
    /// When it ends instead.
    pub async fn start(&self, site: &Site) -> Result<()> {
        let mut slot = site.process.lock().await;
        if slot.is_some() {
            return Ok(());
        }
        let log =
            std::fs::OpenOptions::new().create(true).append(true).open(site.folder.join("log.jsonl"))?;
        let mut child =
            self.command(site, &["serve"]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn()?;
        let started = Instant::now();
        while tokio::net::TcpStream::connect(("127.0.0.1", site.web)).await.is_err() {
            if let Some(status) = child.try_wait()? {
                bail!("{} ended with {status}; see {}/log.jsonl", site.name, site.folder.display());
            }
            if started.elapsed() > Duration::from_secs(60) {
                bail!("{} does not answer on port {}", site.name, site.web);
            }
            tokio::time::sleep(Duration::from_millis(15)).await;
        }
        *slot = Some(child);
        Ok(())
    }

    /// SIGKILL, as a power cut would.
    pub async fn kill(&self, site: &Site) {
        if let Some(mut child) = site.process.lock().await.take() {
            // Already gone is as good as killed.
            let _ = child.kill().await;
        }
    }

    /// Asks all processes to end in good order and waits for them.
    pub async fn stop(&self) {
        for site in &self.sites {
            if let Some(id) = site.process.lock().await.as_ref().and_then(Child::id) {
                let _ = std::process::Command::new("kill").args(["-TERM", &id.to_string()]).status();
            }
        }
        for site in &self.sites {
            if let Some(mut child) = site.process.lock().await.take()
                && tokio::time::timeout(Duration::from_secs(20), child.wait()).await.is_err()
            {
                let _ = child.kill().await;
            }
        }
    }

    pub async fn is_running(&self, site: &Site) -> bool {
        site.process.lock().await.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// A site by node id, division code or (part of its) name.
    pub fn find(&self, text: &str) -> Option<&Site> {
        let exact = |site: &&Site| site.place == text || site.id.get().is_some_and(|id| id == text);
        self.sites.iter().find(exact).or_else(|| self.sites.iter().find(|site| site.name.ends_with(text)))
    }

    /// The verdict of the independent verifier over all folders.
    ///
    /// # Errors
    /// When the verifier cannot run.
    pub fn verify(&self, oracle: &Path) -> Result<Value> {
        let output = std::process::Command::new(self.programs.join("tongban-verify"))
            .arg(&self.options.dir)
            .arg(oracle)
            .arg("--keys")
            .arg(self.keys())
            .output()?;
        serde_json::from_slice(&output.stdout)
            .with_context(|| String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn site(
    options: &Options,
    index: usize,
    kind: Kind,
    place: &str,
    name: &str,
    town: usize,
    dice: &mut StdRng,
) -> Site {
    let folder = match kind {
        Kind::Hub => "hub".to_owned(),
        Kind::Town => format!("town-{place}"),
        Kind::Village => format!("village-{place}"),
    };
    Site {
        kind,
        place: place.to_owned(),
        name: name.to_owned(),
        folder: options.dir.join(folder),
        web: ports(options, index).web,
        town,
        password: password(dice),
        id: std::sync::OnceLock::new(),
        proxy: std::sync::OnceLock::new(),
        process: Mutex::new(None),
    }
}
