//! Bytes for buffers: what uploads put into memory, in the fewest updates that have the same effect.

use ash::vk;

/// As many wait at most.
pub const PIECES: usize = 256;

/// Bytes that a command of the driver's own will write into a buffer.
#[derive(Clone)]
pub struct Update {
    pub buffer: vk::Buffer,
    pub memory: vk::DeviceMemory,
    /// Bytes from the buffer's start.
    pub offset: vk::DeviceSize,
    /// Bytes from the memory's start.
    pub place: vk::DeviceSize,
    pub data: Vec<u8>,
    /// Whether a barrier has to come before it, since it overlaps an earlier one.
    pub ordered: bool,
}

/// An update that may come: what a copy would write.
#[derive(Clone, Copy)]
pub struct Staged<'a> {
    pub buffer: vk::Buffer,
    pub memory: vk::DeviceMemory,
    /// Bytes from the buffer's start.
    pub offset: vk::DeviceSize,
    /// Bytes from the memory's start.
    pub place: vk::DeviceSize,
    pub data: &'a [u8],
}

/// Memory for staged updates, which is kept for the next ones.
#[derive(Default)]
pub struct Staging {
    /// As long as it ever had to be: bytes that are there needn't be cleared.
    bytes: Vec<u8>,
    used: usize,
    list: Vec<(vk::Buffer, vk::DeviceMemory, vk::DeviceSize, vk::DeviceSize, usize)>,
}

impl Staging {
    /// Forgets all.
    pub fn clear(&mut self) {
        self.list.clear();
        self.used = 0;
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len()
    }

    /// Bytes of all.
    pub fn bytes(&self) -> usize {
        self.used
    }

    /// Adds an update of `size` bytes, which `read` fills in; false if it can't.
    pub fn add(
        &mut self,
        (buffer, offset): (vk::Buffer, vk::DeviceSize),
        (memory, place): (vk::DeviceMemory, vk::DeviceSize),
        size: usize,
        read: impl FnOnce(&mut [u8]) -> bool,
    ) -> bool {
        let end = self.used + size;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        let filled = self.bytes.get_mut(self.used..end).is_some_and(read);
        if filled {
            self.list.push((buffer, memory, offset, place, size));
            self.used = end;
        }
        filled
    }

    /// All, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Staged<'_>> {
        let mut rest = self.bytes.as_slice();
        self.list.iter().map_while(move |&(buffer, memory, offset, place, size)| {
            let data = rest.split_off(..size)?;
            Some(Staged { buffer, memory, offset, place, data })
        })
    }
}

/// Bytes of a memory.
#[derive(Clone, Copy)]
struct Span {
    memory: vk::DeviceMemory,
    start: vk::DeviceSize,
    end: vk::DeviceSize,
}

impl Span {
    fn new(memory: vk::DeviceMemory, start: vk::DeviceSize, size: usize) -> Self {
        Self { memory, start, end: start + size as vk::DeviceSize }
    }

    fn overlaps(self, other: Self) -> bool {
        self.memory == other.memory && self.start < other.end && other.start < self.end
    }

    fn covers(self, other: Self) -> bool {
        self.memory == other.memory && self.start <= other.start && other.end <= self.end
    }
}

/// Updates, in their order.
#[derive(Default)]
pub struct Updates {
    list: Vec<Update>,
}

impl Updates {
    /// All of them.
    pub fn list(&self) -> &[Update] {
        &self.list
    }

    /// Bytes of all of them.
    pub fn bytes(&self) -> usize {
        self.list.iter().map(|u| u.data.len()).sum()
    }

    /// Whether any of them writes this memory.
    pub fn write(&self, memory: vk::DeviceMemory) -> bool {
        self.list.iter().any(|u| u.memory == memory)
    }

    /// Whether any of them names this buffer.
    pub fn name(&self, buffer: vk::Buffer) -> bool {
        self.list.iter().any(|u| u.buffer == buffer)
    }

    /// Forgets those that write this memory.
    pub fn forget(&mut self, memory: vk::DeviceMemory) {
        self.retain(|u| u.memory != memory);
    }

    /// Keeps those that `stays` tells of. A barrier before one that goes stays, before the next one: later updates may rely on it, whatever they
    /// write. Whether one is left over behind the last.
    fn retain(&mut self, stays: impl Fn(&Update) -> bool) -> bool {
        let mut barrier = false;
        self.list.retain_mut(|u| {
            u.ordered |= std::mem::take(&mut barrier);
            let stays = stays(u);
            barrier = !stays && u.ordered;
            stays
        });
        barrier
    }

