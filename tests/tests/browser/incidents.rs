//! What went wrong is looked at by whoever looks after the node.

use crate::tab::{Browser, Screen};
use store::Quarantined;
use tests::city::City;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_is_settled_with_a_note_and_can_be_read_afterwards() {
    let city = City::start(1).await;
    let town = &city.town;
    town.employ("boss", None, "town_supervisor").await;
    let hall = town.node().hall();
    let author = city.villages[0].node().hall().me().clone();
    let item = Quarantined {
        at: hall.now(),
        peer: author.clone(),
        journal: format!("{author}/up"),
        seq: 7,
        reason: "fork: another entry is signed for this place".into(),
        bytes: vec![1],
    };
    hall.store.quarantine(item).await.unwrap();
    let browser = Browser::start();
    let tab = browser.open(town, Screen::Desk).await;
    tab.log_in(town, "boss").await;
    tab.go("/incidents").await;
    tab.reads("h1", "(1)").await;
    tab.fits().await;
    crate::looks::is_accessible(&tab, &crate::looks::axe()).await;
    tab.picture("town-incidents-open").await;
    tab.fill("input[name=note]", "村里电脑重装过,已核对,没有缺件").await;
    tab.press_text("处理完毕").await;
    tab.reads("h1", "(0)").await;
    tab.reads("main", "已核对,没有缺件").await;
    tab.press_text("全部重试").await;
    tab.reads("main", "没有需要人处理的异常").await;
    tab.fits().await;
    tab.picture("town-incidents-settled").await;
    tab.close().await;
    let tab = browser.open(town, Screen::Phone).await;
    tab.log_in(town, "officer").await;
    tab.go("/incidents").await;
    tab.reads("main", "已核对,没有缺件").await;
    tab.fits().await;
    tab.close().await;
    city.stop().await;
}
