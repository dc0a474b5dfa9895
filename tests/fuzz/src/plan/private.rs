//! Private data, which belongs to an object and goes with it.

use super::world::World;
use crate::step::{Private, Step};

impl World<'_> {
    /// An object of one of the kinds.
    fn private(&mut self, wish: u8) -> Option<Private> {
        Some(match wish >> 6 {
            0 => Private::Buffer(self.buffer(wish & 63)?),
            1 => Private::Memory(self.memory(wish & 63)?),
            2 => Private::Fence(self.fence(wish & 63)),
            _ => Private::Pipeline(self.pipeline(wish & 63)?),
        })
    }

    pub fn wish_set_private(&mut self, object: u8, value: u8) {
        if let Some(of) = self.private(object) {
            self.say(Step::SetPrivate { of, value: u64::from(value) << 32 | 7 });
        }
    }

    pub fn wish_get_private(&mut self, object: u8) {
        if let Some(of) = self.private(object) {
            self.say(Step::GetPrivate { of });
        }
    }
}
