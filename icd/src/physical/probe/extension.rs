//! How an extension is tried out, and what becomes of that.

use std::ffi::CStr;

use ash::vk;

use crate::physical::probe::features::Features;
use crate::physical::probe::planned::Planned;
use crate::physical::probe::subject::Subject;
use crate::physical::probe::trial::{Run, Told};

/// The numbers of an extension, by what its runs told.
pub type Judge = fn(&Subject<'_>, &[Run], &[Told]) -> Option<Vec<u32>>;

/// An extension whose features and properties are structs of 32-bit members.
pub struct Extension {
    pub name: &'static CStr,
    /// Whether the device is tried out for this one, by what else it has.
    pub needs: fn(&Features) -> bool,
    /// Another extension that is tried out, earlier in the table, without which this one isn't.
    pub extends: Option<&'static CStr>,
    /// The sType of the struct of its features, and their names.
    pub features: vk::StructureType,
    pub members: &'static [&'static str],
    /// The sType of the struct of its properties, if it has any.
    pub properties: Option<vk::StructureType>,
    /// The shaders that try it out.
    pub runs: fn(&Subject<'_>) -> Vec<Planned>,
    /// The numbers that are kept, by these runs and what each told; `None` where the extension can't be offered.
    pub judge: Judge,
    /// Whether these can be such numbers.
    pub possible: fn(&[u32]) -> bool,
    /// Whether they tell of a feature, by its place.
    pub has: fn(&[u32], usize) -> bool,
    /// The properties, in their order.
    pub limits: fn(&[u32]) -> Vec<u32>,
}
