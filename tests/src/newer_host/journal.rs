//! What has happened at the host.

use std::sync::{Mutex, MutexGuard, PoisonError};

use hesper_decoder::Decoded;

/// The commands that have come, and what was wrong with them.
#[derive(Default)]
pub struct Journal {
    commands: Mutex<Vec<Decoded>>,
    complaints: Mutex<Vec<String>>,
}

/// The value behind a lock; a thread that has panicked leaves none half changed.
pub fn locked<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Journal {
    /// Keeps a command.
    pub fn keep(&self, command: Decoded) {
        locked(&self.commands).push(command);
    }

    /// Writes down what is wrong with what came.
    pub fn complain(&self, why: String) {
        locked(&self.complaints).push(why);
    }

    pub fn commands(&self) -> Vec<Decoded> {
        locked(&self.commands).clone()
    }

    pub fn complaints(&self) -> Vec<String> {
        locked(&self.complaints).clone()
    }
}
