//! The village's program is killed in the middle of a form, as a power cut does it: what was told as saved is there, what was not is
//! said, and the officer goes on in the same window.

use crate::tab::{Browser, Screen};
use runtime::NodeConfig;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tests::city::{City, eventually, key_of};
use tier::{Parts, Start, start};

const SERVES: &str = "TONGBAN_SERVES";

/// Not a test: the process that the story below starts, and kills.
#[test]
#[ignore = "the process of the story below"]
fn serves_until_it_is_killed() {
    let Some(data) = std::env::var_os(SERVES).map(PathBuf::from) else { return };
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    threads.block_on(async {
        let parts = Parts::default();
        let _running = start(Start { data: &data, parts, key: key_of(&data) }).await.unwrap();
        std::future::pending::<()>().await
    });
}

/// Gone with the story, whatever becomes of it.
struct Program(Child);

impl Program {
    async fn start(data: &Path, port: u16) -> Program {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "killed::serves_until_it_is_killed", "--ignored", "--nocapture"])
            .env(SERVES, data)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let program = Program(child);
        eventually("the village serves", async || TcpStream::connect(("127.0.0.1", port)).is_ok()).await;
        program
    }
    /// SIGKILL: nothing is finished, nothing is closed.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_draft_outlives_the_program_that_was_killed_in_the_middle_of_it() {
    let mut city = City::start(1).await;
    let data = city.villages[0].data.clone();
    city.villages[0].stop().await;
    // In life the address of a village's pages does not change.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let mut config = NodeConfig::load(&data).unwrap();
    config.listen.web = format!("127.0.0.1:{port}");
    config.save(&data).unwrap();

    let mut program = Program::start(&data, port).await;
    let browser = Browser::start();
    let tab = browser.open_at(port, Screen::Desk, None).await;
    tab.log_in_without_code("officer").await;
    tab.begin("dibao").await;
    tab.press_text("申请人").await;
    tab.fill("#name", "吴阿蕾").await;
    tab.reads(".saved", "已保存").await;
    let page = tab.path().await;
    program.kill();
    // What is typed now is on nobody's disk, and nobody is told that it is.
    tab.fill("#mobile", "15400000007").await;
    tab.reads(".saved", "还没有保存").await;
    let mut program = Program::start(&data, port).await;
    tab.fill("#address", "3组 12 号").await;
    tab.reads(".saved", "已保存").await;
    // Killed once more, and opened anew: everything that was told is there.
    program.kill();
    let program = Program::start(&data, port).await;
    tab.go(&page).await;
    let kept = [("#name", "吴阿蕾"), ("#mobile", "15400000007"), ("#address", "3组 12 号")];
    for (field, value) in kept {
        assert_eq!(tab.value(field).await, value, "{field}");
    }
    tab.close().await;
    drop(program);
    city.villages[0].start_again().await;
    let opened = city.villages[0].opened();
    let report = opened.store.verify_log(opened.keys.clone()).await.unwrap();
    assert!(report.faults.is_empty(), "{:?}", report.faults);
    city.stop().await;
}
