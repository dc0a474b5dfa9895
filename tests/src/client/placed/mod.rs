//! Memory that is mapped at addresses of the program's choice, and addresses that stay reserved.

mod range;

use std::ffi::c_void;
use std::ptr;

use anyhow::{Context, Result, ensure};
use ash::khr::map_memory2;
use ash::vk;

use crate::gpu::{Gpu, MAP_MEMORY_PLACED};
use range::{Range, mapped_as};

/// Steps of the allocations here.
const STEPS: [usize; 4] = [1, 2, 5, 64];

struct Placed<'a> {
    gpu: &'a Gpu,
    commands: map_memory2::Device,
    /// Addresses and sizes are multiples of this.
    step: usize,
    kind: u32,
    /// Whether unmapping can leave addresses reserved.
    reserves: bool,
}

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let Some(placed) = Placed::new(&gpu)? else {
        println!("left out: nothing can be placed");
        return Ok(());
    };
    placed.alignment()?;
    placed.work()?;
    if gpu.driver_name()? == "venus" {
        println!("left out: Mesa's driver leaves memory mapped where addresses are to be reserved");
        return Ok(());
    }
    for steps in STEPS {
        placed.comes_and_goes(steps).with_context(|| format!("{steps} steps"))?;
        placed.frees_while_placed(steps).with_context(|| format!("{steps} steps"))?;
    }
    if placed.reserves {
        placed.reserves_what_was_not_placed()?;
    }
    Ok(())
}

/// What can't be placed, on a driver that refuses it: for Hesper alone, as Vulkan doesn't allow to ask.
pub fn refused(gpu: &Gpu) -> Result<()> {
    let Some(placed) = Placed::new(gpu)? else { return Ok(()) };
    let (step, bytes) = (placed.step, placed.step * 2);
    let range = Range::new(bytes, step)?;
    let memory = placed.memory(bytes)?;
    let odd = placed.memory(bytes - 1)?;
    let whole = vk::WHOLE_SIZE;
    let beyond: *mut u8 = ptr::without_provenance_mut(usize::MAX & !(step - 1));
    let cases = [
        ("no address", memory, ptr::null_mut(), 0, whole),
        ("an odd address", memory, range.start.wrapping_add(step / 2), 0, whole),
        ("an address that no process has", memory, beyond, 0, whole),
        ("a part", memory, range.start, 0, step as u64),
        ("another part", memory, range.start, step as u64, whole),
        ("more than there is", memory, range.start, 0, bytes as u64 * 2),
        ("nothing", memory, range.start, 0, 0),
        ("an odd size", odd, range.start, 0, whole),
        ("no memory", vk::DeviceMemory::null(), range.start, 0, whole),
    ];
    for (what, memory, at, offset, size) in cases {
        let mut info = vk::MemoryMapPlacedInfoEXT::default().placed_address(at.cast());
        let map = vk::MemoryMapInfoKHR::default().memory(memory).offset(offset).size(size);
        let given = placed.map_with(&map.flags(vk::MemoryMapFlags::PLACED_EXT).push_next(&mut info));
        ensure!(given == Err(vk::Result::ERROR_MEMORY_MAP_FAILED), "{what}: {given:?}");
        ensure!(mapped_as(range.start)?.as_deref() == Some("---p"), "{what}: {:?}", mapped_as(range.start)?);
    }
    let map = vk::MemoryMapInfoKHR::default().memory(memory).size(whole);
    let given = placed.map_with(&map.flags(vk::MemoryMapFlags::PLACED_EXT));
    ensure!(given == Err(vk::Result::ERROR_MEMORY_MAP_FAILED), "without a struct: {given:?}");
    ensure!(placed.unmap(memory, true).is_err(), "memory that isn't mapped leaves addresses reserved");
    // A second place is refused, and the first one stays.
    let words = placed.map(memory, range.start)?;
    let second = Range::new(bytes, step)?;
    ensure!(placed.map(memory, second.start).is_err(), "memory is placed twice");
    // SAFETY: mapped above.
    unsafe { words.write_volatile(7) };
    placed.unmap(memory, true)?;
    placed.free(odd);
    placed.free(memory);
    Ok(())
}

