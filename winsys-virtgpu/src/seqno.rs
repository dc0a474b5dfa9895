//! Positions in a ring (WIRE.md 5.3).
//!
//! On the wire a position is a 32-bit byte counter that wraps around. The guest counts in 64 bits, which never wrap, so that a
//! position stays comparable however old it is. Only the host's head has to be widened when it is read.

/// A position in a ring: the tail behind a submission, in bytes since the ring was made. Its commands have been run when the
/// host's head has reached it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Seqno(u64);

impl Seqno {
    pub(crate) const fn new(position: u64) -> Self {
        Self(position)
    }

    /// Bytes since the ring was made.
    pub(crate) const fn position(self) -> u64 {
        self.0
    }

    /// The number as the host counts: the lower 32 bits of the position.
    pub const fn get(self) -> u32 {
        self.0 as u32
    }
}

/// How far the host has come with a ring.
pub trait Progress {
    /// The ring's number.
    fn ring(&self) -> u64;
    /// Whether the host has run everything up to `seqno`.
    fn reached(&self, seqno: Seqno) -> bool;
}

/// The position that the host's 32-bit counter `wire` means, where `known` is a position less than 2 GiB away from it.
#[inline]
pub(crate) const fn widen(known: u64, wire: u32) -> u64 {
    let moved = wire.wrapping_sub(known as u32) as i32;
    known.saturating_add_signed(moved as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_widened_across_wrap_arounds() {
        for turn in [0, 1, 2, 1 << 20, (1 << 32) - 1] {
            let start = u64::from(u32::MAX) * turn + turn;
            for near in [start, start + 5, start + (1 << 31), start + u64::from(u32::MAX)] {
                for moved in [0, 1, 192, 16 << 20, i32::MAX as u64] {
                    let position = near.saturating_add(moved);
                    assert_eq!(widen(near, position as u32), position, "{near} + {moved}");
                    assert_eq!(widen(position, near as u32), near, "{position} - {moved}");
                }
            }
        }
    }

    #[test]
    fn a_counter_before_the_start_is_the_start() {
        assert_eq!(widen(0, u32::MAX), 0);
        assert_eq!(widen(7, 0u32.wrapping_sub(9)), 0);
    }

    #[test]
    fn the_host_is_told_32_bits() {
        assert_eq!(Seqno::new((7 << 32) + 9).get(), 9);
    }
}
