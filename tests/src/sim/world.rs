//! The world: a calendar of events, faults, and a healing at the end.

use super::checks::{self, Told};
use super::faults::Liar;
use super::line::{Line, LineId, Weather};
use super::node::SimNode;
use super::people::{capture, do_task};
use domain::Timestamp;
use domain::catalogue::StageKind;
use domain::delegation::Delegate;
use domain::duty::Duty;
use domain::network::Tier;
use domain::pack::{Pieces, kaili_pieces};
use futures::executor::block_on;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, RngCore, SeedableRng};
use replication::{Frame, Position};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::blobs::MemoryBlobs;
use store::{Store, TaskQuery};
use testkit::letters::Person;
use testkit::{Applicant, FakeClock};

pub(super) const HOUR_MS: i64 = 3_600_000;
pub(super) const DAY_MS: i64 = 24 * HOUR_MS;

/// What is simulated.
#[derive(Debug, Clone)]
pub struct Plan {
    pub seed: u64,
    pub towns: usize,
    pub villages: usize,
    pub days: i64,
    pub cases: usize,
}

impl Plan {
    /// A hub, two towns, six villages, a week.
    pub fn week(seed: u64) -> Plan {
        Plan { seed, towns: 2, villages: 6, days: 7, cases: 20 }
    }
}

/// What a seed came to. Equal seeds give equal outcomes (I43).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    pub cases: usize,
    pub delivered: usize,
    pub crashes: usize,
    /// Nodes that were set back to a copy of their disk.
    pub restores: usize,
    /// Branches of journals that ended and were kept aside, over all nodes.
    pub branches: usize,
    pub cuts: usize,
    pub frames: usize,
    /// Alerts of supervision that the hub raised, and how many of them later pages disproved.
    pub alerts: (u64, u64),
    pub trace: String,
}

pub(super) enum Event {
    Arrive {
        line: LineId,
        generation: u32,
        upward: bool,
        frame: Box<Frame>,
    },
    Tick {
        line: LineId,
    },
    /// Acknowledgements that found no company in time.
    Pay {
        line: LineId,
        generation: u32,
        upward: bool,
    },
    Dial {
        line: LineId,
    },
    Record {
        counter: usize,
    },
    Work {
        node: usize,
    },
    Cut {
        line: LineId,
    },
    Heal {
        line: LineId,
    },
    Crash {
        node: usize,
        midway: bool,
    },
    Boot {
        node: usize,
    },
    /// Somebody copies the disk of a node while it is off.
    Backup {
        node: usize,
    },
    /// And puts the copy in place of the disk; `said` when the node is told so.
    Restore {
        node: usize,
        said: bool,
    },
    /// The disk that was replaced comes back: two copies of one node, one after the other.
    PutBack {
        node: usize,
    },
    /// Somebody says that this copy is the one that counts.
    TakeOver {
        node: usize,
    },
    Publish,
    DiskFills {
        node: usize,
    },
    DiskEmptied {
        node: usize,
    },
    /// A town falls into the wrong hands.
    Lies {
        node: usize,
    },
    Repents,
    /// Every line of the hub is down until everything heals.
    CityUnreachable,
    /// An entry of a version to come.
    Tomorrow {
        node: usize,
    },
}

pub(super) struct World {
    pub(super) plan: Plan,
    pub(super) dice: StdRng,
    pub(super) clock: Arc<FakeClock>,
    pub(super) weather: Weather,
    pub(super) nodes: Vec<SimNode>,
    pub(super) blobs: Vec<Arc<MemoryBlobs>>,
    pub(super) lines: Vec<Line>,
    events: BTreeMap<(i64, u64), Event>,
    order: u64,
    people: Vec<Applicant>,
    pub(super) told: Vec<Told>,
    pub(super) outcome: Outcome,
    trace: u64,
    pub(super) midway: Option<u32>,
    pieces: Pieces,
    pub(super) healing: bool,
    healed_at: Timestamp,
    /// The node that was set back to an earlier disk.
    pub(super) restored: Option<usize>,
    pub(super) liar: Option<Liar>,
    pub(super) city_unreachable: bool,
    /// Whether some town ever lied: then others hold evidence of it.
    pub(super) lied: bool,
    /// Every frame sent, for whoever wants to look at real traffic.
    pub(super) collected: Option<Vec<Frame>>,
}

