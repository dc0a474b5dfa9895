//! Copies by the host's processor (VK_EXT_host_image_copy). lavapipe makes them in the context of its queue, without that one's lock, so
//! nothing is in flight meanwhile.

use super::copies::{alike, copied};
use super::images::{part_at, rows_at};
use super::world::World;
use crate::command::Id;
use crate::image::Shape;
use crate::program::Spot;
use crate::step::Step;

impl World<'_> {
    /// Waits until nothing is in flight; false for one thread of two, and where something waits for the program.
    pub fn quiet(&mut self) -> bool {
        self.lane.is_none() && self.calm() && self.settle_all()
    }

    /// One of the images that the host's processor may copy now.
    fn host_image(&mut self, wish: u8) -> Option<(Id, Shape)> {
        let all: Vec<(Id, Shape)> = self.images.iter().filter(|(_, s)| s.host).map(|(id, s)| (*id, *s)).collect();
        let image = *all.get(usize::from(wish) % all.len().max(1))?;
        self.quiet().then_some(image)
    }

    pub fn wish_copy_to_image(&mut self, wish: u8, spot: &Spot, seed: u8) {
        let Some((image, shape)) = self.host_image(wish) else { return };
        let part = part_at(&shape, spot);
        if shape.texels.any_bytes(part.aspect) {
            let rows = rows_at(&shape, &part, spot);
            self.say(Step::CopyToImage { image, part, rows, seed: u64::from(seed) });
        }
    }

    pub fn wish_copy_from_image(&mut self, wish: u8, spot: &Spot) {
        let Some((image, shape)) = self.host_image(wish) else { return };
        let part = part_at(&shape, spot);
        let rows = rows_at(&shape, &part, spot);
        self.say(Step::CopyFromImage { image, part, rows });
    }

    pub fn wish_copy_images(&mut self, from: u8, to: u8, spot: &Spot, other: &Spot) {
        let Some((from, _)) = self.host_image(from) else { return };
        let fit = |shape: &Shape, into: &Shape| into.host && alike(shape, into);
        let Some(((from, shape), (to, into))) = self.pair(from as u8, to, fit) else { return };
        // An image of the wish may be new.
        if let (Some((source, target)), true) = (copied(&shape, spot, &into, other), self.quiet()) {
            self.say(Step::CopyImages { from, to, source, target });
        }
    }

    /// To another image that was made alike, or back to the same.
    pub fn wish_carry_image(&mut self, from: u8, mip: u8, aspect: u8) {
        let Some((from, shape)) = self.host_image(from) else { return };
        let other = self.images.iter().find(|(id, s)| **id != from && **s == shape);
        let to = other.map_or(from, |(id, _)| *id);
        let aspects = shape.texels.aspects();
        let part = shape.whole(u32::from(mip) % shape.mips, aspects[usize::from(aspect) % aspects.len()]);
        self.say(Step::CarryImage { from, to, part });
    }

    pub fn wish_transition_image(&mut self, wish: u8) {
        if let Some((image, _)) = self.host_image(wish) {
            self.say(Step::TransitionImage { image, new: false });
        }
    }

    /// Looks at a linear image through a mapping.
    pub fn wish_read_rows(&mut self, wish: u8, spot: &Spot) {
        let all: Vec<(Id, Shape)> =
            self.images.iter().filter(|(id, s)| s.linear && self.own(**id)).map(|(id, s)| (*id, *s)).collect();
        let Some((image, shape)) = all.get(usize::from(wish) % all.len().max(1)).copied() else { return };
        if self.order_host(self.touch(image, false)) {
            self.say(Step::ReadRows { image, part: part_at(&shape, spot) });
        }
    }
}
