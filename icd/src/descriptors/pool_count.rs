//! What a descriptor pool has promised, and how much of that its sets have taken.
//!
//! The invariant: for each [`Kind`] `taken` is what the sets take that were allocated from the pool and neither freed nor reset, and no more
//! than `promised`. As long as it holds, an allocation fails at the host for one of two reasons only (Vulkan specification,
//! vkAllocateDescriptorSets): the host has no memory of its own left, or the pool is in fragments. The specification rules out the second where
//! nothing was freed since the pool was created or reset, and where all sets since then, the new ones too, take the same (VkDescriptorPoolCreateInfo).
//! Such an allocation needs no answer of the host's. What would break the invariant is VK_ERROR_OUT_OF_POOL_MEMORY. The rest only the host knows.

use ash::vk;

use crate::base::chain::{find, slice};
use crate::descriptors::needs::{Kind, Share};

/// What comes of an allocation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outlook {
    /// The pool has promised these sets.
    Promised,
    /// The host has to be asked.
    Open,
    /// The pool hasn't got so much.
    Exceeding,
}

/// So many of one kind.
struct Stock {
    kind: Kind,
    promised: u64,
    taken: u64,
}

/// What the sets have in common that were allocated since a pool was created or reset: their layout. Other layouts may have the same numbers, and
/// take more of a host that lays sets out in bytes (MoltenVK's gives a freed place to a set of the same size only).
enum Takers {
    None,
    Alike(Share),
    Different,
}

/// What a pool has promised and given.
pub struct PoolCount {
    stock: Vec<Stock>,
    /// What comes of an allocation of more than was promised.
    beyond: Outlook,
    /// Whether sets were freed since the pool was created or reset.
    freed: bool,
    takers: Takers,
    /// Sets that may have taken more than was counted.
    inexact: usize,
}

impl PoolCount {
    /// A pool that nothing was taken from.
    ///
    /// # Safety
    /// A valid create info.
    pub unsafe fn of(info: &vk::DescriptorPoolCreateInfo<'_>) -> Self {
        use vk::DescriptorPoolCreateFlags as F;
        // Another flag may promise more than the numbers do, as those of VK_NV_descriptor_pool_overallocation.
        let known = F::FREE_DESCRIPTOR_SET | F::UPDATE_AFTER_BIND | F::HOST_ONLY_EXT;
        let beyond = if known.contains(info.flags) { Outlook::Exceeding } else { Outlook::Open };
        let mut pool = Self { stock: Vec::new(), beyond, freed: false, takers: Takers::None, inexact: 0 };
        pool.promise(Kind::Sets, info.max_sets);
        // SAFETY: the info's array of this length, and its chain.
        let (sizes, blocks) = unsafe {
            let blocks = find::<vk::DescriptorPoolInlineUniformBlockCreateInfo<'_>>(info.p_next);
            (slice(info.p_pool_sizes, info.pool_size_count), blocks)
        };
        for (i, size) in sizes.iter().enumerate() {
            // SAFETY: a valid info has a valid chain.
            pool.promise(unsafe { Kind::of(size.ty, i, info.p_next) }, size.descriptor_count);
        }
        if let Some(blocks) = blocks {
            pool.promise(Kind::InlineBlocks, blocks.max_inline_uniform_block_bindings);
        }
        pool
    }

    fn promise(&mut self, kind: Kind, n: u32) {
        match self.stock.iter_mut().find(|s| s.kind == kind) {
            Some(stock) => stock.promised += u64::from(n),
            None => self.stock.push(Stock { kind, promised: n.into(), taken: 0 }),
        }
    }

    /// Takes what these sets take, all of it or, where that is [`Outlook::Exceeding`], nothing.
    pub fn take<'a>(&mut self, sets: impl Iterator<Item = &'a Share> + Clone) -> Outlook {
        let mut enough = true;
        for set in sets.clone() {
            enough &= self.count(set, |taken, n| *taken += n);
            self.inexact += usize::from(set.may_take_more());
        }
        enough &= self.stock.iter().all(|s| s.taken <= s.promised);
        if !enough && self.beyond == Outlook::Exceeding {
            self.put_back(sets);
            return Outlook::Exceeding;
        }
        for set in sets {
            self.takers = match std::mem::replace(&mut self.takers, Takers::Different) {
                Takers::None => Takers::Alike(set.clone()),
                Takers::Alike(other) if other.is_like(set) => Takers::Alike(other),
                _ => Takers::Different,
            };
        }
        let whole = !self.freed || matches!(self.takers, Takers::Alike(_));
        if enough && whole && self.inexact == 0 { Outlook::Promised } else { Outlook::Open }
    }

    /// The host has refused sets that were taken. Some of them it may have had for a moment, and freed.
    pub fn refuse<'a>(&mut self, sets: impl Iterator<Item = &'a Share>) {
        self.put_back(sets);
        self.freed = true;
    }

    fn put_back<'a>(&mut self, sets: impl Iterator<Item = &'a Share>) {
        for set in sets {
            self.count(set, |taken, n| *taken = taken.saturating_sub(n));
            self.inexact = self.inexact.saturating_sub(usize::from(set.may_take_more()));
        }
    }

    /// A set was freed.
    pub fn free(&mut self, set: &Share) {
        self.put_back(std::iter::once(set));
        self.freed = true;
    }

    /// The pool was reset.
    pub fn reset(&mut self) {
        self.stock.iter_mut().for_each(|s| s.taken = 0);
        (self.freed, self.takers, self.inexact) = (false, Takers::None, 0);
    }

    /// Changes what is taken of each kind that a set takes; false where the pool has nothing of a kind.
    fn count(&mut self, set: &Share, change: impl Fn(&mut u64, u64)) -> bool {
        let mut all = true;
        for (kind, n) in set.parts() {
            match self.stock.iter_mut().find(|s| s.kind.serves(kind)) {
                Some(stock) => change(&mut stock.taken, n),
                None => all &= n == 0,
            }
        }
        all
    }
}

#[cfg(test)]
mod tests;
