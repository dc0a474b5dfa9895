//! What makes commands and structs known.

/// What makes a command or struct known: a core version, as major << 16 | minor, or one of some extensions.
#[derive(Clone, Copy, Debug)]
pub struct Gate {
    pub version: u32,
    pub extensions: &'static [u32],
}
