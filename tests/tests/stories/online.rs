//! A citizen applies from home: the hub signs for it, the window of their town takes it in, and it goes the way of all others.

use super::{waits_in_queue, work};
use casework::{ActError, Citizen, FieldName, Hall, OnlineRequests};
use domain::dossier::decide::Refusal;
use domain::{CaseNo, EntryId, ItemId};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::json;
use store::{ApplicationQuery, Draft, StoreError};
use tests::city::{City, Site, eventually};

/// Somebody of 碧波镇, the town of this city.
fn somebody(number: usize) -> testkit::Applicant {
    let people = testkit::applicants();
    people.into_iter().filter(|one| one.village.starts_with("522601108")).nth(number).expect("enough people")
}

fn citizen(one: &testkit::Applicant) -> Citizen {
    Citizen { name: one.name.clone(), number: one.id_no.clone() }
}

/// A draft of `item` in the hall with everything in it.
async fn fills_in(hall: &Hall, who: &testkit::Applicant, item: &str, seed: u64) -> Draft {
    let (me, mut dice) = (citizen(who), StdRng::seed_from_u64(seed));
    let id: ItemId = item.parse().unwrap();
    let draft = hall.start_online(&me, &id).await.unwrap();
    assert_eq!(
        domain::form::applicant(&draft.form).1,
        me.number,
        "who has logged in need not say who they are"
    );
    let (_, _, known) = hall.item(None, &id).unwrap();
    let form = testkit::fill(&known, std::slice::from_ref(who), hall.now().day(), &mut dice);
    let typed = form.iter().filter(|(key, _)| *key != "channel");
    let typed = typed.map(|(key, value)| (FieldName { item: None, key: key.clone() }, Some(value.clone())));
    let mut draft = hall.fill_online(&me, draft.id, draft.version, typed.collect()).await.unwrap();
    for (material, paper) in hall.draft_form(&draft).unwrap().papers(&draft, hall.now().day()) {
        if paper.necessity != domain::catalogue::Necessity::Optional {
            let scan = testkit::scans::jpeg(&mut dice);
            draft = hall.attach_online(&me, draft.id, material, scan).await.unwrap();
        }
    }
    draft
}

/// The town is cut off when the application comes; the day of receipt is the city's all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_application_from_home_is_received_at_once_and_taken_in_by_the_window_of_the_town() {
    let city = City::start(1).await;
    let (town, hub) = (&city.town, city.hub.node().hall());
    let who = somebody(0);
    let me = citizen(&who);
    let uplink = town.node().uplink.clone().unwrap();
    uplink.switch(false);
    let draft = fills_in(hub, &who, "dibao", 1).await;
    assert!(hub.online_faults(&me, &draft).unwrap().is_empty(), "{:?}", hub.online_faults(&me, &draft));
    let stale = hub.submit_online(&me, draft.id, draft.version - 1).await.unwrap_err();
    assert!(matches!(stale, ActError::Store(StoreError::StaleDraft { .. })), "not what was read: {stale}");
    let case = hub.submit_online(&me, draft.id, draft.version).await.unwrap();
    assert_eq!(hub.submit_online(&me, draft.id, draft.version).await.unwrap(), case, "I23: pressed twice");
    let waiting = hub.waiting_application(&case).await.unwrap().unwrap();
    assert_eq!((waiting.application.town.clone(), waiting.overdue), (town.node().hall().me().clone(), false));
    assert_eq!(hub.waiting_of(&me).await.unwrap().len(), 1);
    assert_eq!(hub.waiting_of(&citizen(&somebody(1))).await.unwrap().len(), 0);
    uplink.switch(true);

    let token = town.token("officer").await;
    waits_in_queue(town, &token, case.as_str(), first_stage(town.node().hall(), "dibao").as_str()).await;
    let dossier = hub_has(hub, &case).await;
    assert_eq!((&dossier.origin, dossier.intake), (town.node().hall().me(), domain::network::Tier::Town));
    assert_eq!(dossier.received, Some(draft.updated.day()), "received the day it entered the city's system");
    assert!(hub.waiting_application(&case).await.unwrap().is_none());
    assert_eq!(hub.cases_of(&me).await.unwrap().len(), 1, "among their own cases now");
    eventually("its papers are at the town, and nothing is on its way", async || {
        let counts = town.node().hall().counts().await.unwrap();
        counts.attachments_missing == 0 && counts.attachments_on_way == 0
    })
    .await;
    city.stop().await;
}

