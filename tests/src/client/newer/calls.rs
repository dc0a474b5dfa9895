//! The calls. The numbers in them are those that `tests/tests/newer_hosts.rs` expects.

use std::ffi::CStr;

use anyhow::{Context as _, Result, ensure};
use ash::vk::{self, Handle as _};
use ash::{Device, Instance};
use hesper_encoder::generated::types;

use super::scene::Scene;
use crate::loader::function;

/// The entry points of a device.
struct Functions<'a>(&'a Instance, &'a Device);

impl Functions<'_> {
    /// The one with this name, as a pointer of type `F`.
    ///
    /// # Safety
    /// `F` must be the type of that function.
    unsafe fn get<F: Copy>(&self, name: &CStr) -> Result<F> {
        // SAFETY: handed on.
        unsafe { function(self.0, self.1, name) }
    }
}

type Cmd = vk::CommandBuffer;
type Create<I, H> =
    unsafe extern "system" fn(vk::Device, *const I, *const vk::AllocationCallbacks, *mut H) -> vk::Result;
type Destroy<H> = unsafe extern "system" fn(vk::Device, H, *const vk::AllocationCallbacks);
type Update<W> = unsafe extern "system" fn(vk::Device, types::IndirectExecutionSetEXT, u32, *const W);
type OfInfo<I> = unsafe extern "system" fn(Cmd, *const I);
type Preprocess = unsafe extern "system" fn(Cmd, *const types::GeneratedCommandsInfoEXT, Cmd);
type Execute = unsafe extern "system" fn(Cmd, vk::Bool32, *const types::GeneratedCommandsInfoEXT);
type Requirements = unsafe extern "system" fn(
    vk::Device,
    *const types::GeneratedCommandsMemoryRequirementsInfoEXT,
    *mut vk::MemoryRequirements2,
);

/// Calls them.
///
/// # Safety
/// A device with all of the commands, and its scene.
pub unsafe fn call_all(i: &Instance, scene: &Scene) -> Result<()> {
    let f = Functions(i, scene.d);
    // SAFETY: the functions with these names have these types; objects of this device. The host runs nothing, so what Vulkan demands of the
    // surroundings of these commands isn't there.
    unsafe {
        recorded(&f, scene)?;
        generated(&f, scene)?;
        scene.buffers.iter().try_for_each(|b| scene.d.end_command_buffer(*b)).context("vkEndCommandBuffer")
    }
}

unsafe fn recorded(f: &Functions, scene: &Scene) -> Result<()> {
    let cmd = scene.buffers[0];
    let range = types::StridedDeviceAddressRangeKHR { address: 0x1_0000_0100, size: 0x60, stride: 0x20 };
    // SAFETY: as above.
    unsafe {
        let end: OfInfo<types::RenderingEndInfoKHR> = f.get(c"vkCmdEndRendering2KHR")?;
        end(cmd, &types::RenderingEndInfoKHR::default());
        end(cmd, std::ptr::null());

        let copy: OfInfo<types::CopyMemoryIndirectInfoKHR> = f.get(c"vkCmdCopyMemoryIndirectKHR")?;
        let mut info =
            types::CopyMemoryIndirectInfoKHR { copy_count: 3, copy_address_range: range, ..Default::default() };
        (info.src_copy_flags.0, info.dst_copy_flags.0) = (1, 2);
        copy(cmd, &info);

        let copy: OfInfo<types::CopyMemoryToImageIndirectInfoKHR> = f.get(c"vkCmdCopyMemoryToImageIndirectKHR")?;
        let layers = [0, 1].map(|layer| vk::ImageSubresourceLayers {
            aspect_mask: vk::ImageAspectFlags::COLOR,
            mip_level: 0,
            base_array_layer: layer,
            layer_count: 1,
        });
        let mut info = types::CopyMemoryToImageIndirectInfoKHR {
            copy_count: 2,
            copy_address_range: range,
            dst_image: scene.image,
            dst_image_layout: vk::ImageLayout::TRANSFER_DST_OPTIMAL,
            p_image_subresources: layers.as_ptr(),
            ..Default::default()
        };
        info.src_copy_flags.0 = 1;
        copy(cmd, &info);

        let mode: unsafe extern "system" fn(Cmd, vk::CoverageModulationModeNV) =
            f.get(c"vkCmdSetCoverageModulationModeNV")?;
        mode(cmd, vk::CoverageModulationModeNV::RGBA);
        let enable: unsafe extern "system" fn(Cmd, vk::Bool32) = f.get(c"vkCmdSetCoverageModulationTableEnableNV")?;
        enable(cmd, vk::TRUE);
        let table: unsafe extern "system" fn(Cmd, u32, *const f32) = f.get(c"vkCmdSetCoverageModulationTableNV")?;
        table(cmd, 3, [0.25, 0.5, 1.0].as_ptr());
    }
    Ok(())
}

