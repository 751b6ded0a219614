//! When the two ends of a link hold different branches of a journal: which one goes on, who asks for what, and what is proven.

use super::{ACK_TIMEOUT_MS, Lane, Output, Session};
use crate::epoch::Compared;
use crate::frame::Wish;
use crate::{Frame, JournalId, Position};
use domain::Timestamp;

/// A journal that was asked back.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// How far the peer has it.
    pub(super) through: u64,
    /// From where it was asked for last, and when; `None` while nobody has said that we may take it.
    pub(super) asked: Option<(Position, Timestamp)>,
    /// It is here. What comes all the same was said twice.
    pub(super) here: bool,
}

impl Lane {
    /// Goes back to where the peer's branch may still be ours, with the proof that the branch it holds has ended.
    pub(super) fn rewind_from(&mut self, at: u64) {
        self.rewinds = true;
        self.says_whole_hash = true;
        (self.acked, self.sent) = (at.saturating_sub(1), at.saturating_sub(1));
    }
}

impl Session {
    /// What the peer's greeting says of every journal the two have in common.
    pub(super) fn judge_positions(
        &mut self,
        positions: Vec<(JournalId, Position)>,
        now: Timestamp,
    ) -> Vec<Output> {
        let (mut outputs, mut compare) = (Vec::new(), Vec::new());
        for (journal, peer) in positions {
            if !self.is_outgoing(&journal) {
                outputs.extend(self.older_copy(&journal, peer));
                continue;
            }
            let lane = self.lanes.entry(journal.clone()).or_default();
            let head = lane.head;
            if peer.seq > head.seq {
                outputs.extend(self.differs(journal, peer, now));
            } else if peer.seq == head.seq || peer.seq == 0 {
                let same = peer.seq == 0 || peer.hash == head.hash;
                outputs.extend(self.judge(journal, Compared { peer, same }, now));
            } else {
                compare.push((journal, peer));
            }
        }
        match compare.is_empty() {
            true => outputs.extend(self.when_answered()),
            false => {
                self.comparing = true;
                outputs.push(Output::Compare(compare));
            }
        }
        outputs
    }

    /// The answer to [`Output::Compare`].
    pub fn on_compared(&mut self, compared: Vec<(JournalId, Compared)>, now: Timestamp) -> Vec<Output> {
        self.comparing = false;
        let mut outputs = Vec::new();
        for (journal, compared) in compared {
            outputs.extend(self.judge(journal, compared, now));
        }
        outputs.extend(self.when_answered());
        outputs.extend(self.pump(now));
        outputs
    }

    fn judge(
        &mut self,
        journal: JournalId,
        Compared { peer, same }: Compared,
        now: Timestamp,
    ) -> Option<Output> {
        if !same {
            return self.differs(journal, peer, now);
        }
        let lane = self.lanes.get_mut(&journal)?;
        (lane.acked, lane.sent) = (peer.seq, peer.seq);
        None
    }

    /// The peer holds another branch of a journal that flows from us, or a longer one.
    fn differs(&mut self, journal: JournalId, peer: Position, now: Timestamp) -> Option<Output> {
        let (own, lane) = (journal.author == self.me, self.lanes.get_mut(&journal)?);
        if lane.head.epoch > peer.epoch {
            lane.rewind_from(peer.seq.min(lane.head.seq));
            return None;
        }
        let mine = lane.head;
        if !own && peer.seq <= mine.seq && peer.epoch == mine.epoch {
            // Two histories of an author who is neither of us: shown to the peer, who keeps both (I8).
            lane.says_whole_hash = true;
            (lane.acked, lane.sent) = (peer.seq - 1, peer.seq - 1);
            return None;
        }
        self.wanted.insert(journal.clone(), Wanted { through: peer.seq, asked: None, here: false });
        if own {
            lane.frozen = true;
            return Some(Output::Behind { journal, mine, peer });
        }
        // It reached the peer by another way (a bag), or we were restored: what passes through here shall be here.
        (lane.acked, lane.sent) = (mine.seq, mine.seq);
        let from = Position { seq: mine.seq.min(peer.seq), ..mine };
        self.want_back(journal, from, peer.seq, now)
    }

    /// Asks for a journal that flows from us: one we relay, or, when we are [`Output::Behind`] in our own and may take it back,
    /// that one. Nothing of our own is sent before we greet anew.
    pub fn want_back(
        &mut self,
        journal: JournalId,
        from: Position,
        through: u64,
        now: Timestamp,
    ) -> Option<Output> {
        let wanted = self.wanted.get_mut(&journal)?;
        *wanted = Wanted { through, asked: Some((from, now)), here: through <= from.seq };
        match wanted.here {
            // Nothing of what the peer has more counts.
            true => self.when_answered(),
            false => Some(Output::Send(Frame::Want(vec![Wish { journal, from, through }]))),
        }
    }

    /// A wish that brought nothing for a while was lost, or its answer.
    pub(super) fn ask_again(&mut self, now: Timestamp) -> Option<Output> {
        let mut wishes = Vec::new();
        for (journal, wanted) in &mut self.wanted {
            if let Some((from, at)) = &mut wanted.asked
                && !wanted.here
                && now.since(*at) > ACK_TIMEOUT_MS
            {
                *at = now;
                wishes.push(Wish { journal: journal.clone(), from: *from, through: wanted.through });
            }
        }
        (!wishes.is_empty()).then(|| Output::Send(Frame::Want(wishes)))
    }

    /// The peer lacks what it once sent us.
    pub(super) fn on_want(&mut self, wishes: Vec<Wish>, now: Timestamp) -> Vec<Output> {
        for Wish { journal, from, through } in wishes {
            let Some(head) = self.incoming.get(&journal).copied() else { continue };
            // Somebody on another branch that is as long as ours says where it ends; what it lacks begins before that.
            let other = from.seq >= head.seq && from.hash != head.hash;
            let at = if other { head.seq.saturating_sub(1) } else { from.seq.min(head.seq) };
            let lane = Lane {
                head: Position { seq: head.seq.min(through), ..head },
                acked: at,
                sent: at,
                says_whole_hash: true,
                rewinds: head.epoch > from.epoch,
                returns: true,
                ..Lane::default()
            };
            self.lanes.insert(journal, lane);
        }
        self.pump(now)
    }

    /// Notes what was asked back and has come.
    pub(super) fn got_back(&mut self, positions: &[(JournalId, Position)], now: Timestamp) -> Option<Output> {
        for (journal, position) in positions {
            let Some(wanted) = self.wanted.get_mut(journal) else { continue };
            wanted.asked = wanted.asked.map(|_| (*position, now));
            wanted.here |= position.seq >= wanted.through;
        }
        self.when_answered()
    }

    fn when_answered(&mut self) -> Option<Output> {
        let all_here = self.greeted && !self.comparing && self.wanted.values().all(|wanted| wanted.here);
        (all_here && !std::mem::replace(&mut self.answered, true)).then_some(Output::Answered)
    }

    /// An author who stands in an earlier epoch of its journal than we do was started from an old copy.
    fn older_copy(&self, journal: &JournalId, peer: Position) -> Option<Output> {
        let known = self.incoming.get(journal)?;
        let older = journal.author == self.peer && peer.epoch < known.epoch;
        older.then(|| Output::OlderCopy { journal: journal.clone(), peer })
    }
}
