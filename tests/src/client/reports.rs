//! Reports of device memory: what callbacks hear of allocations, imports and frees.

use std::ffi::{CStr, c_void};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::sync::Mutex;

use anyhow::{Context, Result, ensure};
use ash::{Device, vk};
use vk::DeviceMemoryReportEventTypeEXT as Event;
use vk::ExternalMemoryHandleTypeFlags as Type;
use vk::Handle as _;

use crate::gpu::Gpu;

const NAME: &CStr = ash::ext::device_memory_report::NAME;
/// What sharing memory takes.
const SHARING: [&CStr; 2] = [ash::khr::external_memory_fd::NAME, ash::ext::external_memory_dma_buf::NAME];
const THREADS: usize = 4;
const EACH: usize = 50;

/// What a callback was told of a VkDeviceMemory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Report {
    event: Event,
    id: u64,
    size: u64,
    handle: u64,
    heap: u32,
}

type Heard = Mutex<Vec<Report>>;

unsafe extern "system" fn hear(data: *const vk::DeviceMemoryReportCallbackDataEXT<'_>, to: *mut c_void) {
    // SAFETY: the callback's data, and the list that it was registered with.
    let (d, heard) = unsafe { (&*data, &*to.cast::<Heard>()) };
    // Drivers may tell of what they take for other objects, too.
    if d.object_type == vk::ObjectType::DEVICE_MEMORY {
        let report =
            Report { event: d.ty, id: d.memory_object_id, size: d.size, handle: d.object_handle, heap: d.heap_index };
        heard.lock().unwrap().push(report);
    }
}

/// A device whose memory two callbacks hear of.
struct Told<'a> {
    gpu: &'a Gpu,
    device: Device,
    heard: Box<[Heard; 2]>,
    kind: u32,
    heap: u32,
    /// Whether memory can leave it and come back.
    shares: bool,
}

impl Drop for Told<'_> {
    fn drop(&mut self) {
        // SAFETY: the last use of the device.
        unsafe { self.device.destroy_device(None) };
    }
}

pub fn run() -> Result<()> {
    let gpu = Gpu::new()?;
    let Some(told) = Told::new(&gpu)? else {
        println!("left out: nobody tells of memory");
        return Ok(());
    };
    told.one_after_the_other()?;
    told.by_several_threads()?;
    if told.shares {
        told.shared()?;
    }
    Ok(())
}

/// Memory that can't be given is told of as well; for Hesper alone, since other drivers give it, or stop here.
pub fn refused(gpu: &Gpu) -> Result<()> {
    let Some(told) = Told::new(gpu)? else { return Ok(()) };
    let size = gpu.memory.memory_heaps[told.heap as usize].size + 1;
    ensure!(told.allocate(size).is_err(), "{size} bytes were given");
    match told.take()?[..] {
        [Report { event: Event::ALLOCATION_FAILED, size: said, heap, .. }] if said == size && heap == told.heap => {
            Ok(())
        }
        ref other => anyhow::bail!("an allocation that failed: {other:?}"),
    }
}

impl<'a> Told<'a> {
    /// Nothing where the device doesn't offer it.
    fn new(gpu: &'a Gpu) -> Result<Option<Self>> {
        // SAFETY: a valid physical device.
        let offered = unsafe { gpu.instance.enumerate_device_extension_properties(gpu.physical)? };
        let there = |name: &CStr| offered.iter().any(|e| e.extension_name_as_c_str() == Ok(name));
        if !there(NAME) {
            return Ok(None);
        }
        let both = vk::ExternalMemoryFeatureFlags::IMPORTABLE | vk::ExternalMemoryFeatureFlags::EXPORTABLE;
        let shares = SHARING.into_iter().all(there) && gpu.external_features(Type::DMA_BUF_EXT).contains(both);
        let names: Vec<_> =
            [NAME].into_iter().chain(SHARING.into_iter().filter(|_| shares)).map(CStr::as_ptr).collect();
        let heard: Box<[Heard; 2]> = Box::default();
        let [mut first, mut second] = [0, 1].map(|i| {
            let to = std::ptr::from_ref(&heard[i]).cast_mut().cast();
            vk::DeviceDeviceMemoryReportCreateInfoEXT::default().pfn_user_callback(Some(hear)).user_data(to)
        });
        let mut feature = vk::PhysicalDeviceDeviceMemoryReportFeaturesEXT::default().device_memory_report(true);
        let queue = [vk::DeviceQueueCreateInfo::default().queue_family_index(gpu.family).queue_priorities(&[1.0])];
        let info = vk::DeviceCreateInfo::default()
            .queue_create_infos(&queue)
            .enabled_extension_names(&names)
            .push_next(&mut feature)
            .push_next(&mut first)
            .push_next(&mut second);
        // SAFETY: a valid physical device and info; the lists outlive the device.
        let device = unsafe { gpu.instance.create_device(gpu.physical, &info, None).context("vkCreateDevice")? };
        let kind = gpu.memory_type(!0, vk::MemoryPropertyFlags::HOST_VISIBLE)?;
        let heap = gpu.memory.memory_types[kind as usize].heap_index;
        Ok(Some(Self { gpu, device, heard, kind, heap, shares }))
    }

    fn allocate(&self, size: u64) -> Result<vk::DeviceMemory> {
        let info = vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(self.kind);
        // SAFETY: a valid device and type.
        unsafe { self.device.allocate_memory(&info, None) }.context("vkAllocateMemory")
    }

