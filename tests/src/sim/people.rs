//! People at work in the simulated city: what an officer does with a citizen's papers and with each task that waits.

use casework::ActError;
use domain::catalogue::StageKind;
use domain::delivery::{Channel, Proof, ProofKind};
use domain::dossier::decide::Command;
use domain::dossier::{NotAcceptedGround, Outcome};
use domain::inspection::{CHOICE, Slot};
use domain::library::{self, Borrowed};
use domain::network::Tier;
use domain::{CaseNo, EntryId};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use testkit::Applicant;

/// Draft, form, papers, capture: returns what the officer was told.
pub(crate) async fn capture(
    hall: &casework::Hall,
    officer: &casework::Officer,
    item: &str,
    people: &[Applicant],
    seed: u64,
) -> Result<(CaseNo, EntryId, u32), ActError> {
    let mut dice = StdRng::seed_from_u64(seed);
    let (release, _, known) = hall.item(None, &item.parse().unwrap())?;
    let today = hall.now().day();
    let form = testkit::fill(&known, people, today, &mut dice);
    let draft = hall.start_draft(officer, &known.id).await?;
    hall.save_form(draft.id, draft.version, form.clone(), None).await?;
    let mut requests = casework::Requests::default();
    for material in domain::plan::asked_materials(&known, &form, today) {
        // One in four lets the city look in its library first, and brings the paper when it is told to.
        if material.reuse_licence.is_some() && dice.random_bool(0.25) {
            let consent = domain::form::applicant(&form).0.to_owned();
            requests.borrowed.push(Borrowed { material: material.id.clone(), consent });
            continue;
        }
        hall.attach(draft.id, material.id.clone(), testkit::scans::jpeg_of(200, &mut dice)).await?;
    }
    let version = hall.draft(draft.id).await?.version;
    hall.save_requests(draft.id, version, requests).await?;
    let view = hall.capture(officer, draft.id).await?;
    Ok((view.case, draft.id, release))
}

/// Refusals (papers still on their way, somebody was quicker) are part of the day.
pub(super) async fn do_task(
    hall: &casework::Hall,
    officer: &casework::Officer,
    task: &store::TaskLine,
    choice: u64,
) -> Result<(), ActError> {
    let stage = task.stage.clone();
    if hall.tier != Tier::Village && choice.is_multiple_of(3) {
        hall.deem_accepted().await?;
        hall.reproject().await?;
    }
    hall.answer_library().await?;
    if hall.tier == Tier::City && choice.is_multiple_of(4) {
        hall.supervise().await?;
    }
    if task.kind == "returned" {
        let page = hall.store.current_submission(&task.case).await.unwrap().unwrap();
        let Some(form) = page.body.submission().map(|submission| submission.form.to_form()) else {
            return Ok(());
        };
        let dossier = hall.store.dossier(&task.case).await.unwrap().unwrap().dossier;
        let mut dice = StdRng::seed_from_u64(choice);
        let brings = dossier.borrowed.iter().map(|one| one.material.clone());
        let scans = brings.map(|id| (id, testkit::scans::jpeg_of(200, &mut dice))).collect();
        let _ = hall.resubmit(officer, &task.case, form, scans).await;
        return Ok(());
    }
    if hall.tier == Tier::City {
        let _ = hall.perform(officer, &task.case, Command::Claim { stage: stage.clone() }, None).await;
    }
    let kind = StageKind::ALL.into_iter().find(|kind| kind.as_str() == task.kind).unwrap();
    let order = match kind {
        StageKind::Decision if choice.is_multiple_of(5) => {
            let (text, article) = ("不符合条件".into(), Some("第三十八条".into()));
            Command::Decide { stage, outcome: Outcome::Refused, text, article, licence: None }
        }
        StageKind::Decision => {
            bring_what_library_lacks(hall, officer, task, choice).await;
            Command::Decide {
                stage,
                outcome: Outcome::Granted,
                text: "准予".into(),
                article: None,
                licence: None,
            }
        }
        StageKind::Issue => Command::Issue { stage, opinion: String::new(), licence: None },
        StageKind::Deliver => {
            let proof = Proof { kind: ProofKind::Signature, text: "签名".into() };
            Command::Deliver { stage, receiver: "本人".into(), channel: Channel::Proxy, proof }
        }
        StageKind::Publicity if choice.is_multiple_of(2) => {
            Command::Post { stage, place: "公开栏".into() }
        }
        StageKind::JointInspection => match visit(hall, officer, task, choice).await {
            Some(order) => order,
            None => return Ok(()),
        },
        StageKind::Hearing if !is_hearing_noticed(hall, &task.case).await => {
            let on = hall.now().day().plus_days(7);
            Command::NoticeHearing { stage, on, place: "听证室".into() }
        }
        StageKind::Hearing if choice.is_multiple_of(2) => {
            Command::HoldHearing { stage, record: "笔录".into() }
        }
        StageKind::CompletenessCheck | StageKind::Accept if choice.is_multiple_of(11) => {
            let ground = NotAcceptedGround::Unmet { article: "第三十二条".into() };
            Command::NotAccept { stage, ground, text: "材料不符合法定形式".into() }
        }
        StageKind::CompletenessCheck | StageKind::Accept
            if choice.is_multiple_of(7) || lacks_in_library(hall, &task.case).await =>
        {
            let fault = domain::form::FormFault {
                field: "m1".into(),
                label: "申请书".into(),
                reason: "不清楚".into(),
            };
            Command::Return { stage, faults: vec![fault], again: Some("调用证照未果".into()) }
        }
        _ => {
            let officers = vec!["甲".into(), "乙".into()];
            Command::Complete { stage, agrees: true, opinion: String::new(), officers }
        }
    };
    let _ = hall.perform(officer, &task.case, order, None).await;
    Ok(())
}