/// Eight items that between them use every kind of stage and tier.
const ITEMS: [&str; 9] =
    ["dibao", "food", "geti", "pension_reg", "zhaijidi", "entertain", "loan", "jobreg", "canji_card"];

/// Plays one seed to its end and checks everything on the way.
///
/// # Panics
/// With the seed and what was broken.
pub fn run(plan: Plan) -> Outcome {
    play(World::new(plan)).outcome
}

/// As [`run`], returning every frame that was sent.
///
/// # Panics
/// As [`run`].
pub fn frames(plan: Plan) -> Vec<Frame> {
    let mut world = World::new(plan);
    world.collected = Some(Vec::new());
    play(world).collected.unwrap_or_default()
}

fn play(mut world: World) -> World {
    world.open_city();
    world.plan_week();
    let end = world.start().plus_ms(world.plan.days * DAY_MS);
    world.run_until(end);
    world.heal_everything();
    world.run_to_rest();
    checks::at_rest(&world.nodes, &world.told, world.restored.is_some() || world.lied);
    world.outcome.cases = world.told.len();
    world.outcome.branches = checks::branches(&world.nodes);
    world.outcome.alerts = checks::alerts(&world.nodes[0]);
    world.outcome.delivered = checks::delivered(&world.nodes[0], &world.told);
    world.outcome.trace = format!("{:016x}", world.trace);
    world
}

impl World {
    pub(super) fn new(plan: Plan) -> World {
        let mut dice = StdRng::seed_from_u64(plan.seed);
        let mut nodes = vec![SimNode::new("hub", Tier::City, None, "522601", plan.seed, 0)];
        let mut lines = Vec::new();
        for town in 0..plan.towns {
            nodes.push(SimNode::new(
                &format!("t-{town}"),
                Tier::Town,
                Some("hub"),
                "522601108",
                plan.seed,
                0,
            ));
            lines.push(Line { child: nodes.len() - 1, parent: 0, up: true, generation: 0, connected: false });
        }
        for village in 0..plan.villages {
            let town = village % plan.towns;
            // A village's clock may be days off (I19).
            let offset = dice.random_range(-5 * DAY_MS..5 * DAY_MS);
            nodes.push(SimNode::new(
                &format!("v-{village}"),
                Tier::Village,
                Some(&format!("t-{town}")),
                "522601108201",
                plan.seed,
                offset,
            ));
            lines.push(Line {
                child: nodes.len() - 1,
                parent: 1 + town,
                up: true,
                generation: 0,
                connected: false,
            });
        }
        let weather = Weather::draw(&mut dice);
        let blobs = nodes.iter().map(|node| node.disk.as_ref().unwrap().blobs.clone()).collect();
        let mut pieces = kaili_pieces();
        pieces.retain(|name, _| name.strip_prefix("item/").is_none_or(|item| ITEMS.contains(&item)));
        pieces.insert("bundles".into(), "[]".into());
        pieces.remove("standards");
        let outcome = Outcome {
            cases: 0,
            delivered: 0,
            crashes: 0,
            restores: 0,
            branches: 0,
            cuts: 0,
            frames: 0,
            alerts: (0, 0),
            trace: String::new(),
        };
        World {
            dice,
            clock: Arc::new(FakeClock::at(testkit::dice::MONDAY)),
            weather,
            nodes,
            blobs,
            lines,
            events: BTreeMap::new(),
            order: 0,
            people: testkit::applicants(),
            told: Vec::new(),
            outcome,
            trace: 0,
            midway: None,
            pieces,
            healing: false,
            healed_at: testkit::dice::MONDAY,
            restored: None,
            liar: None,
            city_unreachable: false,
            lied: false,
            collected: None,
            plan,
        }
    }

    pub(super) fn start(&self) -> Timestamp {
        testkit::dice::MONDAY
    }
    fn now(&self) -> Timestamp {
        domain::seams::Clock::now(&*self.clock)
    }
    pub(super) fn at(&mut self, delay_ms: i64, event: Event) {
        self.order += 1;
        self.events.insert((self.now().as_ms() + delay_ms.max(0), self.order), event);
    }

