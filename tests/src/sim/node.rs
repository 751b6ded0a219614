//! One simulated node: its disk survives a crash, everything else does not.

use super::line::LineId;
use casework::{Hall, Officer};
use domain::access::{Role, Roles};
use domain::duty::Duty;
use domain::network::{NodeRecord, Tier};
use domain::seams::Clock;
use domain::{NodeId, Timestamp};
use futures::executor::block_on;
use link::Node;
use link::quota::Goods;
use replication::session::{Output, Session, Taken};
use replication::{Frame, Hash, JournalId, Position, Run, RunFault};
use rusqlite::Connection;
use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use store::Store;
use store::blobs::MemoryBlobs;
use store_sqlite::{Identity, SqliteStore};
use testkit::{FakeClock, SeededRandom};
use trust::{NodeKey, Seals};

/// What stays when the power goes.
pub struct Disk {
    pub connection: Connection,
    pub blobs: Arc<MemoryBlobs>,
}

impl Disk {
    /// A copy as a backup makes it: the database as of one moment, and the attachments it names.
    pub fn copy(&self) -> Disk {
        let mut connection = Connection::open_in_memory().unwrap();
        rusqlite::backup::Backup::new(&self.connection, &mut connection).unwrap().step(-1).unwrap();
        Disk { connection, blobs: Arc::new(self.blobs.copy()) }
    }
    /// Whether a case is known to this disk, in whatever state.
    pub fn knows(&self, case: &domain::CaseNo) -> bool {
        let count = self.connection.query_row(
            "SELECT count(*) FROM known_case WHERE case_no = ?1",
            [case.as_str()],
            |row| row.get::<_, i64>(0),
        );
        count.unwrap() > 0
    }
}

/// What runs while there is power.
pub struct Alive {
    pub store: Arc<SqliteStore>,
    pub node: Node,
    pub sessions: BTreeMap<LineId, Session>,
    pub changes: tokio::sync::broadcast::Receiver<store::Change>,
}

/// What became of a session's outputs.
pub enum Carried {
    Frames(Vec<Frame>),
    /// The power went in the middle.
    Crashed,
    /// The conversation is over, after these last words.
    HungUp(Vec<Frame>),
}

pub struct SimNode {
    pub record: NodeRecord,
    secret: [u8; 32],
    pub clock_offset_ms: i64,
    random: Arc<SeededRandom>,
    pub disk: Option<Disk>,
    pub alive: Option<Alive>,
    /// A copy of the disk that somebody made, and will put back.
    pub backup: Option<Disk>,
    /// The database cannot grow.
    pub cramped: bool,
    /// Positions this node has told others: (journal) → highest (seq, hash). What it says it must keep (I4, I11).
    pub told: BTreeMap<JournalId, (u64, Hash)>,
}

/// The node's own clock: the world's, and how far it is off.
struct OwnClock {
    world: Arc<FakeClock>,
    offset_ms: i64,
}
impl Clock for OwnClock {
    fn now(&self) -> Timestamp {
        self.world.now().plus_ms(self.offset_ms)
    }
}

impl SimNode {
    pub fn new(
        id: &str,
        tier: Tier,
        parent: Option<&str>,
        place: &str,
        seed: u64,
        clock_offset_ms: i64,
    ) -> SimNode {
        let mut secret = [0; 32];
        secret[..8].copy_from_slice(&seed.to_be_bytes());
        secret[8] = id.len() as u8;
        secret[9..9 + id.len().min(20)].copy_from_slice(&id.as_bytes()[..id.len().min(20)]);
        let record = NodeRecord::first(
            id.parse().unwrap(),
            tier,
            parent.map(|id| id.parse().unwrap()),
            place,
            id,
            NodeKey::from_secret(secret).public(),
        );
        let connection = Connection::open_in_memory().unwrap();
        SimNode {
            record,
            secret,
            clock_offset_ms,
            random: Arc::new(SeededRandom::new(seed ^ u64::from_be_bytes(secret[9..17].try_into().unwrap()))),
            disk: Some(Disk { connection, blobs: Arc::default() }),
            alive: None,
            backup: None,
            cramped: false,
            told: BTreeMap::new(),
        }
    }