/// The library does not hold what it was asked for: the applicant must be told to bring it.
async fn lacks_in_library(hall: &casework::Hall, case: &CaseNo) -> bool {
    let stored = hall.store.dossier(case).await.unwrap();
    // What the law has accepted meanwhile is not returned any more; it is decided on the papers there are.
    stored.is_some_and(|stored| {
        let absent = matches!(library::standing(&stored.dossier), library::Standing::Absent(_));
        absent && stored.dossier.accepted.is_none()
    })
}

/// Accepted by law before the library had answered: what it lacks is brought to the window, and taken there.
async fn bring_what_library_lacks(
    hall: &casework::Hall,
    officer: &casework::Officer,
    task: &store::TaskLine,
    choice: u64,
) {
    let Some(stored) = hall.store.dossier(&task.case).await.unwrap() else { return };
    let library::Standing::Absent(absent) = library::standing(&stored.dossier) else { return };
    let mut dice = StdRng::seed_from_u64(choice);
    let scans = absent.into_iter().map(|id| (id, testkit::scans::jpeg_of(200, &mut dice))).collect();
    let Ok(slip) = hall.make_up(officer, &task.case, scans, None).await else { return };
    let taken = Command::TakeMakeUp { stage: task.stage.clone(), slip };
    let _ = hall.perform(officer, &task.case, taken, None).await;
}

async fn is_hearing_noticed(hall: &casework::Hall, case: &CaseNo) -> bool {
    hall.store.dossier(case).await.unwrap().is_some_and(|stored| stored.dossier.hearing.is_some())
}

/// The next step of a joint inspection as it stands; refusals are part of the day here too.
async fn visit(
    hall: &casework::Hall,
    officer: &casework::Officer,
    task: &store::TaskLine,
    choice: u64,
) -> Option<Command> {
    let stage = task.stage.clone();
    let dossier = hall.store.dossier(&task.case).await.unwrap()?.dossier;
    let body = task.body.clone();
    let Some(known) = dossier.inspections.get(&stage) else {
        let slots = vec![Slot { day: hall.now().day(), time: "09:30".into() }];
        let _ = hall.add_slip(officer, &task.case, CHOICE, slots[0].to_string(), None).await;
        return Some(Command::ProposeInspection { stage, slots });
    };
    // The citizen's answer may have met a full disk, which was told; whoever goes on with the case asks again.
    if known.fixed.is_none() && !dossier.slips.iter().any(|slip| slip.kind == CHOICE) {
        let _ = hall.add_slip(officer, &task.case, CHOICE, known.slots[0].to_string(), None).await;
    }
    Some(match (&known.fixed, &known.held) {
        (None, _) if choice.is_multiple_of(2) => Command::ConfirmInspection { stage, body, slots: vec![0] },
        (None, _) => Command::FixInspection { stage, slot: 0 },
        (Some(_), None) => {
            let officers = vec!["甲".into(), "乙".into()];
            Command::HoldInspection { stage, officers, absent: vec![] }
        }
        (Some(_), Some(_)) if choice.is_multiple_of(2) => {
            Command::FindInspection { stage, body, passed: true, text: "符合".into() }
        }
        (Some(_), Some(_)) => {
            Command::Complete { stage, agrees: true, opinion: "符合".into(), officers: vec![] }
        }
    })
}
