//! VK_EXT_mutable_descriptor_type: arrays whose elements are storage or uniform buffers, mixed, beside arrays of one type (tests/shaders/mixed.comp);
//! written, written as something else before, and copied from sets of the same layout, of plain types, and of pools that only the host looks into.

use anyhow::{Context, Result, ensure};
use ash::vk;
use vk::DescriptorType as Type;

use super::outcome::Outcome;
use crate::gpu::{Buffer, Gpu};

const SHADER: &[u8] = include_bytes!("../../../shaders/generated/mixed.comp.spv");
const TYPES: [Type; 2] = [Type::STORAGE_BUFFER, Type::UNIFORM_BUFFER];
/// Bindings of the shader, each with the type and length of its array.
const BINDINGS: [(Type, u32); 4] =
    [(Type::MUTABLE_EXT, 4), (Type::STORAGE_BUFFER, 1), (Type::MUTABLE_EXT, 3), (Type::UNIFORM_BUFFER, 2)];
/// Binding and place of each descriptor that is read, in the order of what the shader writes.
const READ: [(u32, u32); 9] = [(0, 0), (0, 1), (0, 2), (0, 3), (2, 0), (2, 1), (2, 2), (3, 0), (3, 1)];
/// Those of them that may be either.
const MUTABLE: usize = 7;
/// Values that descriptors can point at, and the bytes between two of them, a multiple of every device's alignment.
const VALUES: u32 = 16;
const APART: u64 = 256;

/// Where a set's descriptors come from.
#[derive(Clone, Copy, Debug)]
enum Source {
    Written,
    /// Each mutable one first as the other type, with another buffer's range.
    WrittenTwice,
    CopiedFromTheSame,
    CopiedFromPlain,
    CopiedFromHostOnly,
}

pub fn run(times: u32) -> Result<Outcome> {
    let name = ash::ext::mutable_descriptor_type::NAME;
    let mut features = vk::PhysicalDeviceMutableDescriptorTypeFeaturesEXT::default().mutable_descriptor_type(true);
    let gpu = Gpu::with(vec![(name, Some(&mut features))])?;
    if !gpu.has(name) {
        return Ok(Outcome::LeftOut("there is no VK_EXT_mutable_descriptor_type"));
    }
    // SAFETY: a valid physical device.
    let offered = unsafe { gpu.instance.get_physical_device_features(gpu.physical) };
    let indexed =
        [offered.shader_storage_buffer_array_dynamic_indexing, offered.shader_uniform_buffer_array_dynamic_indexing];
    if indexed.contains(&vk::FALSE) {
        return Ok(Outcome::LeftOut("arrays of buffers can't be indexed"));
    }
    let work = Work::new(&gpu)?;
    let sources = [
        Source::Written,
        Source::WrittenTwice,
        Source::CopiedFromTheSame,
        Source::CopiedFromPlain,
        Source::CopiedFromHostOnly,
    ];
    for uniform in (0..1u32 << MUTABLE).step_by(if times > 1 { 1 } else { 9 }) {
        for source in sources {
            work.check(uniform, source).with_context(|| format!("{source:?}, uniform: {uniform:07b}"))?;
        }
    }
    work.free();
    Ok(Outcome::Passed)
}

struct Work<'a> {
    gpu: &'a Gpu,
    shader: vk::ShaderModule,
    set_layout: vk::DescriptorSetLayout,
    layout: vk::PipelineLayout,
    pipeline: vk::Pipeline,
    /// Of sets of plain types: a storage and a uniform buffer for each mutable descriptor.
    plain: vk::DescriptorSetLayout,
    /// As `set_layout`, for pools that only the host looks into.
    host_only: vk::DescriptorSetLayout,
    values: Buffer,
    seen: Buffer,
}

impl<'a> Work<'a> {
    fn new(gpu: &'a Gpu) -> Result<Self> {
        let d = &gpu.device;
        let code = ash::util::read_spv(&mut std::io::Cursor::new(SHADER))?;
        let plain = TYPES.map(|t| (t, MUTABLE as u32));
        // SAFETY: handles of this device.
        unsafe {
            let shader = d.create_shader_module(&vk::ShaderModuleCreateInfo::default().code(&code), None)?;
            let usual = vk::DescriptorSetLayoutCreateFlags::empty();
            let (own, plain) = (set_layout(gpu, &BINDINGS, usual)?, set_layout(gpu, &plain, usual)?);
            let host_only = set_layout(gpu, &BINDINGS, vk::DescriptorSetLayoutCreateFlags::HOST_ONLY_POOL_EXT)?;
            let (sets, push) =
                ([own], [vk::PushConstantRange::default().size(8).stage_flags(vk::ShaderStageFlags::COMPUTE)]);
            let info = vk::PipelineLayoutCreateInfo::default().set_layouts(&sets).push_constant_ranges(&push);
            let layout = d.create_pipeline_layout(&info, None)?;
            let stage = vk::PipelineShaderStageCreateInfo::default()
                .stage(vk::ShaderStageFlags::COMPUTE)
                .module(shader)
                .name(c"main");
            let info = [vk::ComputePipelineCreateInfo::default().stage(stage).layout(layout)];
            let made = d.create_compute_pipelines(vk::PipelineCache::null(), &info, None);
            let pipeline = made.map_err(|(_, e)| e).context("vkCreateComputePipelines")?[0];
            let (values, seen) = (values(gpu)?, gpu.buffer(READ.len())?);
            Ok(Self { gpu, shader, set_layout: own, layout, pipeline, plain, host_only, values, seen })
        }
    }

