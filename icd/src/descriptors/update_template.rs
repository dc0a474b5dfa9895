//! VkDescriptorUpdateTemplate: templates are the guest's own and are expanded into ordinary writes (WIRE.md 11.1).

use std::ffi::c_void;

use ash::vk;

use crate::base::chain::slice;
use crate::base::slab::{Kind, Slab};
use crate::descriptors::write as descriptor;

/// What a template holds.
pub struct Template {
    entries: Vec<vk::DescriptorUpdateTemplateEntry>,
    pub point: vk::PipelineBindPoint,
}

static TEMPLATES: Slab<Template> = Slab::new(Kind::DescriptorUpdateTemplate);

#[expect(clippy::vec_box, reason = "the writes point at the structs, which must not move when a list grows")]
/// Writes, and the arrays that they point at.
pub struct Expanded {
    pub writes: Vec<vk::WriteDescriptorSet<'static>>,
    _images: Vec<Vec<vk::DescriptorImageInfo>>,
    _buffers: Vec<Vec<vk::DescriptorBufferInfo>>,
    _views: Vec<Vec<vk::BufferView>>,
    _structures: Vec<Vec<vk::AccelerationStructureKHR>>,
    _inline: Vec<Box<vk::WriteDescriptorSetInlineUniformBlock<'static>>>,
    _acceleration: Vec<Box<vk::WriteDescriptorSetAccelerationStructureKHR<'static>>>,
}

pub unsafe fn create_descriptor_update_template(
    _: vk::Device,
    info: *const vk::DescriptorUpdateTemplateCreateInfo,
    _: *const vk::AllocationCallbacks,
    to: *mut vk::DescriptorUpdateTemplate,
) -> vk::Result {
    // SAFETY: the create info of vkCreateDescriptorUpdateTemplate.
    let info = unsafe { &*info };
    // SAFETY: the info's array of this length.
    let entries = unsafe { slice(info.p_descriptor_update_entries, info.descriptor_update_entry_count) }.to_vec();
    let template = Template { entries, point: info.pipeline_bind_point };
    // The host never sees templates.
    // SAFETY: `to` is the output parameter.
    unsafe { TEMPLATES.create(template, to, || vk::Result::SUCCESS) }
}

pub unsafe fn destroy_descriptor_update_template(
    _: vk::Device,
    template: vk::DescriptorUpdateTemplate,
    _: *const vk::AllocationCallbacks,
) {
    TEMPLATES.remove(template);
}

/// The template with this handle.
pub fn template(handle: vk::DescriptorUpdateTemplate) -> Option<&'static Template> {
    TEMPLATES.get(handle)
}

/// `n` values that lie `stride` bytes apart.
unsafe fn gather<T: Copy>(data: *const u8, n: u32, stride: usize) -> Vec<T> {
    // SAFETY: by valid usage of the template; the application's data may be unaligned.
    (0..n as usize).map(|i| unsafe { data.add(i * stride).cast::<T>().read_unaligned() }).collect()
}

pub unsafe fn expand(template: &Template, set: vk::DescriptorSet, data: *const c_void) -> Expanded {
    use vk::DescriptorType as T;
    let mut e = Expanded {
        writes: Vec::with_capacity(template.entries.len()),
        _images: Vec::new(),
        _buffers: Vec::new(),
        _views: Vec::new(),
        _structures: Vec::new(),
        _inline: Vec::new(),
        _acceleration: Vec::new(),
    };
    for t in &template.entries {
        let mut w = vk::WriteDescriptorSet {
            dst_set: set,
            dst_binding: t.dst_binding,
            dst_array_element: t.dst_array_element,
            descriptor_count: t.descriptor_count,
            descriptor_type: t.descriptor_type,
            ..Default::default()
        };
        // SAFETY: by valid usage the template's offsets lie inside the data.
        unsafe {
            let from = data.cast::<u8>().add(t.offset);
            match t.descriptor_type {
                T::UNIFORM_BUFFER | T::STORAGE_BUFFER | T::UNIFORM_BUFFER_DYNAMIC | T::STORAGE_BUFFER_DYNAMIC => {
                    let list = gather(from, t.descriptor_count, t.stride);
                    w.p_buffer_info = list.as_ptr();
                    e._buffers.push(list);
                }
                T::UNIFORM_TEXEL_BUFFER | T::STORAGE_TEXEL_BUFFER => {
                    let list = gather(from, t.descriptor_count, t.stride);
                    w.p_texel_buffer_view = list.as_ptr();
                    e._views.push(list);
                }
                T::INLINE_UNIFORM_BLOCK => {
                    // The count is in bytes, and they lie together.
                    let block = Box::new(vk::WriteDescriptorSetInlineUniformBlock {
                        data_size: t.descriptor_count,
                        p_data: from.cast(),
                        ..Default::default()
                    });
                    w.p_next = (&raw const *block).cast();
                    e._inline.push(block);
                }
                T::ACCELERATION_STRUCTURE_KHR => {
                    let list = gather(from, t.descriptor_count, t.stride);
                    let block = Box::new(vk::WriteDescriptorSetAccelerationStructureKHR {
                        acceleration_structure_count: t.descriptor_count,
                        p_acceleration_structures: list.as_ptr(),
                        ..Default::default()
                    });
                    w.p_next = (&raw const *block).cast();
                    e._structures.push(list);
                    e._acceleration.push(block);
                }
                _ => {
                    let list = gather(from, t.descriptor_count, t.stride);
                    w.p_image_info = list.as_ptr();
                    e._images.push(list);
                }
            }
        }
        e.writes.push(w);
    }
    e
}

pub unsafe fn update_descriptor_set_with_template(
    device: vk::Device,
    set: vk::DescriptorSet,
    template: vk::DescriptorUpdateTemplate,
    data: *const c_void,
) {
    let Some(t) = TEMPLATES.get(template) else { return };
    // SAFETY: `data` holds what the template's entries say (vkUpdateDescriptorSetWithTemplate).
    let e = unsafe { expand(t, set, data) };
    let (n, writes) = (e.writes.len() as u32, e.writes.as_ptr());
    // SAFETY: a valid device and set; `e` holds the writes and what they point at until they are encoded.
    unsafe { descriptor::update_descriptor_sets(device, n, writes, 0, std::ptr::null()) };
}
