//! One fault at one point of a run, and notes of when what happened.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::fault::{Counter, Fault};

/// When a script has counted one more.
#[derive(Clone, Copy, Debug)]
pub struct Tick {
    pub counter: Counter,
    /// From 1 on.
    pub number: u64,
    /// By the clock that all processes share.
    pub at: Duration,
}

#[derive(Default)]
struct Notes {
    counted: HashMap<usize, u64>,
    ticks: Vec<Tick>,
    injected: Option<Instant>,
}

/// What processes have to suffer; called once, when the time has come.
type Act = Box<dyn Fn(Fault) + Send + Sync>;

/// A script.
pub struct Script {
    fault: Option<(Fault, u64)>,
    act: Act,
    notes: Mutex<Notes>,
}

impl Script {
    /// Injects `fault` at the `number`th of what it counts, from 1 on, or at each of them for 0; none for a run that is only watched.
    pub fn new(fault: Option<(Fault, u64)>, act: impl Fn(Fault) + Send + Sync + 'static) -> Self {
        Self { fault, act: Box::new(act), notes: Mutex::default() }
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one of `counter`; the fault if it is to be injected now.
    pub fn tick(&self, counter: Counter) -> Option<Fault> {
        let mut notes = self.notes();
        // Never fails: the clock exists.
        let at = clock_gettime(ClockId::CLOCK_MONOTONIC).map_or(Duration::ZERO, Duration::from);
        let counted = notes.counted.entry(counter as usize).or_default();
        *counted += 1;
        let number = *counted;
        notes.ticks.push(Tick { counter, number, at });
        let fault = self.fault.filter(|(f, n)| f.counter() == counter && [0, number].contains(n)).map(|(f, _)| f);
        if fault.is_some() {
            notes.injected = Some(Instant::now());
        }
        fault
    }

    /// Does to processes what the fault says.
    pub fn act(&self, fault: Fault) {
        (self.act)(fault);
    }

    /// When the fault was injected.
    pub fn injected(&self) -> Option<Instant> {
        self.notes().injected
    }

    /// What has been counted.
    pub fn ticks(&self) -> Vec<Tick> {
        self.notes().ticks.clone()
    }
}
