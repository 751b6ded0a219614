//! Who has how many connections open at a door: a bound for each caller, so that none takes the places of the others.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// How many places each caller holds.
#[derive(Debug)]
pub struct Guests<K: Ord>(Mutex<BTreeMap<K, u32>>);

/// A place at the door, given back when it is dropped.
#[derive(Debug)]
pub struct Place<K: Ord> {
    guests: Arc<Guests<K>>,
    who: K,
}

impl<K: Ord> Default for Guests<K> {
    fn default() -> Self {
        Guests(Mutex::default())
    }
}

impl<K: Ord + Clone> Guests<K> {
    /// One more place for `who`, who may hold `most`; `None` when they hold as many already.
    pub fn enter(self: &Arc<Self>, who: K, most: u32) -> Option<Place<K>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.entry(who.clone()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place { guests: self.clone(), who })
    }
}

impl<K: Ord> Drop for Place<K> {
    fn drop(&mut self) {
        let mut held = self.guests.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = held.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                held.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_its_own_places_and_gives_them_back() {
        let guests = Arc::new(Guests::default());
        let held: Vec<_> = (0..3).filter_map(|_| guests.enter("a", 2)).collect();
        assert_eq!(held.len(), 2);
        assert!(guests.enter("b", 2).is_some(), "somebody else's places are not taken");
        drop(held);
        assert!(guests.enter("a", 2).is_some());
        assert!(guests.0.lock().unwrap().is_empty(), "nobody is remembered who is gone");
    }
}
