//! A caller of Vulkan commands: what it passes lies in memory of its own that is exactly as large as it says, so that whoever writes
//! outside is found out.

use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::ptr::NonNull;

use ash::vk;
use hesper_encoder::Reader;
use hesper_encoder::bits::Count;

use crate::choices::Choices;

/// Makes the parameters of a command, and decodes a reply into them; the most bytes that the reply of a host may take.
pub type Target = unsafe fn(&mut Caller, &mut Reader) -> usize;
/// Makes a link of a chain.
type Link = unsafe fn(&mut Caller) -> *mut vk::BaseOutStructure<'static>;

/// Links that one caller puts into all its chains together.
const LINKS: usize = 64;

/// What a caller chooses, and the memory of what it passes.
pub struct Caller<'a> {
    choices: Choices<'a>,
    links: usize,
    memory: Vec<(NonNull<u8>, Layout)>,
}

impl<'a> Caller<'a> {
    pub fn new(choices: &'a [u8]) -> Self {
        Self { choices: Choices::new(choices), links: 0, memory: Vec::new() }
    }

    /// How many elements an array has.
    pub fn room(&mut self) -> usize {
        match self.choices.byte() {
            n @ 0..200 => usize::from(n % 5),
            n => usize::from(n) - 150,
        }
    }

    fn zeroed<T>(&mut self, n: usize) -> *mut T {
        let layout = Layout::array::<T>(n).unwrap();
        if layout.size() == 0 {
            return NonNull::dangling().as_ptr();
        }
        // SAFETY: the layout has a size.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) }).unwrap_or_else(|| handle_alloc_error(layout));
        self.memory.push((memory, layout));
        memory.as_ptr().cast()
    }

    /// Room for one value, which the specification wants to be there.
    pub unsafe fn one<T>(&mut self, fill: unsafe fn(&mut Self, *mut T)) -> *mut T {
        let p = self.zeroed(1);
        // SAFETY: fresh zeros, as the generated functions want them.
        unsafe { fill(self, p) };
        p
    }

    /// Room for as many values; none at all for callers that ask for their number only.
    pub unsafe fn many<T>(&mut self, n: usize, fill: unsafe fn(&mut Self, *mut T)) -> *mut T {
        if self.choices.byte() == 1 {
            return std::ptr::null_mut();
        }
        let p: *mut T = self.zeroed(n);
        for i in 0..n {
            // SAFETY: inside of the array, and as in `one`.
            unsafe { fill(self, p.add(i)) };
        }
        p
    }

    /// A count that goes in and comes out.
    pub unsafe fn count<T: Count>(&mut self, room: usize) -> *mut T {
        let p = self.zeroed::<T>(1);
        // SAFETY: just made.
        unsafe { p.write(T::of(room)) };
        p
    }

    /// A struct that goes in, of which the decoder reads no more than what `set` sets.
    pub unsafe fn input<T>(&mut self, set: impl FnOnce(*mut T)) -> *const T {
        let p = self.zeroed(1);
        set(p);
        p
    }

    pub unsafe fn tag(&mut self, s: *mut vk::BaseOutStructure, s_type: i32) {
        // SAFETY: a struct with a header.
        unsafe { (*s).s_type = vk::StructureType::from_raw(s_type) };
    }

    /// A struct for a chain.
    pub unsafe fn link<T>(&mut self, fill: unsafe fn(&mut Self, *mut T)) -> *mut vk::BaseOutStructure<'static> {
        // SAFETY: as `one`.
        unsafe { self.one(fill) }.cast()
    }

    /// Some of the links that the protocol knows there, in any order, also twice, and one that it doesn't know.
    pub unsafe fn chain(&mut self, head: *mut vk::BaseOutStructure<'static>, known: &[Link]) {
        let mut end = head;
        for _ in 0..self.choices.byte() % 8 {
            self.links += 1;
            if self.links > LINKS {
                return;
            }
            let which = usize::from(self.choices.byte());
            // SAFETY: the last link is a struct with a header, and so is the new one.
            unsafe {
                let next = match known.get(which % (known.len() + 1)) {
                    Some(link) => link(self),
                    None => self.link(unknown),
                };
                (*end).p_next = next;
                end = next;
            }
        }
    }
}

/// A link that no host knows.
unsafe fn unknown(_: &mut Caller, s: *mut vk::BaseOutStructure<'static>) {
    // SAFETY: fresh memory.
    unsafe { (*s).s_type = vk::StructureType::from_raw(1_000_999_999) };
}

/// For what takes any zeros.
pub unsafe fn nothing<T>(_: &mut Caller, _: *mut T) {}

/// A caller that believes a count must stay inside of its array.
pub unsafe fn within<T: Count>(count: *const T, asked_only: bool, room: usize) {
    // SAFETY: the caller's count.
    assert!(asked_only || unsafe { count.read() }.get() <= room, "a count beyond the caller's array");
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        for (memory, layout) in self.memory.drain(..) {
            // SAFETY: allocated with this layout, and used by nobody any more.
            unsafe { dealloc(memory.as_ptr(), layout) };
        }
    }
}
