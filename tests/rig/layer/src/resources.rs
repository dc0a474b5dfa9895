//! Buffers and images: which of them are sparse, and the memory that they can be in.

use std::collections::HashSet;

use ash::vk;
use ash::vk::Handle;
use parking_lot::Mutex;

use crate::chain::{self, Device};
use crate::physical::real_memory_properties;
use crate::{memory_types, queues};

/// Sparse buffers and images, with their types.
static SPARSE: Mutex<Option<HashSet<(vk::ObjectType, u64)>>> = Mutex::new(None);

fn id<T: Handle>(handle: T) -> (vk::ObjectType, u64) {
    (T::TYPE, handle.as_raw())
}

fn is_sparse(handle: impl Handle) -> bool {
    SPARSE.lock().as_ref().is_some_and(|s| s.contains(&id(handle)))
}

/// Defines how resources are created and destroyed. What several of the layer's queue families share, one real family has.
macro_rules! resources {
    ($($create:ident $destroy:ident($info:ty, $handle:ty, $sparse:expr);)*) => {$(
        pub unsafe extern "system" fn $create(
            device: vk::Device,
            info: *const $info,
            allocator: *const vk::AllocationCallbacks,
            to: *mut $handle,
        ) -> vk::Result {
            // SAFETY: the program's arguments are valid for the driver's entry point, too.
            unsafe {
                let Some(d) = chain::device(device) else { return vk::Result::ERROR_INITIALIZATION_FAILED };
                let mut own = *info;
                if queues::on() {
                    own.sharing_mode = vk::SharingMode::EXCLUSIVE;
                }
                let result = (d.v1_0.$create)(device, &own, allocator, to);
                if result == vk::Result::SUCCESS && own.flags.contains($sparse) {
                    SPARSE.lock().get_or_insert_default().insert(id(*to));
                }
                result
            }
        }

        pub unsafe extern "system" fn $destroy(
            device: vk::Device,
            handle: $handle,
            allocator: *const vk::AllocationCallbacks,
        ) {
            if let Some(s) = SPARSE.lock().as_mut() {
                s.remove(&id(handle));
            }
            // SAFETY: the program's arguments are valid for the driver's entry point, too.
            unsafe {
                if let Some(d) = chain::device(device) {
                    (d.v1_0.$destroy)(device, handle, allocator);
                }
            }
        }
    )*};
}

const SPARSE_BUFFER: vk::BufferCreateFlags = vk::BufferCreateFlags::SPARSE_BINDING;
const SPARSE_IMAGE: vk::ImageCreateFlags = vk::ImageCreateFlags::SPARSE_BINDING;

resources! {
    create_buffer destroy_buffer(vk::BufferCreateInfo, vk::Buffer, SPARSE_BUFFER);
    create_image destroy_image(vk::ImageCreateInfo, vk::Image, SPARSE_IMAGE);
}

/// An answer to a question for requirements.
trait Requirements {
    fn types(&mut self) -> &mut u32;
}

impl Requirements for vk::MemoryRequirements {
    fn types(&mut self) -> &mut u32 {
        &mut self.memory_type_bits
    }
}

impl Requirements for vk::MemoryRequirements2<'_> {
    fn types(&mut self) -> &mut u32 {
        &mut self.memory_requirements.memory_type_bits
    }
}

/// Makes the driver's answer the layer's.
unsafe fn change(d: &Device, answer: &mut impl Requirements, is_sparse: bool) {
    // SAFETY: the device's physical device outlives it.
    unsafe {
        let Some(i) = chain::instance_of(d.physical) else { return };
        let types = answer.types();
        let real = real_memory_properties(&i, d.physical);
        *types = memory_types::of_resource(&real, *types, is_sparse);
    }
}

/// Defines questions for requirements that hand on and change the answer; the last part tells whether the resource is sparse.
macro_rules! requirements {
    ($($entry:ident($version:ident, $what:ident: $type:ty, $answer:ty, $is_sparse:expr);)*) => {$(
        pub unsafe extern "system" fn $entry(device: vk::Device, $what: $type, to: *mut $answer) {
            // SAFETY: the program's arguments are valid, and the driver has written the answer when it is changed.
            unsafe {
                let Some(d) = chain::device(device) else { return };
                (d.$version.$entry)(device, $what, to);
                change(&d, &mut *to, $is_sparse);
            }
        }
    )*};
}

requirements! {
    get_buffer_memory_requirements(v1_0, buffer: vk::Buffer, vk::MemoryRequirements, is_sparse(buffer));
    get_image_memory_requirements(v1_0, image: vk::Image, vk::MemoryRequirements, is_sparse(image));
    get_buffer_memory_requirements2(
        v1_1, info: *const vk::BufferMemoryRequirementsInfo2, vk::MemoryRequirements2, is_sparse((*info).buffer)
    );
    get_image_memory_requirements2(
        v1_1, info: *const vk::ImageMemoryRequirementsInfo2, vk::MemoryRequirements2, is_sparse((*info).image)
    );
    get_device_buffer_memory_requirements(
        v1_3, info: *const vk::DeviceBufferMemoryRequirements, vk::MemoryRequirements2,
        (*(*info).p_create_info).flags.contains(SPARSE_BUFFER)
    );
    get_device_image_memory_requirements(
        v1_3, info: *const vk::DeviceImageMemoryRequirements, vk::MemoryRequirements2,
        (*(*info).p_create_info).flags.contains(SPARSE_IMAGE)
    );
}
