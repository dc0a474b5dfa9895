//! VkCommandBuffer: recording into its stream.
//!
//! Who may touch the state behind a VkCommandBuffer:
//! * The thread that records touches all of it, since Vulkan makes recording, resetting and freeing externally synchronised and forbids
//!   them while the command buffer is submitted or executed.
//! * Threads that submit or execute it, several at once where it was begun with VK_COMMAND_BUFFER_USAGE_SIMULTANEOUS_USE_BIT, only read
//!   its [`Noted`] and its [`Held`]; the one whose [`Held::claim`] succeeds has the stream to itself.

use std::cell::UnsafeCell;
use std::ptr;
use std::sync::Arc;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::Writer;
use hesper_encoder::generated::request;
use hesper_winsys::Error;

use crate::base::chain::find;
use crate::base::connection::Connection;
use crate::base::forwarding::{done, result_of_error};
use crate::base::in_progress::Recordings;
use crate::base::object::{Object, Part, Whole, part};
use crate::base::settings;
use crate::base::slab::fresh_id;
use crate::recording::begun::{Begun, Place};
use crate::recording::held_copies::{CopyCommand, Held};
use crate::recording::stream::Stream;

/// What a VkCommandBuffer points at.
#[repr(C)]
pub struct CommandBuffer {
    object: Object,
    device: vk::Device,
    secondary: bool,
    /// Whether its pool has VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT.
    resettable: bool,
    /// Those of its pool that were begun, and where it stands among them.
    begun: Arc<Begun>,
    pub place: Place,
    recording: UnsafeCell<Recording>,
    noted: UnsafeCell<Noted>,
    held: Held,
    /// Where its recordings count as in progress.
    recordings: Arc<Recordings>,
}
part!(vk::CommandBuffer, CommandBuffer, object: Object);
// SAFETY: all that is behind a VkCommandBuffer.
unsafe impl Whole for CommandBuffer {}

/// What belongs to the thread that records.
#[derive(Default)]
struct Recording {
    stream: Stream,
    /// Its number among the recordings in progress, if it is one.
    number: Option<u64>,
}

/// What is known of the recorded commands; unchanged from the recording's end on.
#[derive(Default)]
pub struct Noted {
    /// The copies, as long as there is nothing but barriers and copies.
    copies: Vec<CopyCommand>,
    /// The query pools of which queries are reset.
    pub resets: Vec<vk::QueryPool>,
    /// Whether there are waits for events.
    pub waits_for_events: bool,
}

impl CommandBuffer {
    /// A command buffer that isn't known to the host yet.
    pub fn new(
        device: vk::Device,
        connection: Arc<Connection>,
        secondary: bool,
        resettable: bool,
        begun: Arc<Begun>,
        recordings: Arc<Recordings>,
    ) -> Self {
        Self {
            object: Object::new(fresh_id(), connection),
            device,
            secondary,
            resettable,
            begun,
            place: Place::default(),
            recording: UnsafeCell::default(),
            noted: UnsafeCell::default(),
            held: Held::default(),
            recordings,
        }
    }

    /// Its device.
    pub fn device(&self) -> vk::Device {
        self.device
    }

    /// The recording.
    ///
    /// # Safety
    /// The caller records, resets or frees the command buffer, or has claimed it, and has no other reference to its recording.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "Vulkan, or a claim, keeps other threads out")]
    unsafe fn recording(&self) -> &mut Recording {
        // SAFETY: by contract nobody else has a reference.
        unsafe { &mut *self.recording.get() }
    }

    /// The notes, to write.
    ///
    /// # Safety
    /// The caller records or resets the command buffer, and has no other reference to its notes.
    #[expect(clippy::mut_from_ref, reason = "Vulkan keeps other threads out")]
    pub unsafe fn noted_mut(&self) -> &mut Noted {
        // SAFETY: by contract nobody else has a reference.
        unsafe { &mut *self.noted.get() }
    }

    /// The notes.
    ///
    /// # Safety
    /// Nobody records or resets the command buffer as long as the reference lives.
    pub unsafe fn noted(&self) -> &Noted {
        // SAFETY: by contract nobody writes them.
        unsafe { &*self.noted.get() }
    }

    /// Drops what was recorded and wasn't sent. The host's own recording, if there is one, is left as it is.
    ///
    /// # Safety
    /// The caller resets or frees the command buffer, or its pool.
    pub unsafe fn discard(&self) -> Dropped<'_> {
        self.held.claim();
        // SAFETY: by contract.
        let recording = unsafe { self.recording() };
        let at_host = recording.stream.discard(self.connection());
        Dropped { of: self, number: recording.number.take(), at_host }
    }

    /// Its pool is reset; whether the host has been told of any recording since the last time.
    ///
    /// # Safety
    /// As for [`Self::discard`].
    pub unsafe fn forget_sent(&self) -> bool {
        // SAFETY: by contract.
        unsafe { self.recording() }.stream.forget_sent()
    }

    /// Ends a recording in progress whose commands have all been sent or dropped.
    fn over(&self, number: Option<u64>) {
        let Some(number) = number else { return };
        for end in self.recordings.end(number) {
            // A lost host has no need of it.
            let _ = self.connection().post_end(self.device.as_raw(), end);
        }
    }
}

