//! A laptop is stolen, a town's disk burns: another machine takes the place, and the old one is let in no more.

use super::law::village_sees;
use super::{draft_of, no_doors, record, waits_in_queue};
use casework::{Place, Seating};
use domain::NodeId;
use domain::network::{Contact, Standing, Tier};
use http::Method;
use runtime::config::Listen;
use serde_json::json;
use std::sync::atomic::Ordering;
use store::Store;
use tests::city::{City, Site, enter, eventually};
use tier::Parts;

async fn replacement(hub: &Site, node: &NodeId) -> anyhow::Result<String> {
    let ca = hub.opened().ca().open().unwrap().fingerprint();
    let seating = Seating::InPlaceOf { node: node.clone() };
    Ok(hub.node().hall().issue_token("test", &seating, &ca, 3_600_000).await?.line)
}

fn last_error(site: &Site) -> String {
    site.node().uplink.as_ref().unwrap().last_error()
}

/// A new laptop, with nothing but a token, has the village's whole history; the old one is turned away and told what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_laptop_has_the_history_of_the_old_one_which_is_let_in_no_more() {
    let city = City::start(1).await;
    let me = city.villages[0].node().hall().me().clone();
    let token = city.villages[0].token("officer").await;
    let case = record(&city.villages[0], &token, "food", 401).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    village_sees(&city, &token, &case, "both receipts are home", |view| view["ticks"]["hub"] == true).await;
    let state = city.villages[0].opened().store.state_hash().await.unwrap();

    let line = replacement(&city.hub, &me).await.unwrap();
    let data = city.folder.0.join("new-laptop");
    enter(&city.town, &city.town, data.clone(), Tier::Village, &line, no_doors()).await.unwrap();
    let old = &city.villages[0];
    eventually("the old laptop is turned away", async || {
        !old.node().uplink.as_ref().unwrap().connected.load(Ordering::Relaxed)
            && last_error(old).contains("another machine has taken the place")
    })
    .await;
    let new = Site::serve(data, Parts::default()).await;
    eventually("the new laptop is whole", async || new.opened().store.recovery().is_none()).await;
    eventually("and sees what the old one saw", async || {
        new.opened().store.state_hash().await.unwrap() == state
    })
    .await;
    let fresh = new.token("officer").await;
    let next = record(&new, &fresh, "food", 402).await;
    waits_in_queue(&city.town, &town, &next, "town").await;
    for site in [&city.hub, &city.town, &new] {
        let report = site.opened().store.verify_log(site.opened().keys.clone()).await.unwrap();
        assert_eq!(report.faults, Vec::<String>::new(), "I24: each entry under the key of its time");
    }
    let again = replacement(&city.hub, &me).await.unwrap();
    assert_ne!(again, line);
    let used =
        enter(&city.town, &city.town, city.folder.0.join("third"), Tier::Village, &line, no_doors()).await;
    assert!(format!("{:#}", used.unwrap_err()).contains("已用过"), "I27");
    let mut new = new;
    new.stop().await;
    city.stop().await;
}

