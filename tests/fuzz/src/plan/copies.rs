//! Commands that copy, clear, blit and resolve images; each left out where it would be invalid.

use super::images::{part_at, part_of, rows_at};
use super::recording::Recording;
use super::state::Object;
use super::world::World;
use crate::command::{Command, Id, ImageCommand, Placed};
use crate::image::{Dimensions, Part, Shape};
use crate::program::Spot;
use crate::texels::{Class, Texels};

/// Parts of the same size, in the same number of layers; `None` where both have no blocks in common.
fn equal(shape: &Shape, source: Part, into: &Shape, target: Part) -> Option<(Part, Part)> {
    let side = shape.texels.side();
    let (mut source, mut target) = (source, target);
    let layers = source.layers.min(target.layers);
    let extent = [0, 1, 2].map(|i| source.extent[i].min(target.extent[i]));
    // Blocks at an edge are whole in one of them only.
    let even = |i: usize| if i < 2 { extent[i] / side * side } else { extent[i] };
    for extent in [extent, [0, 1, 2].map(even)] {
        (source.extent, source.layers, target.extent, target.layers) = (extent, layers, extent, layers);
        if shape.holds(&source) && into.holds(&target) {
            return Some((source, target));
        }
    }
    None
}

/// Whether parts of one image can be copied to another one.
pub fn alike(shape: &Shape, into: &Shape) -> bool {
    let blocks = |t: Texels| (t.is_colour(), t.class() == Class::Planes, t.side(), t.bytes(t.whole()));
    let (from, to) = (shape.texels, into.texels);
    // Planes are copied to those of the same format only.
    let other = from.is_colour() && from.class() != Class::Planes && blocks(from) == blocks(to);
    let texels = from == to || other;
    texels && shape.dimensions == into.dimensions && shape.samples == into.samples
}

/// Parts of two images of which one can be copied to the other.
pub fn copied(shape: &Shape, spot: &Spot, into: &Shape, other: &Spot) -> Option<(Part, Part)> {
    let source = part_at(shape, spot);
    let target = part_of(into, other, source.aspect);
    equal(shape, source, into, target)
}

/// Whether a blit may convert between texels.
fn converts(from: Texels, to: Texels) -> bool {
    let float = |t: Texels| matches!(t.class(), Class::Float | Class::Blocks);
    let both = |class| from.class() == class && to.class() == class;
    let same = from == to && !matches!(from.class(), Class::Planes | Class::Wide);
    same || (float(from) && float(to)) || both(Class::Uint) || both(Class::Sint)
}

