//! `up` and the verbs that talk to it: one supervisor process owns the nodes and the switches in their links.

use crate::Options;
use crate::city::{City, HUB_STAFF, Kind, OFFICER};
use crate::staff::Staff;
use crate::{recording, story, welcome};
use anyhow::{Context, Result, bail};
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use std::fmt::Write as _;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

/// The port for verbs: one below the block of the nodes, on loopback.
fn port(options: &Options) -> u16 {
    options.port - 1
}

/// Starts the supervisor in the background and shows its progress until the city is up.
pub async fn up(options: Options) -> Result<ExitCode> {
    if TcpStream::connect(("127.0.0.1", port(&options))).await.is_ok() {
        bail!("the demo is up already: use `status`, or `down` first");
    }
    std::fs::create_dir_all(&options.dir)?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.args(std::env::args().skip(1).filter(|argument| argument != "up")).arg("supervise");
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let output = child.stdout.take().context("no output")?;
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(output));
    while let Some(Ok(line)) = lines.next() {
        println!("{line}");
        if line.starts_with("down with:") {
            return Ok(ExitCode::SUCCESS);
        }
    }
    Ok(ExitCode::FAILURE)
}

pub async fn supervise(options: Options) -> Result<ExitCode> {
    let listener = TcpListener::bind(("127.0.0.1", port(&options))).await?;
    let city = Arc::new(City::plan(options)?);
    city.build(&|text| println!("{text}")).await?;
    let staff = Arc::new(Staff::new(city.clone())?);
    println!("{} letters of delegation published", staff.delegate().await?);
    let welcome = welcome::open(&city, &staff).await?;
    println!("{}", addresses(&city));
    let mut orders = FuturesUnordered::new();
    println!("begin here: {welcome}\n这是演示数据,所有人物均为虚构。\ndown with: deploy/demo.sh down");
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                // A load of a hundred cases keeps nobody from asking for a code meanwhile.
                orders.push(attend(accepted?.0, &city, &staff));
            }
            Some(is_down) = orders.next() => if is_down {
                return Ok(ExitCode::SUCCESS);
            },
        }
    }
}

/// One order, and its answer. True when that was the end of the city.
async fn attend(mut stream: TcpStream, city: &Arc<City>, staff: &Arc<Staff>) -> bool {
    let mut line = String::new();
    let (read, mut write) = stream.split();
    if BufReader::new(read).read_line(&mut line).await.is_err() {
        return false;
    }
    let answer = obey(city, staff, line.trim()).await.unwrap_or_else(|error| format!("FAILED {error:#}"));
    // Whoever asked may have gone; the order is carried out all the same.
    let _ = write.write_all(answer.as_bytes()).await;
    line.trim() == "down"
}

