//! Images: made in one of several shapes, and filled at once. They keep one layout.

use super::access::{Access, Resource};
use super::recording::{Begin, Recording};
use super::state::Object;
use super::world::World;
use crate::command::{Command, Id, ImageCommand, Placed};
use crate::image::{Dimensions, Part, Rows, Shape};
use crate::program::Spot;
use crate::step::Step;
use crate::texels::{Aspect, Class, Texels};

const IMAGES: u32 = 8;
/// Pixels of the side of the picture that vertices are spread over.
pub const SIDE: u32 = 16;

/// A multiple of the size of every texel and block, which offsets in buffers are multiples of.
const EVERY_SIZE: u64 = 96;

/// The size of an image, its levels, layers and samples.
#[derive(Clone, Copy)]
struct Form {
    dimensions: Dimensions,
    extent: [u32; 3],
    mips: u32,
    layers: u32,
    samples: u32,
}

const fn flat(width: u32, height: u32, mips: u32, layers: u32) -> Form {
    Form { dimensions: Dimensions::Two, extent: [width, height, 1], mips, layers, samples: 1 }
}

const FORMS: [Form; 9] = [
    flat(SIDE, SIDE, 1, 1),
    flat(13, 9, 3, 1),
    flat(11, 7, 1, 3),
    flat(17, 6, 2, 2),
    Form { dimensions: Dimensions::One, extent: [37, 1, 1], mips: 2, layers: 2, samples: 1 },
    Form { dimensions: Dimensions::Three, extent: [9, 5, 4], mips: 2, layers: 1, samples: 1 },
    Form { samples: 4, ..flat(SIDE, SIDE, 1, 1) },
    Form { samples: 4, ..flat(10, 12, 1, 2) },
    // Of most texels more than a driver copies in one piece.
    flat(64, 72, 1, 2),
];

/// What a slot's image is that no wish has made: texels and the number of a form.
fn usual(image: Id) -> (Texels, u8) {
    match image / 2 {
        0 => (Texels::Rgba8, 0),
        1 => (Texels::D32S8, 0),
        2 => (Texels::Rgba8, 6),
        _ => (Texels::R16Uint, 3),
    }
}

/// A part of one aspect of an image.
pub fn part_at(shape: &Shape, spot: &Spot) -> Part {
    let aspects = shape.texels.aspects();
    part_of(shape, spot, aspects[usize::from(spot.rows >> 6) % aspects.len()])
}

/// A part of an image, of these aspects.
pub fn part_of(shape: &Shape, spot: &Spot, aspect: Aspect) -> Part {
    let mip = u32::from(spot.mip) % shape.mips;
    let layer = u32::from(spot.layer % 16) % shape.layers;
    let whole = shape.whole(mip, aspect);
    let mut part = Part { layer, layers: 1 + u32::from(spot.layer / 16) % (shape.layers - layer), ..whole };
    // A part of the wishes is for all of a level.
    if spot.size.is_multiple_of(4) {
        return part;
    }
    let side = shape.texels.side();
    for i in 0..3 {
        let step = if i < 2 { side } else { 1 };
        let blocks = whole.extent[i].div_ceil(step);
        let first = u32::from(spot.at >> (3 * i)) % blocks;
        let count = 1 + u32::from(spot.size >> (3 * i)) % (blocks - first);
        part.offset[i] = first * step;
        part.extent[i] = (count * step).min(whole.extent[i] - part.offset[i]);
    }
    part
}

/// How a part lies in memory: half of the wishes are for gaps.
pub fn rows_at(shape: &Shape, part: &Part, spot: &Spot) -> Rows {
    let side = shape.texels.side();
    let apart = |n: u32, by: u8| n.next_multiple_of(side) + u32::from(by & 3) * side;
    match spot.rows & 3 {
        0 | 1 => Rows::default(),
        2 => Rows { length: apart(part.extent[0], spot.rows >> 2), height: 0 },
        _ => Rows { length: apart(part.extent[0], spot.rows >> 2), height: apart(part.extent[1], spot.rows >> 4) },
    }
}

/// Parts one behind the other in a buffer, and how many bytes they take.
pub fn in_a_row(shape: &Shape, parts: impl IntoIterator<Item = Part>) -> (Vec<Placed>, u64) {
    let mut end = 0u64;
    let place = |part: Part| {
        let at = end.next_multiple_of(EVERY_SIZE);
        end = at + shape.bytes(&part, Rows::default());
        Placed { part, at, rows: Rows::default() }
    };
    (parts.into_iter().map(place).collect(), end)
}

