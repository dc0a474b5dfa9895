//! Images in a plan: that regions are inside, that images fit together, and that nothing undefined is read.

use std::collections::BTreeMap;

use crate::command::{ImageCommand, Load, Pass, Target, Work};
use crate::id::Id;
use crate::image::{Part, Shape};
use crate::step::Step;
use crate::texels::{Aspect, Class};

/// An image, whether it has a layout, and which of its parts have no content yet.
struct Known {
    shape: Shape,
    layout: bool,
    empty: Vec<Part>,
}

#[derive(Default)]
pub struct Images(BTreeMap<Id, Known>);

fn inside(shape: &Shape, part: &Part) {
    let ([width, height, depth], [across, down]) = (shape.level(part.mip), shape.texels.spread(part.aspect));
    let level = [width / across, height / down, depth];
    let side = [shape.texels.side(), shape.texels.side(), 1];
    assert!(part.mip < shape.mips && part.layers >= 1 && part.layer + part.layers <= shape.layers, "no {part:?}");
    for i in 0..3 {
        let end = part.offset[i] + part.extent[i];
        assert!(part.extent[i] > 0 && end <= level[i], "{part:?} isn't inside of {shape:?}");
        let whole = end == level[i] || end.is_multiple_of(side[i]);
        assert!(part.offset[i].is_multiple_of(side[i]) && whole, "{part:?} cuts blocks");
    }
    let aspect = part.aspect == shape.texels.whole() || shape.texels.aspects().contains(&part.aspect);
    assert!(aspect, "{shape:?} has no such aspect: {part:?}");
}

impl Images {
    fn filled(&self, image: Id) -> &Shape {
        let known = &self.0[&image];
        assert!(known.layout && known.empty.is_empty(), "image {image} has undefined parts");
        &known.shape
    }

    /// An image some of whose parts get a content, which are whole ones as long as others have none.
    fn fill(&mut self, image: Id, parts: impl Fn(&Part) -> bool) -> Shape {
        let known = self.0.get_mut(&image).expect("an image");
        assert!(known.layout, "image {image} has no layout");
        known.empty.retain(|p| !parts(p));
        known.shape
    }

    /// Looks at the steps that make, end and copy images without a queue.
    pub fn step(&mut self, step: &Step) {
        match step {
            Step::CreateImage { image, shape } => {
                let known = Known { shape: *shape, layout: false, empty: shape.parts() };
                assert!(self.0.insert(*image, known).is_none(), "image {image} is there");
            }
            Step::DestroyImage { image } => drop(self.0.remove(image).expect("an image")),
            Step::TransitionImage { image, new } => {
                let known = self.0.get_mut(image).expect("an image");
                assert!(known.shape.host && *new != known.layout);
                known.layout = true;
            }
            Step::CopyToImage { image, part, .. } => {
                let shape = self.fill(*image, |p| p == part);
                assert!(shape.host && shape.texels.any_bytes(part.aspect));
                inside(&shape, part);
            }
            Step::CopyFromImage { image, part, .. } => {
                assert!(self.filled(*image).host);
                inside(self.filled(*image), part);
            }
            Step::CopyImages { from, to, source, target } => {
                assert!(self.filled(*from).host && self.filled(*to).host);
                self.copied(*from, *to, source, target);
            }
            Step::CarryImage { from, to, part } => {
                let shape = self.filled(*from);
                assert!(shape.host && shape == self.filled(*to) && *part == shape.whole(part.mip, part.aspect));
            }
            Step::ReadRows { image, part } => {
                assert!(self.filled(*image).linear);
                inside(self.filled(*image), part);
            }
            _ => {}
        }
    }

    fn copied(&self, from: Id, to: Id, source: &Part, target: &Part) {
        let (shape, into) = (self.filled(from), self.filled(to));
        inside(shape, source);
        inside(into, target);
        assert!(from != to && (source.extent, source.layers) == (target.extent, target.layers));
        assert!(shape.samples == into.samples && shape.dimensions == into.dimensions && source.aspect == target.aspect);
        let block = |s: &Shape| (s.texels.side(), s.texels.bytes(source.aspect));
        let planes = [shape, into].iter().any(|s| s.texels.class() == Class::Planes);
        assert!(shape.texels == into.texels || (!planes && shape.texels.is_colour() && block(shape) == block(into)));
        assert!(!planes || source.aspect != Aspect::Colour, "all planes at once");
    }

