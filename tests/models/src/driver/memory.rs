//! Memory, as far as uploads must know of it.

#[path = "../../../../icd/src/memory/pending.rs"]
pub mod pending;
