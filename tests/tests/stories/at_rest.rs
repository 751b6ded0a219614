//! A laptop is stolen, a password is forgotten, an officer leaves: what lies on a village's disk opens for whom it should.

use super::{draft_of, record, waits_in_queue};
use http::Method;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use testkit::api::{Api, refusal};
use tests::city::{City, Folder, PASSWORD, Site, eventually, key_of, stick};
use tier::at_rest::{FirstOpener, Locked, RingFile, answer_question, found};
use tier::backup::{back_up, restore};
use tier::{Parts, Running};

/// Every file below a folder, with its bytes.
fn files(folder: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else if let Ok(bytes) = std::fs::read(&path) {
            found.push((path, bytes));
        }
    }
    found
}

/// Whatever a form says that is long enough to be nobody else's word.
fn words_of(value: &Value, words: &mut Vec<Vec<u8>>) {
    match value {
        Value::String(text) if text.len() >= 9 => words.push(text.clone().into_bytes()),
        Value::Array(values) => values.iter().for_each(|value| words_of(value, words)),
        Value::Object(fields) => fields.values().for_each(|value| words_of(value, words)),
        _ => {}
    }
}

/// The first of these words that lies in a folder as it is.
fn told(folder: &Path, words: &[Vec<u8>]) -> Option<String> {
    files(folder).into_iter().find_map(|(path, bytes)| {
        let word = words.iter().find(|word| bytes.windows(word.len()).any(|piece| piece == **word))?;
        Some(format!("{} in {}", String::from_utf8_lossy(word), path.display()))
    })
}

/// I34: applicants, drafts, scans, decisions and the node's own keys; in the database, its log, the attachments, the backup.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stolen_laptop_tells_nothing_about_anybody() {
    let mut city = City::start(1).await;
    let (case, _) = super::authority::up_to_decision(&city, 901).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    let mut words = vec![b"CREATE TABLE".to_vec(), b"PRIVATE KEY".to_vec()];
    words_of(&village.get(&token, &format!("/cases/{case}")).await["form"], &mut words);
    // Half a form, and a scan that nobody has sent yet.
    let draft = draft_of(village, &token, "dibao", 902).await;
    let draft = village.get(&token, &format!("/drafts/{draft}")).await;
    words_of(&draft["form"], &mut words);
    let scan = b"\xFF\xD8\xFF\xE0 a scan with a canary in it ".repeat(9_000);
    let to = format!("/drafts/{}/materials/{}", draft["id"].as_str().unwrap(), first_material(village));
    village.call(&token, Method::PUT, &to, scan.into()).await.unwrap();
    words.push(b"a scan with a canary in it".to_vec());
    assert!(words.len() > 12, "{} words are too few to say anything", words.len());
    let secret = trust::hex(&village.opened().identity.sign_key().unwrap().secret());
    words.push(secret.into_bytes());

    let safe = city.folder.0.join("safe");
    back_up(village.opened(), &safe).await.unwrap();
    assert_eq!(told(&village.data, &words), None, "I34: while it serves");
    assert_eq!(told(&safe, &words), None, "I34: in the backup");
    // Somebody pulls the plug and takes it along: what is on the disk now is what a thief has.
    let stolen = city.folder.0.join("stolen");
    copy(&village.data, &stolen);
    let data = village.data.clone();
    city.villages[0].stop().await;
    assert_eq!(told(&data, &words), None, "I34: after it was shut down");
    assert_eq!(told(&stolen, &words), None);
    let opening = tier::serve::Opened::open(&stolen, &Parts::default(), None);
    assert!(opening.is_err_and(|error| error.to_string().contains("locked")));
    // The same look finds what lies open: the hub stands in a locked room.
    assert!(told(&city.hub.data, &words).is_some(), "a look that finds nothing anywhere proves nothing");
    city.stop().await;
}

fn first_material(village: &Site) -> String {
    let (_, pack) = village.node().hall().pack(None).unwrap();
    let item = &pack.items[&"dibao".parse().unwrap()];
    item.materials[0].id.to_string()
}

fn copy(from: &Path, to: &Path) {
    for (path, bytes) in files(from) {
        let target = to.join(path.strip_prefix(from).unwrap());
        std::fs::create_dir_all(target.parent().unwrap()).unwrap();
        std::fs::write(target, bytes).unwrap();
    }
}

/// A village machine that was switched on without its stick.
struct Door {
    web: u16,
    api: Api,
    opened: tokio::task::JoinHandle<anyhow::Result<Running>>,
}

async fn switched_on(site: &Site) -> Door {
    let locked = Locked::serve(&site.data, site.parts.clone()).await.unwrap();
    Door { web: locked.web.port(), api: Api::new(), opened: tokio::spawn(locked.opened()) }
}