/// A recording that was dropped: it is in progress until this is dropped in turn, after the host has been told to drop its own part.
pub struct Dropped<'a> {
    of: &'a CommandBuffer,
    number: Option<u64>,
    /// Whether the host has a part of the recording.
    at_host: bool,
}

impl Dropped<'_> {
    /// Has the host drop its part, so that it can begin anew. Without VK_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT the program has to
    /// reset the pool before (Vulkan specification, "Command Buffer Lifecycle").
    fn reset_at_host(self) {
        if self.at_host && self.of.resettable {
            let (c, none) = (self.of.handle(), vk::CommandBufferResetFlags::empty());
            // SAFETY: encodes the id of a living command buffer. A lost host records nothing any more.
            let _ = self.of.connection().post(|w| unsafe { request::reset_command_buffer(w, 0, c, none) });
        }
    }
}

impl Drop for Dropped<'_> {
    fn drop(&mut self) {
        self.of.over(self.number.take());
    }
}

/// Records a command; errors show at vkEndCommandBuffer.
///
/// # Safety
/// A command buffer that is being recorded, by this thread.
#[inline]
pub unsafe fn record(command_buffer: vk::CommandBuffer, encode: impl FnOnce(&mut Writer)) {
    // SAFETY: a valid handle by contract.
    let c = unsafe { CommandBuffer::of(command_buffer) };
    // SAFETY: this thread records, and `encode` only writes bytes.
    let stream = &mut unsafe { c.recording() }.stream;
    stream.append(c.connection(), encode);
    if stream.is_due() {
        stream.send_some(c.connection());
    }
}

/// Records a barrier or a copy; `note` says whether the host could do without this command buffer if there was nothing else in it,
/// and notes the copies.
///
/// # Safety
/// As in [`record`].
#[inline(always)]
pub unsafe fn record_copy(
    command_buffer: vk::CommandBuffer,
    note: impl FnOnce(&mut Vec<CopyCommand>) -> bool,
    encode: impl FnOnce(&mut Writer),
) {
    // SAFETY: a valid handle by contract.
    let c = unsafe { CommandBuffer::of(command_buffer) };
    // SAFETY: this thread records, and `encode` only writes bytes.
    let stream = &mut unsafe { c.recording() }.stream;
    let only_copies = stream.is_held();
    stream.append(c.connection(), encode);
    if only_copies {
        // SAFETY: this thread records, and `note` has no way to the command buffer.
        hold_more(stream, &mut unsafe { c.noted_mut() }.copies, note);
    }
    if stream.is_due() {
        stream.send_some(c.connection());
    }
}

/// Apart from [`record_copy`], which stands in line elsewhere.
#[cold]
fn hold_more(stream: &mut Stream, copies: &mut Vec<CopyCommand>, note: impl FnOnce(&mut Vec<CopyCommand>) -> bool) {
    if note(copies) {
        stream.hold_more();
    }
}

/// The copies of a command buffer that is held back.
///
/// # Safety
/// A command buffer that is submitted; the copies are there until it may be recorded, reset or freed.
pub unsafe fn held_copies<'a>(command_buffer: vk::CommandBuffer) -> Option<&'a [CopyCommand]> {
    // SAFETY: a valid handle by contract.
    let c = unsafe { CommandBuffer::of(command_buffer) };
    // SAFETY: nobody records a command buffer that is submitted.
    c.held.is_held().then(|| &unsafe { c.noted() }.copies[..])
}

/// Sends a command buffer that was held back.
///
/// # Safety
/// A command buffer that is submitted.
///
/// # Errors
/// A lost host, or no memory: the command buffer is not at the host then.
pub unsafe fn send_held(command_buffer: vk::CommandBuffer) -> Result<(), Error> {
    // SAFETY: a valid handle by contract.
    let c = unsafe { CommandBuffer::of(command_buffer) };
    if !c.held.claim() {
        return Ok(());
    }
    // SAFETY: nobody records a command buffer that is submitted, and the claim keeps other submissions out.
    unsafe { c.recording() }.stream.finish(c.connection())
}

/// Forgets a command buffer that was held back and isn't needed any more.
///
/// # Safety
/// A command buffer that is submitted.
pub unsafe fn forget_held(command_buffer: vk::CommandBuffer) {
    // SAFETY: a valid handle by contract.
    let c = unsafe { CommandBuffer::of(command_buffer) };
    if c.held.claim() {
        // SAFETY: nobody records a command buffer that is submitted, and the claim keeps other submissions out.
        unsafe { c.recording() }.stream.forget();
    }
}

/// The stream of a recording, and the connection that it goes to.
///
/// # Safety
/// As in [`record`]; the caller has no other reference to the recording.
pub unsafe fn stream<'a>(command_buffer: vk::CommandBuffer) -> (&'a mut Stream, &'a Connection) {
    // SAFETY: a valid handle, which this thread records into, by contract.
    unsafe {
        let c = CommandBuffer::of(command_buffer);
        (&mut c.recording().stream, c.connection())
    }
}