unsafe fn generated(f: &Functions, scene: &Scene) -> Result<()> {
    let (device, [cmd, state, once], [first, second, third]) = (scene.d.handle(), scene.buffers, scene.pipelines);
    let none = std::ptr::null();
    // SAFETY: as above.
    unsafe {
        let layout = commands_layout(f, scene)?;
        let pipelines = types::IndirectExecutionSetPipelineInfoEXT {
            initial_pipeline: first,
            max_pipeline_count: 4,
            ..Default::default()
        };
        let info = types::IndirectExecutionSetCreateInfoEXT {
            info: types::IndirectExecutionSetInfoEXT { p_pipeline_info: &pipelines },
            ..Default::default()
        };
        let mut set = types::IndirectExecutionSetEXT::default();
        let create: Create<types::IndirectExecutionSetCreateInfoEXT, types::IndirectExecutionSetEXT> =
            f.get(c"vkCreateIndirectExecutionSetEXT")?;
        create(device, &info, none, &mut set).result().context("vkCreateIndirectExecutionSetEXT")?;

        let update: Update<types::WriteIndirectExecutionSetPipelineEXT> =
            f.get(c"vkUpdateIndirectExecutionSetPipelineEXT")?;
        let writes = [(1, second), (2, third)].map(|(index, pipeline)| types::WriteIndirectExecutionSetPipelineEXT {
            index,
            pipeline,
            ..Default::default()
        });
        update(device, set, 2, writes.as_ptr());
        let update: Update<types::WriteIndirectExecutionSetShaderEXT> =
            f.get(c"vkUpdateIndirectExecutionSetShaderEXT")?;
        // There are no shader objects here: any object that the host knows will do.
        let shader = vk::ShaderEXT::from_raw(scene.image.as_raw());
        update(device, set, 1, &types::WriteIndirectExecutionSetShaderEXT { index: 3, shader, ..Default::default() });

        let chained = types::GeneratedCommandsPipelineInfoEXT { pipeline: second, ..Default::default() };
        let info = types::GeneratedCommandsMemoryRequirementsInfoEXT {
            p_next: (&raw const chained).cast(),
            indirect_execution_set: set,
            indirect_commands_layout: layout,
            max_sequence_count: 5,
            max_draw_count: 6,
            ..Default::default()
        };
        let mut needs = vk::MemoryRequirements2::default();
        let ask: Requirements = f.get(c"vkGetGeneratedCommandsMemoryRequirementsEXT")?;
        ask(device, &info, &mut needs);
        let needs = needs.memory_requirements;
        println!("requirements {} {} {}", needs.size, needs.alignment, needs.memory_type_bits);

        let info = types::GeneratedCommandsInfoEXT {
            p_next: (&raw const chained).cast(),
            shader_stages: vk::ShaderStageFlags::COMPUTE,
            indirect_execution_set: set,
            indirect_commands_layout: layout,
            indirect_address: 0x2_0000_0000,
            indirect_address_size: 0x300,
            preprocess_address: 0x3_0000_0000,
            preprocess_size: 0x400,
            max_sequence_count: 7,
            sequence_count_address: 0x4_0000_0000,
            max_draw_count: 8,
            ..Default::default()
        };
        let restart: unsafe extern "system" fn(Cmd, u32) = f.get(c"vkCmdSetPrimitiveRestartIndexEXT")?;
        let preprocess: Preprocess = f.get(c"vkCmdPreprocessGeneratedCommandsEXT")?;
        let execute: Execute = f.get(c"vkCmdExecuteGeneratedCommandsEXT")?;
        preprocess(cmd, &info, once);
        // The state that counts is the one between these two.
        restart(state, 0x1111);
        preprocess(cmd, &info, state);
        restart(state, 0x2222);
        execute(cmd, vk::TRUE, &info);

        let destroy: Destroy<types::IndirectExecutionSetEXT> = f.get(c"vkDestroyIndirectExecutionSetEXT")?;
        let destroy_layout: Destroy<types::IndirectCommandsLayoutEXT> = f.get(c"vkDestroyIndirectCommandsLayoutEXT")?;
        // What is recorded has to come before what it names goes.
        scene.d.end_command_buffer(cmd).context("vkEndCommandBuffer")?;
        scene.d.begin_command_buffer(cmd, &vk::CommandBufferBeginInfo::default()).context("vkBeginCommandBuffer")?;
        destroy(device, set, none);
        destroy_layout(device, layout, none);
        ensure!(!set.is_null() && !layout.is_null(), "handles that are null");
    }
    Ok(())
}