    /// The hub publishes itself, the pack and all nodes, as enrolment would; every node is told of its ancestors.
    pub(super) fn open_city(&mut self) {
        let records: Vec<_> = self.nodes.iter().map(|node| node.record.clone()).collect();
        let clock = self.clock.clone();
        for node in &mut self.nodes {
            node.boot(&clock);
        }
        let alive = self.nodes[0].alive.as_ref().unwrap();
        for record in &records {
            block_on(alive.node.hall.introduce(record.clone())).unwrap();
        }
        block_on(alive.node.hall.publish_pack("init", &self.pieces)).unwrap();
        alive.node.keys.refresh(&alive.store.network());
        block_on(self.delegate(&alive.node.hall));
        for (index, node) in self.nodes.iter().enumerate().skip(1) {
            let mut above = vec![records[index].clone()];
            while let Some(parent) = above.last().unwrap().parent.clone() {
                above.push(records.iter().find(|record| record.id == parent).unwrap().clone());
            }
            let alive = node.alive.as_ref().unwrap();
            block_on(alive.store.seed_nodes(above)).unwrap();
            alive.node.keys.refresh(&alive.store.network());
        }
    }

    /// Letters of delegation for everybody who may act in this week, and the seals of all bodies.
    async fn delegate(&self, hub: &casework::Hall) {
        let (_, pack) = hub.pack(None).unwrap();
        let duties = [None, Some(Duty::Handle), Some(Duty::Review), Some(Duty::Approve)];
        let mut people = Vec::new();
        for node in &self.nodes {
            let bodies: Vec<Option<domain::OrgId>> = match node.record.tier {
                Tier::City => pack.orgs.keys().cloned().map(Some).collect(),
                Tier::Town | Tier::Village => pack.orgs.keys().cloned().map(Some).chain([None]).collect(),
            };
            for (body, duty) in bodies.iter().flat_map(|body| duties.map(|duty| (body, duty))) {
                let officer = node.officer(body.as_ref().map(domain::OrgId::as_str), duty).name;
                let at = Delegate { node: node.record.id.clone(), officer };
                people.push(Person { at, tier: node.record.tier, body: body.clone() });
            }
        }
        let day = |text: &str| text.parse().unwrap();
        let letters =
            testkit::letters::for_everybody(&pack, &people, "委", day("2026-01-01"), day("2036-12-31"));
        hub.publish_letters("init", &letters).await.unwrap();
        let records: Vec<_> = pack
            .orgs
            .keys()
            .map(|body| hub.seals.seal_for(body).unwrap().record(day("2026-01-01")))
            .collect();
        hub.publish_seals("init", &records).await.unwrap();
    }

    pub(super) fn plan_week(&mut self) {
        for line in 0..self.lines.len() {
            let delay = self.dice.random_range(0..5_000);
            self.at(delay, Event::Dial { line });
            self.at(20_000, Event::Tick { line });
        }
        let span = self.plan.days * DAY_MS;
        let (towns, villages) = (1..1 + self.plan.towns, 1 + self.plan.towns..self.nodes.len());
        for _ in 0..self.plan.cases {
            // One in eight comes to the window of a town.
            let at = if self.dice.random_bool(0.125) { towns.clone() } else { villages.clone() };
            let counter = self.dice.random_range(at);
            let when = self.dice.random_range(HOUR_MS..span * 3 / 4);
            self.at(when, Event::Record { counter });
        }
        for node in 0..self.nodes.len() {
            let delay = self.dice.random_range(0..HOUR_MS);
            self.at(delay, Event::Work { node });
        }
        let days = self.plan.days as f64;
        for _ in 0..(self.weather.cuts_a_day * days) as usize {
            let (line, when) = (self.dice.random_range(0..self.lines.len()), self.dice.random_range(0..span));
            self.at(when, Event::Cut { line });
        }
        for _ in 0..(self.weather.crashes_a_day * days) as usize {
            let (node, when) = (self.dice.random_range(0..self.nodes.len()), self.dice.random_range(0..span));
            let midway = self.dice.random_bool(0.6);
            self.at(when, Event::Crash { node, midway });
        }
        self.at(span / 2, Event::Publish);
        self.plan_restore(span);
        self.plan_misfortunes(span);
    }

    fn run_until(&mut self, end: Timestamp) {
        while self.step_before(end) {}
        self.clock.set(end);
    }

