//! The entry points by name: what vkGet*ProcAddr look up.

use std::ffi::{CStr, c_char, c_void};

use ash::vk;

use crate::base::gate::Gate;
use crate::base::object::Part;
use crate::device::logical_device::Device;
use crate::generated::procs::PROCS;

/// What a command is dispatched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    Global,
    Instance,
    PhysicalDevice,
    Device,
}

/// A C function whose type is known by its name.
pub type Erased = unsafe extern "system" fn();

/// One entry point.
pub struct Proc {
    name: &'static CStr,
    pub scope: Scope,
    function: Erased,
    pub gate: Gate,
}

impl Proc {
    /// Its address, as a library has it.
    pub fn address(&self) -> *const c_void {
        self.function as *const c_void
    }

    /// As the loader takes it.
    pub fn get(&self) -> vk::PFN_vkVoidFunction {
        Some(self.function)
    }
}

/// A row of the table.
pub const fn proc(name: &'static CStr, scope: Scope, function: Erased, gate: Gate) -> Proc {
    Proc { name, scope, function, gate }
}

/// A function's address without its type.
macro_rules! erase {
    ($f:path) => {
        // SAFETY: function pointers all have one size; whoever calls it casts it back to the type of its name.
        unsafe { core::mem::transmute::<*const (), $crate::loader::procs::Erased>($f as *const ()) }
    };
}
pub(crate) use erase;

/// The entry point with this name.
pub fn find(name: &CStr) -> Option<&'static Proc> {
    PROCS.binary_search_by(|p| p.name.cmp(name)).ok().and_then(|i| PROCS.get(i))
}

pub unsafe fn get_device_proc_addr(device: vk::Device, name: *const c_char) -> vk::PFN_vkVoidFunction {
    if name.is_null() {
        return None;
    }
    // SAFETY: a valid device, and a string that isn't null.
    let (d, name) = unsafe { (Device::of(device), CStr::from_ptr(name)) };
    let p = find(name).filter(|p| p.scope == Scope::Device)?;
    if d.knows(&p.gate) { p.get() } else { None }
}

#[cfg(test)]
mod tests {
    use std::ffi::CString;

    use super::*;

    #[test]
    fn the_table_is_sorted_and_complete() {
        assert!(PROCS.windows(2).all(|w| w[0].name < w[1].name));
        for n in [c"vkCreateInstance", c"vkCmdDispatch", c"vkQueueSubmit2KHR", c"vkGetPhysicalDeviceProperties2KHR"] {
            assert!(find(n).is_some(), "{n:?}");
        }
        assert!(find(c"vkNoSuchThing").is_none());
        assert_eq!(find(c"vkCmdDispatch").unwrap().scope, Scope::Device);
    }

    /// Every command of the protocol has an entry point, or docs/STATUS.md says why not.
    #[test]
    fn every_command_is_reachable_or_accounted_for() {
        let status = include_str!("../../../docs/STATUS.md");
        let mut commands = 0;
        for line in include_str!("../../../encoder/protocol/commands.tsv")
            .lines()
            .filter(|l| l.starts_with(|c: char| c.is_ascii_digit()))
        {
            let mut columns = line.split('\t').skip(1);
            let (name, form, policy) = (columns.next().unwrap(), columns.next().unwrap(), columns.next().unwrap());
            commands += 1;
            let there = find(&CString::new(name).unwrap()).is_some();
            let accounted = status.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| word == name);
            assert!(there || accounted, "{name} ({form}, {policy}) is neither reachable nor in docs/STATUS.md");
            assert!(!(there && accounted), "{name} is reachable; docs/STATUS.md says that it isn't");
        }
        assert_eq!(commands, 361);
    }

    /// A dynamic state's feature is on only where the command that sets the state can be called; its name is the feature's.
    #[test]
    fn features_without_their_command_are_off() {
        use crate::generated::features::OFF;
        let off = |name: &str| OFF.iter().any(|f| f.name == name);
        for f in &OFF {
            let state = f.name.strip_prefix("extendedDynamicState3");
            for vendor in ["", "EXT", "NV", "KHR"] {
                let command = state.map(|s| CString::new(format!("vkCmdSet{s}{vendor}")).unwrap());
                assert!(command.is_none_or(|c| find(&c).is_none()), "{} is off, and its command there", f.name);
            }
        }
        for state in ["CoverageModulationTable", "ViewportSwizzle", "CoverageToColorEnable"] {
            assert!(off(&format!("extendedDynamicState3{state}")), "{state}");
        }
        assert!(off("accelerationStructureHostCommands") && !off("hostImageCopy"));
        assert!(!off("extendedDynamicState3PolygonMode") && find(c"vkCmdSetPolygonModeEXT").is_some());
    }
}
