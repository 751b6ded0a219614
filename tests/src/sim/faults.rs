//! The rarer misfortunes of a week: a disk that fills, a town that lies, entries of a version to come.

use super::line::LineId;
use super::world::{Event, World};
use futures::executor::block_on;
use rand::Rng;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use replication::{Ack, Channel, Frame};
use std::collections::VecDeque;
use store::{Append, NewEntry};

/// Frames that a lying town remembers, to say them again.
const REMEMBERED: usize = 50;

/// A town in the hands of somebody who means harm, and what it has said before. It has the town's key, and nobody else's.
pub struct Liar {
    pub node: usize,
    said: VecDeque<Frame>,
}

impl World {
    /// Each of them in some weeks, drawn from the seed.
    pub(super) fn plan_misfortunes(&mut self, span: i64) {
        if self.dice.random_bool(0.35) {
            let node = self.dice.random_range(0..self.nodes.len());
            let from = self.dice.random_range(0..span * 3 / 4);
            let until = self.dice.random_range(from..span);
            self.at(from, Event::DiskFills { node });
            self.at(until, Event::DiskEmptied { node });
        }
        if self.dice.random_bool(0.35) {
            let node = self.dice.random_range(1..1 + self.plan.towns);
            let from = self.dice.random_range(0..span * 3 / 4);
            let until = self.dice.random_range(from..span);
            self.at(from, Event::Lies { node });
            self.at(until, Event::Repents);
        }
        if self.dice.random_bool(0.1) {
            // The line between the towns and the city is down for the rest of the week.
            let from = self.dice.random_range(0..12 * 3_600_000);
            self.at(from, Event::CityUnreachable);
        }
        for _ in 0..self.dice.random_range(0..6) {
            let (node, when) = (self.dice.random_range(0..self.nodes.len()), self.dice.random_range(0..span));
            self.at(when, Event::Tomorrow { node });
        }
    }

    pub(super) fn leave_the_towns_alone(&mut self) {
        self.city_unreachable = !self.healing;
        for line in 0..self.lines.len() {
            if self.city_unreachable && self.lines[line].parent == 0 {
                self.cut(line);
            }
        }
    }

    /// From now on the database of a node cannot grow: writes fail wherever they happen to be (I40).
    pub(super) fn fill_disk(&mut self, node: usize) {
        if self.restored == Some(node) || self.healing {
            return;
        }
        self.power_off(node);
        let tight = self.dice.random_bool(0.5);
        self.nodes[node].cramped = true;
        // In half of the weeks somebody looks at the free space before anything is taken, as a real disk tells it.
        self.blobs[node].set_room(tight.then_some(0));
    }

    pub(super) fn empty_disk(&mut self, node: usize) {
        if !std::mem::take(&mut self.nodes[node].cramped) {
            return;
        }
        self.blobs[node].set_room(None);
        self.power_off(node);
    }

    pub(super) fn begin_to_lie(&mut self, node: usize) {
        if !self.healing {
            (self.liar, self.lied) = (Some(Liar { node, said: VecDeque::new() }), true);
        }
    }

    /// The town is cleaned up: whoever holds its lines now says what is so.
    pub(super) fn repent(&mut self) {
        if let Some(Liar { node, .. }) = self.liar.take() {
            self.hang_up(node);
        }
    }

    pub(super) fn lies(&self, line: LineId) -> bool {
        let held = |liar: &Liar| self.lines[line].child == liar.node || self.lines[line].parent == liar.node;
        self.liar.as_ref().is_some_and(held)
    }

    /// What goes onto the line in place of what an honest node would say.
    pub(super) fn as_said(&mut self, own: usize, frames: Vec<Frame>) -> Vec<Frame> {
        match self.liar.as_mut().filter(|liar| liar.node == own) {
            Some(liar) => frames.into_iter().flat_map(|frame| liar.twist(frame, &mut self.dice)).collect(),
            None => frames,
        }
    }

    /// An entry of a kind that only a later version knows (I41).
    pub(super) fn write_of_tomorrow(&mut self, index: usize) {
        let Some(hall) = self.nodes[index].hall().cloned() else { return };
        if !super::world::may_write(&hall) {
            return;
        }
        let now = hall.now();
        let body = (0..self.dice.random_range(0..2_000)).map(|_| self.dice.random()).collect();
        let channel = if index == 0 { Channel::All } else { Channel::Up };
        let id = hall.random.entry_id(now);
        let entry = NewEntry { id, channel, kind: "kind.of.tomorrow", subject: "x".into(), body };
        let written = block_on(hall.store.append(Append::new(now, "", "tomorrow", vec![entry])));
        assert!(written.is_ok() || self.nodes[index].cramped, "{written:?}");
        drop(hall);
        self.spread(index);
    }
}

impl Liar {
    fn twist(&mut self, frame: Frame, dice: &mut StdRng) -> Vec<Frame> {
        self.said.push_back(frame.clone());
        if self.said.len() > REMEMBERED {
            self.said.pop_front();
        }
        match (frame, dice.random_range(0..10)) {
            // Withholds what others gave it to carry.
            (Frame::Batch(mut batch), 0..=2) => {
                let kept = dice.random_range(0..=batch.runs.len());
                batch.runs.truncate(kept);
                vec![Frame::Batch(batch)]
            }
            // Changes a word of somebody else's, and cannot sign it.
            (Frame::Batch(mut batch), 3..=4) => {
                for run in &mut batch.runs {
                    spoil(run, dice);
                }
                vec![Frame::Batch(batch)]
            }
            // Says that it has what it never stored, or that it lacks what it has.
            (Frame::Acks(acks), 5..=6) => {
                let lie = |ack: Ack| Ack { no: ack.no, positions: Vec::new(), faults: Vec::new() };
                vec![Frame::Acks(acks.into_iter().map(lie).collect())]
            }
            // Says again what it said long ago.
            (frame, 7) => {
                let before: Vec<Frame> = self.said.iter().cloned().collect();
                let again = before.choose(dice).filter(|frame| !matches!(frame, Frame::Hello(_))).cloned();
                std::iter::once(frame).chain(again).collect()
            }
            (frame, _) => vec![frame],
        }
    }
}

fn spoil(run: &mut replication::Run, dice: &mut StdRng) {
    let Some(count) = run.entries.len().checked_sub(1) else { return };
    let entry = &mut run.entries[dice.random_range(0..=count)];
    let part = if dice.random() { &mut entry.core } else { &mut entry.body };
    let mut bytes = part.to_vec();
    if let Some(last) = bytes.len().checked_sub(1) {
        bytes[dice.random_range(0..=last)] ^= 1 << dice.random_range(0..8);
    }
    *part = bytes.into();
}