    /// The next event, if there is one before `end`.
    pub(super) fn step_before(&mut self, end: Timestamp) -> bool {
        let next = self.events.first_key_value().map(|((when, _), _)| *when);
        let there = next.is_some_and(|when| when <= end.as_ms());
        if there {
            self.step();
        }
        there
    }

    fn step(&mut self) {
        let Some(((when, _), event)) = self.events.pop_first() else { return };
        self.clock.set(Timestamp::from_ms(when));
        self.mix(when as u64);
        match event {
            Event::Arrive { line, generation, upward, frame } => {
                self.arrive(line, generation, upward, *frame)
            }
            Event::Tick { line } => self.tick(line),
            Event::Pay { line, generation, upward } => self.pay(line, generation, upward),
            Event::Dial { line } => self.dial(line),
            Event::Record { counter } => self.record(counter),
            Event::Work { node } => self.work(node),
            Event::Cut { line } => self.cut(line),
            Event::Heal { line } => {
                self.lines[line].up |= !(self.city_unreachable && self.lines[line].parent == 0);
            }
            Event::Crash { node, midway } => self.crash(node, midway),
            Event::Boot { node } => self.boot(node),
            Event::Backup { node } => self.back_up(node),
            Event::Restore { node, said } => self.restore(node, said),
            Event::PutBack { node } => self.put_back(node),
            Event::TakeOver { node } => self.take_over(node),
            Event::Publish => self.publish(),
            Event::DiskFills { node } => self.fill_disk(node),
            Event::DiskEmptied { node } => self.empty_disk(node),
            Event::Lies { node } => self.begin_to_lie(node),
            Event::Repents => self.repent(),
            Event::CityUnreachable => self.leave_the_towns_alone(),
            Event::Tomorrow { node } => self.write_of_tomorrow(node),
        }
    }

