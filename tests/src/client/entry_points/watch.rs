//! Whoever waits for a call that doesn't return shall know its name.

use std::process::exit;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Watches calls from a thread of its own.
pub struct Watch(Arc<Mutex<Option<(&'static str, Instant)>>>);

impl Watch {
    /// Ends the process when a call takes longer than `limit`.
    pub fn new(limit: Duration) -> Self {
        let current = Arc::new(Mutex::new(None::<(&str, Instant)>));
        let seen = current.clone();
        std::thread::spawn(move || {
            loop {
                std::thread::sleep(Duration::from_millis(10));
                let current = *seen.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((name, start)) = current
                    && start.elapsed() > limit
                {
                    eprintln!("{name} hasn't returned after {:?}", start.elapsed());
                    exit(2);
                }
            }
        });
        Self(current)
    }

    /// Makes a call; tells how long it took.
    pub fn call<R>(&self, name: &'static str, call: impl FnOnce() -> R) -> (R, Duration) {
        let start = Instant::now();
        self.note(Some((name, start)));
        let result = call();
        let took = start.elapsed();
        self.note(None);
        (result, took)
    }

    fn note(&self, current: Option<(&'static str, Instant)>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = current;
    }
}