impl Door {
    async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let body = if body.is_null() { Default::default() } else { body.to_string().into() };
        match self.api.call(method, self.web, path, None, body).await {
            Ok(answer) => (200, answer),
            Err(error) => {
                let refused = refusal(&error).unwrap();
                (refused.status, json!({ "code": refused.code, "message": refused.message }))
            }
        }
    }
    async fn log_in(&self, name: &str, password: &str) -> (u16, Value) {
        self.call(Method::POST, "/api/v1/login", json!({ "name": name, "password": password })).await
    }
    /// Puts the machine that was opened back into the city.
    async fn into_site(self, site: &mut Site) {
        site.running = Some(self.opened.await.unwrap().unwrap());
    }
}

/// Who is there may open; who left, or has another password by now, may not. Nobody's unsent case is lost by any of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn officers_come_and_go_and_each_opens_the_machine_while_they_are_there() {
    let mut city = City::start(1).await;
    city.town.stop().await;
    let village = &mut city.villages[0];
    village.employ("li", None, "proxy_officer").await;
    village.employ("zhao", None, "proxy_officer").await;
    let token = village.token("officer").await;
    let case = record(village, &token, "food", 911).await;
    let change = json!({ "present": { "password": PASSWORD }, "new": "another-one-2026" });
    let li = village.token("li").await;
    village.post(&li, "/me/password", change).await.unwrap();
    village.node().hall().set_disabled("test", "zhao", true).await.unwrap();
    village.stop().await;

    let door = switched_on(village).await;
    assert_eq!(door.call(Method::GET, "/healthz", Value::Null).await.0, 503);
    let (status, refused) = door.call(Method::GET, "/api/v1/cases", Value::Null).await;
    assert_eq!((status, refused["code"].as_str()), (423, Some("locked")), "{refused}");
    let (_, page) = door.call(Method::GET, "/", Value::Null).await;
    assert!(page.as_str().unwrap().contains("未上传的办件都还在"), "{page}");
    for (name, password) in
        [("li", PASSWORD), ("zhao", PASSWORD), ("nobody", PASSWORD), ("officer", "wrong-one")]
    {
        assert_eq!(door.log_in(name, password).await.0, 401, "{name} does not open it with {password}");
    }
    // Two colleagues at once: one of them turns the key, both are logged in.
    let (li, officer) = tokio::join!(door.log_in("li", "another-one-2026"), door.log_in("officer", PASSWORD));
    for (status, answer) in [&li, &officer] {
        assert!(*status == 200 && answer["token"].is_string(), "{status} {answer}");
    }
    let token = li.1["token"].as_str().unwrap();
    door.into_site(village).await;
    let view = village.get(token, &format!("/cases/{case}")).await;
    assert_eq!(view["ticks_text"], "仅存本机", "{view}");
    let report = village.opened().store.verify_log(village.opened().keys.clone()).await.unwrap();
    assert_eq!(report.faults, Vec::<String>::new());
    city.stop().await;
}

/// Every password is forgotten, cases nobody else has are on the disk: one line to the hub, one line back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forgotten_password_costs_a_telephone_call_and_no_case() {
    let mut city = City::start(2).await;
    let node = city.villages[0].node().hall().me().clone();
    city.town.stop().await;
    let village = &mut city.villages[0];
    let token = village.token("officer").await;
    let case = record(village, &token, "food", 921).await;
    village.stop().await;
    std::fs::remove_file(stick(&village.data)).unwrap();

    let door = switched_on(village).await;
    let (_, asked) = door.call(Method::GET, "/api/v1/unlock", Value::Null).await;
    let question = asked["question"].as_str().unwrap().to_owned();
    let (_, page) = door.call(Method::GET, "/unlock", Value::Null).await;
    assert!(page.as_str().unwrap().contains(&question), "the same line, however often it is asked for");
    let hub = city.hub.opened();
    let (whose, answer) = answer_question(hub, &question).unwrap();
    assert!(whose.starts_with(node.as_str()), "{whose}");
    let cut = answer_question(hub, &question[..question.len() - 2]).unwrap_err().to_string();
    assert!(cut.contains("抄"), "{cut}");

    let unlock = async |answer: &str, password: &str| {
        let body = json!({ "answer": answer, "officer": "officer", "password": password });
        door.call(Method::POST, "/api/v1/unlock", body).await
    };
    // Another village's answer, a password that is too easy: the machine stays locked and says why.
    let other = city.villages[1].data.clone();
    let other = RingFile::of(&other).update(|ring| Ok(ring.ask(&runtime::OsRandom)?)).unwrap().line();
    let (_, others_answer) = answer_question(hub, &other).unwrap();
    assert_eq!(unlock(&others_answer, "a-new-one-2026").await.0, 422);
    assert_eq!(unlock(&answer, "12345678").await.0, 422);
    let (status, told) = unlock(&answer, "a-new-one-2026").await;
    assert_eq!(status, 200, "{told}");
    let (status, login) = door.log_in("officer", "a-new-one-2026").await;
    assert_eq!(status, 200, "{login}");
    let village = &mut city.villages[0];
    door.into_site(village).await;
    let token = login["token"].as_str().unwrap().to_owned();
    assert_eq!(village.get(&token, &format!("/cases/{case}")).await["ticks_text"], "仅存本机");
    let ring = RingFile::of(&village.data).read().unwrap().unwrap();
    assert!(ring.answered(&answer).is_err(), "an answer counts once");
    assert!(ring.open_with_password("officer", PASSWORD).is_none(), "the forgotten one opens nothing more");

    // The case goes its way as if nothing had happened.
    city.town.start_again().await;
    let town_address = city.town.node().link.unwrap().to_string();
    let village = &mut city.villages[0];
    village.stop().await;
    let mut config = runtime::NodeConfig::load(&village.data).unwrap();
    config.parent.as_mut().unwrap().address = town_address;
    config.save(&village.data).unwrap();
    let door = switched_on(village).await;
    assert_eq!(door.log_in("officer", "a-new-one-2026").await.0, 200);
    door.into_site(village).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    city.stop().await;
}

