//! What was found out of a device, and what programs are told of it.

use std::ffi::{CStr, c_void};

use ash::vk;

use crate::base::chain::find_tagged;
use crate::physical::probe::extension::Extension;
use crate::physical::probe::table::{COUNT, TABLE};

/// What was found out of each extension of the table, in its order: numbers whose meaning is the extension's, where it is offered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(pub [Option<Vec<u32>>; COUNT]);

impl Findings {
    /// The table's rows, each with its numbers.
    pub fn each(&self) -> impl Iterator<Item = (&'static Extension, Option<&[u32]>)> {
        TABLE.iter().zip(self.0.iter().map(Option::as_deref))
    }

    /// Notes the numbers of the extension at this place of the table.
    pub fn put(&mut self, place: usize, numbers: Option<&[u32]>) {
        if let Some(to) = self.0.get_mut(place) {
            *to = numbers.map(<[u32]>::to_vec);
        }
    }

    /// The numbers of an extension that was found to work.
    pub fn of(&self, extension: &CStr) -> Option<&[u32]> {
        self.each().find(|(e, _)| e.name == extension).and_then(|(_, numbers)| numbers)
    }

    /// Fills a struct of features of the table's.
    ///
    /// # Safety
    /// A valid struct of which [`has_features`] is true.
    pub unsafe fn fill_features(&self, to: *mut vk::BaseOutStructure<'static>) {
        // SAFETY: by contract.
        let (s_type, first) = unsafe { ((*to).s_type, to.add(1).cast::<vk::Bool32>()) };
        for (e, numbers) in self.each().filter(|(e, _)| e.features == s_type) {
            for i in 0..e.members.len() {
                // SAFETY: one of as many members as the struct has, which follow the head.
                unsafe { first.add(i).write(numbers.is_some_and(|n| (e.has)(n, i)).into()) };
            }
        }
    }

    /// Fills a struct of properties of the table's; one of an extension that isn't offered stays as it is.
    ///
    /// # Safety
    /// A valid struct of which [`has_properties`] is true.
    pub unsafe fn fill_properties(&self, to: *mut vk::BaseOutStructure<'static>) {
        // SAFETY: by contract.
        let (s_type, first) = unsafe { ((*to).s_type, to.add(1).cast::<u32>()) };
        for (e, numbers) in self.each().filter(|(e, _)| e.properties == Some(s_type)) {
            for (i, value) in numbers.map(e.limits).into_iter().flatten().enumerate() {
                // SAFETY: the table has as many values as the struct has members, which follow the head.
                unsafe { first.add(i).write(value) };
            }
        }
    }
}

/// Whether the features of a struct with this sType are found out by trying.
pub fn has_features(s_type: vk::StructureType) -> bool {
    TABLE.iter().any(|e| e.features == s_type)
}

/// The same of properties.
pub fn has_properties(s_type: vk::StructureType) -> bool {
    TABLE.iter().any(|e| e.properties == Some(s_type))
}

/// Whether a chain asks for features that are tried out.
///
/// # Safety
/// Null or the valid chain of a VkDeviceCreateInfo.
pub unsafe fn is_asked_for(next: *const c_void) -> bool {
    // SAFETY: by contract.
    TABLE.iter().any(|e| unsafe { find_tagged(next, e.features) }.is_some())
}

/// The first feature that a device is asked for and that wasn't found.
///
/// # Safety
/// As [`is_asked_for`].
pub unsafe fn asked_for(next: *const c_void, found: &Findings) -> Option<&'static str> {
    found.each().find_map(|(e, numbers)| {
        // SAFETY: by contract.
        let asked = unsafe { find_tagged(next, e.features) }?;
        // SAFETY: the members follow the head.
        let first = unsafe { asked.add(1) }.cast::<vk::Bool32>();
        let lacking = |i: usize| {
            // SAFETY: one of as many members as the struct has.
            !numbers.is_some_and(|n| (e.has)(n, i)) && unsafe { first.add(i).read() } != vk::FALSE
        };
        e.members.iter().enumerate().find(|(i, _)| lacking(*i)).map(|(_, name)| *name)
    })
}
