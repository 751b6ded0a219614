//! 开办餐饮店“一件事”: one form, one set of papers, one receipt; five licences that rest on each other.

use super::law::{city_on_monday, view, village_sees};
use super::{waits_in_queue, work};
use http::Method;
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};
use testkit::api::refusal;
use tests::city::City;

/// Fills and captures the bundle for one person. Returns the cases by item, and how many papers were brought.
async fn opens_a_restaurant(city: &City) -> (Map<String, Value>, usize) {
    let (site, token) = (&city.villages[0], city.villages[0].token("officer").await);
    let (_, pack) = site.node().hall().pack(None).unwrap();
    let bundle = pack.bundle("b_catering").unwrap();
    let nothing = site.post(&token, "/drafts", json!({ "bundle": "b_everything" })).await.unwrap_err();
    assert!(refusal(&nothing).unwrap().message.contains("清单外"), "{nothing:#}");
    let draft = site.post(&token, "/drafts", json!({ "bundle": "b_catering" })).await.unwrap();
    let id = draft["id"].as_str().unwrap().to_owned();
    let (mut dice, today) = (StdRng::seed_from_u64(121), site.node().hall().now().day());
    let people = testkit::applicants();
    let her = people.iter().find(|one| today.years_since(one.birth) == 40).unwrap();
    let mut own = Map::new();
    let (mut handed_in, mut brought): (Vec<domain::catalogue::Material>, usize) = (Vec::new(), 0);
    let mut asked = Vec::new();
    for item in &bundle.items {
        let item = pack.item(item).unwrap();
        let form = testkit::fill(item, std::slice::from_ref(her), today, &mut dice);
        for material in domain::plan::asked_materials(item, &form, today) {
            asked.push((item.id.clone(), material.clone()));
        }
        own.insert(item.id.to_string(), Value::Object(form));
    }
    let body = json!({ "version": draft["version"], "form": {}, "own": own }).to_string();
    site.call(&token, Method::PUT, &format!("/drafts/{id}"), body.into()).await.unwrap();
    let missing = site.get(&token, &format!("/drafts/{id}/check")).await;
    let labels =
        missing.as_array().unwrap().iter().map(|fault| fault["label"].as_str().unwrap()).collect::<Vec<_>>();
    assert!(
        labels.iter().any(|label| label.starts_with("食品经营许可")),
        "each fault names its item: {labels:?}"
    );
    for (item, material) in &asked {
        if handed_in.iter().any(|known| domain::bundle::is_same_paper(known, material)) {
            continue;
        }
        let (scan, path) =
            (testkit::scans::jpeg(&mut dice), format!("/drafts/{id}/materials/{item}--{}", material.id));
        site.call(&token, Method::PUT, &path, scan.into()).await.unwrap();
        handed_in.push(material.clone());
        brought += 1;
    }
    assert!(brought < asked.len(), "{brought} papers serve {} places", asked.len());
    let path = format!("/drafts/{id}/capture");
    let told = site.post(&token, &path, json!({})).await.unwrap();
    let again = site.post(&token, &path, json!({})).await.unwrap();
    assert_eq!(told["case"], again["case"], "I23: one draft, one bundle");
    let members = told["dossier"]["bundle"]["members"].as_array().unwrap().clone();
    let by_item =
        members.into_iter().map(|one| (one["item"].as_str().unwrap().to_owned(), one["case"].clone()));
    (by_item.collect(), brought)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_intake_opens_five_cases_and_what_rests_on_the_first_licence_waits_for_it() {
    let (city, _) = city_on_monday().await;
    let (cases, _) = opens_a_restaurant(&city).await;
    assert_eq!(cases.len(), 5);
    let case = |item: &str| cases[item].as_str().unwrap().to_owned();
    let village = city.villages[0].token("officer").await;
    assert_eq!(city.villages[0].get(&village, "/cases").await.as_array().unwrap().len(), 5);
    let town = city.town.token("officer").await;
    for item in ["geti", "food"] {
        waits_in_queue(&city.town, &town, &case(item), "town").await;
    }
    // Both are unclear; the citizen reads one list.
    for item in ["geti", "food"] {
        let fault = json!({ "field": "m1", "label": "申请书", "reason": "未签字" });
        work(&city.town, &town, &case(item), "town", "return", json!({ "faults": [fault] })).await;
    }
    for item in ["geti", "food"] {
        village_sees(&city, &village, &case(item), "it is back", |view| view["status"] == "returned").await;
    }
    let whole = city.villages[0].get(&village, &format!("/cases/{}/bundle", case("geti"))).await;
    assert_eq!(whole["supplement"].as_array().unwrap().len(), 2, "one list for both: {whole}");
    for item in ["geti", "food"] {
        let page = city.villages[0].get(&village, &format!("/cases/{}/submission", case(item))).await;
        let form = page["body"]["captured"]["submission"]["form"].clone();
        let path = format!("/cases/{}/resubmit", case(item));
        city.villages[0].post(&village, &path, json!({ "form": form })).await.unwrap();
    }
    let (zw, sj, head) =
        (city.body_officer("zw").await, city.body_officer("sj").await, city.body_colleague("sj", "2").await);
    for item in ["geti", "food"] {
        waits_in_queue(&city.town, &town, &case(item), "town").await;
        work(&city.town, &town, &case(item), "town", "complete", json!({ "agrees": true })).await;
        waits_in_queue(&city.hub, &zw, &case(item), "accept").await;
        work(&city.hub, &zw, &case(item), "accept", "claim", json!({})).await;
        work(&city.hub, &zw, &case(item), "accept", "complete", json!({ "agrees": true })).await;
    }
    for stage in ["review", "inspect"] {
        work(&city.hub, &sj, &case("food"), stage, "claim", json!({})).await;
        let done = json!({ "agrees": true, "opinion": "符合", "officers": ["吴", "李"] });
        work(&city.hub, &sj, &case("food"), stage, "complete", done).await;
    }
    work(&city.hub, &head, &case("food"), "decide", "claim", json!({})).await;
    let grant = json!({ "outcome": "granted", "text": "准予" });
    let path = format!("/cases/{}/stages/decide/decide", case("food"));
    let early = city.hub.post(&head, &path, grant.clone()).await.unwrap_err();
    assert!(refusal(&early).unwrap().message.contains(&case("geti")), "{early:#}");

    // A refused branch stops only what depends on it.
    work(&city.hub, &sj, &case("geti"), "decide", "claim", json!({})).await;
    let refused = json!({ "outcome": "refused", "text": "名称不符合规定", "article": "《市场主体登记管理条例》第十条" });
    work(&city.hub, &sj, &case("geti"), "decide", "decide", refused.clone()).await;
    let told = city.hub.post(&head, &path, grant).await.unwrap_err();
    assert!(refusal(&told).unwrap().message.contains("未获准予"), "{told:#}");
    city.hub.post(&head, &path, refused).await.unwrap();
    let whole = city.hub.get(&head, &format!("/cases/{}/bundle", case("food"))).await;
    let status = |item: &str| {
        let members = whole["members"].as_array().unwrap();
        members.iter().find(|member| member["item"] == item).unwrap()["status"].clone()
    };
    assert_eq!((status("geti"), status("food")), (json!("refused"), json!("refused")));
    assert_eq!(whole["finished"], false, "three more are under way");
    // The market department sees how the fire brigade's branch stands, not what lies in its dossier.
    let others = format!("/api/v1/cases/{}", case("firecheck"));
    assert_eq!(city.hub.raw(http::Method::GET, &others, Some(&head)).await.0, 404);
    let overseer = city.hub.token("officer").await;
    assert!(view(&city.hub, &overseer, &case("firecheck")).await["dossier"]["decision"].is_null());
    city.stop().await;
}

/// Filled in as its pages ask: what the items share once, what each asks for besides with its item.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_bundle_of_the_catalogue_is_filled_in_as_its_pages_ask_and_captured() {
    let (city, _) = city_on_monday().await;
    let hall = city.villages[0].node().hall();
    let officer = proxy_officer();
    let (_, pack) = hall.pack(None).unwrap();
    let (people, today) = (testkit::applicants(), hall.now().day());
    for (number, bundle) in pack.bundles.iter().enumerate() {
        let draft = hall.start_bundle(&officer, &bundle.id).await.unwrap();
        let form = hall.draft_form(&draft).unwrap();
        // Whatever is wrong has a field or a paper of this draft that mends it, and is told once.
        let faults = hall.check_draft(draft.id).await.unwrap();
        let papers = form.papers(&draft, today);
        let mut told = std::collections::BTreeSet::new();
        for fault in &faults {
            let is_field = form.fields.iter().any(|(name, _)| name.control() == fault.field);
            let is_paper = papers.iter().any(|(id, _)| id.as_str() == fault.field);
            assert!(is_field || is_paper, "{}: {} leads nowhere", bundle.id, fault.field);
            assert!(told.insert((&fault.field, &fault.reason)), "{}: {} twice", bundle.id, fault.field);
        }
        let items: Vec<_> = form.items.iter().map(|item| &**item).collect();
        let mut dice = StdRng::seed_from_u64(700 + number as u64);
        // What is asked once has one answer, and not every two forms made by chance agree on it.
        let (mut draft, mut tries) = (draft, 0);
        loop {
            let forms = testkit::fill_bundle(&items, &people, today, &mut dice);
            let answer = |(name, field): &(casework::FieldName, domain::catalogue::Field)| {
                let alike = |item: &&domain::catalogue::Item| {
                    item.fields.iter().any(|other| domain::bundle::is_alike(other, field))
                };
                let at =
                    items.iter().position(|item| name.item.as_ref().map_or(alike(item), |id| item.id == *id));
                (name.clone(), forms[at.unwrap()].get(&name.key).cloned())
            };
            let typed = form.fields.iter().map(answer).collect();
            draft = hall.fill(&officer, draft.id, draft.version, typed).await.unwrap();
            let left = hall.check_draft(draft.id).await.unwrap();
            let of_form = |fault: &&domain::form::FormFault| {
                form.fields.iter().any(|(name, _)| name.control() == fault.field)
            };
            let left: Vec<_> = left.iter().filter(of_form).collect();
            tries += 1;
            match left.is_empty() {
                true => break,
                false => assert!(tries < 100, "{}: {left:#?}", bundle.id),
            }
        }
        for (id, _) in form.papers(&draft, today) {
            hall.attach(draft.id, id, testkit::scans::jpeg(&mut dice)).await.unwrap();
        }
        let left = hall.check_draft(draft.id).await.unwrap();
        assert!(left.is_empty(), "{}: {left:#?}", bundle.id);
        let view = hall.capture(&officer, draft.id).await.unwrap();
        assert_eq!(hall.bundle(&view.case).await.unwrap().members.len(), items.len());
    }
    city.stop().await;
}

