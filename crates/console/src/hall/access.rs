//! How a citizen proves who they are, and how long that counts. Who says so is a provider behind a trait: the province's unified
//! sign-on, or the hub itself with a code to the telephone that stands on the citizen's case.

use async_trait::async_trait;
use casework::{Citizen, Hall};
use domain::Timestamp;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// What a citizen is to do after they said who they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Begun {
    /// Type the code that was sent. `shown`: the code itself, where nothing is sent because everything is a demonstration.
    Code { challenge: String, shown: Option<String> },
    /// Go to the provider's own page; it sends them back.
    Elsewhere { address: String },
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoLogin {
    #[error("验证码不对,或已过期;请重新获取")]
    WrongCode,
    #[error("获取验证码太频繁,请 {seconds} 秒后再试")]
    Wait { seconds: u64 },
    #[error("网上登录暂时用不了,请稍后再试,或到就近的代办点办理")]
    Unavailable,
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
/// Codes under way at once; the oldest give way.
const PENDING_MAX: usize = 10_000;

struct Pending {
    /// `None`: nobody is known under that name and number, and no code opens anything.
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
    pending: Mutex<BTreeMap<String, Pending>>,
}

impl LocalCodes {
    pub fn new(hall: Hall, sender: Arc<dyn SendCode>) -> LocalCodes {
        LocalCodes { hall, sender, pending: Mutex::default() }
    }
    fn pending(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Pending>> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }
    fn secret(&self) -> String {
        let mut secret = [0; 24];
        self.hall.random.fill(&mut secret);
        secret.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

#[async_trait]
impl CitizenLogin for LocalCodes {
    async fn begin(&self, claimed: Citizen, source: &str) -> Result<Begun, NoLogin> {
        let now = self.hall.now();
        let throttle = || self.hall.throttle.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seconds) = throttle().wait("citizen", source, now) {
            return Err(NoLogin::Wait { seconds });
        }
        throttle().failed("citizen", source, now);
        let phone = self.hall.phone_of(&claimed).await.map_err(|_| NoLogin::Unavailable)?;
        let (challenge, code) = (self.secret(), format!("{:06}", self.hall.random.u64() % 1_000_000));
        if let Some(phone) = &phone {
            self.sender.send(phone, &code).await?;
        }
        // Nobody learns from what is shown whether a person has cases here: without one, the code opens nothing.
        let shown = self.sender.shows().then(|| code.clone());
        let citizen = phone.map(|_| claimed);
        let mut pending = self.pending();
        pending.retain(|_, one| one.until > now);
        while pending.len() >= PENDING_MAX {
            pending.pop_first();
        }
        pending.insert(challenge.clone(), Pending { citizen, code, until: now.plus_ms(CODE_MS), tries: 0 });
        Ok(Begun::Code { challenge, shown })
    }

    async fn finish(&self, challenge: &str, answer: &str) -> Result<Citizen, NoLogin> {
        let now = self.hall.now();
        let mut pending = self.pending();
        let one = pending.get_mut(challenge).ok_or(NoLogin::WrongCode)?;
        one.tries += 1;
        if one.until <= now || one.tries > TRIES_MAX {
            pending.remove(challenge);
            return Err(NoLogin::WrongCode);
        }
        if one.code != answer.trim() {
            return Err(NoLogin::WrongCode);
        }
        // A code is used once.
        let known = pending.remove(challenge).and_then(|one| one.citizen);
        known.ok_or(NoLogin::WrongCode)
    }
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
    sessions: Mutex<BTreeMap<[u8; 32], Session>>,
}

fn key(token: &str) -> [u8; 32] {
    *blake3::hash(token.as_bytes()).as_bytes()
}

impl Citizens {
    /// Citizens whom `provider` knows.
    pub fn by(provider: Arc<dyn CitizenLogin>) -> Citizens {
        Citizens { provider: Some(provider), ..Citizens::default() }
    }

    fn sessions(&self) -> std::sync::MutexGuard<'_, BTreeMap<[u8; 32], Session>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `token` is a fresh secret; what is kept of it opens nothing.
    pub(crate) fn open(&self, token: &str, citizen: Citizen, now: Timestamp) {
        let mut sessions = self.sessions();
        if sessions.len() >= SESSIONS_MAX {
            sessions.retain(|_, one| now.since(one.seen) <= IDLE_MS);
        }
        if sessions.len() < SESSIONS_MAX {
            sessions.insert(key(token), Session { citizen, seen: now });
        }
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
