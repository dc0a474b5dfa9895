//! What threads share state by. `tests/models` compiles the files that use it with a model checker's in its place.

pub use std::sync::OnceLock;
pub use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize};

pub use once_cell::sync::OnceCell;
pub use parking_lot::{Mutex, MutexGuard};
