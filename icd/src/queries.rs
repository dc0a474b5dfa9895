//! Answers of a physical device that never change, asked for once and kept by sType.

use std::collections::HashMap;

use ash::vk;
use hesper_encoder::Codec;

use crate::procs::Gate;

/// A struct that answers a query: its sType, its size in bytes, and what makes it known to a codec.
pub struct Query {
    pub s_type: i32,
    pub size: usize,
    pub gate: Gate,
}

/// Bytes before the members: sType, padding, pNext.
const HEAD: usize = 16;

/// Structs by sType, each in memory of its own, aligned like the structs are.
#[derive(Default)]
pub struct Answers(HashMap<i32, Vec<u64>>);

impl Answers {
    /// One empty struct for each query that the codec knows, chained in the order of the table; the second value is the
    /// chain's start.
    pub fn prepare(queries: &[Query], codec: &Codec) -> (Self, *mut vk::BaseOutStructure<'static>) {
        let mut answers = HashMap::new();
        let mut next: *mut vk::BaseOutStructure<'static> = std::ptr::null_mut();
        for q in queries.iter().filter(|q| codec.knows(q.gate.version, q.gate.extensions)) {
            let memory = answers.entry(q.s_type).or_insert_with(|| vec![0u64; q.size.div_ceil(8).max(2)]);
            let p: *mut vk::BaseOutStructure<'static> = memory.as_mut_ptr().cast();
            // SAFETY: the memory is as large as the struct, which starts with these two members.
            unsafe {
                (*p).s_type = vk::StructureType::from_raw(q.s_type);
                (*p).p_next = next;
            }
            next = p;
        }
        (Self(answers), next)
    }

    /// The answer of type `T`, to correct it, if it was asked for.
    pub fn get_mut<T: vk::TaggedStructure>(&mut self) -> Option<&mut T> {
        let memory = self.0.get_mut(&T::STRUCTURE_TYPE.as_raw()).filter(|m| m.len() * 8 >= size_of::<T>())?;
        // SAFETY: memory of the struct's size and alignment, zeroed and then filled by the decoder.
        Some(unsafe { &mut *memory.as_mut_ptr().cast() })
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
                match (self.0.get(&s_type), queries.iter().find(|q| q.s_type == s_type)) {
                    (Some(memory), Some(q)) if q.size > HEAD => {
                        let from = memory.as_ptr().cast::<u8>().add(HEAD);
                        std::ptr::copy_nonoverlapping(from, p.cast::<u8>().add(HEAD), q.size - HEAD);
                    }
                    (None, None) => other(p),
                    _ => {}
                }
                p = (*p).p_next;
            }
        }
    }
}