/// A machine that was reported lost, or that another one has replaced, gets no key from the hub, whoever asks how nicely.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_hub_opens_no_machine_that_was_lost() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let node = village.node().hall().me().clone();
    let question =
        RingFile::of(&village.data).update(|ring| Ok(ring.ask(&runtime::OsRandom)?.line())).unwrap();
    let hub = city.hub.opened();
    assert!(answer_question(hub, &question).is_ok());
    let ca = hub.ca().open().unwrap().fingerprint();
    let act = casework::SensitiveAct::BanNode { node: node.clone() };
    for name in ["admin-a", "admin-b"] {
        city.hub.employ(name, None, "administrator").await;
    }
    let proof =
        async |name: &str| casework::Proof { password: PASSWORD.to_owned(), code: city.hub.code(name).await };
    let (first, second) = (proof("admin-a").await, proof("admin-b").await);
    hub.hall.by_two(&act, ("admin-a", &first), ("admin-b", &second)).await.unwrap();
    let refused = answer_question(hub, &question).unwrap_err().to_string();
    assert!(refused.contains("reported lost"), "{refused}");
    // A new laptop takes its place; the old one is found by somebody.
    let seating = casework::Seating::InPlaceOf { node: node.clone() };
    let line = hub.hall.issue_token("test", &seating, &ca, 3_600_000).await.unwrap().line;
    let data = city.folder.0.join("new-laptop");
    tests::city::enter(
        &city.town,
        &city.town,
        data.clone(),
        domain::network::Tier::Village,
        &line,
        super::no_doors(),
    )
    .await
    .unwrap();
    let refused = answer_question(hub, &question).unwrap_err().to_string();
    assert!(refused.contains("replaced"), "{refused}");
    let new = RingFile::of(&data).update(|ring| Ok(ring.ask(&runtime::OsRandom)?.line())).unwrap();
    assert!(answer_question(hub, &new).is_ok(), "the new one may forget its passwords as well");
    city.stop().await;
}

/// A sector goes bad, a write is cut: the ring lies there twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_damaged_keyring_locks_nobody_out() {
    let mut city = City::start(1).await;
    let village = &mut city.villages[0];
    village.stop().await;
    std::fs::write(village.data.join("keyring.json"), b"{ \"format\": \"tongb\0\0\0").unwrap();
    assert!(key_of(&village.data).is_some());
    village.start_again().await;
    village.employ("li", None, "proxy_officer").await;
    let whole = RingFile::of(&village.data).read().unwrap().unwrap();
    assert!(whole.open_with_password("li", PASSWORD).is_some());
    let copy = |name: &str| std::fs::read_to_string(village.data.join(name)).unwrap();
    eventually("both copies are whole", async || copy("keyring.json") == copy("keyring.copy.json")).await;
    // A backup takes what can be read, not what lies there.
    std::fs::write(village.data.join("keyring.json"), b"{ \"format\": \"tongb\0\0\0").unwrap();
    let made = back_up(village.opened(), &city.folder.0.join("safe")).await.unwrap();
    assert!(RingFile::of(&made.folder).read().unwrap().unwrap().open_with_password("li", PASSWORD).is_some());
    city.stop().await;
}

