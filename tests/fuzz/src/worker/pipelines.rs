//! Pipelines, made with everything that they are made from and that may go right afterwards.

use ash::vk;
use ash::vk::Handle;

use super::device::{pipeline_layout, set_layout};
use super::drawing::words;
use super::poison;
use super::thread::{Ended, Thread};
use crate::step::{Kin, Make, Shader, Step};
use crate::wire::Seen;

const SCALE: &[u8] = include_bytes!("../../../shaders/generated/scale.comp.spv");
const STIR: &[u8] = include_bytes!("../../../shaders/generated/stir.comp.spv");

impl Thread<'_> {
    pub fn pipeline_step(&mut self, step: &Step) -> Result<(), Ended> {
        let (d, h) = (&self.shared.gpu.device, &self.shared.handles);
        // SAFETY: the planner's steps are valid usage of this device's handles.
        unsafe {
            match step {
                Step::CreatePipelines { makes, cached, layout_goes } => {
                    self.create_pipelines(makes, *cached, *layout_goes)?;
                }
                Step::DestroyPipeline { pipeline } => {
                    d.destroy_pipeline(h.pipelines.take(*pipeline), None);
                    self.called(1);
                }
                _ => {}
            }
        }
        Ok(())
    }

    unsafe fn create_pipelines(&mut self, makes: &[Make], cached: bool, layout_goes: bool) -> Result<(), Ended> {
        let (gpu, h) = (&self.shared.gpu, &self.shared.handles);
        let d = &gpu.device;
        let entries = [0, 1].map(|i| vk::SpecializationMapEntry { constant_id: i, offset: i * 4, size: 4 });
        // SAFETY: by the plan; arguments outlive the call in `edge`.
        unsafe {
            let (mut layouts, mut modules, mut infos) = (Vec::new(), Vec::new(), Vec::new());
            for make in makes {
                let spirv = match make.shader {
                    Shader::Scale(_) => SCALE,
                    Shader::Stir => STIR,
                };
                let code = words(spirv);
                let info = vk::ShaderModuleCreateInfo {
                    p_code: self.edge.array(&code),
                    code_size: spirv.len(),
                    ..Default::default()
                };
                let made = d.create_shader_module(&info, None);
                let module = self.must("vkCreateShaderModule", made)?;
                modules.push(module);
                let layout = if layout_goes {
                    let made = set_layout(d, make.pushed);
                    let set = self.must("vkCreateDescriptorSetLayout", made)?;
                    let made = pipeline_layout(d, set);
                    let layout = self.must("vkCreatePipelineLayout", made)?;
                    d.destroy_descriptor_set_layout(set, None);
                    self.called(1);
                    layouts.push(layout);
                    layout
                } else {
                    gpu.layouts[usize::from(make.pushed)]
                };
                infos.push((module, layout));
            }
            let mut flags2 = Vec::new();
            let mut specials = Vec::new();
            for make in makes {
                let flags = flags(make);
                flags2.push(
                    vk::PipelineCreateFlags2CreateInfoKHR::default()
                        .flags(vk::PipelineCreateFlags2KHR::from_raw(u64::from(flags.as_raw()))),
                );
                let constants = match make.shader {
                    Shader::Scale(factor) => [64, factor],
                    Shader::Stir => [0, 0],
                };
                specials.push((self.edge.array(&entries), self.edge.array(&constants)));
            }
            let specials: Vec<_> = specials
                .iter()
                .map(|(entries, constants)| vk::SpecializationInfo {
                    map_entry_count: 2,
                    p_map_entries: *entries,
                    data_size: 8,
                    p_data: constants.cast(),
                    ..Default::default()
                })
                .collect();
            let infos: Vec<_> = makes
                .iter()
                .zip(&infos)
                .enumerate()
                .map(|(i, (make, (module, layout)))| {
                    let stage = vk::PipelineShaderStageCreateInfo {
                        stage: vk::ShaderStageFlags::COMPUTE,
                        module: *module,
                        p_name: c"main".as_ptr(),
                        p_specialization_info: if make.shader == Shader::Stir {
                            std::ptr::null()
                        } else {
                            &specials[i]
                        },
                        ..Default::default()
                    };
                    let (base, index) = match make.kin {
                        Kin::OfIndex => (vk::Pipeline::null(), 0),
                        Kin::Of(other) => (h.pipelines.get(other), -1),
                        _ => (poison::handle(), poison::count() as i32),
                    };
                    vk::ComputePipelineCreateInfo {
                        p_next: if make.flags2 { (&raw const flags2[i]).cast() } else { std::ptr::null() },
                        // Vulkan takes no notice of these where the others are there.
                        flags: if make.flags2 && poison::on() {
                            !flags(make) & ignored()
                        } else if make.flags2 {
                            vk::PipelineCreateFlags::empty()
                        } else {
                            flags(make)
                        },
                        stage,
                        layout: *layout,
                        base_pipeline_handle: base,
                        base_pipeline_index: index,
                        ..Default::default()
                    }
                })
                .collect();
            let mut made = vec![poison::handle::<vk::Pipeline>(); makes.len()];
            let cache = if cached { gpu.cache } else { vk::PipelineCache::null() };
            let result = (d.fp_v1_0().create_compute_pipelines)(
                d.handle(),
                cache,
                infos.len() as u32,
                self.edge.array(&infos),
                std::ptr::null(),
                made.as_mut_ptr(),
            );
            self.called(1);
            self.see(Seen::Result(result.as_raw()));
            self.see(Seen::There(made.iter().map(|p| !p.is_null()).collect()));
            for (make, pipeline) in makes.iter().zip(made) {
                // One that isn't there is used no further than by this.
                if make.only_cached && pipeline.is_null() {
                    d.destroy_pipeline(pipeline, None);
                    self.called(1);
                } else {
                    h.pipelines.set(make.pipeline, pipeline);
                }
            }
            for module in modules {
                d.destroy_shader_module(module, None);
                self.called(1);
            }
            for layout in layouts {
                d.destroy_pipeline_layout(layout, None);
                self.called(1);
            }
            if result.as_raw() < 0 {
                return Err(Ended);
            }
        }
        Ok(())
    }
}

fn flags(make: &Make) -> vk::PipelineCreateFlags {
    use vk::PipelineCreateFlags as F;
    let mut flags = match make.kin {
        Kin::None => F::empty(),
        Kin::AllowDerivatives => F::ALLOW_DERIVATIVES,
        Kin::OfIndex | Kin::Of(_) => F::DERIVATIVE,
    };
    if make.only_cached {
        flags |= F::FAIL_ON_PIPELINE_COMPILE_REQUIRED;
    }
    if make.early_return {
        flags |= F::EARLY_RETURN_ON_FAILURE;
    }
    flags
}

fn ignored() -> vk::PipelineCreateFlags {
    use vk::PipelineCreateFlags as F;
    F::DERIVATIVE | F::ALLOW_DERIVATIVES | F::FAIL_ON_PIPELINE_COMPILE_REQUIRED | F::EARLY_RETURN_ON_FAILURE
}
