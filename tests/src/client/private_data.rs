//! Values that a program attaches to objects: they end with their object, although its handle may be given out again.

use anyhow::{Result, ensure};
use ash::vk;
use ash::vk::Handle;

use crate::gpu::Gpu;

/// Objects of each kind: enough for an address to come again.
const ROUNDS: u64 = 200;

/// Values of one slot.
struct Values<'a> {
    gpu: &'a Gpu,
    slot: vk::PrivateDataSlot,
}

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let info = vk::PrivateDataSlotCreateInfo::default();
    // SAFETY: handles of this device.
    let [first, second] = unsafe {
        let make = || gpu.device.create_private_data_slot(&info, None);
        [make()?, make()?]
    };
    let [a, b] = [first, second].map(|slot| Values { gpu: &gpu, slot });
    slots(&a, &b)?;
    for values in [&a, &b] {
        command_buffers(values)?;
        descriptor_sets(values)?;
        fences(values)?;
    }
    // SAFETY: the last use of both.
    unsafe {
        gpu.device.destroy_private_data_slot(first, None);
        gpu.device.destroy_private_data_slot(second, None);
    }
    Ok(())
}

impl Values<'_> {
    fn set<H: Handle>(&self, object: H, value: u64) -> Result<()> {
        // SAFETY: an object and a slot of this device.
        unsafe { self.gpu.device.set_private_data(object, self.slot, value)? };
        Ok(())
    }

    fn get<H: Handle>(&self, object: H) -> u64 {
        // SAFETY: an object and a slot of this device.
        unsafe { self.gpu.device.get_private_data(object, self.slot) }
    }

    /// Attaches a value to an object that is new.
    fn set_new<H: Handle + Copy>(&self, object: H, value: u64) -> Result<()> {
        ensure!(self.get(object) == 0, "a new {:?} has the value {}", H::TYPE, self.get(object));
        self.set(object, value)?;
        ensure!(self.get(object) == value, "{:?}: {} instead of {value}", H::TYPE, self.get(object));
        Ok(())
    }
}

/// Each slot has values of its own, also for queues, and a value may be replaced.
fn slots(a: &Values, b: &Values) -> Result<()> {
    let queue = a.gpu.queue;
    a.set_new(queue, 1)?;
    b.set_new(queue, 2)?;
    a.set_new(a.gpu.pool, u64::MAX)?;
    a.set(queue, 3)?;
    ensure!((a.get(queue), b.get(queue), b.get(a.gpu.pool)) == (3, 2, 0), "values of two slots are mixed up");
    Ok(())
}

/// Command buffers are freed, or end with their pool.
fn command_buffers(values: &Values) -> Result<()> {
    let d = &values.gpu.device;
    for round in 0..ROUNDS {
        // SAFETY: handles of this device, never submitted.
        unsafe {
            let info = vk::CommandPoolCreateInfo::default().queue_family_index(values.gpu.family);
            let pool = d.create_command_pool(&info, None)?;
            let info = vk::CommandBufferAllocateInfo::default().command_pool(pool).command_buffer_count(4);
            let buffers = d.allocate_command_buffers(&info)?;
            for (i, b) in buffers.iter().enumerate() {
                values.set_new(*b, round * 10 + i as u64 + 1)?;
            }
            if round % 2 == 0 {
                d.free_command_buffers(pool, &buffers[1..3]);
                let info = info.command_buffer_count(1);
                values.set_new(d.allocate_command_buffers(&info)?[0], 77)?;
                ensure!(values.get(buffers[3]) == round * 10 + 4, "the value of a buffer that is still there");
            }
            d.destroy_command_pool(pool, None);
        }
    }
    Ok(())
}

/// Sets are freed, or end with their pool or with all that is in it.
fn descriptor_sets(values: &Values) -> Result<()> {
    let d = &values.gpu.device;
    let kind = vk::DescriptorType::STORAGE_BUFFER;
    // SAFETY: handles of this device, not used by any work.
    unsafe {
        let binding = [vk::DescriptorSetLayoutBinding::default()
            .descriptor_count(1)
            .descriptor_type(kind)
            .stage_flags(vk::ShaderStageFlags::COMPUTE)];
        let layouts = [d
            .create_descriptor_set_layout(&vk::DescriptorSetLayoutCreateInfo::default().bindings(&binding), None)?;
            4];
        let sizes = [vk::DescriptorPoolSize { ty: kind, descriptor_count: 4 }];
        let flags = vk::DescriptorPoolCreateFlags::FREE_DESCRIPTOR_SET;
        let info = vk::DescriptorPoolCreateInfo::default().max_sets(4).pool_sizes(&sizes).flags(flags);
        let mut pool = d.create_descriptor_pool(&info, None)?;
        for round in 0..ROUNDS {
            let sets = vk::DescriptorSetAllocateInfo::default().descriptor_pool(pool).set_layouts(&layouts);
            let sets = d.allocate_descriptor_sets(&sets)?;
            for (i, s) in sets.iter().enumerate() {
                values.set_new(*s, round * 10 + i as u64 + 1)?;
            }
            match round % 3 {
                0 => d.free_descriptor_sets(pool, &sets)?,
                1 => d.reset_descriptor_pool(pool, vk::DescriptorPoolResetFlags::empty())?,
                _ => {
                    d.destroy_descriptor_pool(pool, None);
                    pool = d.create_descriptor_pool(&info, None)?;
                }
            }
        }
        d.destroy_descriptor_pool(pool, None);
        d.destroy_descriptor_set_layout(layouts[0], None);
    }
    Ok(())
}

fn fences(values: &Values) -> Result<()> {
    for round in 0..ROUNDS {
        // SAFETY: a handle of this device that no work uses.
        unsafe {
            let fence = values.gpu.device.create_fence(&vk::FenceCreateInfo::default(), None)?;
            values.set_new(fence, round + 1)?;
            values.gpu.device.destroy_fence(fence, None);
        }
    }
    Ok(())
}
