//! Papers through the browser: photos that are too large to send, PDFs, and a bag that goes by stick.

use crate::recording::record_by_program;
use crate::tab::{Browser, Screen, Tab};
use serde_json::json;
use std::path::PathBuf;
use tests::city::{City, Folder, eventually};

/// A photo as a phone takes it, put into the file chooser; its bytes.
async fn photograph(tab: &Tab, input: &str) -> u64 {
    let script = "const [selector, done] = arguments, canvas = document.createElement('canvas');
        canvas.width = 3000; canvas.height = 2200;
        const pen = canvas.getContext('2d'), points = pen.createImageData(3000, 2200);
        for (let at = 0, seed = 7; at < points.data.length; at++) {
            seed = (seed * 1103515245 + 12345) & 0x7fffffff; points.data[at] = at % 4 === 3 ? 255 : seed >> 16;
        }
        pen.putImageData(points, 0, 0);
        canvas.toBlob(blob => {
            const chosen = new DataTransfer(), input = document.querySelector(selector);
            chosen.items.add(new File([blob], 'photo.jpg', { type: 'image/jpeg' }));
            input.files = chosen.files;
            input.dispatchEvent(new Event('change', { bubbles: true }));
            done(blob.size);
        }, 'image/jpeg', 0.9);";
    tab.client.execute_async(script, vec![input.into()]).await.unwrap().as_u64().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_photo_is_shrunk_before_it_is_sent_and_a_pdf_can_be_looked_at() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let browser = Browser::start();
    let tab = browser.open(village, Screen::Desk).await;
    tab.log_in(village, "officer").await;
    tab.begin("linshi").await;
    tab.press_text("申请材料").await;
    let page = tab.path().await;
    let draft = page.split('/').nth(2).unwrap().to_owned();
    let first = tab.script("return document.querySelector('input[type=file]').id;", vec![]).await;
    let first = first.as_str().unwrap().to_owned();
    let taken = photograph(&tab, &format!("input[id='{first}']")).await;
    assert!(taken > 1_000_000, "{taken} bytes are a photo");
    tab.reads("main", "→").await;
    tab.press("button[data-main]").await;
    let kept = village.node().hall().draft(draft.parse().unwrap()).await.unwrap();
    let shrunk = kept.attachments[0].bytes;
    assert!(shrunk * 2 < taken, "{taken} bytes were taken, {shrunk} sent");

    // A PDF goes in as it is, and opens in the browser's own viewer, which a sandbox would shut out.
    let folder = Folder::new();
    let pdf: PathBuf = folder.0.join("statement.pdf");
    std::fs::write(&pdf, PDF).unwrap();
    tab.see(&format!("input[id='{first}']")).await.send_keys(pdf.to_str().unwrap()).await.unwrap();
    tab.press("button[data-main]").await;
    let script = "const [path, done] = arguments;
        fetch(path).then(answer => done([answer.headers.get('content-type'), answer.headers.get('content-security-policy')]));";
    let told = tab.client.execute_async(script, vec![json!(format!("{page}/{first}"))]).await.unwrap();
    assert_eq!(told[0], "application/pdf");
    assert!(!told[1].as_str().unwrap().contains("sandbox"), "{told}");

    // A file that is too large is refused by name; the others are taken.
    let large = folder.0.join("large.pdf");
    std::fs::write(&large, [PDF, &vec![b' '; 9 << 20]].concat()).unwrap();
    tab.see(&format!("input[id='{first}']")).await.send_keys(large.to_str().unwrap()).await.unwrap();
    tab.press("button[data-main]").await;
    assert!(tab.text(".summary").await.contains("8192 KB"), "{}", tab.text("main").await);
    tab.close().await;
    city.stop().await;
}

const PDF: &[u8] =
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj 2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj \
    3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 200 200]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_no_line_carries_goes_by_stick_and_the_town_says_what_lies_there() {
    let mut city = City::start(1).await;
    city.town.stop().await;
    let token = city.villages[0].token("officer").await;
    let case = record_by_program(&city.villages[0], &token, "food", 3).await;
    let browser = Browser::start();
    let stick = Folder::new();
    let tab = browser.open_with(&city.villages[0], Screen::Desk, Some(&stick.0)).await;
    tab.log_in(&city.villages[0], "officer").await;
    tab.reads("#badge", "离线").await;
    tab.go("/outbox").await;
    tab.see("a[href='/bag']").await.click().await.unwrap();
    let bag = || {
        let files = std::fs::read_dir(&stick.0).unwrap().map(|file| file.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "tbag"))
    };
    eventually("the bag is on the stick", async || bag().is_some()).await;
    tab.close().await;

    // The town is there again, at an address the village does not know, and the hub is not.
    city.hub.stop().await;
    city.town.start_again().await;
    let town = browser.open(&city.town, Screen::Desk).await;
    town.log_in(&city.town, "officer").await;
    town.go("/outbox").await;
    town.see("#bag").await.send_keys(bag().unwrap().to_str().unwrap()).await.unwrap();
    town.press("form[action='/bag'] button").await;
    let told = town.text("main").await;
    assert!(told.contains("已导入") && told.contains(&case), "{told}");
    assert!(!told.contains("仅存本机"), "the town has it, whatever the village knows: {told}");
    town.reads("#badge", "离线").await;
    town.reads("#badge", "份扫描件").await;
    town.close().await;
    city.stop().await;
}