/// A case is what was read out: another window that saves in between is told, not taken along.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_captured_that_was_not_read_out_or_is_not_asked() {
    let (city, _) = city_on_monday().await;
    let hall = city.villages[0].node().hall();
    let (officer, people, today) = (proxy_officer(), testkit::applicants(), hall.now().day());
    let draft = hall.start_draft(&officer, &"med_pay".parse().unwrap()).await.unwrap();
    let form = hall.draft_form(&draft).unwrap();
    let mut dice = StdRng::seed_from_u64(41);
    let mut answers = testkit::fill(&form.items[0], &people, today, &mut dice);
    answers.insert("accident".to_owned(), json!(true));
    answers.insert("accident_desc".to_owned(), json!("摔伤"));
    let name = |key: &str| casework::FieldName { item: None, key: key.to_owned() };
    let typed = answers.iter().map(|(key, value)| (name(key), Some(value.clone()))).collect();
    let draft = hall.fill(&officer, draft.id, draft.version, typed).await.unwrap();
    // It was no accident after all: the description stays in the draft, unseen.
    let no = vec![(name("accident"), Some(json!(false)))];
    let read_out = hall.fill(&officer, draft.id, draft.version, no).await.unwrap();
    assert_eq!(read_out.form["accident_desc"], "摔伤");
    for (id, _) in form.papers(&read_out, today) {
        hall.attach(draft.id, id, testkit::scans::jpeg(&mut dice)).await.unwrap();
    }
    let stale = hall.capture_read(&officer, draft.id, read_out.version).await;
    assert!(
        matches!(stale, Err(casework::ActError::Store(store::StoreError::StaleDraft { .. }))),
        "{stale:?}"
    );
    let now = hall.draft(draft.id).await.unwrap();
    let view = hall.capture_read(&officer, draft.id, now.version).await.unwrap();
    let handed_in = hall.store.current_submission(&view.case).await.unwrap().unwrap();
    let form = &handed_in.body.submission().unwrap().form;
    assert!(!form.contains_key("accident_desc") && form["accident"] == false, "{form:?}");
    city.stop().await;
}

