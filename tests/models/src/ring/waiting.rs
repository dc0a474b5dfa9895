//! Waits of the model: time doesn't pass, others go on.

use std::time::Instant;

#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {}

pub struct Wait;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    Short,
    /// Only looks after the host's health, which isn't part of the model.
    Slept,
}

impl Wait {
    pub fn new(_: Patience) -> Self {
        Self
    }

    pub fn sleeps(&self) -> u32 {
        0
    }

    pub fn pause(&mut self, _: Option<Instant>) -> Pause {
        loom::thread::yield_now();
        Pause::Short
    }
}
