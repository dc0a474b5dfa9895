//! Descriptor pools, each with room for its sets and nothing more, and the sets.

use ash::vk;

use super::poison;
use super::thread::{Ended, Thread};
use crate::command::{Id, View};
use crate::step::Step;

/// Descriptors of a set.
const EACH: u32 = 2;

impl Thread<'_> {
    pub fn set_step(&mut self, step: &Step) -> Result<(), Ended> {
        let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
        // SAFETY: the planner's steps are valid usage of this device's handles.
        unsafe {
            match step {
                Step::CreateSets { pool, sets, frees } => {
                    let n = sets.len() as u32;
                    let size =
                        vk::DescriptorPoolSize { ty: vk::DescriptorType::STORAGE_BUFFER, descriptor_count: EACH * n };
                    let flags = if *frees {
                        vk::DescriptorPoolCreateFlags::FREE_DESCRIPTOR_SET
                    } else {
                        vk::DescriptorPoolCreateFlags::empty()
                    };
                    let info = vk::DescriptorPoolCreateInfo::default().max_sets(n).flags(flags);
                    let made = d.create_descriptor_pool(&info.pool_sizes(std::slice::from_ref(&size)), None);
                    h.set_pools.set(*pool, self.must("vkCreateDescriptorPool", made)?);
                    self.fill_pool(*pool, sets, *frees)?;
                }
                Step::FreeSets { pool, sets, at_once } => {
                    self.free_sets(*pool, sets, *at_once)?;
                    self.fill_pool(*pool, sets, true)?;
                }
                Step::ResetSets { pool, sets, frees } => {
                    if *frees {
                        self.stir_pool(*pool, sets)?;
                    }
                    let done = d.reset_descriptor_pool(h.set_pools.get(*pool), vk::DescriptorPoolResetFlags::empty());
                    self.must("vkResetDescriptorPool", done)?;
                    self.fill_pool(*pool, sets, *frees)?;
                }
                Step::WriteSet { set, from, to, template } => {
                    self.write_set(h.sets.get(*set), *from, *to, *template)?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Allocates sets of one layout in one call.
    unsafe fn allocate(
        &self,
        pool: Id,
        layout: vk::DescriptorSetLayout,
        n: usize,
    ) -> Result<Vec<vk::DescriptorSet>, vk::Result> {
        let layouts = vec![layout; n];
        let pool = self.shared.handles.set_pools.get(pool);
        let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
        // SAFETY: by the plan.
        unsafe { self.shared.gpu.device.allocate_descriptor_sets(&info) }
    }

    /// Sets that the pool may give or refuse: what is beyond its numbers, or lies in fragments.
    unsafe fn allocate_if_possible(
        &mut self,
        pool: Id,
        layout: vk::DescriptorSetLayout,
        n: usize,
    ) -> Result<Vec<vk::DescriptorSet>, Ended> {
        use vk::Result as R;
        // SAFETY: by the plan.
        match unsafe { self.allocate(pool, layout, n) } {
            Err(R::ERROR_OUT_OF_POOL_MEMORY | R::ERROR_FRAGMENTED_POOL) => {
                self.called(1);
                Ok(Vec::new())
            }
            made => self.must("vkAllocateDescriptorSets", made),
        }
    }

    unsafe fn free_handles(&mut self, pool: Id, sets: &[vk::DescriptorSet]) -> Result<(), Ended> {
        let pool = self.shared.handles.set_pools.get(pool);
        // SAFETY: by the plan.
        let done = unsafe { self.shared.gpu.device.free_descriptor_sets(pool, sets) };
        self.must("vkFreeDescriptorSets", done)
    }

    /// Allocates the sets that the pool lacks, in two calls, and then tries one more.
    unsafe fn fill_pool(&mut self, pool: Id, sets: &[Id], frees: bool) -> Result<(), Ended> {
        let layout = self.shared.gpu.set_layouts[0];
        let (first, second) = sets.split_at(sets.len() / 3);
        // SAFETY: by the plan.
        unsafe {
            for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
                let made = self.allocate(pool, layout, part.len());
                for (slot, set) in part.iter().zip(self.must("vkAllocateDescriptorSets", made)?) {
                    self.shared.handles.sets.set(*slot, set);
                }
            }
            let more = self.allocate_if_possible(pool, layout, 1)?;
            // Elsewhere the pool's next reset frees the set.
            if frees && !more.is_empty() {
                self.free_handles(pool, &more)?;
            }
        }
        Ok(())
    }

    /// Frees sets, in one call or from the last to the first.
    unsafe fn free_sets(&mut self, pool: Id, sets: &[Id], at_once: bool) -> Result<(), Ended> {
        let handles: Vec<vk::DescriptorSet> = sets.iter().map(|s| self.shared.handles.sets.take(*s)).collect();
        // SAFETY: by the plan.
        unsafe {
            if at_once {
                return self.free_handles(pool, &handles);
            }
            handles.iter().rev().try_for_each(|s| self.free_handles(pool, &[vk::DescriptorSet::null(), *s]))
        }
    }

    /// Takes smaller sets in place of every second one, as far as the pool has them, frees some of these, and leaves the rest to its reset.
    unsafe fn stir_pool(&mut self, pool: Id, sets: &[Id]) -> Result<(), Ended> {
        let some: Vec<Id> = sets.iter().copied().step_by(2).collect();
        let binding = vk::DescriptorSetLayoutBinding::default()
            .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
            .descriptor_count(1)
            .stage_flags(vk::ShaderStageFlags::COMPUTE);
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(std::slice::from_ref(&binding));
        let gpu = &self.shared.gpu;
        // SAFETY: by the plan; a layout may go before the sets that were allocated with it.
        unsafe {
            self.free_sets(pool, &some, true)?;
            let made = gpu.device.create_descriptor_set_layout(&info, None);
            let small = self.must("vkCreateDescriptorSetLayout", made)?;
            for n in [1, some.len() + 1, some.len()] {
                let made = self.allocate_if_possible(pool, small, n)?;
                if let Some(set) = made.first() {
                    self.free_handles(pool, &[*set])?;
                }
            }
            gpu.device.destroy_descriptor_set_layout(small, None);
            self.called(1);
        }
        Ok(())
    }

    pub fn buffer_info(&self, view: View) -> vk::DescriptorBufferInfo {
        let buffer = self.shared.handles.buffers.get(view.buffer);
        vk::DescriptorBufferInfo { buffer, offset: view.at, range: view.size.unwrap_or(vk::WHOLE_SIZE) }
    }

    /// Writes for both buffers into a set, or to be pushed, where the set is garbage.
    pub fn writes(&mut self, set: vk::DescriptorSet, from: View, to: View) -> *const vk::WriteDescriptorSet<'static> {
        let infos = [self.buffer_info(from), self.buffer_info(to)];
        let infos = self.edge.array(&infos);
        let write = |i: u32| vk::WriteDescriptorSet {
            dst_set: set,
            dst_binding: i,
            descriptor_count: 1,
            descriptor_type: vk::DescriptorType::STORAGE_BUFFER,
            // SAFETY: inside of the two infos.
            p_buffer_info: unsafe { infos.add(i as usize) },
            p_image_info: self.edge.bad(),
            p_texel_buffer_view: self.edge.bad(),
            ..Default::default()
        };
        let writes = [write(0), write(1)];
        self.edge.array(&writes)
    }

    /// Entries of a template that takes two VkDescriptorBufferInfo.
    pub fn template_entries(&mut self) -> *const vk::DescriptorUpdateTemplateEntry {
        let entry = |i: u32| {
            vk::DescriptorUpdateTemplateEntry::default()
                .dst_binding(i)
                .descriptor_count(1)
                .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                .offset(i as usize * size_of::<vk::DescriptorBufferInfo>())
        };
        self.edge.array(&[entry(0), entry(1)])
    }

    unsafe fn write_set(&mut self, set: vk::DescriptorSet, from: View, to: View, template: bool) -> Result<(), Ended> {
        let d = &self.shared.gpu.device;
        // SAFETY: by the plan.
        unsafe {
            if !template {
                let writes = self.writes(set, from, to);
                d.update_descriptor_sets(std::slice::from_raw_parts(writes, 2), &[]);
                self.called(1);
                return Ok(());
            }
            let info = vk::DescriptorUpdateTemplateCreateInfo {
                descriptor_update_entry_count: 2,
                p_descriptor_update_entries: self.template_entries(),
                template_type: vk::DescriptorUpdateTemplateType::DESCRIPTOR_SET,
                descriptor_set_layout: self.shared.gpu.set_layouts[0],
                // Only templates for pushing have these.
                pipeline_bind_point: vk::PipelineBindPoint::RAY_TRACING_KHR,
                pipeline_layout: poison::handle(),
                set: poison::count(),
                ..Default::default()
            };
            let made = d.create_descriptor_update_template(&info, None);
            let template = self.must("vkCreateDescriptorUpdateTemplate", made)?;
            let infos = [self.buffer_info(from), self.buffer_info(to)];
            d.update_descriptor_set_with_template(set, template, self.edge.array(&infos).cast());
            d.destroy_descriptor_update_template(template, None);
            self.called(2);
        }
        Ok(())
    }
}