    fn free(&self, memory: vk::DeviceMemory) {
        // SAFETY: its last use.
        unsafe { self.device.free_memory(memory, None) };
    }

    /// What was heard since the last time: both callbacks have heard the same.
    fn take(&self) -> Result<Vec<Report>> {
        let [first, second] = [0, 1].map(|i| std::mem::take(&mut *self.heard[i].lock().unwrap()));
        ensure!(first == second, "one callback hears\n{first:?}, the other\n{second:?}");
        Ok(first)
    }

    /// Fails unless a report tells of this memory, whose size counts where it comes.
    fn is(&self, r: &Report, event: Event, memory: vk::DeviceMemory, size: u64) -> Result<()> {
        ensure!((r.event, r.handle) == (event, memory.as_raw()), "{event:?} of {memory:?} is told as {r:?}");
        if [Event::ALLOCATE, Event::IMPORT].contains(&event) {
            ensure!(r.size == size && r.heap == self.heap, "{size} bytes of heap {} are told as {r:?}", self.heap);
        }
        Ok(())
    }

    fn one_after_the_other(&self) -> Result<()> {
        ensure!(self.take()?.is_empty(), "something is told of before there is anything");
        let (a, b) = (self.allocate(12_345)?, self.allocate(4096)?);
        self.free(a);
        let c = self.allocate(12_345)?;
        for memory in [vk::DeviceMemory::null(), b, c] {
            self.free(memory);
        }
        let heard = self.take()?;
        let expected = [
            (Event::ALLOCATE, a, 12_345),
            (Event::ALLOCATE, b, 4096),
            (Event::FREE, a, 0),
            (Event::ALLOCATE, c, 12_345),
            (Event::FREE, b, 0),
            (Event::FREE, c, 0),
        ];
        ensure!(heard.len() == expected.len(), "{heard:?}");
        for (r, (event, memory, size)) in heard.iter().zip(expected) {
            self.is(r, event, memory, size)?;
        }
        let ids: Vec<u64> = heard.iter().map(|r| r.id).collect();
        ensure!(ids[0] == ids[2] && ids[1] == ids[4] && ids[3] == ids[5], "an id changes: {ids:x?}");
        ensure!(ids[1] != ids[0] && ids[1] != ids[3], "two that live at the same time have one id: {ids:x?}");
        Ok(())
    }

    /// Whatever threads do, each memory is told of once when it comes and once when it goes.
    fn by_several_threads(&self) -> Result<()> {
        std::thread::scope(|s| {
            let work = || -> Result<()> {
                (0..EACH).try_for_each(|i| {
                    self.free(self.allocate(4096u64 << (i % 3))?);
                    Ok(())
                })
            };
            let threads: Vec<_> = (0..THREADS).map(|_| s.spawn(work)).collect();
            threads.into_iter().try_for_each(|t| t.join().expect("no panic"))
        })?;
        for heard in self.heard.iter() {
            let heard = std::mem::take(&mut *heard.lock().unwrap());
            let count = |event| heard.iter().filter(|r| r.event == event).count();
            ensure!(heard.len() == 2 * count(Event::ALLOCATE) && heard.len() == 2 * count(Event::FREE), "{heard:?}");
            ensure!(heard.len() == 2 * THREADS * EACH, "{} reports", heard.len());
            let mut alive = Vec::new();
            for r in &heard {
                match (r.event, alive.iter().position(|id| *id == r.id)) {
                    (Event::ALLOCATE, None) => alive.push(r.id),
                    (Event::FREE, Some(i)) => drop(alive.swap_remove(i)),
                    _ => anyhow::bail!("{r:?} comes at the wrong time"),
                }
            }
            ensure!(alive.is_empty(), "{alive:?} are never freed");
        }
        Ok(())
    }

    /// Memory that leaves and comes back is the same to whoever counts.
    fn shared(&self) -> Result<()> {
        let extension = ash::khr::external_memory_fd::Device::new(&self.gpu.instance, &self.device);
        let size = 1 << 16;
        let mut export = vk::ExportMemoryAllocateInfo::default().handle_types(Type::DMA_BUF_EXT);
        let info = vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(self.kind);
        // SAFETY: a valid device and type; the file is this program's until the import has taken it.
        let (own, imported) = unsafe {
            let own = self.device.allocate_memory(&info.push_next(&mut export), None).context("for export")?;
            let ask = vk::MemoryGetFdInfoKHR::default().memory(own).handle_type(Type::DMA_BUF_EXT);
            let file = OwnedFd::from_raw_fd(extension.get_memory_fd(&ask).context("vkGetMemoryFdKHR")?);
            let mut import = vk::ImportMemoryFdInfoKHR::default().handle_type(Type::DMA_BUF_EXT).fd(file.into_raw_fd());
            let info = vk::MemoryAllocateInfo::default().allocation_size(size).memory_type_index(self.kind);
            (own, self.device.allocate_memory(&info.push_next(&mut import), None).context("the import")?)
        };
        self.free(own);
        self.free(imported);
        let heard = self.take()?;
        ensure!(heard.len() == 4 && heard.iter().all(|r| r.id == heard[0].id), "{heard:?}");
        let expected =
            [(Event::ALLOCATE, own), (Event::IMPORT, imported), (Event::FREE, own), (Event::UNIMPORT, imported)];
        heard.iter().zip(expected).try_for_each(|(r, (event, memory))| self.is(r, event, memory, size))?;
        println!("reports of shared memory are whole");
        Ok(())
    }
}