impl<'a> Placed<'a> {
    /// Nothing where the device can't place mappings.
    fn new(gpu: &'a Gpu) -> Result<Option<Self>> {
        if !gpu.has(MAP_MEMORY_PLACED) {
            return Ok(None);
        }
        let mut offered = vk::PhysicalDeviceMapMemoryPlacedFeaturesEXT::default();
        let mut features = vk::PhysicalDeviceFeatures2::default().push_next(&mut offered);
        let mut placed = vk::PhysicalDeviceMapMemoryPlacedPropertiesEXT::default();
        let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut placed);
        // SAFETY: a valid physical device, and structs with their chains.
        unsafe {
            gpu.instance.get_physical_device_features2(gpu.physical, &mut features);
            gpu.instance.get_physical_device_properties2(gpu.physical, &mut properties);
        }
        ensure!(offered.memory_map_placed == vk::TRUE, "the extension is offered without its feature");
        let flags = vk::MemoryPropertyFlags::HOST_VISIBLE | vk::MemoryPropertyFlags::HOST_COHERENT;
        Ok(Some(Self {
            gpu,
            commands: map_memory2::Device::new(&gpu.instance, &gpu.device),
            step: placed.min_placed_memory_map_alignment as usize,
            kind: gpu.memory_type(!0, flags)?,
            reserves: offered.memory_unmap_reserve == vk::TRUE,
        }))
    }

    fn memory(&self, bytes: usize) -> Result<vk::DeviceMemory> {
        let info = vk::MemoryAllocateInfo::default().allocation_size(bytes as u64).memory_type_index(self.kind);
        // SAFETY: a valid size and type.
        unsafe { self.gpu.device.allocate_memory(&info, None) }.context("vkAllocateMemory")
    }

    fn free(&self, memory: vk::DeviceMemory) {
        // SAFETY: its last use.
        unsafe { self.gpu.device.free_memory(memory, None) };
    }

    fn map_with(&self, info: &vk::MemoryMapInfoKHR<'_>) -> Result<*mut c_void, vk::Result> {
        let mut p = ptr::null_mut();
        // SAFETY: memory of this device, and addresses that are this program's.
        match unsafe { (self.commands.fp().map_memory2_khr)(self.gpu.device.handle(), info, &mut p) } {
            vk::Result::SUCCESS => Ok(p),
            e => Err(e),
        }
    }

    /// Maps the whole of a memory at an address.
    fn map(&self, memory: vk::DeviceMemory, at: *mut u8) -> Result<*mut u32> {
        let mut place = vk::MemoryMapPlacedInfoEXT::default().placed_address(at.cast());
        let info = vk::MemoryMapInfoKHR::default().memory(memory).size(vk::WHOLE_SIZE);
        let p = self.map_with(&info.flags(vk::MemoryMapFlags::PLACED_EXT).push_next(&mut place))?;
        ensure!(p == at.cast(), "mapped at {p:p}, not at {at:p}");
        Ok(p.cast())
    }

    fn unmap(&self, memory: vk::DeviceMemory, reserve: bool) -> Result<()> {
        let flags = if reserve { vk::MemoryUnmapFlagsKHR::RESERVE_EXT } else { Default::default() };
        let info = vk::MemoryUnmapInfoKHR::default().memory(memory).flags(flags);
        // SAFETY: memory of this device.
        let result = unsafe { (self.commands.fp().unmap_memory2_khr)(self.gpu.device.handle(), &info) };
        ensure!(result == vk::Result::SUCCESS, "vkUnmapMemory2: {result:?}");
        Ok(())
    }

    /// Maps memory where the driver wants it.
    fn map_anywhere(&self, memory: vk::DeviceMemory) -> Result<*mut u32> {
        // SAFETY: memory of this device.
        let p = unsafe { self.gpu.device.map_memory(memory, 0, vk::WHOLE_SIZE, vk::MemoryMapFlags::empty()) };
        Ok(p.context("vkMapMemory")?.cast())
    }

    /// The step is one that pages have, and the one that the driver was told.
    fn alignment(&self) -> Result<()> {
        let page = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE)?.context("the size of a page")? as usize;
        let step = self.step;
        ensure!(step.is_power_of_two() && step.is_multiple_of(page), "{step} is no alignment for pages of {page}");
        if let Ok(told) = std::env::var("HESPER_BLOB_ALIGNMENT") {
            ensure!(told == step.to_string(), "the alignment is {step}, not {told}");
        }
        Ok(())
    }

    /// The same memory in turns at an address of this program's, and at one of the driver's.
    fn comes_and_goes(&self, steps: usize) -> Result<()> {
        let bytes = steps * self.step;
        let (range, memory) = (Range::new(bytes, self.step)?, self.memory(bytes)?);
        for round in 0..4 {
            let words = self.map(memory, range.start)?;
            ensure!(mapped_as(range.start)?.as_deref() == Some("rw-s"), "{:?}", mapped_as(range.start)?);
            fill(words, bytes, round);
            let reserve = self.reserves && round % 2 == 0;
            self.unmap(memory, reserve)?;
            let left = mapped_as(range.start)?;
            if reserve {
                ensure!(left.as_deref() == Some("---p"), "{left:?}");
            } else {
                range.hold()?;
            }
            expect(self.map_anywhere(memory)?, bytes, round)?;
            self.unmap(memory, false)?;
            if reserve {
                self.nobody_gets(&range, bytes)?;
            }
        }
        self.free(memory);
        Ok(())
    }

    /// Nothing is mapped into a range that is reserved.
    fn nobody_gets(&self, range: &Range, bytes: usize) -> Result<()> {
        let ours = range.start.addr()..range.start.addr() + bytes;
        let many = (0..20).map(|_| self.memory(bytes)).collect::<Result<Vec<_>>>()?;
        for memory in &many {
            let p = self.map_anywhere(*memory)?.addr();
            ensure!(!ours.contains(&p) && !(p..p + bytes).contains(&ours.start), "{p:#x} is reserved");
        }
        many.into_iter().for_each(|memory| self.free(memory));
        Ok(())
    }

    /// Memory that is freed ends where it was placed, and the next memory of its size is like any other.
    fn frees_while_placed(&self, steps: usize) -> Result<()> {
        let bytes = steps * self.step;
        let range = Range::new(bytes, self.step)?;
        for round in 0..4 {
            let memory = self.memory(bytes)?;
            fill(self.map(memory, range.start)?, bytes, round);
            self.free(memory);
            range.hold().context("freed memory is still mapped")?;
            let next = self.memory(bytes)?;
            let words = self.map_anywhere(next)?;
            ensure!(words.addr() != range.start.addr(), "memory is where the program hasn't placed it");
            fill(words, bytes, round + 100);
            self.unmap(next, false)?;
            expect(self.map(next, range.start)?, bytes, round + 100)?;
            self.unmap(next, false)?;
            range.hold()?;
            self.free(next);
        }
        Ok(())
    }

    /// What the program writes where it has placed memory, work reads, and what work writes the program finds there.
    fn work(&self) -> Result<()> {
        let d = &self.gpu.device;
        let bytes = 4 * self.step;
        let usage = vk::BufferUsageFlags::TRANSFER_SRC | vk::BufferUsageFlags::TRANSFER_DST;
        let range = Range::new(bytes, self.step)?;
        let down = self.gpu.buffer(bytes / 4)?;
        // SAFETY: handles of this device, and a size and type that the buffer's memory may have.
        let (buffer, memory) = unsafe {
            let info = vk::BufferCreateInfo::default().size(bytes as u64).usage(usage);
            let buffer = d.create_buffer(&info, None)?;
            let needs = d.get_buffer_memory_requirements(buffer);
            ensure!(needs.memory_type_bits >> self.kind & 1 == 1 && needs.size <= bytes as u64, "{needs:?}");
            let memory = self.memory(bytes)?;
            d.bind_buffer_memory(buffer, memory, 0)?;
            (buffer, memory)
        };
        let words = self.map(memory, range.start)?;
        let all = [vk::BufferCopy { size: bytes as u64, ..Default::default() }];
        for round in 0..30 {
            fill(words, bytes, round);
            // Without a barrier behind it, as programs upload.
            let once = vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT;
            let cmd = self.gpu.record_in(self.gpu.pool, once, |cmd| {
                // SAFETY: recording; inside both buffers.
                unsafe { d.cmd_copy_buffer(cmd, buffer, down.buffer, &all) };
                self.gpu.barrier(cmd);
            })?;
            self.gpu.submit(&[cmd])?;
            down.expect("a copy of placed memory", |i| pattern(round, i as usize))?;
            self.gpu.run(|cmd| {
                // SAFETY: as above.
                unsafe { d.cmd_fill_buffer(cmd, buffer, 0, vk::WHOLE_SIZE, round) };
                self.gpu.barrier(cmd);
            })?;
            for i in 0..bytes / 4 {
                // SAFETY: inside of the mapping.
                let found = unsafe { words.add(i).read_volatile() };
                ensure!(found == round, "word {i} is {found:#x}, filled with {round:#x}");
            }
        }
        // SAFETY: everything has been waited for.
        unsafe { d.destroy_buffer(buffer, None) };
        self.free(memory);
        self.gpu.free(down);
        Ok(())
    }

    /// Addresses of the driver's choice can be left reserved, too; they are this program's then, and the memory is mapped elsewhere.
    fn reserves_what_was_not_placed(&self) -> Result<()> {
        let bytes = 2 * self.step;
        let memory = self.memory(bytes)?;
        let mut reserved = Vec::new();
        for round in 0..4 {
            let words = self.map_anywhere(memory)?;
            ensure!(!reserved.contains(&words), "{words:p} was reserved");
            if round > 0 {
                expect(words, bytes, round - 1)?;
            }
            fill(words, bytes, round);
            self.unmap(memory, true)?;
            let left = mapped_as(words.cast())?;
            ensure!(left.as_deref() == Some("---p"), "{left:?}");
            reserved.push(words);
        }
        let words = self.map_anywhere(memory)?;
        for at in reserved.into_iter().filter_map(|at| ptr::NonNull::new(at.cast::<c_void>())) {
            // SAFETY: the range is this program's now, and nothing is in it.
            unsafe { nix::sys::mman::munmap(at, bytes)? };
        }
        expect(words, bytes, 3)?;
        self.free(memory);
        Ok(())
    }
}

fn pattern(round: u32, i: usize) -> u32 {
    (i as u32).rotate_left(7) ^ round.wrapping_mul(0x9e37_79b9)
}

/// Fills mapped memory of this size.
fn fill(words: *mut u32, bytes: usize, round: u32) {
    for i in 0..bytes / 4 {
        // SAFETY: inside of the mapping, which no work touches at this time.
        unsafe { words.add(i).write_volatile(pattern(round, i)) };
    }
}

fn expect(words: *const u32, bytes: usize, round: u32) -> Result<()> {
    for i in 0..bytes / 4 {
        // SAFETY: as above.
        let found = unsafe { words.add(i).read_volatile() };
        ensure!(found == pattern(round, i), "word {i} is {found:#x}, not {:#x}", pattern(round, i));
    }
    Ok(())
}
