//! The stories every engine must pass. An engine's tests call each with a fresh, empty store.
//!
//! The stores handed in belong to node `v-1` of [`network`], whose parent is `t-1` and whose hub is `hub`.

use crate::{Append, Draft, Enrolment, NewEntry, Store, StoreError, kind};
use domain::dossier::{Captured, Page, PageBody, Submission};
use domain::network::{NodeRecord, Tier};
use domain::{CaseNo, EntryId, NodeId, Timestamp};
use replication::session::Load;
use replication::{Channel, JournalId};
use serde_json::json;

pub const NOW: Timestamp = Timestamp::from_ms(1_795_395_600_000);

fn record(id: &str, tier: Tier, parent: Option<&str>) -> NodeRecord {
    NodeRecord::first(
        id.parse().expect("a node id"),
        tier,
        parent.map(|id| id.parse().expect("a node id")),
        "522601108201",
        id,
        "",
    )
}

/// The smallest network with all three tiers.
pub fn network() -> Vec<NodeRecord> {
    vec![
        record("hub", Tier::City, None),
        record("t-1", Tier::Town, Some("hub")),
        record("v-1", Tier::Village, Some("t-1")),
    ]
}

pub fn id(n: u8) -> EntryId {
    EntryId([n; 16])
}

fn case(n: u64) -> CaseNo {
    CaseNo::make(&"v-1".parse().expect("a node id"), NOW.day(), n)
}

fn capture_page(case: &CaseNo) -> Page {
    let form = json!({ "name": "杨兰梅" }).as_object().cloned().unwrap_or_default();
    let submission = Submission { form: form.into(), ..Submission::default() };
    let body = PageBody::Captured(Captured {
        item: "dibao".parse().expect("an item"),
        release: 1,
        submission,
        bundle: None,
        intake: Tier::Village,
    });
    Page { case: case.clone(), no: 1, term: 1, at: NOW, officer: "wang".into(), delegation: None, body }
}

/// Lets the store of a village capture a case.
///
/// # Panics
/// When the store does not take it.
pub async fn captures_a_case(store: &dyn Store) -> CaseNo {
    let case = case(77);
    store.append(append(id(77), &capture_page(&case), 0)).await.expect("append");
    case
}

fn append(request: EntryId, page: &Page, expected: u32) -> Append {
    let body = serde_json::to_vec(page).expect("plain data");
    let entry = NewEntry {
        id: request,
        channel: Channel::Up,
        kind: kind::PAGE,
        subject: page.case.to_string(),
        body,
    };
    Append { expected: Some((page.case.clone(), expected)), ..Append::new(NOW, "wang", "test", vec![entry]) }
}

fn own_journal(store: &dyn Store) -> JournalId {
    JournalId::new(store.me(), Channel::Up)
}

/// I1, I2: what was appended is there; the same request again is the same act; a stale one changes nothing.
pub async fn appends_once_and_only_on_what_was_read(store: &dyn Store) {
    store.seed_nodes(network()).await.expect("seed");
    let page = capture_page(&case(1));
    let first = store.append(append(id(1), &page, 0)).await.expect("append");
    let again = store.append(append(id(1), &page, 0)).await.expect("a retry is harmless");
    assert!(!first.repeated && again.repeated);
    assert_eq!(first.heads, again.heads);
    let stale = store.append(append(id(2), &page, 0)).await;
    assert_eq!(stale, Err(StoreError::Stale { case: page.case.clone() }));
    let stored = store.dossier(&page.case).await.expect("read").expect("the case is there");
    assert_eq!((stored.dossier.pages, stored.captured_seq), (1, 1));
    let heads = store.heads().await.expect("heads");
    assert_eq!(
        heads.iter().find(|(journal, _)| *journal == own_journal(store)).map(|(_, head)| head.seq),
        Some(1)
    );
}

/// I9: a journal is loaded in runs that chain, each ending with a signed entry, whatever the budget.
pub async fn loads_runs_that_can_be_checked(store: &dyn Store) {
    store.seed_nodes(network()).await.expect("seed");
    for n in 0..20u8 {
        store.append(append(id(n + 1), &capture_page(&case(u64::from(n))), 0)).await.expect("append");
    }
    let mut at = 0;
    while at < 20 {
        let load = Load::new(vec![(own_journal(store), at)], 700);
        let runs = store.load_runs(load).await.expect("load");
        let entries = &runs[0].entries;
        assert!(entries.last().is_some_and(|entry| entry.signature.is_some()));
        assert!(entries[..entries.len() - 1].iter().all(|entry| entry.signature.is_none()));
        at += entries.len() as u64;
    }
    assert_eq!(at, 20);
}

