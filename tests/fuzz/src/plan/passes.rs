//! Passes: render passes and dynamic rendering, with their draws, clears and queries.

use super::images::SIDE;
use super::recording::Recording;
use super::state::{Change, Object};
use super::world::World;
use crate::command::{CAPTURED, Command, How, Id, ImageCommand, Load, Pass, Style, Target, Work};
use crate::image::Shape;
use crate::program::Stroke;
use crate::step::Counts;
use crate::texels::Texels;

/// A query of a pass.
#[derive(Clone, Copy)]
struct Counted {
    pool: Id,
    query: u32,
    counts: Counts,
}

/// The attachments of a pass.
struct Targets {
    colours: Vec<Target>,
    depth: Option<Target>,
    resolved: Option<Target>,
    samples: u32,
}

/// What a wish says of a pass besides its images.
#[derive(Clone, Copy)]
pub struct Wanted {
    /// Which queries count, if any do.
    pub counted: u8,
    pub loads: u8,
    pub style: u8,
}

/// An image's first level and layer for a target, by a wish's bits.
fn target(image: Id, shape: &Shape, wanted: Wanted, number: u8) -> Target {
    let load = match wanted.loads >> (2 * number) & 3 {
        0 | 1 => Load::Load,
        2 => Load::Clear,
        _ => Load::DontCare,
    };
    let turned = wanted.style.rotate_left(number.into());
    Target {
        image,
        texels: shape.texels,
        mip: u32::from(turned >> 3) % shape.mips,
        layer: u32::from(turned >> 5) % shape.layers,
        load,
        stored: wanted.loads & 192 != 192 || number == 1,
        value: wanted.loads.wrapping_mul(7).wrapping_add(number),
    }
}

impl World<'_> {
    /// An image of the wish that can be drawn to, as color or as depth and stencil.
    fn drawable(&mut self, wish: u8, colour: bool) -> Option<(Id, Shape)> {
        self.image(wish).filter(|(_, shape)| shape.attachment && shape.texels.is_colour() == colour)
    }

    /// An image to which the first color of a pass can be resolved.
    fn resolvable(&self, first: &Target, used: &[Id]) -> Option<Target> {
        let fits = |id: &Id, s: &Shape| {
            s.attachment
                && s.samples == 1
                && s.texels == first.texels
                && !used.contains(id)
                && *id % 2 == first.image % 2
        };
        let (image, _) = self.images.iter().find(|(id, s)| fits(id, s))?;
        Some(Target { image: *image, mip: 0, layer: 0, load: Load::DontCare, stored: true, ..*first })
    }

    fn targets(&mut self, images: [u8; 3], wanted: Wanted) -> Option<Targets> {
        let (mut colours, mut samples) = (Vec::<Target>::new(), None::<u32>);
        for (number, wish) in [(0, images[0]), (1, images[1])] {
            // Half of the passes have one color.
            if number == 1 && wanted.style & 2 == 0 {
                continue;
            }
            if let Some((image, shape)) = self.drawable(wish, true)
                && samples.is_none_or(|s| s == shape.samples)
                && colours.iter().all(|c| c.image != image)
            {
                samples = Some(shape.samples);
                colours.push(target(image, &shape, wanted, number));
            }
        }
        let mut depth = None;
        if wanted.style & 4 == 4
            && let Some((image, shape)) = self.drawable(images[2], false)
            && samples.is_none_or(|s| s == shape.samples)
        {
            samples = Some(shape.samples);
            depth = Some(target(image, &shape, wanted, 2));
        }
        let samples = samples?;
        let used: Vec<Id> = colours.iter().map(|c| c.image).collect();
        let resolves = samples > 1 && wanted.style & 128 != 0;
        let resolved = if resolves { colours.first().and_then(|first| self.resolvable(first, &used)) } else { None };
        Some(Targets { colours, depth, resolved, samples })
    }

    pub fn pass(&mut self, r: &mut Recording, images: [u8; 3], wanted: Wanted, strokes: &[Stroke]) -> Option<()> {
        // What it draws with is made at its first use.
        if !self.draws(r) || r.secondary || !self.calm() {
            return None;
        }
        let Targets { colours, depth, resolved, samples } = self.targets(images, wanted)?;
        let how = match wanted.style & 3 {
            0 => How::RenderPass { second_form: false },
            1 => How::RenderPass { second_form: true },
            _ => How::Dynamic,
        };
        let how = if wanted.loads & 1 == 1 { How::RenderPass { second_form: wanted.style & 64 != 0 } } else { how };
        let mut pass =
            Pass { how, colours, depth, resolved, samples, size: [SIDE; 2], layers: 2, area: [0; 4], work: Vec::new() };
        let all: Vec<Target> = pass.attachments().copied().collect();
        for t in &all {
            let shape = &self.images[&t.image];
            let [width, height, _] = shape.level(t.mip);
            pass.size = [pass.size[0].min(width), pass.size[1].min(height)];
            pass.layers = pass.layers.min(shape.layers - t.layer);
        }
        let [width, height] = pass.size;
        let inner = wanted.style & 48 == 48 && width > 2 && height > 1;
        pass.area = if inner { [1, 0, width - 2, height - 1] } else { [0, 0, width, height] };
        let query = self.counted_by(r, wanted.counted);
        let captured = query.filter(|q| q.counts == Counts::Captured);
        let room =
            if captured.is_some() { self.buffer(wanted.loads).map(|b| (b, self.buffers[&b].size)) } else { None };
        pass.work = work(&pass, strokes, query, room);
        self.record_pass(r, pass, &all, query);
        Some(())
    }

    /// A query for a pass, which has been reset.
    fn counted_by(&mut self, r: &mut Recording, wish: u8) -> Option<Counted> {
        let counts = match wish & 7 {
            0..=2 => Counts::Samples,
            3 | 4 => Counts::Geometry,
            5 if self.facts.primitives => Counts::Primitives,
            6 if self.facts.captures => Counts::Captured,
            _ => return None,
        };
        let (pool, query) = (self.queries(wish >> 3, counts), u32::from(wish >> 4) % super::queries::EACH);
        self.record_reset(r, pool, query, 1)?;
        Some(Counted { pool, query, counts })
    }

    fn record_pass(&mut self, r: &mut Recording, pass: Pass, all: &[Target], query: Option<Counted>) {
        r.uses.extend(all.iter().map(|t| Object::Image(t.image)));
        let mut accesses: Vec<_> = all.iter().map(|t| self.touch(t.image, true)).collect();
        if let Some(Counted { pool, query, .. }) = query {
            r.uses.insert(Object::Queries(pool));
            r.changes.push(Change::EndQuery { pool, query });
            accesses.push(super::queries::touch(pool, query, 1, true));
        }
        for (buffer, at) in pass.captures() {
            r.uses.insert(Object::Buffer(buffer));
            accesses.push(self.part(buffer, at, CAPTURED, true));
        }
        let layers = pass.layers;
        let mut commands = vec![Command::Pass(pass)];
        for t in all.iter().filter(|t| !t.stored) {
            let (mips, layers) = ((t.mip, 1), (t.layer, layers));
            let clear = ImageCommand::Clear { image: t.image, value: t.value, mips, layers, passing: false };
            commands.extend([Command::Barrier { style: t.value }, Command::Image(clear)]);
        }
        r.push_all(commands, &accesses);
    }
}

