//! What a device says of VK_NV_cooperative_matrix2, in structs that ash doesn't know yet.

use std::ffi::{CStr, c_void};
use std::fmt;
use std::ptr;

use anyhow::{Context, Result};
use ash::vk;

use crate::gpu::Gpu;

pub const NAME: &CStr = c"VK_NV_cooperative_matrix2";

/// VkPhysicalDeviceCooperativeMatrix2FeaturesNV.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Features {
    s_type: vk::StructureType,
    p_next: *mut c_void,
    members: [vk::Bool32; 7],
}

// SAFETY: a struct that Vulkan lets extend VkDeviceCreateInfo, starting with sType and pNext.
unsafe impl vk::ExtendsDeviceCreateInfo for Features {}

/// VkPhysicalDeviceShaderBfloat16FeaturesKHR.
#[repr(C)]
pub struct Bfloat16 {
    s_type: vk::StructureType,
    p_next: *mut c_void,
    scalars: vk::Bool32,
    dot_products: vk::Bool32,
    matrices: vk::Bool32,
}

impl Bfloat16 {
    pub const NAME: &CStr = c"VK_KHR_shader_bfloat16";

    /// What matrices of such numbers need.
    pub fn matrices() -> Self {
        let s_type = vk::StructureType::from_raw(1_000_141_000);
        Self { s_type, p_next: ptr::null_mut(), scalars: vk::TRUE, dot_products: vk::FALSE, matrices: vk::TRUE }
    }
}

// SAFETY: as above.
unsafe impl vk::ExtendsDeviceCreateInfo for Bfloat16 {}

/// The members' names, short.
const MEMBERS: [&str; 7] = [
    "WorkgroupScope",
    "FlexibleDimensions",
    "Reductions",
    "Conversions",
    "PerElementOperations",
    "TensorAddressing",
    "BlockLoads",
];

impl Features {
    /// A bit for each member.
    pub fn bits(&self) -> u32 {
        self.members.iter().enumerate().fold(0, |bits, (i, m)| bits | m << i)
    }

    /// Those that are there, by name.
    pub fn told(&self) -> String {
        let there = MEMBERS.iter().zip(self.members).filter(|(_, m)| *m != vk::FALSE);
        there.map(|(name, _)| *name).collect::<Vec<_>>().join(" ")
    }
}

/// VkPhysicalDeviceCooperativeMatrix2PropertiesNV.
#[repr(C)]
struct Limits {
    s_type: vk::StructureType,
    p_next: *mut c_void,
    members: [u32; 3],
}

/// VkCooperativeMatrixFlexibleDimensionsPropertiesNV.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct Shape {
    s_type: vk::StructureType,
    p_next: *mut c_void,
    pub m: u32,
    pub n: u32,
    pub k: u32,
    pub a: vk::ComponentTypeKHR,
    pub b: vk::ComponentTypeKHR,
    pub c: vk::ComponentTypeKHR,
    pub result: vk::ComponentTypeKHR,
    pub saturating: vk::Bool32,
    pub scope: vk::ScopeKHR,
    pub invocations: u32,
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { m, n, k, a, b, c, result, saturating, scope, invocations, .. } = self;
        write!(f, "{m}x{n}x{k} {a:?} * {b:?} + {c:?} = {result:?}, saturating {saturating}, {scope:?}, {invocations}")
    }
}

/// All of it.
pub struct Offer {
    pub features: Features,
    /// The largest work group, the largest dimension, and reserved bytes of shared memory.
    pub limits: [u32; 3],
    pub shapes: Vec<Shape>,
    /// The size of a subgroup.
    pub subgroup: u32,
}

type GetShapes = unsafe extern "system" fn(vk::PhysicalDevice, *mut u32, *mut Shape) -> vk::Result;

impl Offer {
    /// What the device offers, if it does.
    pub fn of(gpu: &Gpu) -> Result<Option<Self>> {
        let (instance, physical) = (&gpu.instance, gpu.physical);
        // SAFETY: a valid physical device, structs with their chains, and a function that has this type by its name.
        unsafe {
            let offered = instance.enumerate_device_extension_properties(physical)?;
            if !offered.iter().any(|e| e.extension_name_as_c_str() == Ok(NAME)) {
                return Ok(None);
            }
            let s_type = vk::StructureType::from_raw(1_000_593_000);
            let mut features = Features { s_type, p_next: ptr::null_mut(), members: [0; 7] };
            let mut all = vk::PhysicalDeviceFeatures2 { p_next: (&raw mut features).cast(), ..Default::default() };
            instance.get_physical_device_features2(physical, &mut all);
            let s_type = vk::StructureType::from_raw(1_000_593_002);
            let mut limits = Limits { s_type, p_next: ptr::null_mut(), members: [0; 3] };
            let mut groups =
                vk::PhysicalDeviceSubgroupProperties { p_next: (&raw mut limits).cast(), ..Default::default() };
            let mut all = vk::PhysicalDeviceProperties2 { p_next: (&raw mut groups).cast(), ..Default::default() };
            instance.get_physical_device_properties2(physical, &mut all);

            let name = c"vkGetPhysicalDeviceCooperativeMatrixFlexibleDimensionsPropertiesNV";
            let get = gpu.entry.get_instance_proc_addr(instance.handle(), name.as_ptr()).context("no entry point")?;
            let get: GetShapes = std::mem::transmute(get);
            let mut n = 0;
            get(physical, &mut n, ptr::null_mut()).result()?;
            let mut blank: Shape = std::mem::zeroed();
            blank.s_type = vk::StructureType::from_raw(1_000_593_001);
            let mut shapes = vec![blank; n as usize];
            get(physical, &mut n, shapes.as_mut_ptr()).result()?;
            shapes.truncate(n as usize);
            Ok(Some(Self { features, limits: limits.members, shapes, subgroup: groups.subgroup_size }))
        }
    }
}