/// A layout with tokens of all kinds of data, and of none.
unsafe fn commands_layout(f: &Functions, scene: &Scene) -> Result<types::IndirectCommandsLayoutEXT> {
    use types::IndirectCommandsTokenDataEXT as Data;
    use types::IndirectCommandsTokenTypeEXT as Kind;
    let compute = vk::ShaderStageFlags::COMPUTE;
    let range = vk::PushConstantRange { stage_flags: compute, offset: 4, size: 8 };
    let set = types::IndirectCommandsExecutionSetTokenEXT { shader_stages: compute, ..Default::default() };
    let constants = types::IndirectCommandsPushConstantTokenEXT { update_range: range };
    let vertices = types::IndirectCommandsVertexBufferTokenEXT { vertex_binding_unit: 9 };
    let indices = types::IndirectCommandsIndexBufferTokenEXT { mode: types::IndirectCommandsInputModeFlagsEXT(2) };
    let tokens = [
        (Kind::INDIRECT_COMMANDS_TOKEN_TYPE_EXECUTION_SET_EXT, Data { p_execution_set: &set }),
        (Kind::INDIRECT_COMMANDS_TOKEN_TYPE_PUSH_CONSTANT_EXT, Data { p_push_constant: &constants }),
        (Kind::INDIRECT_COMMANDS_TOKEN_TYPE_VERTEX_BUFFER_EXT, Data { p_vertex_buffer: &vertices }),
        (Kind::INDIRECT_COMMANDS_TOKEN_TYPE_INDEX_BUFFER_EXT, Data { p_index_buffer: &indices }),
        (Kind::INDIRECT_COMMANDS_TOKEN_TYPE_DISPATCH_EXT, Data::default()),
    ];
    let mut offset = 0;
    let tokens = tokens.map(|(ty, data)| {
        offset += 16;
        types::IndirectCommandsLayoutTokenEXT { ty, data, offset, ..Default::default() }
    });
    let ranges = [range];
    let chained = vk::PipelineLayoutCreateInfo::default().push_constant_ranges(&ranges);
    let info = types::IndirectCommandsLayoutCreateInfoEXT {
        p_next: (&raw const chained).cast(),
        flags: types::IndirectCommandsLayoutUsageFlagsEXT(1),
        shader_stages: compute,
        indirect_stride: 96,
        pipeline_layout: scene.layout,
        token_count: tokens.len() as u32,
        p_tokens: tokens.as_ptr(),
        ..Default::default()
    };
    let mut layout = types::IndirectCommandsLayoutEXT::default();
    // SAFETY: as above.
    unsafe {
        let create: Create<types::IndirectCommandsLayoutCreateInfoEXT, types::IndirectCommandsLayoutEXT> =
            f.get(c"vkCreateIndirectCommandsLayoutEXT")?;
        create(scene.d.handle(), &info, std::ptr::null(), &mut layout)
            .result()
            .context("vkCreateIndirectCommandsLayoutEXT")?;
    }
    Ok(layout)
}
