//! What goes over the lines: conversations begun, carried out and broken off, and the scans beside them.

use super::line::{Line, LineId};
use super::node::{Carried, SimNode};
use super::world::{DAY_MS, Event, HOUR_MS, World};
use futures::executor::block_on;
use rand::Rng;
use replication::Frame;
use replication::session::Session;
use store::Store;
use store::blobs::Blobs;

impl World {
    pub(super) fn dial(&mut self, line: LineId) {
        let Line { child, parent, up, connected, .. } = self.lines[line];
        if connected {
            return;
        }
        let possible = up && self.nodes[child].alive.is_some() && self.nodes[parent].alive.is_some();
        if !possible {
            let wait = self.dice.random_range(1_000..120_000);
            return self.at(wait, Event::Dial { line });
        }
        self.lines[line].generation += 1;
        self.lines[line].connected = true;
        for (own, peer, upward) in [(child, parent, true), (parent, child, false)] {
            let peer = self.nodes[peer].id().clone();
            let alive = self.nodes[own].alive.as_mut().unwrap();
            let mut session = Session::new(alive.node.hall.me().clone(), peer, alive.store.network());
            let heads = block_on(alive.store.heads()).unwrap();
            let outputs = session.open(&heads, 1, "sim", None, alive.node.hall.now());
            alive.sessions.insert(line, session);
            self.act(own, line, upward, outputs);
        }
    }

    /// Lets a node carry out a session's outputs and puts the frames on the line; then tells its other sessions.
    pub(super) fn act(&mut self, own: usize, line: LineId, upward: bool, outputs: Vec<replication::Output>) {
        let mut midway = if self.midway.is_some() && !self.healing { self.midway } else { None };
        let trusted = !self.lies(line);
        let carried = self.nodes[own].carry_out(line, outputs, &mut midway, trusted);
        self.midway = midway;
        match carried {
            Carried::Frames(frames) => self.send(own, line, upward, frames),
            Carried::Crashed => {
                self.midway = None;
                return self.power_off(own);
            }
            Carried::HungUp(frames) => {
                self.send(own, line, upward, frames);
                return self.drop_line(line);
            }
        }
        self.spread(own);
        let session = self.nodes[own].alive.as_ref().and_then(|alive| alive.sessions.get(&line));
        if session.is_some_and(Session::owes) {
            let generation = self.lines[line].generation;
            self.at(20, Event::Pay { line, generation, upward });
        }
    }

    pub(super) fn pay(&mut self, line: LineId, generation: u32, upward: bool) {
        let Line { child, parent, generation: current, .. } = self.lines[line];
        let own = if upward { child } else { parent };
        let session = self.nodes[own].alive.as_mut().and_then(|alive| alive.sessions.get_mut(&line));
        if let Some(session) = session.filter(|_| generation == current) {
            let outputs = session.pay();
            self.act(own, line, upward, outputs);
        }
    }

    pub(super) fn send(&mut self, own: usize, line: LineId, upward: bool, frames: Vec<Frame>) {
        let frames = self.as_said(own, frames);
        let generation = self.lines[line].generation;
        for frame in frames {
            self.outcome.frames += 1;
            if let Some(collected) = &mut self.collected {
                collected.push(frame.clone());
            }
            for delay in self.weather.clone().arrivals(&frame, &mut self.dice) {
                self.at(delay, Event::Arrive { line, generation, upward, frame: Box::new(frame.clone()) });
            }
        }
    }

    /// What was committed at a node concerns all its lines.
    pub(super) fn spread(&mut self, own: usize) {
        loop {
            let Some(alive) = self.nodes[own].alive.as_mut() else { return };
            let Ok(change) = alive.changes.try_recv() else { return };
            if change.greet_anew {
                self.hang_up(own);
                continue;
            }
            let now = alive.node.hall.now();
            let network = alive.store.network();
            if change.reference_data {
                alive.node.keys.refresh(&network);
            }
            let lines: Vec<LineId> = alive.sessions.keys().copied().collect();
            for line in lines {
                let alive = self.nodes[own].alive.as_mut();
                let Some(session) = alive.and_then(|alive| alive.sessions.get_mut(&line)) else { continue };
                if change.reference_data {
                    session.on_network(network.clone());
                }
                let outputs = session.on_heads(&change.heads, now);
                let upward = self.lines[line].child == own;
                let trusted = !self.lies(line);
                match self.nodes[own].carry_out(line, outputs, &mut None, trusted) {
                    Carried::Frames(frames) => self.send(own, line, upward, frames),
                    Carried::Crashed => {}
                    Carried::HungUp(frames) => {
                        self.send(own, line, upward, frames);
                        self.drop_line(line);
                    }
                }
            }
        }
    }