    /// The same machine with another disk, which told others what `told` says.
    pub fn twin(&self, disk: Disk, told: BTreeMap<JournalId, (u64, Hash)>) -> SimNode {
        SimNode {
            record: self.record.clone(),
            secret: self.secret,
            clock_offset_ms: self.clock_offset_ms,
            random: Arc::new(SeededRandom::new(0)),
            disk: Some(disk),
            alive: None,
            backup: None,
            cramped: false,
            told,
        }
    }

    pub fn id(&self) -> &NodeId {
        &self.record.id
    }

    /// Switches the machine on: reads the disk again, knows nothing else.
    pub fn boot(&mut self, world: &Arc<FakeClock>) {
        let disk = self.disk.take().unwrap();
        let pages: i64 = disk.connection.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
        let most = if self.cramped { pages + 2 } else { i64::from(i32::MAX) };
        disk.connection.pragma_update(None, "max_page_count", most).unwrap();
        let signer = Arc::new(NodeKey::from_secret(self.secret));
        let identity = Identity {
            node: self.record.id.clone(),
            area: self.record.place.clone(),
            signer,
            page_cache_kib: store_sqlite::VILLAGE_CACHE_KIB,
            key: None,
        };
        let store = Arc::new(SqliteStore::open_inline(disk.connection, identity).unwrap());
        let hall = Hall {
            store: store.clone(),
            blobs: disk.blobs,
            at_rest: None,
            throttle: Arc::default(),
            passwords: Arc::new(tokio::sync::Semaphore::new(casework::PASSWORDS_AT_ONCE)),
            clock: Arc::new(OwnClock { world: world.clone(), offset_ms: self.clock_offset_ms }),
            random: self.random.clone(),
            seals: self.seals(),
            tier: self.record.tier,
            city: "sim".into(),
        };
        let changes = store.changes();
        self.alive = Some(Alive { store, node: Node::new(hall, 1), sessions: BTreeMap::new(), changes });
    }

    /// The hub keeps the seals of all bodies, everybody else its own.
    fn seals(&self) -> Arc<dyn Seals> {
        match self.record.tier {
            Tier::City => {
                let orgs = domain::pack::kaili_pieces()["orgs"].clone();
                let orgs: Vec<serde_json::Value> = serde_json::from_str(&orgs).unwrap();
                let bodies = orgs.iter().map(|org| org["id"].as_str().unwrap().parse().unwrap());
                let keys = bodies.enumerate().map(|(index, body)| (body, (1, [index as u8 + 1; 32])));
                Arc::new(trust::cupboard::SealBox(keys.collect()))
            }
            Tier::Town | Tier::Village => {
                Arc::new(trust::cupboard::OwnSeal(self.record.id.clone(), self.secret))
            }
        }
    }

    /// The power goes: what was committed stays, what was not is gone.
    pub fn crash(&mut self, blobs: Arc<MemoryBlobs>) {
        let Some(alive) = self.alive.take() else { return };
        let Alive { store, node, sessions, changes } = alive;
        drop((node, sessions, changes));
        let store = Arc::try_unwrap(store)
            .unwrap_or_else(|_| panic!("somebody still holds the store of {}", self.record.id));
        self.disk = Some(Disk { connection: store.into_connection().unwrap(), blobs });
    }

    pub fn hall(&self) -> Option<&Hall> {
        self.alive.as_ref().map(|alive| &alive.node.hall)
    }

    /// Somebody of a body, or of the node's own staff; `duty` picks another person (承办、审核、批准).
    pub fn officer(&self, body: Option<&str>, duty: Option<Duty>) -> Officer {
        let role = duty.map_or_else(|| "officer".to_owned(), |duty| format!("{duty:?}").to_lowercase());
        let name = format!("{}-{role}", body.unwrap_or(self.record.id.as_str()));
        let roles = match self.record.tier {
            Tier::Village => Roles::new([Role::ProxyOfficer]),
            Tier::Town => Roles::new([Role::TownSupervisor]),
            Tier::City => Roles::new([Role::ChiefRepresentative]),
        };
        Officer::of_house(name, body.map(|body| body.parse().unwrap()), roles)
    }

