//! Commands: copies, fills, updates, dispatches, events, and those of other files; each left out where it would be invalid.

use super::access::{Access, Resource};
use super::passes::Wanted;
use super::recording::Recording;
use super::state::{Change, Object, SetView};
use super::world::World;
use crate::command::{Bind, Command, Id, Pushing, Region, View};
use crate::program::{Cmd, Piece};

/// The most invocations of a dispatch.
const INVOCATIONS: u64 = 512;
pub const EVENTS: u32 = 8;

impl World<'_> {
    /// Records what a wish asks for, if it can be.
    pub fn command(&mut self, r: &mut Recording, cmd: &Cmd) {
        // `None`: something that was needed couldn't be had.
        let _ = self.try_command(r, cmd);
    }

    fn try_command(&mut self, r: &mut Recording, cmd: &Cmd) -> Option<()> {
        match cmd {
            Cmd::Copy { from, to, pieces, second_form } => {
                let (from, to) = (self.buffer(*from)?, self.buffer(*to)?);
                self.copy(r, from, to, pieces, *second_form);
            }
            Cmd::Update { to, at, size, seed } => {
                let to = self.buffer(*to)?;
                let room = self.buffers[&to].size;
                let at = u64::from(*at) * 4 % room;
                let size = (u64::from(*size) / 4 * 4 + 4).min(room - at).min(65536);
                r.uses.insert(Object::Buffer(to));
                let command = Command::Update { to, at, size, seed: u64::from(*seed) };
                r.push(command, &[self.part(to, at, size, true)]);
            }
            Cmd::Fill { to, at, size, value } => {
                let to = self.buffer(*to)?;
                let room = self.buffers[&to].size;
                let at = u64::from(*at) * 4 % room;
                let rest = *size % 16 == 0;
                let size = if rest { room - at } else { (u64::from(*size) / 4 * 4 + 4).min(room - at) };
                r.uses.insert(Object::Buffer(to));
                let value = u32::from(*value).wrapping_mul(0x0102_0304);
                let command = Command::Fill { to, at, size: (!rest).then_some(size), value };
                r.push(command, &[self.part(to, at, size, true)]);
            }
            Cmd::Dispatch { pipeline, from, to, at, count, style } => {
                self.dispatch(r, *pipeline, [*from, *to], *at, *count, *style)?;
            }
            Cmd::PassingLayout { pipeline, from, to, count, style } => {
                self.dispatch(r, *pipeline, [*from, *to], 0, *count, *style)?;
                if let Some(Command::BindAndDispatch { passing_layout, .. }) = r.commands.last_mut() {
                    *passing_layout = true;
                }
            }
            Cmd::Barrier { style } => r.barrier(*style),
            // Events are for queues that draw or compute.
            Cmd::SetEvent { .. } | Cmd::ResetEvent { .. } | Cmd::WaitEvent { .. } if !self.computes(r) => {}
            Cmd::SetEvent { event, second_form } => {
                let event = self.gpu_event(*event);
                r.uses.insert(Object::Event(event));
                r.changes.push(Change::SetEvent(event));
                let access = Access::write(Resource::Event(event), 0, 1);
                r.push(Command::SetEvent { event, second_form: *second_form }, &[access]);
            }
            Cmd::ResetEvent { event } => {
                let event = self.gpu_event(*event);
                r.uses.insert(Object::Event(event));
                r.changes.push(Change::ResetEvent(event));
                r.push(Command::ResetEvent { event }, &[Access::write(Resource::Event(event), 0, 1)]);
            }
            Cmd::WaitEvent { event } => {
                // Only in recordings for one submission: others would mostly find it in another state.
                let event = self.gpu_event(*event);
                r.uses.insert(Object::Event(event));
                r.changes.push(Change::WaitEvent(event));
                let command = Command::WaitEvent { event, host: false };
                // No barrier between setting and waiting, which would make the event useless.
                r.commands.push(command);
                r.note(&[Access::read(Resource::Event(event), 0, 1)]);
            }
            Cmd::Count { pool, query, reset, pipeline, to } => {
                self.count(r, *pool, *query, *reset, *pipeline, *to)?;
            }
            Cmd::Timestamp { pool, query, reset, second_form } => {
                self.timestamp(r, *pool, *query, *reset, *second_form)?;
            }
            Cmd::ResetQueries { pool, first, count } => self.reset_queries(r, *pool, *first, *count)?,
            Cmd::CopyResults { pool, first, count, to, at, flags } => {
                self.copy_results(r, *pool, [*first, *count], *to, *at, *flags)?;
            }
            Cmd::Execute { cb } => self.execute(r, *cb),
            Cmd::ClearImage { image, value, spot } => self.clear_image(r, *image, *value, spot)?,
            Cmd::ImageToBuffer { image, to, at, spot, style } => {
                self.image_to_buffer(r, (*image, *to), *at, spot, *style)?;
            }
            Cmd::BufferToImage { image, from, at, spot, style } => {
                self.buffer_to_image(r, (*image, *from), *at, spot, *style)?;
            }
            Cmd::CopyImage { from, to, spot, other, style } => {
                self.copy_image(r, (*from, *to), [spot, other], *style)?;
            }
            Cmd::BlitImage { from, to, spot, other, style } => {
                self.blit_image(r, (*from, *to), [spot, other], *style)?;
            }
            Cmd::ResolveImage { from, to, spot, other, second_form } => {
                self.resolve_image(r, (*from, *to), [spot, other], *second_form)?;
            }
            Cmd::Pass { image, other, depth, counted, loads, style, strokes } => {
                let wanted = Wanted { counted: *counted, loads: *loads, style: *style };
                self.pass(r, [*image, *other, *depth], wanted, strokes)?;
            }
            Cmd::Draws { image, count, first, stride, indexed } => {
                self.multi_draw(r, *image, *count, *first, *stride, *indexed)?;
            }
        }
        Some(())
    }

    /// A copy with those of its pieces whose targets and sources don't meet.
    pub fn copy(&mut self, r: &mut Recording, from: Id, to: Id, pieces: &[Piece], second_form: bool) {
        let (source, target) = (self.buffers[&from], self.buffers[&to]);
        let (mut regions, mut reads, mut writes) = (Vec::new(), Vec::new(), Vec::new());
        for p in pieces {
            let grain = if p.grain % 8 == 7 { 1 } else { 4 };
            let down = |n: u64| n / grain * grain;
            let (f, t) = (down(u64::from(p.from) % source.size), down(u64::from(p.to) % target.size));
            let most = (source.size - f).min(target.size - t);
            let size = down(u64::from(p.size) % 2048 + grain).min(down(most));
            let (read, write) = (self.part(from, f, size, false), self.part(to, t, size, true));
            let meets = |a: &Access, all: &[Access]| all.iter().any(|b| a.conflicts(b));
            if size == 0
                || read.conflicts(&write)
                || meets(&write, &writes)
                || meets(&write, &reads)
                || meets(&read, &writes)
            {
                continue;
            }
            regions.push(Region { from: f, to: t, size });
            reads.push(read);
            writes.push(write);
        }
        if regions.is_empty() {
            return;
        }
        r.uses.extend([Object::Buffer(from), Object::Buffer(to)]);
        reads.extend(writes);
        r.push(Command::Copy { from, to, regions, second_form }, &reads);
    }

    fn dispatch(
        &mut self,
        r: &mut Recording,
        pipeline: u8,
        buffers: [u8; 2],
        at: u8,
        count: u8,
        style: u8,
    ) -> Option<()> {
        if !self.facts.families.get(r.family as usize)?.1 {
            return None;
        }
        let pipeline = self.pipeline(pipeline)?;
        // What is compiled behind the program's back can't be ready before lavapipe's lock is free (`calm`).
        let calm = self.calm();
        let known = self.pipelines.get_mut(&pipeline)?;
        if !calm && !known.bound {
            return None;
        }
        known.bound = true;
        let (bind, views) = if self.pipelines[&pipeline].pushed {
            let [from, to] = [self.buffer(buffers[0])?, self.buffer(buffers[1])?];
            let view = |b: Id| {
                let size = self.buffers[&b].size;
                let at = u64::from(at) * 256 % size;
                (
                    View { buffer: b, at, size: (style & 8 == 0).then_some(size - at) },
                    SetView { buffer: b, at, size: size - at },
                )
            };
            let ((from, read), (to, write)) = (view(from), view(to));
            (Bind::Push(from, to, self.pushing(style >> 4)), [read, write])
        } else {
            let set = self.set(buffers[0], buffers[1])?;
            r.uses.insert(Object::Set(set));
            (Bind::Set(set), self.sets[&set].views?)
        };
        let words = views[0].size.min(views[1].size) / 4;
        let count = words.min(1 + u64::from(count) * 4 % INVOCATIONS);
        let read = self.part(views[0].buffer, views[0].at, count * 4, false);
        let write = self.part(views[1].buffer, views[1].at, count * 4, true);
        // In place is fine, shifted isn't.
        if read.conflicts(&write) && read.from != write.from {
            return None;
        }
        let uses = [Object::Pipeline(pipeline), Object::Buffer(views[0].buffer), Object::Buffer(views[1].buffer)];
        // A set may have been written before there were two threads.
        if !self.mine(&uses.into()) {
            return None;
        }
        r.uses.extend(uses);
        let command = Command::BindAndDispatch {
            pipeline,
            bind,
            count: count as u32,
            add: u32::from(style) * 7,
            constants_only_once: style & 2 != 0,
            passing_layout: false,
        };
        r.push(command, &[read, write]);
        Some(())
    }

    fn pushing(&self, wish: u8) -> Pushing {
        match wish & 7 {
            0 | 1 => Pushing::Together,
            2 => Pushing::Apart,
            3 if self.facts.second_binds => Pushing::SecondForm,
            4 if self.facts.second_binds => Pushing::SecondTemplate,
            5 => Pushing::Across,
            6 => Pushing::AcrossTemplate,
            _ => Pushing::Template,
        }
    }

    /// A dispatch into a buffer, for queries to count; what it used.
    pub fn counted(&mut self, r: &mut Recording, pipeline: u8, to: u8) -> Option<(Command, [Access; 2])> {
        let mut inner = Recording::new(r.family, r.secondary);
        self.dispatch(&mut inner, pipeline, [to, to], 0, to, 0)?;
        r.uses.extend(inner.uses.iter().copied());
        let command = inner.commands.pop()?;
        let accesses: [Access; 2] = inner.accesses().try_into().ok()?;
        Some((command, accesses))
    }

    /// An event that commands set: the second half of the slots.
    fn gpu_event(&mut self, wish: u8) -> Id {
        let event = EVENTS / 2 + self.slot(wish, EVENTS / 2);
        self.make_event(event);
        event
    }
}