pub unsafe fn begin_command_buffer(
    command_buffer: vk::CommandBuffer,
    info: *const vk::CommandBufferBeginInfo,
) -> vk::Result {
    // SAFETY: the entry point's parameters.
    let (result, c) = unsafe { (begin(command_buffer, info), CommandBuffer::of(command_buffer)) };
    // SAFETY: this thread records.
    if unsafe { c.recording() }.stream.is_held() {
        // The recording itself isn't shown before it is submitted.
        c.connection().ring.rouse();
    }
    result
}

/// Does what vkBeginCommandBuffer does, for command buffers of the driver's own, too.
///
/// # Safety
/// As for vkBeginCommandBuffer.
pub unsafe fn begin(command_buffer: vk::CommandBuffer, info: *const vk::CommandBufferBeginInfo) -> vk::Result {
    // SAFETY: a valid handle, by valid usage.
    let c = unsafe { CommandBuffer::of(command_buffer) };
    let connection = c.connection();
    if let Err(e) = connection.check() {
        return result_of_error(&e);
    }
    // SAFETY: this thread records from here on; the reference ends here.
    if unsafe { c.recording() }.stream.is_begun() {
        // A held recording, or one that became invalid when an object that it uses was destroyed.
        // SAFETY: beginning resets the command buffer.
        unsafe { c.discard() }.reset_at_host();
    }
    // SAFETY: this thread records from here on.
    let (recording, noted) = unsafe { (c.recording(), c.noted_mut()) };
    noted.resets.clear();
    noted.copies.clear();
    noted.waits_for_events = false;
    recording.number = Some(c.recordings.begin());
    c.begun.add(command_buffer, &c.place);
    // SAFETY: a valid struct, by valid usage.
    let mut info = unsafe { *info };
    // A primary command buffer's inheritance is ignored, and so are render pass and framebuffer outside a render pass (WIRE.md 1.11).
    let mut inherited;
    if !c.secondary {
        info.p_inheritance_info = ptr::null();
    // SAFETY: a secondary command buffer's pointer is null or valid.
    } else if let Some(i) = unsafe { info.p_inheritance_info.as_ref() } {
        inherited = *i;
        // SAFETY: a valid chain, by valid usage.
        let dynamic = unsafe { find::<vk::CommandBufferInheritanceRenderingInfo>(i.p_next) }.is_some();
        if !info.flags.contains(vk::CommandBufferUsageFlags::RENDER_PASS_CONTINUE)
            || (dynamic && i.render_pass == vk::RenderPass::null())
        {
            inherited.render_pass = vk::RenderPass::null();
            inherited.subpass = 0;
            inherited.framebuffer = vk::Framebuffer::null();
        }
        info.p_inheritance_info = &raw const inherited;
    }
    let once = info.flags == vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT && info.p_next.is_null();
    let stream = &mut recording.stream;
    // SAFETY: encodes a valid struct, by valid usage.
    stream.append(connection, |w| unsafe { request::begin_command_buffer(w, 0, command_buffer, &info) });
    stream.hold(once && !c.secondary && settings::get().uploads);
    stream.send_some(connection);
    vk::Result::SUCCESS
}

pub unsafe fn end_command_buffer(command_buffer: vk::CommandBuffer) -> vk::Result {
    // SAFETY: a valid handle, by valid usage.
    let c = unsafe { CommandBuffer::of(command_buffer) };
    let connection = c.connection();
    // SAFETY: this thread records; the reference ends before the recording is discarded.
    let recording = unsafe { c.recording() };
    let stream = &mut recording.stream;
    // SAFETY: as above.
    let only_copies = stream.is_held() && !unsafe { c.noted() }.copies.is_empty();
    // SAFETY: encodes the id of a living command buffer.
    stream.append(connection, |w| unsafe { request::end_command_buffer(w, 0, command_buffer) });
    if only_copies {
        stream.hold_more();
    }
    if only_copies && stream.is_held() && !stream.has_failed() {
        c.held.hold();
    } else if let Err(e) = stream.finish(connection) {
        // SAFETY: as above; `recording` isn't used any more.
        unsafe { c.discard() }.reset_at_host();
        return result_of_error(&e);
    }
    // A held recording names no object that is destroyed late: only buffers.
    c.over(recording.number.take());
    vk::Result::SUCCESS
}

pub unsafe fn reset_command_buffer(
    command_buffer: vk::CommandBuffer,
    flags: vk::CommandBufferResetFlags,
) -> vk::Result {
    // SAFETY: a valid handle, by valid usage.
    let c = unsafe { CommandBuffer::of(command_buffer) };
    // SAFETY: this is the reset.
    let dropped = unsafe { c.discard() };
    // SAFETY: encodes the id of a living command buffer.
    let sent = c.connection().post(|w| unsafe { request::reset_command_buffer(w, 0, command_buffer, flags) });
    drop(dropped);
    done(sent)
}
