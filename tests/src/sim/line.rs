//! A line between a child and its parent: frames under way, and what the weather does to them.

use rand::Rng;
use rand::rngs::StdRng;
use replication::Frame;

pub type LineId = usize;

pub struct Line {
    pub child: usize,
    pub parent: usize,
    pub up: bool,
    /// Grows with every new connection; frames of an old one are void.
    pub generation: u32,
    pub connected: bool,
}

/// How bad the lines are, drawn once for each seed.
#[derive(Debug, Clone)]
pub struct Weather {
    pub loss: f64,
    pub repeat: f64,
    pub late: f64,
    pub cuts_a_day: f64,
    pub crashes_a_day: f64,
}

impl Weather {
    pub fn draw(dice: &mut StdRng) -> Weather {
        let level: f64 = dice.random();
        Weather {
            loss: 0.15 * level,
            repeat: 0.15 * dice.random::<f64>(),
            late: 0.2 * dice.random::<f64>(),
            cuts_a_day: 6.0 * dice.random::<f64>(),
            crashes_a_day: 4.0 * dice.random::<f64>(),
        }
    }
    pub fn calm() -> Weather {
        Weather { loss: 0.0, repeat: 0.0, late: 0.0, cuts_a_day: 0.0, crashes_a_day: 0.0 }
    }

    /// When copies of a frame arrive, in milliseconds from now. A greeting arrives or the connection does not stand.
    pub fn arrivals(&self, frame: &Frame, dice: &mut StdRng) -> Vec<i64> {
        let flight = |dice: &mut StdRng| dice.random_range(5..80);
        if matches!(frame, Frame::Hello(_)) {
            return vec![1];
        }
        let mut arrivals = Vec::new();
        if !dice.random_bool(self.loss) {
            let late = if dice.random_bool(self.late) { dice.random_range(100..5_000) } else { 0 };
            arrivals.push(flight(dice) + late);
        }
        if dice.random_bool(self.repeat) {
            arrivals.push(flight(dice) + dice.random_range(0..2_000));
        }
        arrivals
    }
}