    fn mix(&mut self, value: u64) {
        self.trace = (self.trace.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }

    fn record(&mut self, counter: usize) {
        let seed = self.dice.next_u64();
        let item = ITEMS.choose(&mut self.dice).unwrap();
        let Some(hall) = self.nodes[counter].hall().cloned() else { return };
        if hall.pack(None).is_err() {
            return;
        }
        if !may_write(&hall) {
            return self.at(6 * HOUR_MS, Event::Record { counter });
        }
        let officer = self.nodes[counter].officer(None, None);
        let told = match block_on(capture(&hall, &officer, item, &self.people, seed)) {
            Ok(told) => told,
            // The officer was told that it was not stored, and comes again when there is room.
            Err(error) => {
                assert!(self.nodes[counter].cramped, "{error}");
                return self.at(6 * HOUR_MS, Event::Record { counter });
            }
        };
        let hash = checks::hash_of_entry(&self.nodes[counter], &told.0, told.1);
        self.told.push(Told { case: told.0, entry: told.1, counter, hash, release: told.2 });
        drop(hall);
        self.spread(counter);
    }

    /// Everybody at a node looks at the queue and does what can be done.
    fn work(&mut self, index: usize) {
        let pause = match (self.healing, self.settling()) {
            (_, true) => 60_000,
            // What is left waits for a publicity or a hearing: days pass at a normal pace.
            (true, false) => 8 * HOUR_MS,
            (false, false) => self.dice.random_range(HOUR_MS..6 * HOUR_MS),
        };
        self.at(pause, Event::Work { node: index });
        let Some(hall) = self.nodes[index].hall().cloned().filter(may_write) else { return };
        let tasks = block_on(hall.store.tasks(TaskQuery { limit: 50, ..TaskQuery::default() })).unwrap();
        for task in tasks {
            if self.nodes[index].alive.is_none() || self.dice.random_bool(0.2) && !self.healing {
                continue;
            }
            let officer = {
                let kind = StageKind::ALL.into_iter().find(|kind| kind.as_str() == task.kind);
                let body = task.body.as_ref().map(domain::OrgId::as_str);
                self.nodes[index].officer(body, kind.and_then(Duty::of))
            };
            let choice = self.dice.next_u64();
            let done = block_on(do_task(&hall, &officer, &task, choice));
            assert!(done.is_ok() || self.nodes[index].cramped, "{done:?}");
        }
        drop(hall);
        self.spread(index);
    }

    fn publish(&mut self) {
        let Some(hall) = self.nodes[0].hall().cloned().filter(may_write) else {
            return self.at(6 * HOUR_MS, Event::Publish);
        };
        let mut changed = self.pieces.clone();
        let item =
            changed.get("item/dibao").unwrap().replace("最低生活保障审核确认", "最低生活保障审核确认(新版)");
        changed.insert("item/dibao".into(), item);
        // The arrangement of next year is published too: whatever was provisional is counted anew.
        let years = changed.get_mut("calendar_years").unwrap();
        *years = years.replace("2027,not_announced", "2027,final");
        let published = block_on(hall.publish_pack("cli", &changed));
        drop(hall);
        if let Err(error) = published {
            assert!(self.nodes[0].cramped, "{error}");
            self.at(6 * HOUR_MS, Event::Publish);
        }
        self.spread(0);
    }

    fn crash(&mut self, node: usize, midway: bool) {
        if midway {
            // The next conversation that is carried out somewhere breaks off after so many steps.
            self.midway = Some(self.dice.random_range(0..4));
            return;
        }
        self.power_off(node);
    }

    pub(super) fn power_off(&mut self, node: usize) {
        if self.nodes[node].alive.is_none() {
            return;
        }
        self.outcome.crashes += 1;
        for line in 0..self.lines.len() {
            if self.lines[line].child == node || self.lines[line].parent == node {
                self.break_line(line);
                let redial = self.dice.random_range(5_000..60_000);
                self.at(redial, Event::Dial { line });
            }
        }
        let blobs = self.blobs[node].clone();
        self.nodes[node].crash(blobs);
        let dark = self.dice.random_range(1_000..2 * HOUR_MS);
        self.at(dark, Event::Boot { node });
    }

    pub(super) fn boot(&mut self, node: usize) {
        if self.nodes[node].alive.is_some() {
            return;
        }
        let clock = self.clock.clone();
        self.nodes[node].boot(&clock);
        // A disk that was set back lacks, for a while, what others will give back.
        let told = self.told.iter().filter(|told| told.counter == node && self.restored != Some(node));
        checks::after_boot(&self.nodes[node], told);
    }

    /// The first hours after everything healed: all that was held up comes at once.
    pub(super) fn settling(&self) -> bool {
        self.healing && self.now().since(self.healed_at) < 2 * HOUR_MS
    }

    fn heal_everything(&mut self) {
        (self.healing, self.healed_at) = (true, self.now());
        self.midway = None;
        self.weather = Weather::calm();
        self.city_unreachable = false;
        self.repent();
        for node in 0..self.nodes.len() {
            self.empty_disk(node);
            self.boot(node);
            self.at(1_000, Event::Work { node });
        }
        for line in 0..self.lines.len() {
            self.lines[line].up = true;
            self.at(100, Event::Dial { line });
            self.at(1_000, Event::Tick { line });
        }
    }

    /// Goes on until everybody holds everything and every case is handed over.
    fn run_to_rest(&mut self) {
        // A publicity takes two weeks, a hearing one, and each may start with the last case recorded.
        let limit = self.now().plus_ms(60 * DAY_MS);
        let mut next_look = self.now();
        while self.now() < limit {
            self.step();
            if self.now() > next_look {
                next_look = self.now().plus_ms(if self.settling() { 600_000 } else { 12 * HOUR_MS });
                if checks::is_at_rest(&self.nodes, &self.told) {
                    return;
                }
            }
        }
        panic!(
            "I42: after everything healed the city does not come to rest:\n{}",
            checks::describe(&self.nodes, &self.told)
        );
    }
}

/// A restored node whose neighbours have not all answered does nothing of its own.
pub(super) fn may_write(hall: &casework::Hall) -> bool {
    hall.store.recovery().is_none_or(|recovery| recovery.may_write().is_ok())
}

/// The position of a journal at a node, for the checks.
pub(super) fn position_at(node: &SimNode, journal: &replication::JournalId) -> Position {
    let heads = node.hall().map(|hall| block_on(hall.store.heads()).unwrap()).unwrap_or_default();
    heads.into_iter().find(|(id, _)| id == journal).map_or(Position::NONE, |(_, head)| head)
}
