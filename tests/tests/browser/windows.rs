//! A morning at the windows of a town: numbers, the screen of the hall, the second screen for the citizen, the report in the evening.

use crate::recording::record_by_program;
use crate::tab::{Browser, Screen};
use serde_json::json;
use tests::city::City;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn people_take_numbers_are_called_to_a_window_and_the_hall_sees_it() {
    let city = City::start(1).await;
    let town = &city.town;
    let (browser, axe) = (Browser::start(), crate::looks::axe());
    let desk = browser.open(town, Screen::Desk).await;
    desk.log_in(town, "officer").await;
    let hall = browser.open(town, Screen::Desk).await;
    hall.log_in(town, "officer").await;
    hall.go("/screen").await;
    hall.reads("main", "请取号").await;

    desk.go("/tickets").await;
    desk.reads("main", "没有人在等").await;
    desk.press("button[value=apply]").await;
    desk.reads(".now", "A001").await;
    desk.fits().await;
    desk.picture("town-ticket").await;
    desk.go("/tickets").await;
    desk.choose("first", "1").await;
    desk.press("button[value=apply]").await;
    desk.reads("main", "前面还有 0 人").await;
    desk.go("/tickets").await;
    desk.fill("input[name=window]", "3").await;
    desk.press_text("叫下一位").await;
    desk.reads(".now", "A002").await;
    desk.reads("main", "3 号窗口").await;
    desk.fits().await;
    crate::looks::is_accessible(&desk, &axe).await;
    desk.picture("town-tickets-called").await;
    // The screen looks again by itself.
    hall.reads("tbody", "A002").await;
    hall.reads("tbody", "3 号窗口").await;
    hall.fits().await;
    crate::looks::is_accessible(&hall, &axe).await;
    hall.picture("town-screen-called").await;

    desk.press_text("过号").await;
    desk.reads("main", "这个窗口现在没有人").await;
    desk.press_text("重排").await;
    // The window is remembered by this browser.
    assert_eq!(desk.value("input[name=window]").await, "3");
    desk.press_text("叫下一位").await;
    desk.reads(".now", "A002").await;
    desk.press_text("叫下一位").await;
    desk.reads(".now", "A001").await;
    desk.press_text("办完").await;
    desk.press_text("叫下一位").await;
    desk.reads("main", "没有人在等;有人取号后再叫").await;
    desk.go("/daily").await;
    desk.reads("main", "取号").await;
    desk.fits().await;
    crate::looks::is_accessible(&desk, &axe).await;
    desk.picture("town-daily-full").await;
    hall.close().await;
    desk.close().await;
    city.stop().await;
}

/// The officer sends a case that has its result to the second screen; the citizen rates it there, once, and the screen forgets it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_citizen_rates_on_the_second_screen_what_the_officer_put_there() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let token = village.token("officer").await;
    // Decided by the village itself.
    let case = record_by_program(village, &token, "pension_reg", 5).await;
    let hall = village.node().hall();
    let case_no: domain::CaseNo = case.parse().unwrap();
    while let Some(stage) =
        hall.view(&case_no).await.unwrap().ready.first().filter(|one| one.kind == "decision")
    {
        let path = |verb: &str| format!("/cases/{case}/stages/{}/{verb}", stage.stage);
        let granted = json!({ "outcome": "granted", "text": "情况属实" });
        village.post(&token, &path("decide"), granted).await.unwrap();
    }

    let browser = Browser::start();
    let (desk, second) =
        (browser.open(village, Screen::Desk).await, browser.open(village, Screen::Phone).await);
    desk.log_in(village, "officer").await;
    second.log_in(village, "officer").await;
    second.go("/tablet").await;
    second.reads("main", "办结后").await;
    desk.go(&format!("/cases/{case}")).await;
    desk.press_text("送到评价器").await;
    desk.reads("#rating", "已在评价器上").await;
    second.see(".grades").await;
    second.reads("main", &case).await;
    second.fits().await;
    crate::looks::is_accessible(&second, &crate::looks::axe()).await;
    second.picture("tablet").await;
    let csrf = second.script("return document.querySelector('[name=_csrf]').value", vec![]).await;
    second.press("button[value=bad]").await;
    second.reads("main", "谢谢您的评价").await;
    let rated = hall.store.dossier(&case_no).await.unwrap().unwrap();
    assert_eq!(rated.dossier.rating().unwrap().1.grade, domain::rating::Grade::Bad);
    desk.go(&format!("/cases/{case}")).await;
    assert!(!desk.has("#rating").await, "one matter, one rating");
    second.go("/tablet").await;
    second.reads("main", "办结后").await;
    // A form that was left open, or pressed twice: thanks, and nothing of the house.
    let again =
        "return fetch('/tablet', { method: 'POST', credentials: 'same-origin', body: new URLSearchParams(
        { _csrf: arguments[0], case: arguments[1], grade: 'good' }) }).then(answer => answer.text())";
    for (csrf, words) in [(csrf, "谢谢您的评价"), ("another".into(), "上一次登录")] {
        let told = second.script(again, vec![csrf, case.clone().into()]).await;
        let told = told.as_str().unwrap();
        assert!(told.contains(words) && !told.contains("class=\"side\""), "{told}");
    }
    let kept = hall.store.dossier(&case_no).await.unwrap().unwrap().dossier;
    assert_eq!(kept.rating().unwrap().1.grade, domain::rating::Grade::Bad, "the first counts");
    desk.close().await;
    second.close().await;
    city.stop().await;
}
