//! Extensions that the protocol has no form for, found out by trying.
//!
//! The host's compiler takes such extensions' shaders all the same, from a device that never enabled them, and shaders cross the
//! protocol as they are. So when a program first asks for a device's extensions, the driver runs shaders whose results it knows, on an
//! instance of its own (`trial`), and offers what was right. What was found is kept on disk (`kept`), as the host takes some tenths of a
//! second. Where anything of this fails, the extension isn't offered.

mod blocks;
pub mod cooperative_matrix2;
mod decode_vector;
mod entry;
mod extension;
pub mod features;
pub mod findings;
mod halves;
pub mod kept;
mod key;
mod multiplication;
mod multiprocessors;
mod operations;
mod planned;
pub mod probing;
pub mod subject;
mod table;
pub mod trial;