fn first_stage(hall: &Hall, item: &str) -> domain::StageId {
    let (_, _, item) = hall.item(None, &item.parse().unwrap()).unwrap();
    item.stages.iter().find(|stage| !stage.kind.is_capture()).unwrap().id.clone()
}

async fn hub_has(hub: &Hall, case: &CaseNo) -> domain::dossier::Dossier {
    eventually("the hub has the case", async || hub.store.dossier(case).await.unwrap().is_some()).await;
    hub.store.dossier(case).await.unwrap().unwrap().dossier
}

/// What is sent back is mended from home too; what the window has mended meanwhile is not mended twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_sent_back_is_mended_where_it_was_written() {
    let city = City::start(1).await;
    let (town, hub) = (&city.town, city.hub.node().hall());
    let who = somebody(2);
    let me = citizen(&who);
    let draft = fills_in(hub, &who, "dibao", 7).await;
    let case = hub.submit_online(&me, draft.id, draft.version).await.unwrap();
    let token = town.token("officer").await;
    waits_in_queue(town, &token, case.as_str(), "accept").await;
    let again = hub.mend_online(&me, &case).await.unwrap_err();
    assert!(matches!(again, ActError::Refused(Refusal::NotReturned)), "nobody sent it back: {again}");
    let fault = json!({ "field": "deposit", "label": "存款", "reason": "与银行流水不符" });
    work(town, &token, case.as_str(), "accept", "return", json!({ "faults": [fault] })).await;
    eventually("the hub knows", async || {
        hub.store.dossier(&case).await.unwrap().is_some_and(|one| one.dossier.returned.is_some())
    })
    .await;
    let mended = hub.mend_online(&me, &case).await.unwrap();
    assert_eq!(hub.mend_online(&me, &case).await.unwrap().id, mended.id, "one draft for one notice");
    assert!(!mended.attachments.is_empty(), "nobody hands in the same paper twice");
    let stranger = citizen(&somebody(3));
    assert!(matches!(hub.online_draft(&stranger, mended.id).await, Err(ActError::NotFound { .. })));
    assert!(matches!(hub.mend_online(&stranger, &case).await, Err(ActError::NotFound { .. })));
    // It stays theirs, and goes back to where it lies, whatever is typed.
    let field =
        |key: &str, value: serde_json::Value| (FieldName { item: None, key: key.into() }, Some(value));
    let another = vec![field("name", json!(stranger.name)), field("id_no", json!(stranger.number))];
    let forged = hub.fill_online(&me, mended.id, mended.version, another).await.unwrap();
    let refused = hub.submit_online(&me, forged.id, forged.version).await;
    assert!(matches!(refused, Err(ActError::Refused(Refusal::Faulty(_)))), "a case is given to nobody else");
    let elsewhere = OnlineRequests {
        town: Some(city.villages[0].node().hall().me().clone()),
        ..OnlineRequests::default()
    };
    let forged = hub.ask_online(&me, forged.id, forged.version, elsewhere).await.unwrap();
    assert_eq!(forged.online.as_ref().unwrap().town.as_ref(), Some(town.node().hall().me()));
    let typed =
        vec![field("deposit", json!(1200)), field("name", json!(me.name)), field("id_no", json!(me.number))];
    let mended = hub.fill_online(&me, forged.id, forged.version, typed).await.unwrap();
    assert_eq!(hub.submit_online(&me, mended.id, mended.version).await.unwrap(), case, "the number stays");
    waits_in_queue(town, &token, case.as_str(), "accept").await;
    let page = town.node().hall().store.current_submission(&case).await.unwrap().unwrap();
    assert_eq!(page.body.submission().unwrap().form["deposit"], 1200);
    eventually("the hub knows that its town took it in", async || {
        hub.waiting_of(&me).await.unwrap().is_empty()
    })
    .await;
    for site in [&city.hub, town] {
        folds_alike(site).await;
        let open = ApplicationQuery { open_only: true, limit: 9, ..Default::default() };
        assert!(site.node().hall().store.applications(open).await.unwrap().is_empty());
        assert!(site.node().hall().answers_not_taken(&case).await.unwrap().is_empty(), "this one was");
    }
    // Sent back once more and recalled by the city: nobody is told to mend what would go nowhere.
    let again =
        json!({ "faults": [{ "field": "m1", "label": "申请书", "reason": "缺页" }], "again": "新发现" });
    work(town, &token, case.as_str(), "accept", "return", again).await;
    eventually("the hub knows", async || {
        hub.store.dossier(&case).await.unwrap().is_some_and(|one| one.dossier.returned.is_some())
    })
    .await;
    let officer = city.hub.token("officer").await;
    city.hub.post(&officer, &format!("/cases/{case}/recall"), json!({})).await.unwrap();
    let refused = hub.mend_online(&me, &case).await.unwrap_err();
    assert!(matches!(refused, ActError::Refused(Refusal::NotReturned)), "{refused}");
    city.stop().await;
}

