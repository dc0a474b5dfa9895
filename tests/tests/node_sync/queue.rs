//! A queue of the host's driver, without a driver in the guest: commands in a ring, and nothing else.

use std::cell::UnsafeCell;
use std::ptr;
use std::sync::Arc;

use ash::vk::{self, Handle};
use hesper_encoder::bits::ObjectHeader;
use hesper_encoder::generated::{reply, request, types};
use hesper_encoder::{Reader, Scratch, Writer};
use hesper_winsys::ring::RingOptions;
use hesper_winsys::{Config, Ring, StreamPool, Winsys};

/// The queue's timeline in the context.
pub const TIMELINE: u32 = 1;
/// A command's flag that has the host reply.
const REPLY: u32 = 1;

/// A queue, a timeline semaphore that its work waits for, and a fence behind that.
pub struct Queue {
    pub winsys: Arc<dyn Winsys>,
    ring: Ring,
    instance: vk::Instance,
    device: vk::Device,
    queue: vk::Queue,
    semaphore: vk::Semaphore,
    fence: vk::Fence,
}

/// A dispatchable handle with this id, for the rest of the process.
fn dispatchable<H: Handle>(id: u64) -> H {
    let object = Box::leak(Box::new(ObjectHeader { loader: UnsafeCell::new(0), id }));
    H::from_raw(ptr::from_ref(object) as u64)
}

impl Queue {
    /// The first queue of the host's first device, in a context of its own.
    pub fn new() -> Self {
        let winsys = hesper_winsys::open(&Config::default()).unwrap();
        let streams = Arc::new(StreamPool::new(winsys.clone()));
        let ring = Ring::create(winsys.clone(), Arc::default(), 1, streams, RingOptions::default()).unwrap();
        let (physical, none) = (dispatchable(2), ptr::null());
        let this = Self {
            winsys,
            ring,
            instance: dispatchable(1),
            device: dispatchable(3),
            queue: dispatchable(4),
            semaphore: vk::Semaphore::from_raw(5),
            fence: vk::Fence::from_raw(6),
        };
        let (mut instance, mut device, mut queue) = (this.instance, this.device, this.queue);
        let (mut semaphore, mut fence) = (this.semaphore, this.fence);
        let (mut count, mut first) = (1, physical);
        let application = vk::ApplicationInfo::default().api_version(vk::API_VERSION_1_2);
        let info = vk::InstanceCreateInfo::default().application_info(&application);
        // SAFETY: all pointers are to locals.
        this.call(64, |w| unsafe { request::create_instance(w, REPLY, &info, none, &mut instance) });
        // SAFETY: as above; there is room for one device.
        this.ring
            .call(
                &this.encoded(|w| unsafe {
                    request::enumerate_physical_devices(w, REPLY, this.instance, &mut count, &mut first);
                }),
                64,
                |_| (),
            )
            .unwrap();
        let mut features = vk::PhysicalDeviceTimelineSemaphoreFeatures::default().timeline_semaphore(true);
        let queues = [vk::DeviceQueueCreateInfo::default().queue_priorities(&[1.0])];
        let info = vk::DeviceCreateInfo::default().queue_create_infos(&queues).push_next(&mut features);
        // SAFETY: as above.
        this.call(64, |w| unsafe { request::create_device(w, REPLY, physical, &info, none, &mut device) });
        let on = types::DeviceQueueTimelineInfoMESA { ring_idx: TIMELINE, ..Default::default() };
        let which = vk::DeviceQueueInfo2 { p_next: (&raw const on).cast(), ..Default::default() };
        // SAFETY: as above.
        this.send(|w| unsafe { request::get_device_queue2(w, 0, this.device, &which, &mut queue) });
        let mut kind = vk::SemaphoreTypeCreateInfo::default().semaphore_type(vk::SemaphoreType::TIMELINE);
        let info = vk::SemaphoreCreateInfo::default().push_next(&mut kind);
        // SAFETY: as above.
        this.call(64, |w| unsafe { request::create_semaphore(w, REPLY, this.device, &info, none, &mut semaphore) });
        let info = vk::FenceCreateInfo::default();
        // SAFETY: as above.
        this.call(64, |w| unsafe { request::create_fence(w, REPLY, this.device, &info, none, &mut fence) });
        this
    }

    fn encoded(&self, encode: impl FnOnce(&mut Writer)) -> Vec<u8> {
        Scratch::default().encode(&self.winsys.capset().codec, encode).unwrap().to_vec()
    }

    /// Sends a command and waits until it has been run.
    fn send(&self, encode: impl FnOnce(&mut Writer)) {
        let sent = self.ring.submit(&self.encoded(encode)).unwrap();
        self.ring.wait(sent).unwrap();
    }

    /// Sends a command whose reply starts with its number and its result, which must be success.
    fn call(&self, size: usize, encode: impl FnOnce(&mut Writer)) {
        let result = |bytes: &[u8]| {
            let mut reader = Reader::new(bytes);
            let _number = reader.u32();
            vk::Result::from_raw(reader.u32() as i32)
        };
        assert_eq!(self.ring.call(&self.encoded(encode), size, result).unwrap(), vk::Result::SUCCESS);
    }

    /// Submits work that waits for a value of the semaphore, and signals the fence.
    pub fn submit_behind(&self, value: u64) {
        let (values, semaphores, stages) = ([value], [self.semaphore], [vk::PipelineStageFlags::ALL_COMMANDS]);
        let mut timeline = vk::TimelineSemaphoreSubmitInfo::default().wait_semaphore_values(&values);
        let submit = vk::SubmitInfo::default().wait_semaphores(&semaphores).wait_dst_stage_mask(&stages);
        let submit = submit.push_next(&mut timeline);
        // SAFETY: all pointers are to locals.
        self.call(8, |w| unsafe { request::queue_submit(w, REPLY, self.queue, 1, &submit, self.fence) });
    }

    /// Signals a value of the semaphore; doesn't wait.
    pub fn signal(&self, value: u64) {
        let info = vk::SemaphoreSignalInfo::default().semaphore(self.semaphore).value(value);
        // SAFETY: points at a local.
        let command = self.encoded(|w| unsafe { request::signal_semaphore(w, 0, self.device, &info) });
        self.ring.submit(&command).unwrap();
    }

    /// Has the host wait for the fence, and resets it.
    pub fn wait(&self) {
        let (d, f) = (self.device, &raw const self.fence);
        // SAFETY: points at the fence's own handle.
        unsafe {
            let size = reply::wait_for_fences_size(d, 1, f, vk::TRUE, u64::MAX);
            self.call(size, |w| request::wait_for_fences(w, REPLY, d, 1, f, vk::TRUE, u64::MAX));
            self.call(8, |w| request::reset_fences(w, REPLY, d, 1, f));
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        // The host must not hear of a fence of the queue when the queue is gone.
        self.ring.roundtrip().unwrap();
        // SAFETY: objects below end with the instance.
        self.send(|w| unsafe { request::destroy_instance(w, 0, self.instance, ptr::null()) });
    }
}