    /// Adds an update behind the others. Where it overlaps earlier ones they are changed instead, if that will do: a barrier in between takes
    /// a GPU some microseconds.
    pub fn add(&mut self, new: Staged<'_>) {
        let span = Span::new(new.memory, new.place, new.data.len());
        let mut overlapping = self.list.iter_mut().filter(|u| u.span().overlaps(span));
        if let (Some(only), None) = (overlapping.next(), overlapping.next())
            && only.span().covers(span)
        {
            let at = (new.place - only.place) as usize;
            if let Some(part) = only.data.get_mut(at..at + new.data.len()) {
                part.copy_from_slice(new.data);
                return;
            }
        }
        let barrier = self.retain(|u| !span.covers(u.span()));
        let unordered = self.list.iter().rposition(|u| u.ordered).unwrap_or(0);
        let ordered = barrier || self.list.iter().skip(unordered).any(|u| u.span().overlaps(span));
        let Staged { buffer, memory, offset, place, data } = new;
        self.list.push(Update { buffer, memory, offset, place, data: data.to_vec(), ordered });
    }
}

impl Update {
    fn span(&self) -> Span {
        Span::new(self.memory, self.place, self.data.len())
    }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    fn at(memory: u64, place: u64, data: &[u8]) -> Staged<'_> {
        Staged { buffer: vk::Buffer::null(), memory: vk::DeviceMemory::from_raw(memory), offset: 0, place, data }
    }

    fn span(memory: u64, place: u64, size: usize) -> Span {
        Span::new(vk::DeviceMemory::from_raw(memory), place, size)
    }

    #[test]
    fn overlapping_spans_are_told_apart() {
        let a = span(7, 16, 16);
        for (place, size) in [(16, 16), (0, 64), (20, 4), (31, 4), (13, 4)] {
            assert!(a.overlaps(span(7, place, size)), "{place} {size}");
        }
        for other in [span(7, 0, 16), span(7, 32, 16), span(8, 16, 16)] {
            assert!(!a.overlaps(other));
        }
        assert!(a.covers(span(7, 20, 12)) && a.covers(a));
        assert!(!a.covers(span(7, 20, 16)) && !a.covers(span(8, 20, 4)));
    }

    #[test]
    fn staged_updates_are_found_in_their_order() {
        let mut staging = Staging::default();
        let (buffer, memory) = (vk::Buffer::from_raw(1), vk::DeviceMemory::from_raw(2));
        let fill = |n: u8| move |to: &mut [u8]| (to.fill(n), n != 0).1;
        for round in 1..=2 {
            assert!(staging.add((buffer, 4), (memory, 8), 3, fill(round)));
            assert!(!staging.add((buffer, 0), (memory, 0), 64, fill(0)), "what can't be read is left out");
            assert!(staging.add((buffer, 5), (memory, 9), 2, fill(round + 1)));
            let all: Vec<_> = staging.iter().map(|s| (s.offset, s.place, s.data.to_vec())).collect();
            assert_eq!(all, [(4, 8, vec![round; 3]), (5, 9, vec![round + 1; 2])]);
            assert_eq!((staging.len(), staging.bytes()), (2, 5));
            staging.clear();
        }
        assert_eq!((staging.iter().count(), staging.bytes()), (0, 0));
    }

    /// What memory holds after all updates, in their order, against plain writes to it.
    #[test]
    fn updates_end_in_what_the_writes_would() {
        let mut random = 1u64;
        let mut next = |n: u64| {
            random = random.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (random >> 33) % n
        };
        for round in 0..if cfg!(miri) { 20 } else { 2000 } {
            let (mut updates, mut plain) = (Updates::default(), [[0u8; 64]; 2]);
            for write in 1..=12 {
                let (memory, place) = (next(2) as usize, next(60));
                let size = 1 + next(64 - place).min(next(24));
                plain[memory][place as usize..(place + size) as usize].fill(write);
                updates.add(at(memory as u64, place, &vec![write; size as usize]));
                if next(24) == 0 {
                    updates.forget(vk::DeviceMemory::from_raw(memory as u64));
                    plain[memory] = [0; 64];
                }
            }
            let (mut memory, mut since_barrier) = ([[0u8; 64]; 2], Vec::<&Update>::new());
            for u in updates.list() {
                if u.ordered {
                    since_barrier.clear();
                }
                assert!(
                    !since_barrier.iter().any(|e| e.span().overlaps(u.span())),
                    "no order between updates in round {round}"
                );
                since_barrier.push(u);
                memory[u.memory.as_raw() as usize][u.place as usize..u.span().end as usize].copy_from_slice(&u.data);
            }
            assert_eq!(memory, plain, "round {round}");
        }
    }

    #[test]
    fn the_same_place_again_needs_no_barrier() {
        let mut updates = Updates::default();
        (0..100u8).for_each(|i| updates.add(at(7, 32, &[i; 16])));
        assert_eq!((updates.list().len(), updates.bytes()), (1, 16));
        assert_eq!(updates.list()[0].data, [99; 16]);
    }
}