    fn free(self) {
        let d = &self.gpu.device;
        // SAFETY: everything has been waited for.
        unsafe {
            d.destroy_pipeline(self.pipeline, None);
            d.destroy_pipeline_layout(self.layout, None);
            for layout in [self.set_layout, self.plain, self.host_only] {
                d.destroy_descriptor_set_layout(layout, None);
            }
            d.destroy_shader_module(self.shader, None);
        }
        self.gpu.free(self.values);
        self.gpu.free(self.seen);
    }

    /// Fills a set from `source`, with uniform buffers where the bits say so, and looks at what the shader finds.
    fn check(&self, uniform: u32, source: Source) -> Result<()> {
        let (gpu, d) = (self.gpu, &self.gpu.device);
        let host_pool = pool(gpu, vk::DescriptorPoolCreateFlags::HOST_ONLY_EXT)?;
        let pool = pool(gpu, vk::DescriptorPoolCreateFlags::empty())?;
        let set = allocate(gpu, pool, self.set_layout)?;
        // Another value for each descriptor, and others for each case.
        let number = |i: usize| (i as u32 * 5 + uniform) % VALUES;
        let write = |set: vk::DescriptorSet, i: usize, kind: Type, number: u32| {
            let (binding, element) = READ[i];
            self.write(set, binding, element, kind, number);
        };
        let kind = |i: usize| TYPES[(uniform >> i & 1) as usize];
        let all = |set| {
            for i in 0..MUTABLE {
                write(set, i, kind(i), number(i));
            }
        };
        let copy = |from: (vk::DescriptorSet, u32, u32), i: usize| {
            let copy = vk::CopyDescriptorSet::default()
                .src_set(from.0)
                .src_binding(from.1)
                .src_array_element(from.2)
                .dst_set(set)
                .dst_binding(READ[i].0)
                .dst_array_element(READ[i].1)
                .descriptor_count(1);
            // SAFETY: sets of this device with such descriptors.
            unsafe { d.update_descriptor_sets(&[], &[copy]) };
        };
        match source {
            Source::Written => all(set),
            Source::WrittenTwice => {
                for i in 0..MUTABLE {
                    write(set, i, TYPES[(!uniform >> i & 1) as usize], (number(i) + 1) % VALUES);
                }
                all(set);
            }
            Source::CopiedFromTheSame | Source::CopiedFromHostOnly => {
                let from = match source {
                    Source::CopiedFromHostOnly => allocate(gpu, host_pool, self.host_only)?,
                    _ => allocate(gpu, pool, self.set_layout)?,
                };
                all(from);
                (0..MUTABLE).for_each(|i| copy((from, READ[i].0, READ[i].1), i));
            }
            Source::CopiedFromPlain => {
                let from = allocate(gpu, pool, self.plain)?;
                for i in 0..MUTABLE {
                    let binding = uniform >> i & 1;
                    self.write(from, binding, i as u32, kind(i), number(i));
                    copy((from, binding, i as u32), i);
                }
            }
        }
        (MUTABLE..READ.len()).for_each(|i| write(set, i, Type::UNIFORM_BUFFER, number(i)));
        let seen = [vk::DescriptorBufferInfo { buffer: self.seen.buffer, offset: 0, range: vk::WHOLE_SIZE }];
        let seen = vk::WriteDescriptorSet::default().dst_set(set).dst_binding(1).buffer_info(&seen);
        // SAFETY: handles of this device.
        unsafe { d.update_descriptor_sets(&[seen.descriptor_type(Type::STORAGE_BUFFER)], &[]) };
        self.dispatch(set, uniform)?;
        self.seen.expect("what the shader has seen", |i| value(number(i as usize)))?;
        // SAFETY: everything has been waited for.
        unsafe {
            d.destroy_descriptor_pool(pool, None);
            d.destroy_descriptor_pool(host_pool, None);
        }
        Ok(())
    }

    /// Points one descriptor at a value.
    fn write(&self, set: vk::DescriptorSet, binding: u32, element: u32, kind: Type, number: u32) {
        let (buffer, offset) = (self.values.buffer, u64::from(number) * APART);
        let info = [vk::DescriptorBufferInfo { buffer, offset, range: 4 }];
        let write = vk::WriteDescriptorSet::default().dst_set(set).dst_binding(binding).dst_array_element(element);
        // SAFETY: handles of this device; the range lies inside of the buffer.
        unsafe { self.gpu.device.update_descriptor_sets(&[write.descriptor_type(kind).buffer_info(&info)], &[]) };
    }

