//! Nobody acts without a letter of delegation, and what goes out under a seal can be checked in a village with no network.

use super::law::village_sees;
use super::people;
use super::{record, waits_in_queue, work};
use serde_json::json;
use testkit::api::refusal;
use tests::city::{City, eventually, stick};
use tier::at_rest::Unlock;

/// A food licence, worked through to its decision; the last act is `head`'s.
pub async fn up_to_decision(city: &City, seed: u64) -> (String, String) {
    let village = city.villages[0].token("officer").await;
    let case = record(&city.villages[0], &village, "food", seed).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    work(&city.town, &town, &case, "town", "complete", json!({ "agrees": true })).await;
    let (zw, sj) = (city.body_officer("zw").await, city.body_officer("sj").await);
    for (who, stage) in [(&zw, "accept"), (&sj, "review"), (&sj, "inspect")] {
        waits_in_queue(&city.hub, who, &case, stage).await;
        work(&city.hub, who, &case, stage, "claim", json!({})).await;
        work(
            &city.hub,
            who,
            &case,
            stage,
            "complete",
            json!({ "agrees": true, "opinion": "符合", "officers": ["吴", "李"] }),
        )
        .await;
    }
    let head = city.body_colleague("sj", "2").await;
    waits_in_queue(&city.hub, &head, &case, "decide").await;
    work(&city.hub, &head, &case, "decide", "claim", json!({})).await;
    (case, head)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_letter_stops_the_decision_and_a_new_one_lets_it_happen() {
    let city = City::start(1).await;
    let (case, head) = up_to_decision(&city, 81).await;
    let admin = city.hub.token("officer").await;
    let today = city.hub.node().hall().now().day().to_string();
    let revocation = json!({ "number": "委-sj", "delegate": { "node": "hub", "officer": "sj-2" }, "from": today, "reason": "调离" });
    let mut act = revocation;
    act["kind"] = "revoke_letter".into();
    let proposal = json!({ "act": act, "proof": city.hub.proof("sj-2").await });
    let by_body = city.hub.post(&head, "/countersigns", proposal).await.unwrap_err();
    assert_eq!(refusal(&by_body).unwrap().status, 403, "a body does not keep the register of letters");
    people::two_persons(&city.hub, act).await.unwrap();
    let path = format!("/cases/{case}/stages/decide/decide");
    let refused_act = json!({ "outcome": "refused", "text": "不符合", "article": "第三十八条" });
    let told = city.hub.post(&head, &path, refused_act.clone()).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("已自"), "I18: {told:#}");

    let letter = |number: &str, to: &str| {
        json!({ "letters": [{ "number": number, "body": "sj", "delegates": [{ "node": "hub", "officer": "sj-2" }], "items": ["food"],
            "powers": ["decide", "issue"], "area": "522601", "from": "2026-01-01", "to": to, "signed_by": "局长" }] })
    };
    let taken = city.hub.post(&admin, "/letters", letter("委-sj", "2036-12-31")).await.unwrap_err();
    assert!(refusal(&taken).unwrap().message.contains("文号已被使用"), "{taken:#}");
    let backwards = city.hub.post(&admin, "/letters", letter("委-sj-2", "2025-12-31")).await.unwrap_err();
    assert!(refusal(&backwards).unwrap().message.contains("终止日期"), "{backwards:#}");
    city.hub.post(&admin, "/letters", letter("委-sj-2", "2036-12-31")).await.unwrap();
    let decided = city.hub.post(&head, &path, refused_act).await.unwrap();
    assert_eq!(decided["dossier"]["decision"]["delegation"], "委-sj-2");
    // Revoking it afterwards does not make void what was decided while it stood.
    let village = city.villages[0].token("officer").await;
    village_sees(&city, &village, &case, "the village believes it", |view| {
        view["status"] == "refused" && view["doubt"].is_null()
    })
    .await;
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sealed_decision_is_checked_in_the_village_without_a_network() {
    let mut city = City::start(1).await;
    let (case, head) = up_to_decision(&city, 82).await;
    let text =
        json!({ "outcome": "refused", "text": "经营场所不符合规定", "article": "《食品安全法》第三十三条" });
    work(&city.hub, &head, &case, "decide", "decide", text).await;
    let village = city.villages[0].token("officer").await;
    village_sees(&city, &village, &case, "the paper is here", |view| view["status"] == "refused").await;
    city.town.stop().await;

    let site = &city.villages[0];
    let view = site.get(&village, &format!("/cases/{case}")).await;
    let paper: domain::paper::SealedPaper =
        serde_json::from_value(view["dossier"]["papers"][0].clone()).unwrap();
    assert!(paper.number.contains("市场监督管理局行决字") && paper.ledger_no == 1, "{paper:?}");
    let content = paper.read().unwrap();
    assert!(content.remedies.unwrap().contains("六十日内") && content.article.unwrap().contains("三十三条"));
    let code = trust::SealClaim::of(&paper).unwrap().encode();
    let checked = site.post(&village, "/papers/verify", json!({ "code": code })).await.unwrap();
    assert_eq!(checked["number"], paper.number.as_str());
    let forged = code.replace("|1|1|", "|1|2|");
    assert_ne!(forged, code);
    let told = site.post(&village, "/papers/verify", json!({ "code": forged })).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("改动"), "{told:#}");
    // The refusal is handed over in the village, by whoever works there.
    waits_in_queue(site, &village, &case, "deliver").await;
    work(site, &village, &case, "deliver", "deliver", json!({ "receiver": "本人", "proof": "签名" })).await;

    // What is printed proves itself, from the file alone; one changed letter gives it away.
    let printed = site.get(&village, &format!("/cases/{case}/sheets/decision")).await;
    let file = city.folder.0.join("decision.html");
    let verify = async |html: &str| {
        std::fs::write(&file, html).unwrap();
        let unlock = Unlock { key_file: Some(stick(&site.data)), unlock_as: None };
        let common = tier::Common { data_dir: site.data.clone(), json: true, unlock };
        let paper = file.display().to_string();
        tier::verbs::run(&common, tier::Verb::VerifyDocument { paper }).await
    };
    let html = printed.as_str().unwrap();
    for part in ["不予许可", "第三十三条", "六十日内", "审批专用章", paper.number.as_str()]
    {
        assert!(html.contains(part), "{part} is missing on the sheet");
    }
    verify(html).await.unwrap();
    let told = verify(&html.replace("不符合规定", "符合规定")).await.unwrap_err();
    assert!(told.to_string().contains("改动"), "{told:#}");
    let receipt = site.get(&village, &format!("/cases/{case}/sheets/receipt")).await;
    let code = receipt.as_str().unwrap().split("data-tongban-code=\"").nth(1).unwrap();
    let claim = trust::ReceiptClaim::decode(code.split('"').next().unwrap()).unwrap();
    assert!(claim.verifies(&city.hub.node().hall().store.network()), "the slip proves itself anywhere");
    let told =
        site.call(&village, http::Method::GET, &format!("/cases/{case}/sheets/licence"), "".into()).await;
    assert!(refusal(&told.unwrap_err()).unwrap().message.contains("没有制发证照"));
    let sheets = site.get(&village, &format!("/cases/{case}/sheets")).await.to_string();
    assert!(sheets.contains("service") && !sheets.contains("commitment"), "{sheets}");
    let mandate = site.get(&village, &format!("/cases/{case}/sheets/mandate")).await.to_string();
    assert!(mandate.contains("代办员") && mandate.contains("第一百六十五条"), "{mandate}");

    // A worn seal is withdrawn: what was pressed before stays good, the next paper carries the next seal.
    let made = city.hub.node().hall().renew_seal("cli", &"sj".parse().unwrap(), None).await.unwrap();
    assert_eq!(made.no, 2);
    let seals = city.hub.get(&city.hub.token("officer").await, "/seals").await;
    let of_sj: Vec<_> = seals.as_array().unwrap().iter().filter(|one| one["seal"]["owner"] == "sj").collect();
    assert_eq!(of_sj.len(), 2);
    assert!(!of_sj[0]["withdrawn"].is_null() && of_sj[1]["withdrawn"].is_null(), "{of_sj:?}");
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_department_changes_its_seal_to_sm2_and_villages_believe_both() {
    let city = City::start(1).await;
    let (first, _) = up_to_decision(&city, 86).await;
    // The head is one person at both: the last log-in is the one that stands.
    let (second, head) = up_to_decision(&city, 87).await;
    let text =
        json!({ "outcome": "refused", "text": "经营场所不符合规定", "article": "《食品安全法》第三十三条" });
    let village = city.villages[0].token("officer").await;
    for (case, suite, seal_no) in [(&first, 1, 1), (&second, 2, 2)] {
        work(&city.hub, &head, case, "decide", "decide", text.clone()).await;
        village_sees(&city, &village, case, "the village believes it", |view| {
            view["status"] == "refused" && view["doubt"].is_null()
        })
        .await;
        let view = city.villages[0].get(&village, &format!("/cases/{case}")).await;
        let paper: domain::paper::SealedPaper =
            serde_json::from_value(view["dossier"]["papers"][0].clone()).unwrap();
        assert_eq!((paper.suite, paper.seal.no), (suite, seal_no));
        // The village checks what is printed by the text of its code alone, and one changed digit gives it away.
        let code = trust::SealClaim::of(&paper).unwrap().encode();
        let site = &city.villages[0];
        let checked = site.post(&village, "/papers/verify", json!({ "code": code })).await.unwrap();
        assert_eq!(checked["number"], paper.number.as_str());
        let forged = code.replace(&paper.number, &paper.number.replace("2026", "2025"));
        let told = site.post(&village, "/papers/verify", json!({ "code": forged })).await.unwrap_err();
        assert!(refusal(&told).unwrap().message.contains("改动"), "{told:#}");
        let sheet = site.get(&village, &format!("/cases/{case}/sheets/decision")).await;
        assert!(sheet.as_str().unwrap().contains(&paper.number));
        // Between the two cases the department lays its seal away for one of the national algorithms.
        let sm2 = Some(trust::Suite::Sm2Sm3);
        city.hub.node().hall().renew_seal("cli", &"sj".parse().unwrap(), sm2).await.unwrap();
    }
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn numbers_of_papers_have_no_gaps_however_many_windows_decide_at_once() {
    let city = City::start(1).await;
    let mut waiting = Vec::new();
    for seed in 0..4 {
        waiting.push(up_to_decision(&city, 90 + seed).await);
    }
    // Four windows with one account: the last log-in is the one that stands.
    let (hub, head) = (&city.hub, &waiting[3].1);
    let acts = waiting.iter().map(|(case, _)| async move {
        let text = json!({ "outcome": "refused", "text": "不符合", "article": "第三十八条" });
        hub.post(head, &format!("/cases/{case}/stages/decide/decide"), text).await.unwrap()
    });
    let decided = futures::future::join_all(acts).await;
    let mut ledger: Vec<u64> =
        decided.iter().map(|view| view["dossier"]["papers"][0]["ledger_no"].as_u64().unwrap()).collect();
    ledger.sort_unstable();
    assert_eq!(ledger, [1, 2, 3, 4], "I20");
    eventually("all of them are at the town", async || {
        let mut there = 0;
        for (case, _) in &waiting {
            let town = city.town.token("officer").await;
            there +=
                usize::from(city.town.get(&town, &format!("/cases/{case}")).await["status"] == "refused");
        }
        there == waiting.len()
    })
    .await;
    city.stop().await;
}

/// I18: a page that waits for its predecessor is judged again when that comes, by what its writer may do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_sent_ahead_of_its_capture_claims_no_more_than_one_sent_after_it() {
    use domain::dossier::{Captured, Page, PageBody, Submission};
    use store::{Append, NewEntry, kind};
    let city = City::start(1).await;
    let hall = city.villages[0].node().hall().clone();
    let (now, item) = (hall.now(), "food".parse().unwrap());
    let (release, _, _) = hall.item(None, &item).unwrap();
    let case = domain::CaseNo::make(hall.me(), now.day(), 7);
    let decide: domain::StageId = "review".parse().unwrap();
    let forged =
        PageBody::StageDone {
            stage: decide.clone(), agrees: true, opinion: "同意".into(), officers: vec![]
        };
    let submission = Submission::default();
    let captured = PageBody::Captured(Captured {
        item,
        release,
        submission,
        bundle: None,
        intake: domain::network::Tier::Village,
    });
    let entries = [(2, forged), (1, captured)].map(|(no, body)| {
        let (officer, delegation) = ("officer".to_owned(), None);
        let page = Page { case: case.clone(), no, term: 1, at: now, officer, delegation, body };
        let (id, channel) = (hall.random.entry_id(now), replication::Channel::Up);
        let body = serde_json::to_vec(&page).unwrap();
        NewEntry { id, channel, kind: kind::PAGE, subject: case.to_string(), body }
    });
    hall.store.append(Append::new(now, "officer", "forged", entries.into())).await.unwrap();
    for site in [&city.villages[0], &city.town] {
        let store = site.node().hall().store.clone();
        eventually("the case is here and the forged page is an incident", async || {
            store.dossier(&case).await.unwrap().is_some() && store.counts().await.unwrap().quarantined == 1
        })
        .await;
        let dossier = store.dossier(&case).await.unwrap().unwrap().dossier;
        assert_eq!((dossier.pages, dossier.stages.contains_key(&decide)), (1, false));
    }
    city.stop().await;
}
