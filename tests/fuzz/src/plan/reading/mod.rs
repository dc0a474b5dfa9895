//! A second reading of a plan, for tests: plain sets of submissions in place of vector clocks find what would be invalid or depend on luck.

mod images;
mod objects;

use std::collections::{BTreeMap, BTreeSet};

use images::Images;
use objects::objects;

use super::access::{Access, Resource, conflict};
use crate::command::{Bind, CAPTURED, Command, Id, ImageCommand, View, Work};
use crate::step::{Patience, Step};

/// One submission.
#[derive(Default)]
pub struct Sub {
    queue: usize,
    cbs: Vec<Id>,
    accesses: Vec<Access>,
    /// Submissions that have ended when it has.
    before: BTreeSet<usize>,
    events: Vec<Id>,
    waits: Vec<(Id, u64)>,
    signals: Vec<(Id, u64)>,
    objects: BTreeSet<(&'static str, Id)>,
}

#[derive(Clone, Default)]
struct Recorded {
    accesses: Vec<Access>,
    ordered: bool,
    once: bool,
    simultaneous: bool,
    events: Vec<Id>,
    objects: BTreeSet<(&'static str, Id)>,
}

#[derive(Default)]
pub struct Reader {
    buffers: BTreeMap<Id, (Id, u64, u64)>,
    memories: BTreeMap<Id, u64>,
    maps: BTreeMap<Id, (u64, u64)>,
    sets: BTreeMap<Id, (View, View)>,
    cbs: BTreeMap<Id, Recorded>,
    subs: Vec<Sub>,
    /// Submissions that the program knows to have ended.
    known: BTreeSet<usize>,
    /// What semaphores have put before all that comes on a queue.
    after: BTreeMap<usize, BTreeSet<usize>>,
    /// Who signals which value, the program or a submission.
    signals: BTreeMap<Id, Vec<(u64, Option<usize>)>>,
    events: BTreeSet<Id>,
    fences: BTreeMap<Id, usize>,
    images: Images,
}

impl Reader {
    fn part(&self, buffer: Id, at: u64, size: u64, write: bool) -> Access {
        let (memory, start, room) = self.buffers[&buffer];
        assert!(at + size <= room, "outside of buffer {buffer}");
        Access { on: Resource::Memory(memory), from: start + at, to: start + at + size, write }
    }

    fn view(&self, v: View, count: u32, write: bool) -> Access {
        let (_, _, room) = self.buffers[&v.buffer];
        let size = u64::from(count) * 4;
        assert!(v.at + v.size.unwrap_or(room - v.at) <= room && v.size.is_none_or(|s| size <= s));
        self.part(v.buffer, v.at, size, write)
    }

    fn accesses(&mut self, command: &Command) -> Vec<Access> {
        let image = |i: &Id, write| Access { on: Resource::Image(*i), from: 0, to: 1, write };
        let queries = |p: &Id, first: u32, count: u32, write| Access {
            on: Resource::Queries(*p),
            from: first.into(),
            to: (first + count).into(),
            write,
        };
        match command {
            Command::Copy { from, to, regions, .. } => {
                let reads: Vec<_> = regions.iter().map(|r| self.part(*from, r.from, r.size, false)).collect();
                let writes: Vec<_> = regions.iter().map(|r| self.part(*to, r.to, r.size, true)).collect();
                assert!(!conflict(&reads, &writes), "a copy onto itself");
                for (i, w) in writes.iter().enumerate() {
                    assert!(!conflict(&[*w], &writes[..i]), "a copy twice to the same place");
                }
                [reads, writes].concat()
            }
            Command::Update { to, at, size, .. } => vec![self.part(*to, *at, *size, true)],
            Command::Fill { to, at, size, .. } => {
                vec![self.part(*to, *at, size.unwrap_or(self.buffers[to].2 - at), true)]
            }
            Command::BindAndDispatch { bind, count, .. } => {
                let (from, to) = match bind {
                    Bind::Set(set) => self.sets[set],
                    Bind::Push(from, to, _) => (*from, *to),
                };
                vec![self.view(from, *count, false), self.view(to, *count, true)]
            }
            Command::BeginQuery { pool, query } | Command::Timestamp { pool, query, .. } => {
                vec![queries(pool, *query, 1, true)]
            }
            Command::ResetQueries { pool, first, count } => vec![queries(pool, *first, *count, true)],
            Command::CopyResults { pool, first, count, to, at, stride, .. } => {
                vec![queries(pool, *first, *count, false), self.part(*to, *at, u64::from(*count) * stride, true)]
            }
            Command::Draws { image: i, .. } => vec![image(i, true)],
            Command::Image(command) => {
                let bytes = self.images.command(command);
                let bytes = bytes.into_iter().map(|(buffer, at, size, write)| self.part(buffer, at, size, write));
                let images = command.images().into_iter().map(|(i, write)| image(&i, write));
                images.chain(bytes).collect()
            }
            Command::Pass(pass) => {
                self.images.pass(pass);
                let counted = pass.work.iter().filter_map(|w| match w {
                    Work::Begin { pool, query, .. } => Some(queries(pool, *query, 1, true)),
                    _ => None,
                });
                let captured = pass.captures().map(|(buffer, at)| self.part(buffer, at, CAPTURED, true));
                pass.attachments().map(|t| image(&t.image, true)).chain(counted).chain(captured).collect()
            }
            _ => Vec::new(),
        }
    }

