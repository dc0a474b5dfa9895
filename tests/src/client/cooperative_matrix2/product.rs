//! One product of matrices, by the device and by the processor.

use anyhow::{Result, ensure};
use ash::vk;
use ash::vk::ComponentTypeKHR as Component;

use crate::cooperative_matrix2::offer::Shape;
use crate::gpu::Gpu;

/// VK_COMPONENT_TYPE_BFLOAT16_KHR.
const BFLOAT16: Component = Component::from_raw(1_000_141_000);

/// The components of factors and sums, and the shader that multiplies them: the driver's own, which takes all sizes.
#[derive(Clone, Copy)]
pub struct Types {
    factors: Component,
    sums: Component,
    shader: &'static [u8],
}

macro_rules! types {
    ($factors:ident, $sums:ident, $name:literal) => {
        Types {
            factors: Component::$factors,
            sums: Component::$sums,
            shader: include_bytes!(concat!("../../../../icd/shaders/matrices/generated/multiply_", $name, ".spv")),
        }
    };
}

static TYPES: [Types; 5] = [
    types!(FLOAT16, FLOAT16, "f16_f16.comp"),
    types!(FLOAT16, FLOAT32, "f16_f32.comp"),
    types!(UINT8, UINT32, "u8_u32.comp"),
    types!(SINT8, SINT32, "s8_s32.comp"),
    Types {
        factors: BFLOAT16,
        sums: Component::FLOAT32,
        shader: include_bytes!("../../../../icd/shaders/matrices/generated/multiply_bf16_f32.spv"),
    },
];

/// The types of a shape, if there is a shader for them.
pub fn types(shape: &Shape) -> Option<Types> {
    let same = shape.a == shape.b && shape.c == shape.result && shape.saturating == vk::FALSE;
    TYPES.iter().find(|t| same && (t.factors, t.sums) == (shape.a, shape.c)).copied()
}

/// A whole number of at most 11 bits as the bits of a 16-bit float.
fn half(number: i32) -> u16 {
    let size = number.unsigned_abs();
    if size == 0 {
        return 0;
    }
    let exponent = size.ilog2();
    let fraction = (size << (10 - exponent)) & 0x3ff;
    (u32::from(number < 0) << 15 | (exponent + 15) << 10 | fraction) as u16
}

fn put(to: &mut Vec<u8>, component: Component, number: i32) {
    match component {
        Component::FLOAT16 => to.extend(half(number).to_le_bytes()),
        BFLOAT16 => to.extend(&(number as f32).to_le_bytes()[2..]),
        Component::FLOAT32 => to.extend((number as f32).to_le_bytes()),
        Component::UINT8 | Component::SINT8 => to.push(number as u8),
        _ => to.extend(number.to_le_bytes()),
    }
}

fn words(bytes: &[u8]) -> Vec<u32> {
    let word = |c: &[u8]| c.iter().rev().fold(0, |word, b| word << 8 | u32::from(*b));
    bytes.chunks(4).map(word).collect()
}

/// Multiplies matrices of `m`, `n` and `k` in a work group of this size.
///
/// # Errors
/// Where the device's product isn't the processor's.
pub fn run(gpu: &Gpu, types: Types, shape: &Shape, group: u32, [m, n, k]: [u32; 3]) -> Result<()> {
    // Small numbers, of which every sum is one that all types hold.
    let mut state = 0x2545_f491u32;
    let mut random = |range: std::ops::Range<i32>| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        range.start + ((state >> 16) as i32) % (range.end - range.start)
    };
    let lowest = if types.factors == Component::UINT8 { 0 } else { -3 };
    let a: Vec<i32> = (0..m * k).map(|_| random(lowest..4)).collect();
    let b: Vec<i32> = (0..k * n).map(|_| random(lowest..4)).collect();
    let mut given = Vec::new();
    a.iter().chain(&b).for_each(|number| put(&mut given, types.factors, *number));
    let mut right = Vec::new();
    for row in a.chunks(k as usize) {
        for j in 0..n as usize {
            let sum: i32 = row.iter().enumerate().map(|(l, x)| x * b[l * n as usize + j]).sum();
            put(&mut right, types.sums, sum + 1);
        }
    }
    let (given, right) = (words(&given), words(&right));

    let kind = vk::DescriptorType::STORAGE_BUFFER;
    let constants = [group, shape.scope.as_raw() as u32, m, n, k];
    let entry = |id: u32| vk::SpecializationMapEntry::default().constant_id(id).offset(4 * id).size(4);
    let entries: Vec<_> = (0..constants.len() as u32).map(entry).collect();
    let data: Vec<u8> = constants.iter().flat_map(|c| c.to_le_bytes()).collect();
    let special = vk::SpecializationInfo::default().map_entries(&entries).data(&data);
    let flags = vk::DescriptorSetLayoutCreateFlags::empty();
    let pipeline = gpu.pipeline(types.shader, 2, 0, flags, kind, Some(&special))?;
    let (from, to) = (gpu.buffer(given.len())?, gpu.buffer(right.len())?);
    from.fill(|i| given[i as usize]);
    to.fill(|_| 0xdead_beef);
    let pool = gpu.descriptor_pool(1, kind)?;
    let set = gpu.set(pool, pipeline.set_layout, &[&from, &to])?;
    gpu.run(|cmd| {
        let point = vk::PipelineBindPoint::COMPUTE;
        // SAFETY: recording into a begun command buffer.
        unsafe {
            gpu.device.cmd_bind_pipeline(cmd, point, pipeline.pipeline);
            gpu.device.cmd_bind_descriptor_sets(cmd, point, pipeline.layout, 0, &[set], &[]);
            gpu.device.cmd_dispatch(cmd, 1, 1, 1);
        }
        gpu.barrier(cmd);
    })?;
    let wrong = (0..right.len()).filter(|i| to.get(*i) != right[*i]).count();
    // SAFETY: nothing uses the pool's set any more.
    unsafe { gpu.device.destroy_descriptor_pool(pool, None) };
    gpu.free_pipeline(pipeline);
    gpu.free(from);
    gpu.free(to);
    ensure!(wrong == 0, "{wrong} of {} words are wrong", right.len());
    Ok(())
}
