//! Acceleration structures in host memory: the feature (accelerationStructureHostCommands) is off, because host addresses
//! mean nothing on the other side. Building on the device is forwarded like any command.

use ash::vk;

const OFF: vk::Result = vk::Result::ERROR_FEATURE_NOT_PRESENT;

pub unsafe fn build_acceleration_structures_khr(
    _: vk::Device,
    _: vk::DeferredOperationKHR,
    _: u32,
    _: *const vk::AccelerationStructureBuildGeometryInfoKHR,
    _: *const *const vk::AccelerationStructureBuildRangeInfoKHR,
) -> vk::Result {
    OFF
}

pub unsafe fn copy_acceleration_structure_khr(
    _: vk::Device,
    _: vk::DeferredOperationKHR,
    _: *const vk::CopyAccelerationStructureInfoKHR,
) -> vk::Result {
    OFF
}

pub unsafe fn copy_acceleration_structure_to_memory_khr(
    _: vk::Device,
    _: vk::DeferredOperationKHR,
    _: *const vk::CopyAccelerationStructureToMemoryInfoKHR,
) -> vk::Result {
    OFF
}

pub unsafe fn copy_memory_to_acceleration_structure_khr(
    _: vk::Device,
    _: vk::DeferredOperationKHR,
    _: *const vk::CopyMemoryToAccelerationStructureInfoKHR,
) -> vk::Result {
    OFF
}

pub unsafe fn write_acceleration_structures_properties_khr(
    _: vk::Device,
    _: u32,
    _: *const vk::AccelerationStructureKHR,
    _: vk::QueryType,
    _: usize,
    _: *mut std::ffi::c_void,
    _: usize,
) -> vk::Result {
    OFF
}