/// Who has applied here before says the same things once; who is read by mistake leaves nothing behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_known_here_need_not_say_everything_again() {
    let city = city_on_monday().await.0;
    let hall = city.villages[0].node().hall();
    let (officer, people, today) = (proxy_officer(), testkit::applicants(), hall.now().day());
    let item = hall.item(None, &"dibao".parse().unwrap()).unwrap().2;
    let mut dice = StdRng::seed_from_u64(61);
    let name = |key: &str| casework::FieldName { item: None, key: key.to_owned() };
    let mut said = Vec::new();
    for _ in 0..2 {
        let form = testkit::fill(&item, &people, today, &mut dice);
        let draft = hall.start_draft(&officer, &item.id).await.unwrap();
        let typed = form.iter().map(|(key, value)| (name(key), Some(value.clone()))).collect();
        let draft = hall.fill(&officer, draft.id, draft.version, typed).await.unwrap();
        for (id, _) in hall.draft_form(&draft).unwrap().papers(&draft, today) {
            hall.attach(draft.id, id, testkit::scans::jpeg(&mut dice)).await.unwrap();
        }
        hall.capture(&officer, draft.id).await.unwrap();
        said.push(form);
    }
    let (hers, his) = (&said[0], &said[1]);
    assert_ne!(hers["id_no"], his["id_no"], "two people");
    let draft = hall.start_draft(&officer, &item.id).await.unwrap();
    let card = |form: &domain::form::Form| vec![(name("id_no"), Some(form["id_no"].clone()))];
    let draft = hall.fill(&officer, draft.id, draft.version, card(hers)).await.unwrap();
    assert_eq!((&draft.form["mobile"], &draft.form["name"]), (&hers["mobile"], &hers["name"]));
    // The wrong card: what it told goes, what the right one tells comes, what somebody typed stays.
    let typed = vec![(name("name"), Some(json!("杨阿榜")))];
    let draft = hall.fill(&officer, draft.id, draft.version, typed).await.unwrap();
    let draft = hall.fill(&officer, draft.id, draft.version, card(his)).await.unwrap();
    assert_eq!((&draft.form["mobile"], &draft.form["name"]), (&his["mobile"], &json!("杨阿榜")));
    let nobody = testkit::people::citizen_no("1967-05-19".parse().unwrap(), 948);
    let draft = hall
        .fill(&officer, draft.id, draft.version, vec![(name("id_no"), Some(nobody.into()))])
        .await
        .unwrap();
    assert!(!draft.form.contains_key("mobile"), "{:?}", draft.form);
    city.stop().await;
}

fn proxy_officer() -> casework::Officer {
    let roles = domain::access::Roles::new([domain::access::Role::ProxyOfficer]);
    casework::Officer::of_house("officer", None, roles)
}
