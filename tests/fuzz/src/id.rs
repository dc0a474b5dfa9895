//! Slots, by which steps and commands name objects.

/// A slot of an object's kind.
pub type Id = u32;