/// Somebody clicks twice, or closes the page, in the middle of opening: the door is open for everybody all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_hangs_up_in_the_middle_of_opening_locks_nobody_out() {
    use tokio::io::AsyncWriteExt;
    let mut city = City::start(1).await;
    let village = &mut city.villages[0];
    village.stop().await;
    let door = switched_on(village).await;
    let body = json!({ "name": "officer", "password": PASSWORD }).to_string();
    let head =
        format!("POST /api/v1/login HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-length: {}\r\n\r\n", body.len());
    let mut hasty = tokio::net::TcpStream::connect(("127.0.0.1", door.web)).await.unwrap();
    let looked_at =
        || std::fs::metadata(village.data.join("tongban.db-shm")).and_then(|file| file.modified()).ok();
    let before = looked_at();
    hasty.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
    // The password was right and the database is being opened: now the page is closed.
    while looked_at() == before {
        tokio::task::yield_now().await;
    }
    drop(hasty);
    eventually("the next one is logged in", async || door.log_in("officer", PASSWORD).await.0 == 200).await;
    let long = "x".repeat(5_000);
    assert_eq!(door.log_in(&long, PASSWORD).await.0, 401);
    door.into_site(village).await;
    city.stop().await;
}

/// Restored accounts are those of the backup's day, and so are the passwords that open the machine; the stick is today's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_machine_opens_for_the_officers_of_the_backups_day() {
    let mut city = City::start(1).await;
    let safe = city.folder.0.join("safe");
    let village = &mut city.villages[0];
    village.employ("li", None, "proxy_officer").await;
    let backup = back_up(village.opened(), &safe).await.unwrap().folder;
    let change = json!({ "present": { "password": PASSWORD }, "new": "another-one-2026" });
    let token = village.token("officer").await;
    village.post(&token, "/me/password", change).await.unwrap();
    village.employ("zhao", None, "proxy_officer").await;
    village.node().hall().set_disabled("test", "li", true).await.unwrap();
    village.stop().await;
    restore(&backup, &village.data, false, &Parts::default(), key_of(&village.data)).await.unwrap();
    assert!(key_of(&village.data).is_some(), "the stick of today");
    let ring = RingFile::of(&village.data).read().unwrap().unwrap();
    let opens = |name: &str, password: &str| ring.open_with_password(name, password).is_some();
    assert!(opens("officer", PASSWORD) && opens("li", PASSWORD), "as their accounts are now");
    assert!(!opens("officer", "another-one-2026") && !opens("zhao", PASSWORD), "what no account knows");
    let door = switched_on(village).await;
    assert_eq!(door.log_in("officer", PASSWORD).await.0, 200);
    door.into_site(village).await;
    // An answer that is still under way brings nobody back who has left meanwhile.
    village.node().hall().set_disabled("test", "li", true).await.unwrap();
    village.stop().await;
    let door = switched_on(village).await;
    let (_, asked) = door.call(Method::GET, "/api/v1/unlock", Value::Null).await;
    let (_, answer) = answer_question(city.hub.opened(), asked["question"].as_str().unwrap()).unwrap();
    let as_li = json!({ "answer": answer, "officer": "li", "password": "a-new-one-2026" });
    let (status, told) = door.call(Method::POST, "/api/v1/unlock", as_li).await;
    assert!(status != 200 && told["message"].as_str().unwrap().contains("已停用"), "{told}");
    assert_eq!(door.log_in("officer", PASSWORD).await.0, 200);
    door.into_site(village).await;
    let ring = || RingFile::of(&village.data).read().unwrap().unwrap();
    eventually("the question is answered by the opening", async || ring().answered(&answer).is_err()).await;
    city.stop().await;
}

/// A ring is of one machine: the next try to join begins in a folder of its own.
#[test]
fn a_folder_in_which_joining_was_begun_for_one_village_is_not_taken_for_another() {
    let folder = Folder::new();
    let (data, file) = (folder.0.join("data"), folder.0.join("stick.key"));
    let opener = FirstOpener { officer: None, key_file: Some(&file) };
    let found = |node: &str, opener| found(&data, &node.parse().unwrap(), opener, &runtime::OsRandom);
    let key = found("v-aaaa", &opener).unwrap();
    assert_eq!(found("v-aaaa", &opener).unwrap().id(), key.id(), "tried again");
    assert!(found("v-bbbb", &opener).unwrap_err().to_string().contains("v-aaaa"));
    let stranger = FirstOpener { officer: Some(("wang", "another-one-2026")), key_file: None };
    assert!(found("v-aaaa", &stranger).unwrap_err().to_string().contains("password that was printed"));
}