/// Gives an order to the supervisor; its answer.
pub async fn tell(options: &Options, order: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port(options)))
        .await
        .context("the demo is not up: run `deploy/demo.sh up` first")?;
    stream.write_all(format!("{order}\n").as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

pub async fn ask(options: &Options, order: &str) -> Result<ExitCode> {
    let answer = tell(options, order).await?;
    println!("{answer}");
    Ok(if answer.starts_with("FAILED") { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn addresses(city: &City) -> String {
    let mut text = String::new();
    let shown = city
        .sites
        .iter()
        .filter(|site| site.kind != Kind::Village || site.place == "522601108201" || site.town <= 2);
    for site in shown.take(24) {
        let _ =
            writeln!(text, "http://127.0.0.1:{:<6} {:<24} {OFFICER} {}", site.web, site.name, site.password);
    }
    let _ = writeln!(text, "at the hub, with the same password as {OFFICER} there:");
    for (account, display, _) in HUB_STAFF.iter().skip(1) {
        let _ = writeln!(text, "  {account:<12} {display}");
    }
    let _ = writeln!(text, "departments at the hub (-1 承办, -2 审核, -3 批准; one password):");
    for (_, account, password) in city.bodies.iter().take(8) {
        let _ = writeln!(text, "  {account} {password}");
    }
    let _ = writeln!(
        text,
        "动态口令 (the six digits that the hub asks 值守, 管理, 审计 and 批准 for): deploy/demo.sh code"
    );
    let mut all = String::new();
    for site in &city.sites {
        let _ = writeln!(
            all,
            "{}\t{}\t{}\thttp://127.0.0.1:{}\t{OFFICER}\t{}",
            site.place,
            site.name,
            site.id.get().map_or("", |id| id),
            site.web,
            site.password
        );
    }
    for (body, account, password) in &city.bodies {
        let _ = writeln!(
            all,
            "{body}\tdepartment\thub\thttp://127.0.0.1:{}\t{account}\t{password}",
            city.hub().web
        );
    }
    let path = city.options.dir.join("passwords.tsv");
    match std::fs::write(&path, all) {
        Ok(()) => drop(writeln!(text, "all of them: {}", path.display())),
        Err(error) => drop(writeln!(text, "{}: {error}", path.display())),
    }
    text.trim_end().to_owned()
}

async fn obey(city: &Arc<City>, staff: &Arc<Staff>, order: &str) -> Result<String> {
    let (verb, argument) = order.split_once(' ').unwrap_or((order, ""));
    match verb {
        "cut" | "heal" => switch(city, verb, argument),
        "load" => load(city, staff, argument.parse().context("how many cases?")?).await,
        "code" => Ok(staff.code()),
        "status" => status(city).await,
        "verify" => verify(city, staff).await,
        "down" => {
            city.stop().await;
            Ok("the city is down".to_owned())
        }
        other => bail!("unknown order {other}"),
    }
}

fn switch(city: &City, verb: &str, name: &str) -> Result<String> {
    if name == "all" && verb == "heal" {
        city.sites.iter().filter_map(|site| site.proxy.get()).for_each(|proxy| proxy.heal());
        return Ok("all links are healed".to_owned());
    }
    let site = city
        .find(name)
        .with_context(|| format!("no node {name}: give a node id, a division code or a name"))?;
    let proxy = site.proxy.get().context("the hub has no link upward")?;
    if verb == "cut" {
        proxy.cut()
    } else {
        proxy.heal()
    }
    Ok(format!("{} {}", site.name, if verb == "cut" { "is cut off" } else { "is connected again" }))
}

/// One load after another: their shifts would work at the same desks.
static LOADING: Mutex<()> = Mutex::const_new(());
/// Nothing more is handed over for so long: what is left waits for a day to come, a public notice mostly.
const STILL: Duration = Duration::from_secs(20);

async fn load(city: &Arc<City>, staff: &Arc<Staff>, count: usize) -> Result<String> {
    let _alone = LOADING.lock().await;
    let before = staff.told.lock().map(|told| told.len()).unwrap_or(0);
    recording::record(city, staff, count, &|_| {}).await?;
    staff.stop.store(false, Ordering::Relaxed);
    let shifts: Vec<_> = (0..4).map(|lane| tokio::spawn(staff.clone().shift(lane, 4))).collect();
    let cut_off =
        |told: &crate::staff::Told| city.sites[told.site].proxy.get().is_some_and(|proxy| !proxy.is_open());
    let waiting: Vec<_> = staff.told.lock().map(|told| told[before..].to_vec()).unwrap_or_default();
    let mut left: Vec<_> = waiting.iter().filter(|told| !cut_off(told)).collect();
    let all = left.len();
    let mut moved = Instant::now();
    while !left.is_empty() && moved.elapsed() < STILL {
        let mut rest = Vec::new();
        for told in &left {
            if !staff.at_counter(told).await.is_ok_and(|view| view["status"] == "delivered") {
                rest.push(*told);
            }
        }
        if rest.len() < left.len() {
            moved = Instant::now();
        }
        left = rest;
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let delivered = all - left.len();
    staff.stop.store(true, Ordering::Relaxed);
    for shift in shifts {
        shift.await?;
    }
    staff.stop.store(false, Ordering::Relaxed);
    let rest = count - delivered;
    Ok(format!(
        "{count} recorded, {delivered} handed over, {rest} wait for a link, a public notice or another day"
    ))
}

async fn status(city: &City) -> Result<String> {
    let mut text = String::new();
    let (mut running, mut cut) = (0, Vec::new());
    for site in &city.sites {
        running += usize::from(city.is_running(site).await);
        if site.proxy.get().is_some_and(|proxy| !proxy.is_open()) {
            cut.push(site.name.as_str());
        }
    }
    let _ = writeln!(
        text,
        "{running} of {} processes run; hub http://127.0.0.1:{}",
        city.sites.len(),
        city.hub().web
    );
    let _ = write!(text, "cut off: {}", if cut.is_empty() { "nobody".to_owned() } else { cut.join("、") });
    Ok(text)
}

async fn verify(city: &City, staff: &Staff) -> Result<String> {
    let rest = story::quiet(city, staff).await;
    let verdict = city.verify(&city.options.dir.join("oracle.jsonl"))?;
    let note = if rest.is_ok() { "" } else { "(尚有内容在途,断开的链路恢复后再核对)" };
    Ok(format!(
        "{} 件 {} 丢失 {} 重复 {note}\n{verdict}",
        verdict["recorded"], verdict["lost"], verdict["duplicated"]
    ))
}