    /// Looks at a command, and tells the bytes of buffers that it touches: the place, the size, and whether they are written.
    pub fn command(&mut self, command: &ImageCommand) -> Vec<(Id, u64, u64, bool)> {
        match command {
            ImageCommand::Init { image } => {
                let known = self.0.get_mut(image).expect("an image");
                assert!(!known.layout, "image {image} has a layout");
                known.layout = true;
            }
            ImageCommand::Clear { image, mips, layers, .. } => {
                let cleared = |p: &Part| mips.0 <= p.mip && p.mip < mips.0 + mips.1 && *layers == (p.layer, p.layers);
                let shape = self.fill(*image, cleared);
                let never = matches!(shape.texels.class(), Class::Wide | Class::Blocks | Class::Planes);
                assert!(!never, "{shape:?} can't be cleared");
                assert!(
                    mips.1 > 0 && mips.0 + mips.1 <= shape.mips && layers.1 > 0 && layers.0 + layers.1 <= shape.layers
                );
            }
            ImageCommand::ToBuffer { image, to: buffer, regions, .. }
            | ImageCommand::FromBuffer { image, from: buffer, regions, .. } => {
                let write = matches!(command, ImageCommand::ToBuffer { .. });
                let shape = if write {
                    *self.filled(*image)
                } else {
                    self.fill(*image, |p| regions.iter().any(|r| r.part == *p))
                };
                let shape = &shape;
                assert_eq!(shape.samples, 1);
                for r in regions {
                    inside(shape, &r.part);
                    let bytes = u64::from(shape.texels.bytes(r.part.aspect));
                    assert!(r.at % if shape.texels.is_colour() { bytes } else { bytes.max(4) } == 0);
                    assert!(shape.texels.aspects().contains(&r.part.aspect));
                    assert!(write || shape.texels.any_bytes(r.part.aspect), "floats of depth from anywhere");
                }
                return regions.iter().map(|r| (*buffer, r.at, shape.bytes(&r.part, r.rows), write)).collect();
            }
            ImageCommand::Copy { from, to, source, target, .. } => self.copied(*from, *to, source, target),
            ImageCommand::Blit { from, to, source, target, smooth, .. } => {
                let (shape, into) = (self.filled(*from), self.filled(*to));
                inside(shape, source);
                inside(into, target);
                assert!(from != to && source.layers == target.layers && shape.samples == 1 && into.samples == 1);
                let class = shape.texels.class();
                assert!(!smooth || matches!(class, Class::Float | Class::Blocks));
                assert!(!matches!(into.texels.class(), Class::Blocks | Class::Wide | Class::Planes));
                assert!(class == into.texels.class() || class == Class::Blocks);
                assert!(shape.texels.is_colour() || shape.texels == into.texels);
            }
            ImageCommand::Resolve { from, to, source, target, .. } => {
                let (shape, into) = (self.filled(*from), self.filled(*to));
                inside(shape, source);
                inside(into, target);
                assert!(shape.samples == 4 && into.samples == 1 && shape.texels == into.texels);
                assert!(shape.texels.is_colour() && (source.extent, source.layers) == (target.extent, target.layers));
            }
        }
        Vec::new()
    }

    /// Looks at a pass.
    pub fn pass(&self, pass: &Pass) {
        let all: Vec<&Target> = pass.attachments().collect();
        assert!(!all.is_empty() && pass.layers > 0);
        for (i, t) in all.iter().enumerate() {
            let shape = self.filled(t.image);
            let [width, height, _] = shape.level(t.mip);
            assert!(shape.attachment && shape.texels == t.texels && t.mip < shape.mips);
            assert!(pass.size[0] <= width && pass.size[1] <= height && t.layer + pass.layers <= shape.layers);
            assert!(all[..i].iter().all(|o| o.image != t.image), "image {} twice", t.image);
            let resolved = pass.resolved.is_some_and(|r| r.image == t.image);
            assert_eq!(shape.samples, if resolved { 1 } else { pass.samples });
        }
        if let Some(r) = pass.resolved {
            assert!(pass.samples > 1 && pass.colours[0].texels == r.texels);
        }
        let [x, y, width, height] = pass.area;
        assert!(width > 0 && height > 0 && x + width <= pass.size[0] && y + height <= pass.size[1]);
        let undefined = |t: &&Target| t.load == Load::DontCare;
        let unclear = pass.colours.iter().chain(&pass.depth).filter(undefined).count();
        let first = pass.work.iter().take(unclear);
        assert_eq!(first.filter(|w| matches!(w, Work::Clear { .. })).count(), unclear, "undefined texels in {pass:?}");
        let mut open = None;
        for w in &pass.work {
            match w {
                Work::Begin { pool, query, .. } => assert!(open.replace((pool, query)).is_none()),
                Work::End { pool, query } => assert_eq!(open.take(), Some((pool, query))),
                Work::Next => assert_eq!(open, None, "a query over two subpasses"),
                Work::Clear { target, .. } => {
                    assert!(target.map_or(pass.depth.is_some(), |t| (t as usize) < pass.colours.len()));
                }
                Work::Draw { captured, .. } => {
                    assert!(captured.is_none() || open.is_some(), "captured, and not counted")
                }
            }
        }
        assert_eq!(open, None, "a query that doesn't end");
    }
}