/// A page that waits for its predecessor is held, visibly, and applied when that comes (I10).
pub async fn holds_what_comes_too_early(store: &dyn Store) {
    store.seed_nodes(network()).await.expect("seed");
    let first = capture_page(&case(1));
    let second =
        Page { no: 2, body: PageBody::HandedOver { to: "t-1".parse().expect("a node id") }, ..first.clone() };
    let mut early = append(id(1), &second, 0);
    early.expected = None;
    store.append(early).await.expect("append");
    assert!(store.dossier(&first.case).await.expect("read").is_none());
    assert_eq!(store.counts().await.expect("counts").held, 1);
    store.append(append(id(2), &first, 0)).await.expect("append");
    let stored = store.dossier(&first.case).await.expect("read").expect("the case is there");
    assert_eq!((stored.dossier.pages, stored.dossier.holder.as_str(), stored.held), (2, "t-1", 0));
}

/// I14: an entry nobody can read is noted and stops nothing else.
pub async fn a_poison_entry_stops_only_itself(store: &dyn Store) {
    store.seed_nodes(network()).await.expect("seed");
    let mut poison = append(id(1), &capture_page(&case(1)), 0);
    poison.entries[0].body = b"{not json".to_vec();
    poison.expected = None;
    store.append(poison).await.expect("append");
    store.append(append(id(2), &capture_page(&case(2)), 0)).await.expect("the next one goes on");
    assert_eq!(store.counts().await.expect("counts").quarantined, 1);
    let incident = &store.incidents().await.expect("incidents")[0];
    assert!(!incident.reason.contains("not json"), "I33: {}", incident.reason);
}

/// I23: a stale save is refused; one draft makes at most one submission.
pub async fn drafts_are_saved_over_the_version_that_was_read(store: &dyn Store) {
    store.seed_nodes(network()).await.expect("seed");
    let mut draft = Draft {
        id: id(9),
        officer: "wang".into(),
        item: "dibao".parse().expect("an item"),
        release: 1,
        form: Default::default(),
        attachments: vec![],
        commitment: None,
        green: None,
        borrowed: vec![],
        wish: None,
        bundle: None,
        online: None,
        version: 0,
        updated: NOW,
    };
    assert_eq!(store.save_draft(draft.clone()).await, Ok(1));
    assert_eq!(store.save_draft(draft.clone()).await, Err(StoreError::StaleDraft { draft: id(9) }));
    draft.version = 1;
    assert_eq!(store.save_draft(draft.clone()).await, Ok(2));
    let capture = |request, n| Append {
        consumes_draft: Some((id(9), 2)),
        ..append(request, &capture_page(&case(n)), 0)
    };
    store.append(capture(id(1), 1)).await.expect("captured");
    let second = store.append(capture(id(2), 2)).await;
    assert!(matches!(second, Err(StoreError::Missing { .. })), "{second:?}");
    assert!(store.dossier(&case(2)).await.expect("read").is_none(), "the second capture left nothing behind");
}

/// I27: a token works once.
pub async fn an_enrolment_is_used_once(store: &dyn Store) {
    store.seed_nodes(network()).await.expect("seed");
    let node: NodeId = "v-2".parse().expect("a node id");
    let enrolment = Enrolment {
        secret_hash: "h".into(),
        node,
        tier: Tier::Village,
        parent: "t-1".parse().expect("a node id"),
        place: "522601108202".into(),
        name: "x".into(),
        expires: NOW,
        used: None,
        incarnation: 1,
        by: "admin".into(),
        issued: NOW,
        voided: None,
    };
    store.put_enrolment(enrolment.clone()).await.expect("put");
    let consume = |request, n| Append {
        consumes_enrolment: Some("h".into()),
        ..append(request, &capture_page(&case(n)), 0)
    };
    store.append(consume(id(1), 1)).await.expect("first use");
    assert!(matches!(store.append(consume(id(2), 2)).await, Err(StoreError::Missing { .. })));
    assert!(store.enrolment("h").await.expect("read").is_some_and(|enrolment| enrolment.used == Some(NOW)));

    // One that was taken back lets nobody in, and one that was used cannot be taken back.
    let other = Enrolment { secret_hash: "o".into(), expires: NOW.plus_ms(1), ..enrolment };
    store.put_enrolment(other).await.expect("put");
    let open = async |now| store.open_enrolments(now).await.expect("list").len();
    assert_eq!((open(NOW).await, open(NOW.plus_ms(2)).await), (1, 0), "neither used nor run out");
    assert!(matches!(store.void_enrolment("h", "admin", NOW).await, Err(StoreError::Missing { .. })));
    store.void_enrolment("o", "admin", NOW).await.expect("taken back");
    assert_eq!(open(NOW).await, 0);
    let late = Append { consumes_enrolment: Some("o".into()), ..append(id(3), &capture_page(&case(3)), 0) };
    assert!(matches!(store.append(late).await, Err(StoreError::Missing { .. })));
}
