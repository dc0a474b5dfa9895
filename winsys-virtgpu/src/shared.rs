//! What threads share state by. `tests/models` compiles the files that use it with a model checker's in its place.

pub use std::sync::atomic::{AtomicU32, AtomicU64, fence};

pub use parking_lot::Mutex;