    pub(super) fn arrive(&mut self, line: LineId, generation: u32, upward: bool, frame: Frame) {
        let Line { child, parent, up, connected, generation: current, .. } = self.lines[line];
        if generation != current || !connected || !up {
            return;
        }
        let own = if upward { parent } else { child };
        let Some(alive) = self.nodes[own].alive.as_mut() else { return };
        let now = alive.node.hall.now();
        let Some(session) = alive.sessions.get_mut(&line) else { return };
        // A frame may overtake the greeting on a bad line; a stream never lets it.
        if !session.is_greeted() && !matches!(frame, Frame::Hello(_)) {
            return;
        }
        let outputs = session.on_frame(frame, now);
        self.act(own, line, !upward, outputs);
        self.carry_scans(line);
    }

    pub(super) fn tick(&mut self, line: LineId) {
        let Line { child, parent, .. } = self.lines[line];
        for (own, upward) in [(child, true), (parent, false)] {
            let Some(alive) = self.nodes[own].alive.as_mut() else { continue };
            let now = alive.node.hall.now();
            let Some(session) = alive.sessions.get_mut(&line) else { continue };
            let outputs = session.on_tick(now);
            self.act(own, line, upward, outputs);
        }
        self.carry_scans(line);
        let pause = match (self.healing, self.settling()) {
            (_, true) => 15_000,
            (true, false) => 2 * HOUR_MS,
            (false, false) => 600_000,
        };
        self.at(pause, Event::Tick { line });
    }

    /// The lane of attachments, in short: whoever lacks bytes that the neighbour has gets them while the line stands.
    pub(super) fn carry_scans(&mut self, line: LineId) {
        let Line { child, parent, up, connected, .. } = self.lines[line];
        if !up || !connected {
            return;
        }
        // Both sides ask for scans of cases from the child's side, as over a real line.
        let below = |node: &&SimNode| node.record.parent.as_ref() == Some(self.nodes[child].id());
        let own = std::iter::once(&self.nodes[child]).chain(self.nodes.iter().filter(below));
        let origins: Vec<_> = own.map(|node| node.id().clone()).collect();
        for (asks, has) in [(parent, child), (child, parent)] {
            let Some(hall) = self.nodes[asks].hall() else { return };
            for wanted in block_on(hall.store.wanted_attachments(origins.clone(), 100)).unwrap() {
                if let Ok(bytes) = self.blobs[has].read(&wanted.hash, 0, usize::MAX >> 1) {
                    self.blobs[asks].put(&wanted.hash, &bytes).unwrap();
                    let noted = block_on(hall.store.attachment_arrived(&wanted.hash));
                    assert!(noted.is_ok() || self.nodes[asks].cramped, "{noted:?}");
                }
            }
        }
        // Receipts: the child asks about what it has, the parent answers for what lies on its own disk.
        let Some(hall) = self.nodes[child].hall() else { return };
        for (_, hash) in block_on(hall.store.unconfirmed_attachments(0, 1000)).unwrap() {
            if self.blobs[parent].has(&hash) {
                let noted = block_on(hall.store.attachment_confirmed(&hash));
                assert!(noted.is_ok() || self.nodes[child].cramped, "{noted:?}");
            }
        }
    }

    /// One conversation ends; the child dials again.
    pub(super) fn drop_line(&mut self, line: LineId) {
        self.break_line(line);
        let redial = self.dice.random_range(500..60_000);
        self.at(redial, Event::Dial { line });
    }

    /// A node whose own journals are not what they were greets its neighbours anew.
    pub(super) fn hang_up(&mut self, node: usize) {
        for line in 0..self.lines.len() {
            if self.lines[line].child == node || self.lines[line].parent == node {
                self.break_line(line);
                let redial = self.dice.random_range(500..5_000);
                self.at(redial, Event::Dial { line });
            }
        }
    }

    pub(super) fn break_line(&mut self, line: LineId) {
        self.lines[line].connected = false;
        for end in [self.lines[line].child, self.lines[line].parent] {
            if let Some(alive) = self.nodes[end].alive.as_mut() {
                alive.sessions.remove(&line);
            }
        }
    }

    pub(super) fn cut(&mut self, line: LineId) {
        self.outcome.cuts += 1;
        self.lines[line].up = false;
        self.break_line(line);
        let (outage, redial) = (self.dice.random_range(60_000..DAY_MS), self.dice.random_range(0..10_000));
        self.at(outage, Event::Heal { line });
        self.at(outage + redial, Event::Dial { line });
    }
}