    fn dispatch(&self, set: vk::DescriptorSet, uniform: u32) -> Result<()> {
        let (gpu, point) = (self.gpu, vk::PipelineBindPoint::COMPUTE);
        self.seen.fill(|_| 0);
        gpu.run(|cmd| {
            let push: Vec<u8> = [uniform & 15, uniform >> 4].iter().flat_map(|v| v.to_le_bytes()).collect();
            // SAFETY: recording with handles of this device.
            unsafe {
                gpu.device.cmd_bind_pipeline(cmd, point, self.pipeline);
                gpu.device.cmd_bind_descriptor_sets(cmd, point, self.layout, 0, &[set], &[]);
                gpu.device.cmd_push_constants(cmd, self.layout, vk::ShaderStageFlags::COMPUTE, 0, &push);
                gpu.device.cmd_dispatch(cmd, 1, 1, 1);
            }
            gpu.barrier(cmd);
        })
    }
}

/// What each range of the buffer of values holds.
fn value(number: u32) -> u32 {
    0xbeef_0000 | number
}

/// A buffer of values that storage and uniform buffers can point at.
fn values(gpu: &Gpu) -> Result<Buffer> {
    let size = u64::from(VALUES) * APART;
    let usage = vk::BufferUsageFlags::STORAGE_BUFFER | vk::BufferUsageFlags::UNIFORM_BUFFER;
    let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
    // SAFETY: handles of this device.
    let values = unsafe {
        let buffer = gpu.device.create_buffer(&vk::BufferCreateInfo::default().size(size).usage(usage), None)?;
        let needs = gpu.device.get_buffer_memory_requirements(buffer);
        let kind = gpu.memory_type(needs.memory_type_bits, flags)?;
        let info = vk::MemoryAllocateInfo::default().allocation_size(needs.size).memory_type_index(kind);
        let memory = gpu.device.allocate_memory(&info, None)?;
        gpu.device.bind_buffer_memory(buffer, memory, 0)?;
        let map = gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty())?.cast();
        Buffer { buffer, memory, size, map }
    };
    values.fill(|word| if u64::from(word) % (APART / 4) == 0 { value(word / (APART as u32 / 4)) } else { u32::MAX });
    Ok(values)
}

fn set_layout(
    gpu: &Gpu,
    bindings: &[(Type, u32)],
    flags: vk::DescriptorSetLayoutCreateFlags,
) -> Result<vk::DescriptorSetLayout> {
    let types = vk::MutableDescriptorTypeListEXT::default().descriptor_types(&TYPES);
    let list = |(kind, _): &(Type, u32)| if *kind == Type::MUTABLE_EXT { types } else { Default::default() };
    let lists: Vec<_> = bindings.iter().map(list).collect();
    let mut mutable = vk::MutableDescriptorTypeCreateInfoEXT::default().mutable_descriptor_type_lists(&lists);
    let binding = |(i, (kind, count)): (u32, &(Type, u32))| {
        vk::DescriptorSetLayoutBinding::default()
            .binding(i)
            .descriptor_type(*kind)
            .descriptor_count(*count)
            .stage_flags(vk::ShaderStageFlags::COMPUTE)
    };
    let bindings: Vec<_> = (0..).zip(bindings).map(binding).collect();
    let info = vk::DescriptorSetLayoutCreateInfo::default().bindings(&bindings).flags(flags).push_next(&mut mutable);
    let mut support = vk::DescriptorSetLayoutSupport::default();
    // SAFETY: a valid device.
    unsafe {
        gpu.device.get_descriptor_set_layout_support(&info, &mut support);
        ensure!(support.supported == vk::TRUE, "a layout of buffers isn't supported");
        Ok(gpu.device.create_descriptor_set_layout(&info, None)?)
    }
}

/// A pool for a set of each layout and one more.
fn pool(gpu: &Gpu, flags: vk::DescriptorPoolCreateFlags) -> Result<vk::DescriptorPool> {
    let count = |kind, n| vk::DescriptorPoolSize { ty: kind, descriptor_count: n };
    let sizes = [count(Type::MUTABLE_EXT, 14), count(Type::STORAGE_BUFFER, 9), count(Type::UNIFORM_BUFFER, 11)];
    let lists = [vk::MutableDescriptorTypeListEXT::default().descriptor_types(&TYPES)];
    let mut mutable = vk::MutableDescriptorTypeCreateInfoEXT::default().mutable_descriptor_type_lists(&lists);
    let info = vk::DescriptorPoolCreateInfo::default().max_sets(3).pool_sizes(&sizes).flags(flags);
    // SAFETY: a valid device.
    unsafe { Ok(gpu.device.create_descriptor_pool(&info.push_next(&mut mutable), None)?) }
}

fn allocate(gpu: &Gpu, pool: vk::DescriptorPool, layout: vk::DescriptorSetLayout) -> Result<vk::DescriptorSet> {
    let layouts = [layout];
    let info = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
    // SAFETY: handles of this device.
    unsafe { Ok(gpu.device.allocate_descriptor_sets(&info)?[0]) }
}
