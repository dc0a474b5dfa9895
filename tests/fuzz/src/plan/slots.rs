//! The slots of command buffers.

use crate::command::Id;

/// Command buffers of a pool: three primary ones and two secondary ones.
pub const EACH: u32 = 5;
pub const PRIMARIES: u32 = 3;
/// The pools, and command buffers, of what the planner adds itself.
pub const OWN_POOL: Id = 16;
pub const OWN_CB: Id = 100;

/// The thread of two that a command buffer is for.
pub fn lane_of(cb: Id) -> u32 {
    if cb >= OWN_CB { cb - OWN_CB } else { cb / EACH % 2 }
}
