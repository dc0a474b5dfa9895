//! Waits of the model: time doesn't pass, others go on.

use std::marker::PhantomData;
use std::time::Instant;

use crate::contention::Contention;

#[derive(Clone, Copy, Debug, Default)]
pub struct Patience {}

pub struct Wait<'a>(PhantomData<&'a Contention>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    Short,
    /// Only looks after the host's health, which isn't part of the model.
    Slept,
}

impl<'a> Wait<'a> {
    pub fn new(_: Patience, _: &'a Contention) -> Self {
        Self(PhantomData)
    }

    pub fn sleeps(&self) -> u32 {
        0
    }

    pub fn pause(&mut self, _: Option<Instant>) -> Pause {
        loom::thread::yield_now();
        Pause::Short
    }
}
