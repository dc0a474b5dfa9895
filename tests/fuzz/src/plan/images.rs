//! Images: small pictures that are cleared, copied and drawn to. They keep one layout.

use super::access::{Access, Resource};
use super::recording::Recording;
use super::world::{Object, World};
use crate::command::{Command, Id};
use crate::step::Step;

const IMAGES: u32 = 4;
/// Pixels of a side.
pub const SIDE: u32 = 16;
/// What a picture takes in a buffer.
pub const BYTES: u64 = SIDE as u64 * SIDE as u64 * 4;

impl World<'_> {
    /// An image to use.
    pub fn image(&mut self, wish: u8) -> Option<Id> {
        let image = self.slot(wish, IMAGES);
        if !self.images.contains(&image) {
            if !self.calm() || !self.can_initialise() {
                return None;
            }
            self.say(Step::CreateImage { image });
            self.images.insert(image);
            let commands = vec![Command::InitImage { image }, Command::ClearImage { image, value: image as u8 }];
            self.initialise(commands, Access::write(Resource::Image(image), 0, 1), Object::Image(image));
        }
        Some(image)
    }

    pub fn wish_destroy_image(&mut self, wish: u8) {
        let image = self.slot(wish, IMAGES);
        if self.images.contains(&image) && self.calm() && self.release(Object::Image(image)) {
            self.say(Step::DestroyImage { image });
            self.images.remove(&image);
            self.invalidate(Object::Image(image));
        }
    }

    /// Where in a buffer a picture fits.
    pub fn image_place(&self, buffer: Id, at: u8) -> Option<u64> {
        let room = self.buffers[&buffer].size.checked_sub(BYTES)?;
        Some(u64::from(at) * 16 % (room + 1) / 16 * 16)
    }

    /// Points by vkCmdDrawMultiEXT or vkCmdDrawMultiIndexedEXT.
    pub fn multi_draw(
        &mut self,
        r: &mut Recording,
        image: u8,
        count: u8,
        first: u8,
        stride: u8,
        indexed: u8,
    ) -> Option<()> {
        // The first draw makes a pipeline.
        if !self.draws(r) || r.secondary || !self.calm() {
            return None;
        }
        let image = self.image(image)?;
        let draws = (0..u32::from(count) % 6).map(|i| (u32::from(first) + i * 37, 1 + (u32::from(first) + i) % 9));
        let indexed_by = indexed & 1 == 1;
        let size = if indexed_by { 12 } else { 8 };
        let stride = size + u32::from(stride % 4) * 4;
        let offset = (indexed & 2 == 2).then_some(i32::from(indexed >> 2));
        r.uses.insert(Object::Image(image));
        let command = Command::Draws { image, draws: draws.collect(), stride, indexed: indexed_by, offset };
        r.push(command, &[Access::write(Resource::Image(image), 0, 1)]);
        Some(())
    }
}