impl World<'_> {
    /// An image to use, with what it was made from.
    pub fn image(&mut self, wish: u8) -> Option<(Id, Shape)> {
        let image = self.slot(wish, IMAGES);
        if !self.images.contains_key(&image) {
            let (texels, form) = usual(image);
            let shape = self.shape(texels, form, 0)?;
            self.make_image(image, shape)?;
        }
        Some((image, self.images[&image]))
    }

    /// What an image can be made from that is near to a wish.
    fn shape(&self, texels: Texels, form: u8, style: u8) -> Option<Shape> {
        let linear = style & 3 == 3;
        let can = self.facts.abilities(texels, linear);
        let mut form = FORMS[usize::from(form) % FORMS.len()];
        if form.samples > 1 && (linear || !can.samples || texels.class() == Class::Wide) {
            form.samples = 1;
        }
        if form.dimensions != Dimensions::Two && (!texels.is_colour() || texels.class() == Class::Blocks) {
            form = FORMS[3];
        }
        if texels.class() == Class::Planes {
            form = flat(10, 12, 1, 1);
        }
        let Form { dimensions, extent, mips, layers, samples } = form;
        let attachment = can.attachment && !linear && dimensions == Dimensions::Two && texels.class() != Class::Wide;
        let host = style & 4 == 4
            && can.host
            && samples == 1
            && texels.aspects().iter().all(|aspect| texels.any_bytes(*aspect));
        let shape = Shape { texels, dimensions, extent, mips, layers, samples, linear, attachment, host };
        can.makes(dimensions).then_some(shape)
    }

    /// Makes an image, and gives all of it a content.
    fn make_image(&mut self, image: Id, shape: Shape) -> Option<()> {
        if !self.calm() || !self.can_initialise() {
            return None;
        }
        if shape.host && (image / 2).is_multiple_of(2) && self.quiet() {
            self.say(Step::CreateImage { image, shape });
            self.images.insert(image, shape);
            self.say(Step::TransitionImage { image, new: true });
            for (part, seed) in shape.parts().into_iter().zip(u64::from(image)..) {
                self.say(Step::CopyToImage { image, part, rows: Rows::default(), seed });
            }
            return Some(());
        }
        let copied = |part: &Part| shape.samples == 1 && shape.texels.any_bytes(part.aspect);
        let (regions, size) = in_a_row(&shape, shape.parts().into_iter().filter(copied));
        let from = if regions.is_empty() { None } else { Some(self.source(size)?) };
        let mut commands = vec![Command::Image(ImageCommand::Init { image })];
        let mut accesses = vec![self.touch(image, true)];
        let mut uses = vec![Object::Image(image)];
        if !shape.parts().iter().all(copied) {
            let (mips, layers) = ((0, shape.mips), (0, shape.layers));
            let clear = ImageCommand::Clear { image, value: 37 + image as u8, mips, layers, passing: false };
            commands.extend([Command::Image(clear), Command::Barrier { style: 1 }]);
        }
        if let Some(from) = from {
            let fill = ImageCommand::FromBuffer { image, from, regions, second_form: false, passing: false };
            commands.push(Command::Image(fill));
            accesses.push(self.part(from, 0, size, false));
            uses.push(Object::Buffer(from));
        }
        self.say(Step::CreateImage { image, shape });
        self.images.insert(image, shape);
        self.initialise(commands, &accesses, uses).then_some(())
    }

    /// `CreateImage`: what the slot holds goes first.
    pub fn wish_create_image(&mut self, wish: u8, texels: u8, form: u8, style: u8) {
        let image = self.slot(wish, IMAGES);
        let texels =
            if style & 24 == 24 { usual(image).0 } else { Texels::ALL[usize::from(texels) % Texels::ALL.len()] };
        // Some are like one that is there, so that there are pairs.
        let like = |(id, s): (&Id, &Shape)| (*id != image && self.own(*id) && s.host == (style & 4 == 4)).then_some(*s);
        let other = if style & 64 == 64 { self.images.iter().find_map(like) } else { None };
        let Some(shape) = other.or_else(|| self.shape(texels, form, style)) else { return };
        if self.calm() && self.can_initialise() && self.destroy_image(image) {
            self.make_image(image, shape);
        }
    }

    /// Destroys the image of a slot, if there is one; false where it is in use.
    fn destroy_image(&mut self, image: Id) -> bool {
        if self.images.contains_key(&image) {
            if !self.calm() || !self.release(Object::Image(image)) {
                return false;
            }
            self.say(Step::DestroyImage { image });
            self.images.remove(&image);
            self.invalidate(Object::Image(image));
        }
        true
    }

    pub fn wish_destroy_image(&mut self, wish: u8) {
        let image = self.slot(wish, IMAGES);
        self.destroy_image(image);
    }

    /// All of an image is read or written.
    pub fn touch(&self, image: Id, write: bool) -> Access {
        Access { on: Resource::Image(image), from: 0, to: 1, write }
    }

    pub fn wish_read_image(&mut self, queue: u8, wish: u8) {
        if let (Some(queue), Some((image, _))) = (self.queue(queue), self.image(wish)) {
            self.read_image(queue, image);
        }
    }

    /// Reports all that an image holds, by way of a copy. One with several samples can't be copied to a buffer.
    pub fn read_image(&mut self, queue: usize, image: Id) {
        let Some(shape) = self.images.get(&image).copied().filter(|s| s.samples == 1) else { return };
        // Depth and stencil are for queues that draw.
        let queue = if shape.texels.is_colour() { Some(queue) } else { self.queue(0) };
        let (regions, size) = in_a_row(&shape, shape.parts());
        let (Some(queue), Some(to)) = (queue, self.landing(size)) else { return };
        let cb = self.primary_for(queue, 2);
        if !self.recordable(cb) {
            return;
        }
        let mut r = Recording::new(self.family_of(cb), false);
        let command = ImageCommand::ToBuffer { image, to, regions, second_form: image & 2 == 2, passing: false };
        let accesses = [self.touch(image, false), self.part(to, 0, size, true)];
        r.uses.extend([Object::Image(image), Object::Buffer(to)]);
        r.push(Command::Image(command), &accesses);
        self.finish_recording(cb, Begin { once: true, simultaneous: false, ordered: true }, r);
        self.submit_plain(queue, &[cb], None);
        self.read(to);
    }
}