/// I10: the journals alone give the same, whatever lies before what.
async fn folds_alike(site: &Site) {
    let (hall, store) = (site.node().hall(), &site.opened().store);
    let seen = async || (hall.store.heads().await.unwrap(), store.state_hash().await.unwrap());
    eventually("nothing arrives in between", async || {
        let before = seen().await;
        store.rebuild(hall.now()).await.unwrap();
        let after = seen().await;
        assert!(
            before.0 != after.0 || before.1 == after.1,
            "{} folds differently the second time",
            hall.me()
        );
        before.0 == after.0
    })
    .await;
}

/// The window mended what its applicant mended at home as well: the scan that came too late is nobody's to wait for, not even when
/// the journals are read again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_scan_that_came_too_late_is_not_missed_i10() {
    let city = City::start(1).await;
    let (town, hub) = (&city.town, city.hub.node().hall());
    let who = somebody(8);
    let me = citizen(&who);
    let draft = fills_in(hub, &who, "dibao", 13).await;
    let case = hub.submit_online(&me, draft.id, draft.version).await.unwrap();
    let token = town.token("officer").await;
    waits_in_queue(town, &token, case.as_str(), "accept").await;
    let fault = json!({ "field": "m1", "label": "申请书", "reason": "看不清" });
    work(town, &token, case.as_str(), "accept", "return", json!({ "faults": [fault] })).await;
    eventually("the hub knows", async || {
        hub.store.dossier(&case).await.unwrap().is_some_and(|one| one.dossier.returned.is_some())
    })
    .await;
    let uplink = town.node().uplink.clone().unwrap();
    uplink.switch(false);
    let mended = hub.mend_online(&me, &case).await.unwrap();
    let scan = testkit::scans::jpeg(&mut StdRng::seed_from_u64(14));
    let paper = mended.attachments[0].material.clone();
    let mended = hub.attach_online(&me, mended.id, paper, scan).await.unwrap();
    hub.submit_online(&me, mended.id, mended.version).await.unwrap();
    town.post(&token, &format!("/cases/{case}/resubmit"), json!({ "form": draft.form })).await.unwrap();
    uplink.switch(true);
    let both = ApplicationQuery { case: Some(case.clone()), limit: 9, ..Default::default() };
    eventually("each knows what the other did", async || {
        let at_town = town.node().hall().store.applications(both.clone()).await.unwrap();
        let at_hub = hub.store.applications(both.clone()).await.unwrap();
        at_town.len() == 2 && at_hub.iter().all(|one| !one.open)
    })
    .await;
    uplink.switch(false);
    for site in [&city.hub, town] {
        folds_alike(site).await;
        let stored = site.node().hall().store.dossier(&case).await.unwrap().unwrap();
        assert_eq!(stored.missing_attachments, 0, "{}", site.node().hall().me());
        // Nobody is left to believe that it was read.
        let unused = site.node().hall().answers_not_taken(&case).await.unwrap();
        assert_eq!(unused.len(), 1, "{}", site.node().hall().me());
    }
    city.stop().await;
}

