//! A node set back to an earlier copy of its disk, by somebody who says so or by somebody who does not.

use super::checks;
use super::node::Disk;
use super::world::{Event, World};
use domain::network::Tier;
use futures::executor::block_on;
use rand::Rng;
use store::{Recovery, Store, WhyRecovering};

impl World {
    /// In half of the weeks one node, of any tier, wakes up with an earlier disk.
    pub(super) fn plan_restore(&mut self, span: i64) {
        if !self.dice.random_bool(0.5) {
            return;
        }
        let tiers = [0..1, 1..1 + self.plan.towns, 1 + self.plan.towns..self.nodes.len()];
        let tier = self.dice.random_range(0..tiers.len());
        let node = self.dice.random_range(tiers[tier].clone());
        let backup = self.dice.random_range(span / 10..span * 6 / 10);
        let restore = self.dice.random_range(backup + 3_600_000..span * 9 / 10);
        let said = self.dice.random_bool(0.5);
        self.at(backup, Event::Backup { node });
        self.at(restore, Event::Restore { node, said });
        if self.dice.random_bool(0.4) {
            let again = self.dice.random_range(restore..span);
            self.at(again, Event::PutBack { node });
        }
    }

    pub(super) fn back_up(&mut self, node: usize) {
        self.power_off(node);
        let node = &mut self.nodes[node];
        node.backup = node.disk.as_ref().map(|disk| disk.copy());
    }

    pub(super) fn restore(&mut self, index: usize, said: bool) {
        let Some(backup) = self.nodes[index].backup.take() else { return };
        self.exchange_disk(index, backup);
        if said {
            self.say_so(index);
        }
    }

    /// Whoever finds that another copy took over goes no further, until somebody says which one counts.
    pub(super) fn put_back(&mut self, index: usize) {
        let Some(former) = self.nodes[index].backup.take() else { return };
        self.exchange_disk(index, former);
        let decided = self.dice.random_range(3_600_000..86_400_000);
        self.at(decided, Event::TakeOver { node: index });
    }

    pub(super) fn take_over(&mut self, index: usize) {
        let Some(alive) = &self.nodes[index].alive else {
            return self.at(3_600_000, Event::TakeOver { node: index });
        };
        let superseded = |recovery: &Recovery| recovery.why == WhyRecovering::Superseded;
        if alive.store.recovery().is_some_and(|recovery| superseded(&recovery)) {
            block_on(alive.store.settle_recovery(Vec::new(), true, alive.node.hall.now())).unwrap();
            self.spread(index);
        } else if !self.settling() {
            // Nobody has met it yet.
            self.at(3_600_000, Event::TakeOver { node: index });
        }
    }

    /// Puts another disk into a node; the present one is kept.
    fn exchange_disk(&mut self, index: usize, disk: Disk) {
        self.power_off(index);
        // A restore goes onto a disk with room.
        self.nodes[index].cramped = false;
        disk.blobs.set_room(None);
        self.outcome.restores += 1;
        self.restored = Some(index);
        self.blobs[index] = disk.blobs.clone();
        self.nodes[index].backup = self.nodes[index].disk.replace(disk);
        self.forget_what_only_the_old_disk_knew(index);
        let author = self.nodes[index].id().clone();
        for (other, node) in self.nodes.iter_mut().enumerate() {
            // What a node had of the restored one's journals may give way to the branch that goes on.
            node.told.retain(|journal, _| other != index && journal.author != author);
        }
        self.boot(index);
        if !self.healing && self.dice.random_bool(0.6) {
            self.work_before_anybody_is_met(index);
        }
    }

    /// The machine is used before it meets a neighbour: what is written then leaves the old history.
    fn work_before_anybody_is_met(&mut self, index: usize) {
        for line in 0..self.lines.len() {
            if self.lines[line].child == index || self.lines[line].parent == index {
                self.cut(line);
            }
        }
        for _ in 0..2 {
            let soon = self.dice.random_range(60_000..3_600_000);
            match self.nodes[index].record.tier {
                Tier::Village => self.at(soon, Event::Record { counter: index }),
                Tier::Town | Tier::City => self.at(soon, Event::Work { node: index }),
            }
        }
    }

    /// As `restore` does it: the node is told, before it serves, that its disk is an older one.
    fn say_so(&mut self, index: usize) {
        let alive = self.nodes[index].alive.as_ref().unwrap();
        let awaited = alive.node.authorities();
        let closed = self.nodes[index].record.tier != Tier::Village;
        let recovery = Recovery::new(alive.node.hall.now(), WhyRecovering::Restored, awaited, closed);
        block_on(alive.store.begin_recovery(recovery)).unwrap();
        self.spread(index);
    }

    /// A laptop that is lost before its first contact takes with it what said 仅存本机. Nothing else is excused.
    fn forget_what_only_the_old_disk_knew(&mut self, index: usize) {
        let nodes = &self.nodes;
        let known = |told: &checks::Told| {
            nodes.iter().any(|node| match (&node.disk, &node.alive) {
                (Some(disk), _) => disk.knows(&told.case),
                (None, Some(alive)) => block_on(alive.store.dossier(&told.case)).unwrap().is_some(),
                (None, None) => false,
            })
        };
        self.told.retain(|told| told.counter != index || known(told));
    }
}
