//! A scanner that writes into a folder, and a reader for identity cards, beside a village's desk.

use crate::looks::{axe, is_accessible};
use crate::tab::{Browser, Screen};
use rand::SeedableRng;
use rand::rngs::StdRng;
use runtime::NodeConfig;
use serde_json::json;
use tests::city::{City, Folder};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_card_fills_the_form_and_scans_are_picked_from_the_scanners_folder() {
    let mut city = City::start(1).await;
    let beside = Folder::new();
    let (card, scans) = (beside.0.join("card.json"), beside.0.join("scans"));
    std::fs::create_dir(&scans).unwrap();
    let village = &mut city.villages[0];
    village.stop().await;
    let mut config = NodeConfig::load(&village.data).unwrap();
    config.devices.card_file = Some(card.clone());
    config.devices.scan_folder = Some(scans.clone());
    config.save(&village.data).unwrap();
    village.start_again().await;
    let village = &city.villages[0];

    let browser = Browser::start();
    let tab = browser.open(village, Screen::Desk).await;
    tab.log_in(village, "officer").await;
    let draft = tab.begin("dibao").await;
    tab.press_text("申请人").await;
    tab.press("button[name=_card]").await;
    assert!(tab.text(".saved").await.contains("没有读到身份证"), "{}", tab.text(".saved").await);
    let on_card = json!({ "name": "吴阿蕾", "id_no": "522601196705199487", "ethnic": "苗", "address": "贵州省凯里市碧波镇柿花村3组" });
    std::fs::write(&card, on_card.to_string()).unwrap();
    tab.press("button[name=_card]").await;
    assert!(tab.text(".saved").await.contains("已读卡"));
    for (field, value) in [("#name", "吴阿蕾"), ("#id_no", "522601196705199487"), ("#birth", "1967-05-19")]
    {
        assert_eq!(tab.value(field).await, value);
    }
    assert!(!card.exists(), "a card is read once");
    tab.fits().await;

    // The scanner has written two papers, and is still at a third.
    let mut dice = StdRng::seed_from_u64(3);
    let mut written = || [testkit::scans::jpeg(&mut dice), vec![0xFF, 0xD9]].concat();
    let scan = written();
    std::fs::write(scans.join("扫描 0001.jpg"), &scan).unwrap();
    std::fs::write(scans.join("scan2.jpg"), written()).unwrap();
    std::fs::write(scans.join("scan3.jpg"), &scan[..scan.len() / 2]).unwrap();
    tab.go(&format!("{draft}/papers")).await;
    assert_eq!(tab.count("#scanner tbody tr").await, 2, "whole ones alone");
    tab.fits().await;
    is_accessible(&tab, &axe()).await;
    tab.picture("village-scanner").await;
    let phone = browser.open(village, Screen::Phone).await;
    phone.log_in(village, "officer").await;
    phone.go(&format!("{draft}/papers")).await;
    phone.fits().await;
    phone.picture("village-scanner-phone").await;
    phone.close().await;
    tab.press("#scanner tbody tr button").await;
    assert!(tab.text("#scanner .wrong").await.contains("是哪一份材料"));
    let row = tab.script(
        "const row = Array.from(document.querySelectorAll('#scanner tr')).find(one => one.textContent.includes('扫描 0001'));
         row.querySelector('select').value = 'm2'; row.querySelector('button').click(); return true;",
        vec![],
    );
    assert_eq!(row.await, true);
    tab.see("#field-m2 .thumb").await;
    assert_eq!(tab.count("#scanner tbody tr").await, 1);
    assert!(!scans.join("扫描 0001.jpg").exists(), "it lies in the draft, encrypted, and nowhere else");
    let kept = village.node().hall().draft(draft.rsplit('/').next().unwrap().parse().unwrap()).await.unwrap();
    let paper = kept.attachments.iter().find(|one| one.material.as_str() == "m2").unwrap();
    assert_eq!(paper.hash, blake3::hash(&scan).to_hex().to_string());
    // The folder is gone: told, and everything else goes on.
    std::fs::remove_dir_all(&scans).unwrap();
    tab.go(&format!("{draft}/papers")).await;
    assert!(tab.text("#scanner .wrong").await.contains("打不开"));
    tab.close().await;
    city.stop().await;
}