    fn record(&mut self, cb: Id, once: bool, simultaneous: bool, commands: &[Command]) {
        self.unused("cb", cb);
        let mut r = Recorded { once, simultaneous, ..Recorded::default() };
        r.ordered = matches!(commands.first(), Some(Command::Barrier { .. }));
        let mut since = Vec::new();
        for command in commands {
            let mut accesses = self.accesses(command);
            match command {
                Command::Barrier { .. } => since.clear(),
                Command::WaitEvent { event, host } => {
                    if *host {
                        r.events.push(*event);
                    }
                    r.objects.insert(("event", *event));
                }
                Command::Execute { cb } => {
                    let inner = self.cbs[cb].clone();
                    accesses = inner.accesses;
                    r.events.extend(inner.events);
                    r.objects.extend(inner.objects);
                    r.objects.insert(("cb", *cb));
                }
                _ => {}
            }
            assert!(!conflict(&since, &accesses), "no barrier before {command:?}");
            // The change of layout is a barrier itself.
            if !matches!(command, Command::Image(ImageCommand::Init { .. })) {
                since.extend(&accesses);
            }
            r.accesses.extend(accesses);
            r.objects.extend(objects(command));
        }
        self.cbs.insert(cb, r);
    }

    /// Whether a submission ends without anything that the program does later.
    fn ends(&self, sub: usize) -> bool {
        let signalled = |(slot, value): &(Id, u64)| {
            *value == 0 || self.signals.get(slot).is_some_and(|all| all.iter().any(|(v, _)| v >= value))
        };
        let free = |s: &Sub| s.events.iter().all(|e| self.events.contains(e)) && s.waits.iter().all(signalled);
        let open = self.subs[sub].before.iter().filter(|b| !self.known.contains(b));
        free(&self.subs[sub]) && open.into_iter().all(|b| free(&self.subs[*b]))
    }

    fn ended(&mut self, sub: usize) {
        if self.known.contains(&sub) {
            return;
        }
        assert!(self.ends(sub), "a wait for what waits for the program");
        self.known.insert(sub);
        self.known.extend(self.subs[sub].before.iter().copied());
    }

    fn idle(&mut self, queue: usize) {
        let all: Vec<usize> = (0..self.subs.len()).filter(|s| self.subs[*s].queue == queue).collect();
        all.into_iter().for_each(|s| self.ended(s));
    }

    pub fn open(&self) -> impl Iterator<Item = &Sub> {
        self.subs.iter().enumerate().filter(|(i, _)| !self.known.contains(i)).map(|(_, s)| s)
    }

    fn unused(&self, kind: &'static str, id: Id) {
        let used = self.open().any(|s| s.objects.contains(&(kind, id)) || (kind == "cb" && s.cbs.contains(&id)));
        assert!(!used, "{kind} {id} is in use");
    }