/// I26: from the ban on nothing more of the stolen laptop is believed, whoever carries it; what it recorded before is kept for
/// a person, and what the city had of it is the new laptop's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_stolen_laptop_signs_after_it_was_reported_is_kept_for_a_person_and_not_believed() {
    let city = City::start(1).await;
    let me = city.villages[0].node().hall().me().clone();
    let token = city.villages[0].token("officer").await;
    let known = record(&city.villages[0], &token, "food", 411).await;
    village_sees(&city, &token, &known, "the hub has it", |view| view["ticks"]["hub"] == true).await;
    // Stolen: it is cut off with a case that nobody has seen.
    city.town.node().refuse_children(true);
    let unseen = record(&city.villages[0], &token, "food", 412).await;
    let hub = city.hub.node().hall();
    hub.set_standing("cli", &me, Standing::Banned).await.unwrap();
    assert!(hub.set_standing("cli", &me, Standing::Banned).await.is_err(), "nothing would change");
    let banned = || city.town.opened().store.network().get(&me).unwrap().standing == Standing::Banned;
    eventually("the town has heard of it", async || banned()).await;
    city.town.node().refuse_children(false);
    city.villages[0].node().uplink.as_ref().unwrap().poke.notify_one();
    eventually("it is turned away", async || last_error(&city.villages[0]).contains("was reported lost"))
        .await;

    // The thief, or whoever found it, carries a bag to the town.
    let mut bag = Vec::new();
    let parent = city.town.node().hall().me().clone();
    link::bag::export(&city.villages[0].opened().node(), &parent, &mut bag).await.unwrap();
    let report = link::bag::import(&city.town.opened().node(), &bag[..]).await.unwrap();
    assert!(report.refused.iter().any(|line| line.contains("revoked")), "{report:?}");
    let case = unseen.parse().unwrap();
    assert!(
        city.town.opened().store.dossier(&case).await.unwrap().is_none(),
        "I24, I26: nothing of it counts"
    );
    let incidents = city.town.opened().store.incidents().await.unwrap();
    let late = incidents.iter().filter(|incident| incident.reason.starts_with("late:")).count();
    assert!(
        late >= 2 && incidents.iter().any(|one| one.reason.contains(&unseen)),
        "a person can see it: {incidents:?}"
    );
    link::bag::import(&city.town.opened().node(), &bag[..]).await.unwrap();
    assert_eq!(city.town.opened().store.incidents().await.unwrap().len(), incidents.len(), "I29: told once");

    let line = replacement(&city.hub, &me).await.unwrap();
    let data = city.folder.0.join("new-laptop");
    enter(&city.town, &city.town, data.clone(), Tier::Village, &line, no_doors()).await.unwrap();
    let mut new = Site::serve(data, Parts::default()).await;
    eventually("the new laptop is whole", async || new.opened().store.recovery().is_none()).await;
    let fresh = new.token("officer").await;
    let knows = async |case: &str| {
        new.raw(Method::GET, &format!("/api/v1/cases/{case}"), Some(&fresh)).await.0 == 200
    };
    eventually("it has the known case", async || knows(&known).await).await;
    assert!(!knows(&unseen).await);
    let next = record(&new, &fresh, "food", 413).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &next, "town").await;
    new.stop().await;
    city.stop().await;
}

/// I6: a town whose disk burnt comes back empty on another machine, and lacks nothing that others had seen.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_town_whose_disk_burnt_comes_back_with_a_token_and_lacks_nothing() {
    let mut city = City::start(1).await;
    let token = city.villages[0].token("officer").await;
    let case = record(&city.villages[0], &token, "food", 421).await;
    let draft = draft_of(&city.villages[0], &token, "food", 422).await;
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, &case, "town").await;
    super::work(&city.town, &town, &case, "town", "complete", json!({ "agrees": true })).await;
    let zw = city.body_officer("zw").await;
    waits_in_queue(&city.hub, &zw, &case, "accept").await;
    let id = city.town.node().hall().me().clone();
    let state = city.town.opened().store.state_hash().await.unwrap();
    city.town.stop().await;
    std::fs::remove_dir_all(&city.town.data).unwrap();

    let line = replacement(&city.hub, &id).await.unwrap();
    let any = || Some("127.0.0.1:0".to_owned());
    let listen = Listen::new("127.0.0.1:0".into(), any(), any());
    enter(&city.hub, &city.hub, city.town.data.clone(), Tier::Town, &line, listen).await.unwrap();
    city.town = Site::serve(city.town.data.clone(), Parts::default()).await;
    eventually("the town is whole", async || city.town.opened().store.recovery().is_none()).await;
    city.villages[0].dial(&city.town).await;
    eventually("its state is what it was", async || {
        city.town.opened().store.state_hash().await.unwrap() == state
    })
    .await;
    let token = city.villages[0].token("officer").await;
    let view = city.villages[0].post(&token, &format!("/drafts/{draft}/capture"), json!({})).await.unwrap();
    let town = city.town.token("officer").await;
    waits_in_queue(&city.town, &town, view["case"].as_str().unwrap(), "town").await;
    city.stop().await;
}

