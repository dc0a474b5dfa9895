//! The pipelines of a trial, which several threads make at the same time.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::thread;

use ash::vk;

use crate::physical::probe::trial::Shader;

/// Pipelines that are made at the same time, at most. The host's processors are what counts, whose number nobody knows; this process's threads only wait.
const COMPILERS: usize = 8;

/// The pipelines that were made on a device, and their layouts, for two storage buffers.
pub struct Pipelines<'d> {
    device: &'d ash::Device,
    pub set_layout: vk::DescriptorSetLayout,
    pub layout: vk::PipelineLayout,
    made: HashMap<Shader, vk::Pipeline>,
}

impl<'d> Pipelines<'d> {
    /// None yet.
    pub fn new(device: &'d ash::Device) -> Self {
        Self {
            device,
            set_layout: vk::DescriptorSetLayout::null(),
            layout: vk::PipelineLayout::null(),
            made: HashMap::new(),
        }
    }

    /// That of a shader; null where the host refuses it, or it wasn't compiled.
    pub fn of(&self, shader: &Shader) -> vk::Pipeline {
        self.made.get(shader).copied().unwrap_or_default()
    }

    /// Makes those of these shaders that aren't there yet, in this order.
    ///
    /// # Errors
    /// What isn't about a single shader, after which no more are made.
    pub fn compile<'s>(&mut self, shaders: impl Iterator<Item = &'s Shader>) -> Result<(), vk::Result> {
        if self.layout == vk::PipelineLayout::null() {
            self.make_layouts()?;
        }
        let mut seen = HashSet::new();
        let shaders: Vec<&Shader> = shaders.filter(|s| !self.made.contains_key(*s) && seen.insert(*s)).collect();
        let (device, layout) = (self.device, self.layout);
        let next = AtomicUsize::new(0);
        let made = Mutex::new((&mut self.made, Ok(())));
        let compile = || {
            while let Some(shader) = shaders.get(next.fetch_add(1, Ordering::Relaxed)) {
                // SAFETY: a valid device and layout.
                let pipeline = made_or_refused(unsafe { pipeline(device, layout, shader) });
                let mut made = made.lock().unwrap_or_else(PoisonError::into_inner);
                match pipeline {
                    Ok(pipeline) => {
                        made.0.insert((*shader).clone(), pipeline);
                    }
                    Err(e) => {
                        made.1 = made.1.and(Err(e));
                        next.store(shaders.len(), Ordering::Relaxed);
                    }
                }
            }
        };
        thread::scope(|s| {
            for _ in 1..COMPILERS.min(shaders.len()) {
                // Where no thread can be started, this one does the rest.
                let _ = thread::Builder::new().spawn_scoped(s, compile);
            }
            compile();
        });
        made.into_inner().unwrap_or_else(PoisonError::into_inner).1
    }

    fn make_layouts(&mut self) -> Result<(), vk::Result> {
        let binding = |i| {
            vk::DescriptorSetLayoutBinding::default()
                .binding(i)
                .descriptor_type(vk::DescriptorType::STORAGE_BUFFER)
                .descriptor_count(1)
                .stage_flags(vk::ShaderStageFlags::COMPUTE)
        };
        let bindings = [binding(0), binding(1)];
        let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings);
        // SAFETY: a valid device, and structs with their arrays.
        unsafe {
            if self.set_layout == vk::DescriptorSetLayout::null() {
                self.set_layout = self.device.create_descriptor_set_layout(&info, None)?;
            }
            let layouts = [self.set_layout];
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&layouts);
            self.layout = self.device.create_pipeline_layout(&info, None)?;
        }
        Ok(())
    }

    /// Ends them all; nothing uses them any more.
    pub fn destroy(self) {
        // SAFETY: handles of this device, or null, which is ignored.
        unsafe {
            for pipeline in self.made.into_values() {
                self.device.destroy_pipeline(pipeline, None);
            }
            self.device.destroy_pipeline_layout(self.layout, None);
            self.device.destroy_descriptor_set_layout(self.set_layout, None);
        }
    }
}

/// A pipeline, or null where the host refuses its shader.
///
/// # Errors
/// Of a host that has no memory for it or is lost: that says nothing of the shader.
fn made_or_refused(made: Result<vk::Pipeline, vk::Result>) -> Result<vk::Pipeline, vk::Result> {
    match made {
        Err(
            e @ (vk::Result::ERROR_OUT_OF_HOST_MEMORY
            | vk::Result::ERROR_OUT_OF_DEVICE_MEMORY
            | vk::Result::ERROR_DEVICE_LOST),
        ) => Err(e),
        Err(_) => Ok(vk::Pipeline::null()),
        made => made,
    }
}

/// # Safety
/// A valid device and layout.
unsafe fn pipeline(
    device: &ash::Device,
    layout: vk::PipelineLayout,
    shader: &Shader,
) -> Result<vk::Pipeline, vk::Result> {
    let word = |w: &[u8]| w.iter().rev().fold(0, |a, b| a << 8 | u32::from(*b));
    let code: Vec<u32> = shader.code.chunks_exact(4).map(word).collect();
    let entry = |i: u32| vk::SpecializationMapEntry::default().constant_id(i).offset(4 * i).size(4);
    let entries: Vec<_> = (0..shader.constants.len() as u32).map(entry).collect();
    let data: Vec<u8> = shader.constants.iter().flat_map(|c| c.to_le_bytes()).collect();
    let special = vk::SpecializationInfo::default().map_entries(&entries).data(&data);
    // SAFETY: by contract, and structs with their arrays.
    unsafe {
        let module = device.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
        let stage = vk::PipelineShaderStageCreateInfo::default()
            .stage(vk::ShaderStageFlags::COMPUTE)
            .module(module)
            .name(c"main")
            .specialization_info(&special);
        let info = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout)];
        let made = device.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
        device.destroy_shader_module(module, None);
        made.map(|p| p.first().copied().unwrap_or_default()).map_err(|(_, e)| e)
    }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    #[test]
    fn no_memory_is_no_refusal() {
        for e in [
            vk::Result::ERROR_OUT_OF_HOST_MEMORY,
            vk::Result::ERROR_OUT_OF_DEVICE_MEMORY,
            vk::Result::ERROR_DEVICE_LOST,
        ] {
            assert_eq!(made_or_refused(Err(e)), Err(e));
        }
        for e in [
            vk::Result::ERROR_UNKNOWN,
            vk::Result::ERROR_INITIALIZATION_FAILED,
            vk::Result::ERROR_INVALID_SHADER_NV,
            vk::Result::ERROR_FEATURE_NOT_PRESENT,
        ] {
            assert_eq!(made_or_refused(Err(e)), Ok(vk::Pipeline::null()));
        }
        let made = vk::Pipeline::from_raw(7);
        assert_eq!(made_or_refused(Ok(made)), Ok(made));
    }
}
