//! What the host's codec knows: a struct or command of an extension may only be sent if it does (WIRE.md 8.4).

/// The versions and extensions of the codec at the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Codec {
    /// The core version of its vk.xml, as major << 16 | minor.
    pub version: u32,
    /// Extension number N is bit N % 32 of word N / 32. Bit 0 of word 0 is no extension's.
    pub mask: [u32; 32],
}

impl Codec {
    /// A codec that knows everything, for tests.
    pub const ALL: Self = Self { version: u32::MAX - 1, mask: [u32::MAX; 32] };

    /// Whether the codec knows extension `number`.
    #[inline]
    pub fn has(&self, number: u32) -> bool {
        let word = self.mask.get(number as usize / 32).copied().unwrap_or(0);
        word & (1 << (number % 32)) != 0
    }

    /// Whether the codec knows what core `version` or one of the `extensions` brought.
    #[inline]
    pub fn knows(&self, version: u32, extensions: &[u32]) -> bool {
        version <= self.version || extensions.iter().any(|n| self.has(*n))
    }
}