    fn host(&self, access: Access) {
        assert!(!self.open().any(|s| conflict(&s.accesses, &[access])), "the program meets work in flight: {access:?}");
    }

    fn submit(&mut self, step: &Step) {
        let Step::Submit { queue, batches, fence, .. } = step else { return };
        let mut sub = Sub { queue: *queue, ..Sub::default() };
        let mut after = self.after.get(queue).cloned().unwrap_or_default();
        for s in batches.iter().flat_map(|b| &b.waits) {
            let signals = self.signals.get(&s.slot).cloned().unwrap_or_default();
            let first = signals.iter().filter(|(v, _)| *v >= s.value).min_by_key(|(v, _)| *v);
            assert!(s.value > 0 || first.is_some(), "nobody signals a binary semaphore");
            if let Some((_, Some(by))) = first {
                after.extend(self.subs[*by].before.iter().copied().chain([*by]));
            }
            if s.value == 0 {
                self.signals.remove(&s.slot);
            }
            sub.waits.push((s.slot, s.value));
        }
        after.extend(&self.known);
        let mut behind = after.clone();
        for (i, earlier) in self.subs.iter().enumerate().filter(|(_, s)| s.queue == *queue) {
            behind.extend(earlier.before.iter().copied().chain([i]));
        }
        for id in batches.iter().flat_map(|b| &b.cbs) {
            let cb = self.cbs.get(id).expect("a recording").clone();
            assert!(!(cb.once && sub.cbs.contains(id)), "submitted once more");
            if !cb.simultaneous {
                self.unused("cb", *id);
                assert!(!sub.cbs.contains(id), "twice in one submission");
            }
            let before = if cb.ordered { &behind } else { &after };
            let others = self.subs.iter().enumerate().filter(|(i, _)| !before.contains(i));
            for (i, other) in others {
                assert!(!conflict(&other.accesses, &cb.accesses), "no order between {i} and {step:?}");
            }
            assert!(cb.ordered || !conflict(&sub.accesses, &cb.accesses), "no order inside {step:?}");
            sub.accesses.extend(cb.accesses);
            sub.events.extend(cb.events);
            sub.objects.extend(cb.objects);
            sub.cbs.push(*id);
            if cb.once {
                self.cbs.remove(id);
            }
        }
        sub.before = behind;
        let number = self.subs.len();
        for s in batches.iter().flat_map(|b| &b.signals) {
            self.signals.entry(s.slot).or_default().push((s.value, Some(number)));
            sub.signals.push((s.slot, s.value));
        }
        if let Some(fence) = fence {
            self.fences.insert(*fence, number);
        }
        self.after.insert(*queue, after);
        self.subs.push(sub);
    }

    pub fn steps(&mut self, steps: &[Step]) {
        steps.iter().for_each(|s| self.step(s));
    }

