//! Answers of a physical device that never change, asked for once and kept by sType.

use ash::vk;
use hesper_encoder::Codec;

use crate::base::gate::Gate;

/// A struct that answers a query: its sType, its size in bytes, and what makes it known to a codec.
pub struct Query {
    pub s_type: i32,
    pub size: usize,
    pub gate: Gate,
}

/// Bytes before the members: sType, padding, pNext.
const HEAD: usize = 16;

/// Structs sorted by sType.
pub struct Answers {
    sorted: Vec<Answer>,
    /// Where those of the core versions stand, whose sTypes are below [`CORE`]: one more than the place, or 0.
    core: [u8; CORE],
}

impl Default for Answers {
    fn default() -> Self {
        Self { sorted: Vec::new(), core: [0; CORE] }
    }
}

/// sTypes of core structs that existed before extensions are small numbers (Vulkan specification, VkStructureType).
const CORE: usize = 64;

struct Answer {
    s_type: i32,
    /// Bytes of the struct.
    size: usize,
    /// The struct, in memory aligned like it.
    memory: Vec<u64>,
}

impl Answers {
    /// One empty struct for each query that the codec knows, chained in the order of the table; the second value is the
    /// chain's start.
    pub fn prepare(queries: &[Query], codec: &Codec) -> (Self, *mut vk::BaseOutStructure<'static>) {
        let known = queries.iter().filter(|q| codec.knows(q.gate.version, q.gate.extensions));
        let memory = |q: &Query| vec![0u64; q.size.div_ceil(8).max(2)];
        let mut answers: Vec<Answer> =
            known.map(|q| Answer { s_type: q.s_type, size: q.size, memory: memory(q) }).collect();
        answers.sort_by_key(|a| a.s_type);
        answers.dedup_by_key(|a| a.s_type);
        let mut next: *mut vk::BaseOutStructure<'static> = std::ptr::null_mut();
        for a in &mut answers {
            let p: *mut vk::BaseOutStructure<'static> = a.memory.as_mut_ptr().cast();
            // SAFETY: the memory is as large as the struct, which starts with these two members.
            unsafe {
                (*p).s_type = vk::StructureType::from_raw(a.s_type);
                (*p).p_next = next;
            }
            next = p;
        }
        let mut core = [0; CORE];
        for (i, a) in answers.iter().enumerate() {
            let slot = usize::try_from(a.s_type).ok().and_then(|s_type| core.get_mut(s_type));
            if let (Some(slot), Ok(place)) = (slot, u8::try_from(i + 1)) {
                *slot = place;
            }
        }
        (Self { sorted: answers, core }, next)
    }

    /// The answer of type `T`, to correct it, if it was asked for.
    pub fn get_mut<T: vk::TaggedStructure>(&mut self) -> Option<&mut T> {
        let at = self.find(T::STRUCTURE_TYPE.as_raw())?;
        let memory = &mut self.sorted.get_mut(at)?.memory;
        if memory.len() * 8 < size_of::<T>() {
            return None;
        }
        // SAFETY: memory of the struct's size and alignment, zeroed and then filled by the decoder.
        Some(unsafe { &mut *memory.as_mut_ptr().cast() })
    }

    /// The 32-bit member at `offset`, a multiple of four, of the answer with this sType, if it was asked for.
    pub fn word_mut(&mut self, s_type: i32, offset: usize) -> Option<&mut u32> {
        let at = self.find(s_type)?;
        let memory = &mut self.sorted.get_mut(at)?.memory;
        // SAFETY: words of 64 bits are pairs of words of 32.
        let (_, words, _) = unsafe { memory.align_to_mut::<u32>() };
        words.get_mut(offset / 4)
    }

    fn find(&self, s_type: i32) -> Option<usize> {
        match self.core.get(s_type as usize) {
            Some(0) => None,
            Some(place) => Some(usize::from(*place) - 1),
            None => self.sorted.binary_search_by_key(&s_type, |a| a.s_type).ok(),
        }
    }

    /// Fills each struct of the chain at `p` that has an answer; hands the others to `other`.
    ///
    /// # Safety
    /// `p` must be null or a valid chain of output structs.
    pub unsafe fn fill(
        &self,
        p: *mut vk::BaseOutStructure<'static>,
        queries: &[Query],
        mut other: impl FnMut(*mut vk::BaseOutStructure<'static>),
    ) {
        let mut p = p;
        while !p.is_null() {
            // SAFETY: a struct of the chain, as large as its sType says.
            unsafe {
                let s_type = (*p).s_type.as_raw();
                match self.find(s_type).and_then(|at| self.sorted.get(at)) {
                    Some(a) if a.size > HEAD => {
                        let from = a.memory.as_ptr().cast::<u8>().add(HEAD);
                        std::ptr::copy_nonoverlapping(from, p.cast::<u8>().add(HEAD), a.size - HEAD);
                    }
                    // One that the codec doesn't know stays as it is.
                    None if !queries.iter().any(|q| q.s_type == s_type) => other(p),
                    _ => {}
                }
                p = (*p).p_next;
            }
        }
    }
}
