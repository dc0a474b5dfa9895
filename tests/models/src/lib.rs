//! What the models share: the primitives of a model checker (loom) under the names that the driver's files use, and the way to run models.
//!
//! Each model is a program that compiles the driver's own files (`#[path]`), in which `shared` is the one of this crate. loom runs
//! it again and again until it has taken every order of the threads' steps, and every value that the memory model lets a load see, with
//! at most so many preemptions of a thread. It isn't complete: of those who load a value it remembers the last before the next store, and
//! misses orders in which only an earlier one matters. So every model was tried on faults that were put into the files, and a model
//! whose protocol is weakened has to fail at each run.

pub mod run;
pub mod shared;

pub use hesper_winsys::Error;
