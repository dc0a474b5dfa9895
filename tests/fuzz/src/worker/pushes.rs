//! Pushing descriptors, in every way that there is.

use ash::vk;

use super::poison;
use super::thread::{Ended, Thread};
use crate::command::{Pushing, View};

impl Thread<'_> {
    /// Pushes both buffers for dispatches.
    pub unsafe fn push(
        &mut self,
        cb: vk::CommandBuffer,
        layout: vk::PipelineLayout,
        from: View,
        to: View,
        how: Pushing,
    ) -> Result<(), Ended> {
        let gpu = &self.shared.gpu;
        let (stages, point) = (vk::ShaderStageFlags::COMPUTE, vk::PipelineBindPoint::COMPUTE);
        // SAFETY: by the plan; the writes are two, and live in `edge`.
        unsafe {
            match how {
                Pushing::Together => {
                    let writes = std::slice::from_raw_parts(self.writes(poison::handle(), from, to), 2);
                    gpu.push.cmd_push_descriptor_set(cb, point, layout, 0, writes);
                }
                Pushing::Apart => {
                    let writes = std::slice::from_raw_parts(self.writes(poison::handle(), from, to), 2);
                    for write in writes.iter().rev() {
                        gpu.push.cmd_push_descriptor_set(cb, point, layout, 0, std::slice::from_ref(write));
                    }
                    self.called(1);
                }
                Pushing::Across => {
                    let both =
                        vk::WriteDescriptorSet { descriptor_count: 2, ..*self.writes(poison::handle(), from, to) };
                    gpu.push.cmd_push_descriptor_set(cb, point, layout, 0, &[both]);
                }
                Pushing::SecondForm => {
                    let writes = std::slice::from_raw_parts(self.writes(poison::handle(), from, to), 2);
                    let info = vk::PushDescriptorSetInfoKHR::default().stage_flags(stages).layout(layout);
                    gpu.second_binds.cmd_push_descriptor_set2(cb, &info.descriptor_writes(writes));
                }
                Pushing::Template | Pushing::AcrossTemplate | Pushing::SecondTemplate => {
                    let template = self.push_template(layout, how == Pushing::AcrossTemplate)?;
                    let (from, to) = (self.buffer_info(from), self.buffer_info(to));
                    let between = vk::DescriptorBufferInfo { buffer: poison::handle(), offset: u64::MAX, range: 0 };
                    let infos = if how == Pushing::AcrossTemplate {
                        self.edge.array(&[from, between, to])
                    } else {
                        self.edge.array(&[from, to])
                    };
                    let data = infos.cast();
                    if how != Pushing::SecondTemplate {
                        gpu.push.cmd_push_descriptor_set_with_template(cb, template, layout, 0, data);
                    } else {
                        let info = vk::PushDescriptorSetWithTemplateInfoKHR {
                            descriptor_update_template: template,
                            layout,
                            set: 0,
                            p_data: data,
                            ..Default::default()
                        };
                        gpu.second_binds.cmd_push_descriptor_set_with_template2(cb, &info);
                    }
                }
            }
        }
        Ok(())
    }

    /// A template that goes when the recording has ended: `across` with one entry for both descriptors, or with one for each.
    unsafe fn push_template(
        &mut self,
        layout: vk::PipelineLayout,
        across: bool,
    ) -> Result<vk::DescriptorUpdateTemplate, Ended> {
        let (entries, count) = if across {
            let both = vk::DescriptorUpdateTemplateEntry::default()
                .descriptor_count(2)
                .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                .stride(2 * size_of::<vk::DescriptorBufferInfo>());
            (self.edge.array(&[both]), 1)
        } else {
            (self.template_entries(), 2)
        };
        let info = vk::DescriptorUpdateTemplateCreateInfo {
            descriptor_update_entry_count: count,
            p_descriptor_update_entries: entries,
            template_type: vk::DescriptorUpdateTemplateType::PUSH_DESCRIPTORS_KHR,
            // Only templates for sets have this.
            descriptor_set_layout: poison::handle(),
            pipeline_bind_point: vk::PipelineBindPoint::COMPUTE,
            pipeline_layout: layout,
            set: 0,
            ..Default::default()
        };
        // SAFETY: by the plan; the entries live in `edge`.
        let made = unsafe { self.shared.gpu.device.create_descriptor_update_template(&info, None) };
        let template = self.must("vkCreateDescriptorUpdateTemplate", made)?;
        self.templates.push(template);
        Ok(template)
    }
}