fn until(site: &Site) -> i64 {
    site.node().credentials.until().as_ms()
}

fn connected(site: &Site) -> bool {
    site.node().uplink.as_ref().unwrap().connected.load(Ordering::Relaxed)
}

/// Certificates live ninety days. A village that is on the link gets the next one in time; one that was away for half a year
/// gets it at the other door, and one that was away longer is told what to do (I28).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_are_renewed_in_time_or_at_the_other_door_and_after_half_a_year_by_a_token() {
    let (mut city, clock) = super::law::city_on_monday().await;
    let (town, village) = (until(&city.town), until(&city.villages[0]));
    clock.advance_ms(55 * super::law::DAY_MS);
    // The hub looks every hour by itself; the others as soon as they dial.
    eventually("the hub has renewed its own", async || until(&city.hub) > town).await;
    city.town.stop().await;
    city.town.start_again().await;
    eventually("the town has the next one", async || until(&city.town) > town).await;
    city.villages[0].dial(&city.town).await;
    eventually("the village has the next one", async || until(&city.villages[0]) > village).await;
    let second = until(&city.villages[0]);

    // Away until long after it has run out; meanwhile the town has dialled and renewed as it should.
    city.villages[0].stop().await;
    days_pass(&mut city.town, &clock, &[50, 50, 50, 50]).await;
    city.villages[0].dial(&city.town).await;
    eventually("it was renewed at the other door", async || until(&city.villages[0]) > second).await;
    eventually("and the village is connected", async || connected(&city.villages[0])).await;

    city.villages[0].stop().await;
    days_pass(&mut city.town, &clock, &[150, 150]).await;
    city.villages[0].dial(&city.town).await;
    let token = "ask the city for a token";
    eventually("it is told what to do", async || last_error(&city.villages[0]).contains(token)).await;
    city.stop().await;
}

/// The town is switched on now and then, and connects.
async fn days_pass(town: &mut Site, clock: &testkit::FakeClock, spells: &[i64]) {
    for days in spells {
        clock.advance_ms(days * super::law::DAY_MS);
        town.stop().await;
        town.start_again().await;
        eventually("the town is connected", async || connected(town)).await;
    }
}

/// I28: a machine that thinks it is 1970 finds its town all the same, and nothing of its clock counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_village_whose_clock_says_1970_is_not_locked_out() {
    let clock = std::sync::Arc::new(testkit::FakeClock::at(domain::Timestamp::from_ms(86_400_000)));
    let city = City::start_with(1, Parts { clock, ..Parts::default() }).await;
    let token = city.villages[0].token("officer").await;
    let status = city.villages[0].get(&token, "/status").await;
    assert_eq!(status["link"]["connected"], true, "{status}");
    city.stop().await;
}

/// Somebody starts an old copy of a village's folder after another copy took over: it goes no further by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_was_superseded_writes_nothing_more_until_a_person_says_which_one_counts() {
    let city = City::start(1).await;
    let village = &city.villages[0];
    let (node, me) = (village.opened().node(), village.node().hall().me().clone());
    let journal = replication::JournalId::new(&me, replication::Channel::Up);
    let parent = village.opened().config.parent.as_ref().unwrap().id.clone();
    let mut session = replication::Session::new(me, parent, node.hall.store.network());
    let mine = replication::Position { epoch: 1, seq: 3, ..replication::Position::NONE };
    let theirs = replication::Position { epoch: 2, seq: 9, ..mine };
    let wish = node.take_back(&mut session, journal, mine, theirs).await.unwrap();
    assert!(wish.is_none(), "what the other copy wrote is not taken for our own");
    let why = village.opened().store.recovery().unwrap().why;
    assert_eq!(why, store::WhyRecovering::Superseded);
    let token = village.token("officer").await;
    let draft = draft_of(village, &token, "food", 409).await;
    let told = village.post(&token, &format!("/drafts/{draft}/capture"), json!({})).await.unwrap_err();
    assert_eq!(super::refusal(&told).unwrap().code, "superseded", "I12: {told:#}");
    city.stop().await;
}