    /// Carries out what a session asks for. `steps` counts down to a crash in the middle. `trusted`: whoever is at the other end
    /// never says anything that is to be refused.
    pub fn carry_out(
        &mut self,
        line: LineId,
        outputs: Vec<Output>,
        steps: &mut Option<u32>,
        trusted: bool,
    ) -> Carried {
        let (mut frames, mut acknowledged) = (Vec::new(), Vec::new());
        let mut todo: VecDeque<Output> = outputs.into();
        while let Some(output) = todo.pop_front() {
            if let Some(left) = steps {
                if *left == 0 {
                    return Carried::Crashed;
                }
                *left -= 1;
            }
            let Some(alive) = self.alive.as_mut() else { return Carried::Crashed };
            let now = alive.node.hall.now();
            let Some(session) = alive.sessions.get_mut(&line) else { return Carried::Frames(frames) };
            match output {
                Output::Send(frame) => frames.push(frame),
                Output::Load(load) => {
                    let runs = block_on(alive.store.load_runs(load)).unwrap();
                    todo.extend(session.on_loaded(runs, now));
                }
                Output::Store { no, runs } => {
                    let peer = session.peer().clone();
                    let bytes = runs.iter().map(Run::size).sum::<usize>() as u64;
                    if !block_on(alive.node.has_room_for(&peer, Goods::Entries, bytes)).unwrap_or(false) {
                        let faults = runs.into_iter().map(|run| (run.journal, RunFault::Storage)).collect();
                        let taken = Taken { faults, ..Taken::default() };
                        todo.extend(session.on_stored(no, taken, now));
                        continue;
                    }
                    let taken = alive.node.take_runs(&peer, runs, |journal| session.is_incoming(journal));
                    let taken = match block_on(taken) {
                        Ok(taken) => taken,
                        Err(error) => return self.hung_up(frames, &error),
                    };
                    acknowledged.extend(taken.positions.iter().cloned());
                    let network = alive.store.network();
                    alive.node.keys.refresh(&network);
                    session.on_network(network);
                    todo.extend(session.on_stored(no, taken, now));
                }
                Output::Refused { .. } if !trusted => return Carried::HungUp(frames),
                Output::Refused { journal, fault } => {
                    panic!("{}: {journal} was refused for good: {fault}", self.record.id)
                }
                Output::Compare(places) => {
                    let compared = block_on(alive.store.compare(places)).unwrap();
                    todo.extend(session.on_compared(compared, now));
                }
                Output::Behind { journal, mine, peer } => {
                    match block_on(alive.node.take_back(session, journal, mine, peer)) {
                        Ok(wish) => todo.extend(wish),
                        Err(error) => return self.hung_up(frames, &error),
                    }
                }
                Output::OlderCopy { .. } => {}
                Output::Answered => {
                    if alive.store.recovery().is_some() {
                        let peer = session.peer().clone();
                        if let Err(error) = block_on(alive.store.neighbour_answered(&peer, now)) {
                            return self.hung_up(frames, &error);
                        }
                    }
                }
                Output::Greeted(_) => {}
                Output::Close { .. } if !trusted => return Carried::HungUp(frames),
                Output::Close { reason } => panic!("{}: closed: {reason}", self.record.id),
            }
        }
        for frame in &frames {
            if let Frame::Hello(hello) = frame {
                self.remember(&hello.positions);
            }
        }
        // Whether it says so in full or not: an acknowledgement tells these.
        self.remember(&acknowledged);
        Carried::Frames(frames)
    }

    /// Only a disk that is full is a reason to end a conversation.
    fn hung_up(&self, frames: Vec<Frame>, error: &store::StoreError) -> Carried {
        assert!(self.cramped, "{}: {error}", self.record.id);
        Carried::HungUp(frames)
    }

    fn remember(&mut self, positions: &[(JournalId, Position)]) {
        // A node that finds itself on an earlier disk goes over to what others have of its journals: its own branch goes aside.
        let goes_over = self.hall().is_some_and(|hall| hall.store.recovery().is_some());
        for (journal, position) in positions {
            let own = journal.author == *self.id();
            let known = self.told.entry(journal.clone()).or_insert((0, Hash::NONE));
            if position.seq > known.0 || (own && goes_over) {
                *known = (position.seq, position.hash);
            }
        }
    }
}