    pub fn step(&mut self, step: &Step) {
        match step {
            Step::Allocate { memory, size, .. } => assert!(self.memories.insert(*memory, *size).is_none()),
            Step::Free { memory } => {
                self.maps.remove(memory);
                self.memories.remove(memory).expect("memory");
                let inside: Vec<Id> = self.buffers.iter().filter(|(_, b)| b.0 == *memory).map(|(id, _)| *id).collect();
                inside.iter().for_each(|b| self.unused("buffer", *b));
            }
            Step::CreateBuffer { buffer, memory, at, size } => {
                assert!(at + size <= self.memories[memory]);
                assert!(self.buffers.insert(*buffer, (*memory, *at, *size)).is_none());
            }
            Step::DestroyBuffer { buffer } => {
                self.unused("buffer", *buffer);
                self.buffers.remove(buffer).expect("a buffer");
                self.cbs.retain(|_, cb| !cb.objects.contains(&("buffer", *buffer)));
            }
            Step::Map { memory, at, size } => {
                assert!(at + size <= self.memories[memory] && self.maps.insert(*memory, (*at, *size)).is_none());
            }
            Step::Unmap { memory } => assert!(self.maps.remove(memory).is_some()),
            Step::Write { memory, at, size, .. } | Step::Read { memory, at, size } => {
                let (start, mapped) = self.maps[memory];
                assert!(*at >= start && at + size <= start + mapped);
                let write = matches!(step, Step::Write { .. });
                self.host(Access { on: Resource::Memory(*memory), from: *at, to: at + size, write });
            }
            Step::Record { cb, once, simultaneous, commands, .. } => self.record(*cb, *once, *simultaneous, commands),
            Step::ResetBuffer { cb, .. } => self.unused("cb", *cb),
            Step::WriteSet { set, from, to, .. } => {
                self.unused("set", *set);
                self.sets.insert(*set, (*from, *to));
            }
            Step::FreeSets { sets, .. } | Step::ResetSets { sets, .. } => {
                for set in sets {
                    self.unused("set", *set);
                    self.sets.remove(set);
                }
            }
            Step::DestroyPipeline { pipeline } => self.unused("pipeline", *pipeline),
            Step::DestroyImage { image } => {
                self.unused("image", *image);
                self.images.step(step);
            }
            Step::CreateImage { .. } => self.images.step(step),
            Step::ReadRows { image, .. } => {
                self.host(Access::read(Resource::Image(*image), 0, 1));
                self.images.step(step);
            }
            Step::TransitionImage { .. }
            | Step::CopyToImage { .. }
            | Step::CopyFromImage { .. }
            | Step::CopyImages { .. }
            | Step::CarryImage { .. } => {
                assert_eq!(self.open().count(), 0, "the host's processor copies while a queue is at work");
                self.images.step(step);
            }
            Step::DestroyQueries { pool } => self.unused("queries", *pool),
            Step::ResetQueries { pool, first, count } => {
                let (from, to) = (u64::from(*first), u64::from(first + count));
                self.host(Access::write(Resource::Queries(*pool), from, to));
            }
            Step::Results { pool, first, count, .. } => {
                let (from, to) = (u64::from(*first), u64::from(first + count));
                self.host(Access::read(Resource::Queries(*pool), from, to));
            }
            Step::Submit { .. } => self.submit(step),
            Step::WaitFences { fences, all, patience } if *patience != Patience::Short => {
                let subs: Vec<usize> = fences.iter().filter_map(|f| self.fences.get(f).copied()).collect();
                if *all || fences.len() == 1 {
                    subs.into_iter().for_each(|s| self.ended(s));
                } else if let [only] = subs.into_iter().filter(|s| self.ends(*s)).collect::<Vec<_>>()[..] {
                    self.ended(only);
                }
            }
            Step::SpinFence { fence } => self.ended(self.fences[fence]),
            Step::ResetFences { fences } => {
                for f in fences {
                    let sub = self.fences.remove(f);
                    assert!(sub.is_none_or(|s| self.known.contains(&s)), "fence {f} is in use");
                }
            }
            Step::DestroyFence { fence } => {
                let sub = self.fences.remove(fence);
                assert!(sub.is_none_or(|s| self.known.contains(&s)), "fence {fence} is in use");
            }
            Step::QueueIdle { queue } => self.idle(*queue),
            Step::DeviceIdle => (0..self.subs.len()).for_each(|s| self.ended(s)),
            Step::SetEvent { event } => drop(self.events.insert(*event)),
            Step::ResetEvent { event } => {
                self.unused("event", *event);
                self.events.remove(event);
            }
            Step::Signal { semaphore } => {
                self.signals.entry(semaphore.slot).or_default().push((semaphore.value, None));
            }
            Step::WaitSemaphore { semaphore } => {
                let signals = self.signals.get(&semaphore.slot).cloned().unwrap_or_default();
                let by = signals.iter().filter(|(v, _)| *v >= semaphore.value).min_by_key(|(v, _)| *v);
                assert!(by.is_some() || semaphore.value == 0, "nobody signals {semaphore:?}");
                if let Some((_, Some(by))) = by {
                    self.ended(*by);
                }
            }
            Step::DestroySemaphore { semaphore } => {
                self.signals.remove(semaphore);
            }
            Step::Parallel { left, right } => {
                let before = self.known.clone();
                self.steps(left);
                let left = std::mem::replace(&mut self.known, before);
                self.steps(right);
                self.known.extend(left);
            }
            _ => {}
        }
    }
}