/// Clears of what isn't loaded, then what the strokes say; a query counts all of it, or what comes before the next subpass. With `room`, a
/// buffer and its size, what is counted is captured, as far as it fits.
fn work(pass: &Pass, strokes: &[Stroke], query: Option<Counted>, room: Option<(Id, u64)>) -> Vec<Work> {
    let mut places = room.into_iter().flat_map(|(b, size)| (0..size / CAPTURED).map(move |i| (b, i * CAPTURED)));
    let undefined = |t: &Target| t.load == Load::DontCare;
    let mut work: Vec<Work> = Vec::new();
    for (i, t) in pass.colours.iter().enumerate().filter(|(_, t)| undefined(t)) {
        work.push(Work::Clear { target: Some(i as u32), value: t.value });
    }
    work.extend(pass.depth.iter().filter(|t| undefined(t)).map(|t| Work::Clear { target: None, value: t.value }));
    let mut open = query;
    let begin = |Counted { pool, query, counts }| Work::Begin { pool, query, precise: counts == Counts::Samples };
    let end = |Counted { pool, query, .. }| Work::End { pool, query };
    work.extend(query.map(begin));
    for s in strokes {
        let target = match u32::from(s.count) % (pass.colours.len() as u32 + 1) {
            0 => pass.depth.map(|_| None),
            n => Some(Some(n - 1)),
        };
        match s.style & 7 {
            0 => {
                work.extend(open.take().map(end));
                work.push(Work::Next);
            }
            1 => work.extend(target.map(|target| Work::Clear { target, value: s.first })),
            _ => work.push(draw(pass, s, open.and_then(|_| places.next()))),
        }
    }
    work.extend(open.map(end));
    work
}

fn draw(pass: &Pass, s: &Stroke, captured: Option<(Id, u64)>) -> Work {
    // Tests of what isn't there are left out.
    let depth: Option<Texels> = pass.depth.map(|t| t.texels);
    let tests = if depth.is_some() { s.style >> 3 & 15 } else { 0 };
    let style = Style { triangles: s.style & 128 != 0, tests };
    let (first, count) = (u32::from(s.first), 1 + u32::from(s.count) % 60);
    Work::Draw { style, first, count, instance: u32::from(s.count ^ s.first), quarters: s.first % 5, captured }
}