/// Who corrects a telephone number has no say in who is let in: not now, and not when the two cross.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_banned_machine_stays_banned_whatever_is_said_of_its_telephone() {
    let city = City::start(1).await;
    let (hub, town) = (city.hub.node().hall(), city.town.node().hall());
    let village = city.villages[0].node().hall().me().clone();
    let contact =
        |phone: &str| Contact { person: "代办员".into(), phone: phone.into(), hours: String::new() };
    hub.set_contacts("test", vec![(village.clone(), Some(contact("0855-8200001")))]).await.unwrap();
    hub.set_standing("test", &village, Standing::Banned).await.unwrap();
    hub.set_contacts("test", vec![(village.clone(), Some(contact("0855-8200002")))]).await.unwrap();
    let reads = |hall: &casework::Hall| {
        let network = hall.store.network();
        let record = network.get(&village).unwrap();
        (record.standing, record.contact.as_ref().map(|contact| contact.phone.clone()))
    };
    let wanted = (Standing::Banned, Some("0855-8200002".to_owned()));
    for hall in [hub, town] {
        eventually("everybody reads both", async || reads(hall) == wanted).await;
    }
    let refused = hub.set_contacts("test", vec![(village.clone(), Some(contact("12")))]).await.unwrap_err();
    assert!(refused.to_string().contains("5 至 15 位"), "{refused}");
    hub.set_contacts("test", vec![(village.clone(), None)]).await.unwrap();
    hub.set_standing("test", &village, Standing::Active).await.unwrap();
    for hall in [hub, town] {
        eventually("it is taken back", async || reads(hall) == (Standing::Active, None)).await;
    }
    city.stop().await;
}

/// A place that was lost keeps its node, and another machine takes it; one that was closed is free, and nobody dials a closed town.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_place_is_replaced_and_a_closed_one_is_free_again() {
    let city = City::start(1).await;
    let hall = city.hub.node().hall();
    let village = hall.store.network().get(city.villages[0].node().hall().me()).unwrap().clone();
    let town = city.town.node().hall().me().clone();
    let is_free =
        async || hall.free_places().await.unwrap().iter().any(|(one, _)| one.place == village.place);
    let new = Seating::At(Place { tier: Tier::Village, place: village.place.clone(), parent: None });
    let issue = async || hall.issue_token("test", &new, "ca", 3_600_000).await;
    assert!(!is_free().await);
    hall.set_standing("test", &village.id, Standing::Banned).await.unwrap();
    assert!(!is_free().await, "its journals are taken back by the machine that replaces it");
    hall.set_standing("test", &village.id, Standing::Active).await.unwrap();
    hall.set_standing("test", &village.id, Standing::Evicted).await.unwrap();
    assert!(is_free().await);
    hall.set_standing("test", &town, Standing::Evicted).await.unwrap();
    let refused = issue().await.unwrap_err().to_string();
    assert!(refused.contains("请先让镇入网"), "{refused}");
    hall.set_standing("test", &town, Standing::Active).await.unwrap();
    let token = issue().await.unwrap();
    assert!(!is_free().await, "somebody is expected there");
    let open = hall.open_tokens().await.unwrap();
    assert_eq!(open.iter().map(|one| &one.node).collect::<Vec<_>>(), [&token.node]);
    city.stop().await;
}