/// A town without a line gets applications, and their papers, in the bag a courier brings.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_courier_brings_applications_with_their_papers() {
    let city = City::start(1).await;
    let (town, hub) = (&city.town, city.hub.node().hall());
    town.node().uplink.clone().unwrap().switch(false);
    let who = somebody(6);
    let draft = fills_in(hub, &who, "dibao", 11).await;
    let case = hub.submit_online(&citizen(&who), draft.id, draft.version).await.unwrap();
    let mut bag = Vec::new();
    link::bag::export(&city.hub.opened().node(), town.node().hall().me(), &mut bag).await.unwrap();
    let report = link::bag::import(&town.opened().node(), &*bag).await.unwrap();
    assert!(report.complete && report.attachments as usize == draft.attachments.len(), "{report:?}");
    let token = town.token("officer").await;
    // With its papers: it can be judged at once.
    waits_in_queue(town, &token, case.as_str(), "accept").await;
    city.stop().await;
}

/// What one person may put on everybody's desk has a measure; and a number that looks like a company's is still a person's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_has_a_measure_and_a_person_is_no_company() {
    let city = City::start(1).await;
    let hub = city.hub.node().hall();
    let who = somebody(7);
    let me = citizen(&who);
    for seed in 0..10 {
        let draft = fills_in(hub, &who, "sscard", 20 + seed).await;
        let asked =
            OnlineRequests { town: Some(city.town.node().hall().me().clone()), ..OnlineRequests::default() };
        let draft = hub.ask_online(&me, draft.id, draft.version, asked).await.unwrap();
        hub.submit_online(&me, draft.id, draft.version).await.unwrap();
    }
    let draft = fills_in(hub, &who, "sscard", 40).await;
    let refused = hub.submit_online(&me, draft.id, draft.version).await.unwrap_err();
    assert!(refused.to_string().contains("明天"), "{refused}");
    assert!(hub.online_draft(&me, draft.id).await.is_ok(), "it is kept for tomorrow");
    let people = testkit::applicants();
    let looks_like_one = people.iter().find(|one| domain::numbers::check_credit_code(&one.id_no).is_ok());
    let person = citizen(looks_like_one.expect("one in thirty"));
    let draft = hub.start_online(&person, &"dibao".parse().unwrap()).await.unwrap();
    assert_eq!(domain::form::applicant(&draft.form), (&*person.name, &*person.number));
    city.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_applies_for_somebody_else_or_for_what_needs_them_there() {
    let city = City::start(1).await;
    let hub = city.hub.node().hall();
    let (who, other) = (somebody(4), somebody(5));
    let me = citizen(&who);
    let refused = hub.start_online(&me, &"marry".parse().unwrap()).await.unwrap_err();
    assert!(refused.to_string().contains("本人到场"), "{refused}");
    let draft = fills_in(hub, &who, "dibao", 3).await;
    let name = |key: &str, value: &str| (FieldName { item: None, key: key.into() }, Some(json!(value)));
    let typed = vec![name("id_no", &other.id_no), name("name", &other.name)];
    let forged = hub.fill_online(&me, draft.id, draft.version, typed).await.unwrap();
    let faults = hub.online_faults(&me, &forged).unwrap();
    assert!(faults.iter().any(|fault| fault.reason.contains("您本人")), "{faults:?}");
    assert!(matches!(
        hub.submit_online(&me, forged.id, forged.version).await,
        Err(ActError::Refused(Refusal::Faulty(_)))
    ));
    // A half-written one is refused with everything that lacks, and can be thrown away.
    let empty = hub.start_online(&me, &"food".parse().unwrap()).await.unwrap();
    let asked =
        OnlineRequests { town: Some(city.town.node().hall().me().clone()), ..OnlineRequests::default() };
    let empty = hub.ask_online(&me, empty.id, empty.version, asked).await.unwrap();
    assert!(hub.online_faults(&me, &empty).unwrap().len() > 5);
    hub.drop_online(&me, empty.id).await.unwrap();
    assert!(matches!(hub.online_draft(&me, empty.id).await, Err(ActError::NotFound { .. })));
    for _ in 0..9 {
        hub.start_online(&me, &"food".parse().unwrap()).await.unwrap();
    }
    let too_many = hub.start_online(&me, &"food".parse().unwrap()).await.unwrap_err();
    assert!(too_many.to_string().contains("太多"), "{too_many}");
    assert!(matches!(hub.submit_online(&me, EntryId([9; 16]), 1).await, Err(ActError::NotFound { .. })));
    city.stop().await;
}