impl World<'_> {
    /// Whether commands on images of these texels may be in a recording: depth and stencil are for queues that draw.
    fn may_copy(&self, r: &Recording, texels: Texels) -> Option<()> {
        (if texels.is_colour() { self.computes(r) } else { self.draws(r) }).then_some(())
    }

    fn record_image(&self, r: &mut Recording, command: ImageCommand, buffer: Option<(Id, u64, u64, bool)>) {
        let images = command.images();
        r.uses.extend(images.iter().map(|(image, _)| Object::Image(*image)));
        let mut accesses: Vec<_> = images.iter().map(|(image, write)| self.touch(*image, *write)).collect();
        if let Some((buffer, at, size, write)) = buffer {
            r.uses.insert(Object::Buffer(buffer));
            accesses.push(self.part(buffer, at, size, write));
        }
        r.push(Command::Image(command), &accesses);
    }

    pub fn clear_image(&mut self, r: &mut Recording, image: u8, value: u8, spot: &Spot) -> Option<()> {
        let (image, shape) = self.image(image)?;
        self.may_copy(r, shape.texels)?;
        if matches!(shape.texels.class(), Class::Wide | Class::Blocks | Class::Planes) {
            return None;
        }
        let mip = u32::from(spot.mip) % shape.mips;
        let layer = u32::from(spot.layer) % shape.layers;
        let mips = (mip, 1 + u32::from(spot.rows) % (shape.mips - mip));
        let layers = (layer, 1 + u32::from(spot.layer / 8) % (shape.layers - layer));
        self.record_image(r, ImageCommand::Clear { image, value, mips, layers, passing: spot.rows & 128 != 0 }, None);
        Some(())
    }

    /// Where in a buffer a part lies, and how many bytes it takes.
    fn placed(&self, shape: &Shape, spot: &Spot, buffer: Id, at: u8) -> Option<(Placed, u64)> {
        let part = part_at(shape, spot);
        let rows = rows_at(shape, &part, spot);
        let size = shape.bytes(&part, rows);
        let room = self.buffers[&buffer].size.checked_sub(size)?;
        // Offsets are multiples of blocks, and of four for depth and stencil.
        let bytes = u64::from(shape.texels.bytes(part.aspect));
        let step = if shape.texels.is_colour() { bytes } else { bytes.max(4) };
        Some((Placed { part, at: u64::from(at) * 16 % (room + 1) / step * step, rows }, size))
    }

    pub fn image_to_buffer(
        &mut self,
        r: &mut Recording,
        (image, to): (u8, u8),
        at: u8,
        spot: &Spot,
        style: u8,
    ) -> Option<()> {
        let (image, shape) = self.image(image)?;
        let to = self.buffer(to)?;
        self.may_copy(r, shape.texels)?;
        if shape.samples > 1 {
            return None;
        }
        let (placed, size) = self.placed(&shape, spot, to, at)?;
        let (second_form, passing) = (style & 1 == 1, style & 2 == 2);
        let command = ImageCommand::ToBuffer { image, to, regions: vec![placed], second_form, passing };
        self.record_image(r, command, Some((to, placed.at, size, true)));
        Some(())
    }

    pub fn buffer_to_image(
        &mut self,
        r: &mut Recording,
        (image, from): (u8, u8),
        at: u8,
        spot: &Spot,
        style: u8,
    ) -> Option<()> {
        let (image, shape) = self.image(image)?;
        let from = self.buffer(from)?;
        self.may_copy(r, shape.texels)?;
        let (placed, size) = self.placed(&shape, spot, from, at)?;
        if shape.samples > 1 || !shape.texels.any_bytes(placed.part.aspect) {
            return None;
        }
        let (second_form, passing) = (style & 1 == 1, style & 2 == 2);
        let command = ImageCommand::FromBuffer { image, from, regions: vec![placed], second_form, passing };
        self.record_image(r, command, Some((from, placed.at, size, false)));
        Some(())
    }

    /// Two different images that fit together: those of the wishes, or another second one that is there.
    pub fn pair(
        &mut self,
        from: u8,
        to: u8,
        fit: impl Fn(&Shape, &Shape) -> bool,
    ) -> Option<((Id, Shape), (Id, Shape))> {
        let (from, shape) = self.image(from)?;
        let wished = self.image(to);
        let there = self.images.iter().map(|(id, into)| (*id, *into)).filter(|(id, _)| self.own(*id));
        let found = wished.into_iter().chain(there).find(|(id, into)| *id != from && fit(&shape, into))?;
        Some(((from, shape), found))
    }

    pub fn copy_image(&mut self, r: &mut Recording, (from, to): (u8, u8), spots: [&Spot; 2], style: u8) -> Option<()> {
        let ((from, shape), (to, into)) = self.pair(from, to, alike)?;
        self.may_copy(r, shape.texels)?;
        let (mut source, mut target) = copied(&shape, spots[0], &into, spots[1])?;
        if style & 4 == 4 && shape.texels.class() != Class::Planes {
            (source.aspect, target.aspect) = (shape.texels.whole(), shape.texels.whole());
        }
        let (second_form, passing) = (style & 1 == 1, style & 2 == 2);
        self.record_image(r, ImageCommand::Copy { from, to, source, target, second_form, passing }, None);
        Some(())
    }

    pub fn blit_image(&mut self, r: &mut Recording, (from, to): (u8, u8), spots: [&Spot; 2], style: u8) -> Option<()> {
        let facts = self.facts;
        let able = |shape: &Shape| facts.abilities(shape.texels, shape.linear);
        let fit = |shape: &Shape, into: &Shape| {
            let single = shape.samples == 1 && into.samples == 1 && shape.dimensions == into.dimensions;
            single && able(shape).blit_from && able(into).blit_to && converts(shape.texels, into.texels)
        };
        if !self.draws(r) {
            return None;
        }
        let ((from, shape), (to, into)) = self.pair(from, to, fit)?;
        let (mut source, mut target) = (part_at(&shape, spots[0]), part_at(&into, spots[1]));
        let layers = source.layers.min(target.layers);
        (source.layers, target.layers) = (layers, layers);
        (source.aspect, target.aspect) = (shape.texels.whole(), into.texels.whole());
        let smooth =
            style & 1 == 1 && able(&shape).smooth && matches!(shape.texels.class(), Class::Float | Class::Blocks);
        let mirrored = match shape.dimensions {
            Dimensions::One => 1,
            Dimensions::Two => 3,
            Dimensions::Three => 7,
        };
        let (flips, second_form) = (style >> 2 & mirrored, style & 2 == 2);
        self.record_image(r, ImageCommand::Blit { from, to, source, target, flips, smooth, second_form }, None);
        Some(())
    }

    pub fn resolve_image(
        &mut self,
        r: &mut Recording,
        (from, to): (u8, u8),
        spots: [&Spot; 2],
        second_form: bool,
    ) -> Option<()> {
        if !self.draws(r) {
            return None;
        }
        let fit = |shape: &Shape, into: &Shape| {
            let several = shape.samples > 1 && into.samples == 1 && into.dimensions == Dimensions::Two;
            several && shape.texels == into.texels && shape.texels.is_colour() && into.attachment
        };
        let ((from, shape), (to, into)) = self.pair(from, to, fit)?;
        let (source, target) = equal(&shape, part_at(&shape, spots[0]), &into, part_at(&into, spots[1]))?;
        self.record_image(r, ImageCommand::Resolve { from, to, source, target, second_form }, None);
        Some(())
    }
}
