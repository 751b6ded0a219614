//! How a citizen proves who they are, and how long that counts. Who says so is a provider behind a trait: the province's unified
//! sign-on, or the hub itself with a code to the telephone that stands on the citizen's case.

use super::SignOn;
use async_trait::async_trait;
use casework::{Citizen, Hall, Throttle};
use domain::{Day, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Semaphore;

/// What a citizen is to do after they said who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Type the code that was sent. `shown`: the code itself, where nothing is sent because everything is a demonstration.
    Code { challenge: String, shown: Option<String> },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoLogin {
    #[error("验证码不对,或已过期;请重新获取")]
    WrongCode,
    #[error("获取验证码太频繁,请 {seconds} 秒后再试")]
    Wait { seconds: u64 },
    #[error("网上登录暂时用不了,请稍后再试,或到就近的代办点办理")]
    Unavailable,
    #[error("登录没有完成,或隔了太久;请重新登录")]
    Lost,
    #[error("登录的账号没有实名信息(姓名和证件号);请先在该平台完成实名认证")]
    Nameless,
}

/// Who says that a citizen is who they say they are (统一身份认证).
#[async_trait]
pub trait CitizenLogin: Send + Sync {
    /// # Errors
    /// [`NoLogin`]; a person the provider does not know gets no error here, or anybody could ask who is known.
    async fn begin(&self, claimed: Citizen, source: &str) -> Result<Begun, NoLogin>;
    /// # Errors
    /// [`NoLogin`] for an answer that is wrong, too late, or was used.
    async fn finish(&self, challenge: &str, answer: &str) -> Result<Citizen, NoLogin>;
}

const CODE_MS: i64 = 5 * 60_000;
const TRIES_MAX: u8 = 5;
/// Codes under way at once; those that end first give way.
const PENDING_MAX: usize = 10_000;
/// People who are looked for at once; each costs a look at their cases.
const LOOKING_MAX: usize = 8;

/// Codes for one person: a slip or two cost nothing, then each waits twice as long, up to an hour, and is remembered for a day.
fn for_one_person() -> Throttle {
    Throttle::of(4, HOUR_MS, 24 * HOUR_MS)
}
/// From one address: a village's office or a telephone network has many people behind it.
fn for_one_place() -> Throttle {
    Throttle::of(60, 300_000, HOUR_MS)
}

const HOUR_MS: i64 = 3_600_000;

struct Pending {
    /// `None` until somebody is known under that name and number; without, no code opens anything.
    citizen: Option<Citizen>,
    code: String,
    until: Timestamp,
    tries: u8,
}

/// How a code reaches the citizen.
#[async_trait]
pub trait SendCode: Send + Sync {
    /// # Errors
    /// When it could not be handed over; the citizen is told to try later.
    async fn send(&self, phone: &str, code: &str) -> Result<(), NoLogin>;
    /// The code is shown on the page itself: for demonstrations, where all persons are invented.
    fn shows(&self) -> bool;
}

/// Shows every code on the page.
pub struct Shown;

#[async_trait]
impl SendCode for Shown {
    async fn send(&self, _: &str, _: &str) -> Result<(), NoLogin> {
        Ok(())
    }
    fn shows(&self) -> bool {
        true
    }
}

/// The hub's own: name and number say who it is, the telephone on their case proves it.
pub struct LocalCodes {
    hall: Hall,
    sender: Arc<dyn SendCode>,
    pending: Arc<Mutex<BTreeMap<String, Pending>>>,
    persons: Mutex<Throttle>,
    places: Mutex<Throttle>,
    looking: Arc<Semaphore>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Room for one more of those who are waited for, `max` at most: whose time is over goes, and else whose time ends first.
pub fn make_room<V>(
    waited_for: &mut BTreeMap<String, V>,
    max: usize,
    now: Timestamp,
    until: impl Fn(&V) -> Timestamp,
) {
    waited_for.retain(|_, one| until(one) > now);
    if waited_for.len() >= max {
        let first = waited_for.iter().min_by_key(|(_, one)| until(one)).map(|(key, _)| key.clone());
        first.map(|first| waited_for.remove(&first));
    }
}

impl LocalCodes {
    pub fn new(hall: Hall, sender: Arc<dyn SendCode>) -> LocalCodes {
        LocalCodes {
            hall,
            sender,
            pending: Arc::default(),
            persons: Mutex::new(for_one_person()),
            places: Mutex::new(for_one_place()),
            looking: Arc::new(Semaphore::new(LOOKING_MAX)),
        }
    }

    fn secret(&self) -> String {
        let mut secret = [0; 24];
        self.hall.random.fill(&mut secret);
        secret.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Alike for people who have cases here and for those who have none.
    fn may_ask(&self, person: &str, source: &str, now: Timestamp) -> Result<(), NoLogin> {
        let (mut persons, mut places) = (locked(&self.persons), locked(&self.places));
        let waits = [persons.wait(person, "", now), places.wait("", source, now)];
        if let Some(seconds) = waits.into_iter().flatten().max() {
            return Err(NoLogin::Wait { seconds });
        }
        persons.failed(person, "", now);
        places.failed("", source, now);
        Ok(())
    }

    fn remember(&self, challenge: &str, one: Pending, now: Timestamp) {
        let mut pending = locked(&self.pending);
        make_room(&mut pending, PENDING_MAX, now, |one| one.until);
        pending.insert(challenge.to_owned(), one);
    }

    /// Looks for the person's telephone and sends the code there. The visitor is answered before: how long it takes, and whether
    /// it goes through, would tell whether somebody has cases here.
    fn send_to(&self, claimed: Citizen, challenge: String, code: String) {
        let (hall, sender, pending) = (self.hall.clone(), self.sender.clone(), self.pending.clone());
        let looking = self.looking.clone();
        tokio::spawn(async move {
            let Ok(_turn) = looking.acquire().await else { return };
            let phone = match hall.phone_of(&claimed).await {
                Ok(Some(phone)) => phone,
                // In a drill nobody has a telephone, and whoever is new may try everything too.
                Ok(None) if sender.shows() => String::new(),
                Ok(None) => return,
                Err(error) => return tracing::warn!(%error, "a citizen's telephone was not looked up"),
            };
            if let Some(one) = locked(&pending).get_mut(&challenge) {
                one.citizen = Some(claimed);
            }
            if let Err(error) = sender.send(&phone, &code).await {
                tracing::warn!(%error, "a code was not sent");
            }
        });
    }
}

#[async_trait]
impl CitizenLogin for LocalCodes {
    async fn begin(&self, claimed: Citizen, source: &str) -> Result<Begun, NoLogin> {
        let now = self.hall.now();
        self.may_ask(&trust::hex(&key(&claimed.number)), source, now)?;
        let (challenge, code) = (self.secret(), format!("{:06}", self.hall.random.u64() % 1_000_000));
        let one = Pending { citizen: None, code: code.clone(), until: now.plus_ms(CODE_MS), tries: 0 };
        self.remember(&challenge, one, now);
        let shown = self.sender.shows().then(|| code.clone());
        self.send_to(claimed, challenge.clone(), code);
        Ok(Begun::Code { challenge, shown })
    }

    async fn finish(&self, challenge: &str, answer: &str) -> Result<Citizen, NoLogin> {
        let now = self.hall.now();
        let mut pending = locked(&self.pending);
        let one = pending.get_mut(challenge).ok_or(NoLogin::WrongCode)?;
        one.tries += 1;
        if one.until <= now || one.tries > TRIES_MAX {
            pending.remove(challenge);
            return Err(NoLogin::WrongCode);
        }
        if one.code != answer.trim() || one.citizen.is_none() {
            return Err(NoLogin::WrongCode);
        }
        // A code is used once, and whoever has it is no guesser.
        let citizen = pending.remove(challenge).and_then(|one| one.citizen).ok_or(NoLogin::WrongCode)?;
        locked(&self.persons).succeeded(&trust::hex(&key(&citizen.number)), "");
        Ok(citizen)
    }
}

/// Who asks after cases without a log-in, and how often.
pub(crate) struct Guesses {
    /// After one case, wherever from.
    case: Mutex<Throttle>,
    /// From one address, whatever the case; a right answer does not make it forget.
    place: Mutex<Throttle>,
}

impl Default for Guesses {
    fn default() -> Guesses {
        Guesses {
            case: Mutex::new(Throttle::of(10, HOUR_MS, 24 * HOUR_MS)),
            place: Mutex::new(Throttle::of(60, 300_000, HOUR_MS)),
        }
    }
}

impl Guesses {
    /// Seconds to wait; `None` when one may ask now.
    pub fn wait(&self, case: &str, source: &str, now: Timestamp) -> Option<u64> {
        let waits =
            [locked(&self.case).wait(&short(case), "", now), locked(&self.place).wait("", source, now)];
        waits.into_iter().flatten().max()
    }
    pub fn guessed(&self, case: &str, source: &str, now: Timestamp) {
        locked(&self.case).failed(&short(case), "", now);
        locked(&self.place).failed("", source, now);
    }
    pub fn was_right(&self, case: &str) {
        locked(&self.case).succeeded(&short(case), "");
    }
}

/// What is remembered must not grow with what is typed.
fn short(case: &str) -> String {
    case.chars().take(40).collect()
}

/// A citizen who does nothing for so long has gone, and a phone may be anybody's.
const IDLE_MS: i64 = 30 * 60_000;
const SESSIONS_MAX: usize = 20_000;

struct Session {
    citizen: Citizen,
    seen: Timestamp,
}

/// Citizens who have logged in. In memory alone: after a restart they do so again.
#[derive(Default)]
pub struct Citizens {
    /// `None` where no provider was set up: then only what is open to everybody is there.
    pub provider: Option<Arc<dyn CitizenLogin>>,
    /// Where citizens can prove themselves instead; both may be there.
    pub sign_on: Option<Arc<dyn SignOn>>,
    pub(crate) guesses: Guesses,
    brought: Mutex<Brought>,
    /// Who left for the provider, and from where.
    leaving: Leaving,
    sessions: Mutex<BTreeMap<[u8; 32], Session>>,
}

/// What one person may upload in a day: the papers of several matters, each taken again once or twice. Scans stay on the disk.
const BYTES_A_DAY: u64 = 200 * 1024 * 1024;

/// Leaving costs the hub a place and the provider a page: from one address no more than codes are asked for.
struct Leaving(Mutex<Throttle>);

impl Default for Leaving {
    fn default() -> Leaving {
        Leaving(Mutex::new(for_one_place()))
    }
}

/// Bytes each person has brought on one day.
#[derive(Default)]
struct Brought {
    day: Option<Day>,
    bytes: BTreeMap<[u8; 32], u64>,
}

fn key(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

impl Citizens {
    /// Citizens who prove themselves here, elsewhere, either, or not at all.
    pub fn by(provider: Option<Arc<dyn CitizenLogin>>, sign_on: Option<Arc<dyn SignOn>>) -> Citizens {
        Citizens { provider, sign_on, ..Citizens::default() }
    }

    /// Whether anybody can log in at all.
    pub(crate) fn are_let_in(&self) -> bool {
        self.provider.is_some() || self.sign_on.is_some()
    }

    /// Whether somebody from this address may leave for the provider now, or come back from it.
    pub(crate) fn may_leave(&self, source: &str, now: Timestamp) -> Result<(), NoLogin> {
        let mut leaving = locked(&self.leaving.0);
        match leaving.wait("", source, now) {
            Some(seconds) => Err(NoLogin::Wait { seconds }),
            None => {
                leaving.failed("", source, now);
                Ok(())
            }
        }
    }

    /// Counts what a person uploads; false when it is too much for one day.
    pub(crate) fn may_bring(&self, number: &str, bytes: u64, today: Day) -> bool {
        let mut brought = locked(&self.brought);
        if brought.day != Some(today) {
            *brought = Brought { day: Some(today), bytes: BTreeMap::new() };
        }
        let sum = brought.bytes.entry(key(number)).or_default();
        *sum = sum.saturating_add(bytes);
        *sum <= BYTES_A_DAY
    }

    fn sessions(&self) -> MutexGuard<'_, BTreeMap<[u8; 32], Session>> {
        locked(&self.sessions)
    }

    /// `token` is a fresh secret; what is kept of it opens nothing.
    pub(crate) fn open(&self, token: &str, citizen: Citizen, now: Timestamp) {
        let mut sessions = self.sessions();
        if sessions.len() >= SESSIONS_MAX {
            sessions.retain(|_, one| now.since(one.seen) <= IDLE_MS);
        }
        if sessions.len() >= SESSIONS_MAX {
            let longest = sessions.iter().min_by_key(|(_, one)| one.seen).map(|(token, _)| *token);
            longest.map(|token| sessions.remove(&token));
        }
        sessions.insert(key(token), Session { citizen, seen: now });
    }

    pub(crate) fn find(&self, token: &str, now: Timestamp) -> Option<Citizen> {
        let mut sessions = self.sessions();
        let known = sessions.get_mut(&key(token))?;
        if now.since(known.seen) > IDLE_MS {
            sessions.remove(&key(token));
            return None;
        }
        known.seen = now;
        Some(known.citizen.clone())
    }

    pub(crate) fn close(&self, token: &str) {
        self.sessions().remove(&key(token));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_ms(1_700_000_000_000 + seconds * 1000)
    }

    #[test]
    fn one_case_is_guessed_at_from_many_places_no_faster_than_from_one() {
        let guesses = Guesses::default();
        let mut asked = 0;
        for place in 0..100 {
            let source = format!("192.0.2.{place}");
            if guesses.wait("261123-A", &source, at(0)).is_none() {
                guesses.guessed("261123-A", &source, at(0));
                asked += 1;
            }
        }
        assert!(asked <= 11, "{asked} tries at once");
        assert_eq!(guesses.wait("261123-B", "192.0.2.1", at(0)), None, "another case is not touched by it");
    }

    #[test]
    fn whoever_asks_after_their_own_case_in_between_guesses_no_faster_at_others() {
        let guesses = Guesses::default();
        let mut asked = 0;
        for number in 0..200 {
            let case = format!("261123-{number}");
            if guesses.wait(&case, "192.0.2.1", at(0)).is_none() {
                guesses.guessed(&case, "192.0.2.1", at(0));
                asked += 1;
            }
            guesses.guessed("mine", "192.0.2.1", at(0));
            guesses.was_right("mine");
        }
        assert!(asked <= 61, "{asked} tries at once");
    }

    #[test]
    fn a_session_ends_when_nobody_is_there_and_a_full_house_asks_the_longest_idle_to_go() {
        let citizens = Citizens::default();
        let somebody = |name: &str| Citizen { name: name.to_owned(), number: String::new() };
        citizens.open("first", somebody("甲"), at(0));
        assert!(
            citizens.find("first", at(1700)).is_some(),
            "within half an hour, and half an hour from then"
        );
        assert!(citizens.find("first", at(3400)).is_some());
        assert!(citizens.find("first", at(5300)).is_none());
        assert!(citizens.find("", at(0)).is_none());
        for number in 0..=SESSIONS_MAX {
            citizens.open(&number.to_string(), somebody("乙"), at(6000 + (number / 1000) as i64));
        }
        assert!(citizens.find(&SESSIONS_MAX.to_string(), at(6021)).is_some(), "whoever comes last is let in");
        assert!(citizens.sessions().len() <= SESSIONS_MAX);
    }
}
