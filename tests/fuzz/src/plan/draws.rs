//! Draws whose parameters lie in an array (VK_EXT_multi_draw), to a picture of the plainest kind.

use super::images::SIDE;
use super::recording::Recording;
use super::state::Object;
use super::world::World;
use crate::command::Command;
use crate::texels::Texels;

impl World<'_> {
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
        let (image, shape) = self.image(image)?;
        if shape.texels != Texels::Rgba8 || !shape.attachment || shape.samples > 1 || shape.extent != [SIDE, SIDE, 1] {
            return None;
        }
        let draws = (0..u32::from(count) % 6).map(|i| (u32::from(first) + i * 37, 1 + (u32::from(first) + i) % 9));
        let indexed_by = indexed & 1 == 1;
        let size = if indexed_by { 12 } else { 8 };
        let stride = size + u32::from(stride % 4) * 4;
        let offset = (indexed & 2 == 2).then_some(i32::from(indexed >> 2));
        r.uses.insert(Object::Image(image));
        let command = Command::Draws { image, draws: draws.collect(), stride, indexed: indexed_by, offset };
        r.push(command, &[self.touch(image, true)]);
        Some(())
    }
}
