//! VkCommandPool and VkCommandBuffer: recording straight into shared memory.
//!
//! A command buffer owns a chunk of shared memory that the generated encoders write into. Whenever enough has been
//! recorded, the host is told to run that part, so that it replays while the guest still records: much at a time while the host has
//! other work, little where it waits, since its thread would fall asleep and take 60 us to wake. What is short is copied into
//! the ring, so that the chunk is free for the next recording at once.

use std::cell::{Cell, UnsafeCell};
use std::ptr;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::request;
use hesper_encoder::{ChunkSource, Window, Writer};
use hesper_winsys::{Chunk, Error};
use parking_lot::Mutex;

use crate::base::chain::slice;
use crate::base::clock;
use crate::base::connection::Connection;
use crate::base::forwarding::{done, post, result_of_error};
use crate::base::object::{self, Object, Part, Whole, part};
use crate::base::settings;
use crate::base::slab::{Slab, fresh_id};
use crate::generated::forward;
use crate::pipelines::device::Device;

/// Bytes after which the host is told to run what has been recorded.
const EAGER: usize = 8 << 10;
/// Bytes after which somebody looks whether the host has nothing else to do.
const IDLE_EAGER: usize = 2 << 10;
/// Nanoseconds for which an idle host is left alone: its thread looks for work a little longer than that before it sleeps. Two
/// processors that read and write the same memory closely behind each other take three times as long.
const IDLE_TIME: u64 = 4_000;
/// Bytes that are copied into the ring rather than pointed at.
const COPIED: usize = 4 << 10;

/// What a VkCommandBuffer points at.
#[repr(C)]
pub struct CommandBuffer {
    object: Object,
    secondary: bool,
    recording: UnsafeCell<Recording>,
    /// The query pools that the recorded commands reset.
    resets: UnsafeCell<Vec<vk::QueryPool>>,
    /// Whether the recorded commands wait for events (`event_wait`). Set while recording, which is externally synchronised.
    pub waits_for_events: Cell<bool>,
}
part!(vk::CommandBuffer, CommandBuffer, object: Object);
// SAFETY: all that is behind a VkCommandBuffer.
unsafe impl Whole for CommandBuffer {}

/// The command stream of one command buffer.
#[derive(Default)]
struct Recording {
    /// The chunk's memory, and the chunk.
    window: Window,
    chunk: Option<Chunk>,
    /// A chunk that was full: the writer still copies the command begun out of it.
    full: Option<(Chunk, Result<hesper_winsys::Seqno, Error>)>,
    /// Bytes of whole commands in the chunk, and how many of those the host has been told of.
    used: usize,
    sent: usize,
    /// How far the chunk may be filled before somebody looks whether to send.
    look: usize,
    /// When something was sent last.
    sent_at: u64,
    /// Whether the host reads commands in the chunk, and not only copies of them.
    pointed_at: bool,
    error: Option<Error>,
    /// Bytes in the chunk up to which there is nothing but barriers and the copies below, in a recording that is submitted
    /// once; [`OTHER`] where there is anything else.
    only_copies: usize,
    copies: Vec<CopyCommand>,
    /// Ended, and nothing of it sent: the host may never have to see it (`upload`).
    held: bool,
}

/// Not only copies.
const OTHER: usize = usize::MAX;

/// A recorded copy from one buffer to another.
#[derive(Clone, Copy)]
pub struct CopyCommand {
    pub from: vk::Buffer,
    pub to: vk::Buffer,
    pub region: vk::BufferCopy,
}

struct Source<'a> {
    recording: &'a mut Recording,
    connection: &'a Connection,
}

impl ChunkSource for Source<'_> {
    fn next_window(&mut self, finished: usize, begun: &[u8], need: usize) -> Option<Window> {
        let r = &mut *self.recording;
        if let Some(chunk) = r.chunk.take() {
            let sent = send_part(self.connection, &chunk, r.sent, finished);
            if let Err(e) = &sent {
                r.error = Some(e.clone());
            }
            // At most one command can be begun, so at most one chunk is kept.
            if let Some((old, sent)) = r.full.replace((chunk, sent)) {
                self.connection.streams.recycle(old, sent.ok(), &self.connection.ring);
            }
        }
        r.begin_chunk();
        match self.connection.streams.take(begun.len().checked_add(need)?) {
            Ok(mut chunk) => {
                r.window = chunk.window(0)?;
                r.chunk = Some(chunk);
                Some(r.window)
            }
            Err(e) => {
                r.error = Some(e);
                None
            }
        }
    }
}

/// Tells the host of the bytes from `from` to `to` of a chunk.
fn send_part(connection: &Connection, chunk: &Chunk, from: usize, to: usize) -> Result<hesper_winsys::Seqno, Error> {
    let sent = match to.checked_sub(from) {
        Some(0) | None => connection.ring.submit(&[]),
        Some(n) if n <= COPIED => chunk.with_bytes(from, n, |bytes| connection.ring.submit(bytes)),
        Some(n) => connection.ring.submit_part(chunk, from, n),
    };
    connection.report(sent)
}

impl Recording {
    /// Writes commands with `encode`.
    #[inline]
    fn write(&mut self, connection: &Connection, encode: impl FnOnce(&mut Writer)) {
        self.append(connection, encode);
        if self.used >= self.look {
            self.look(connection);
        }
    }

    /// The command that was written last followed nothing but barriers and copies; it is one more of them if `note` says so.
    #[cold]
    fn copied(&mut self, before: usize, note: impl FnOnce(&mut Vec<CopyCommand>) -> bool) {
        // A new chunk means that the old one has been sent.
        if note(&mut self.copies) && self.only_copies == before {
            self.only_copies = self.used;
        }
    }

    /// Apart from `write`, so that it can be inlined where something else is done with what was written.
    #[inline]
    fn append(&mut self, connection: &Connection, encode: impl FnOnce(&mut Writer)) {
        if self.error.is_some() {
            return;
        }
        let (window, used) = (self.window, self.used);
        window.fetch_ahead(used);
        let mut source = Source { recording: self, connection };
        let mut writer = Writer::resume(window, used, &connection.codec, &mut source);
        encode(&mut writer);
        match writer.finish() {
            Some(n) => self.used = n,
            None => self.error = Some(self.error.take().unwrap_or(Error::OutOfHostMemory)),
        }
    }

    /// Nothing of the current chunk is used, or there is none.
    fn begin_chunk(&mut self) {
        (self.used, self.sent, self.look, self.pointed_at) = (0, 0, 0, false);
        (self.only_copies, self.held) = (OTHER, false);
        self.window = Window::default();
    }

    /// Sends what has been recorded if it is much, or if the host waits for it.
    #[cold]
    fn look(&mut self, connection: &Connection) {
        if let Some((old, sent)) = self.full.take() {
            connection.streams.recycle(old, sent.ok(), &connection.ring);
        }
        if self.only_copies == self.used {
            return;
        }
        let written = self.used - self.sent;
        let now = clock::now();
        let due = || now.saturating_sub(self.sent_at) >= IDLE_TIME && connection.ring.is_idle();
        if written > 0 && (written >= EAGER || due()) {
            match self.send(connection) {
                Ok(_) => (self.sent, self.sent_at) = (self.used, now),
                Err(e) => self.error = Some(e),
            }
        }
        self.look = self.used + IDLE_EAGER;
    }

    /// Tells the host of everything that it wasn't told of.
    fn send(&mut self, connection: &Connection) -> Result<hesper_winsys::Seqno, Error> {
        let Some(chunk) = &self.chunk else { return Err(Error::OutOfHostMemory) };
        self.pointed_at |= self.used - self.sent > COPIED;
        send_part(connection, chunk, self.sent, self.used)
    }

    /// Sends the rest; the stream is empty afterwards.
    fn end(&mut self, connection: &Connection) -> Result<(), Error> {
        if let Some((old, sent)) = self.full.take() {
            connection.streams.recycle(old, sent.ok(), &connection.ring);
        }
        if let Some(e) = self.error.take() {
            self.reset(connection);
            return Err(e);
        }
        if self.chunk.is_none() {
            return Ok(());
        }
        let sent = self.send(connection);
        if self.pointed_at {
            if let Some(chunk) = self.chunk.take() {
                connection.streams.recycle(chunk, sent.as_ref().ok().copied(), &connection.ring);
            }
            self.begin_chunk();
        }
        self.empty();
        sent.map(drop)
    }

    /// The chunk is used from its start again: the host has copies of what stands there, or doesn't need it.
    fn empty(&mut self) {
        (self.used, self.sent, self.look) = (0, 0, 0);
        (self.only_copies, self.held) = (OTHER, false);
    }

    /// Forgets what the host hasn't been told of.
    fn reset(&mut self, connection: &Connection) {
        if let Some((old, sent)) = self.full.take() {
            connection.streams.recycle(old, sent.ok(), &connection.ring);
        }
        if let Some(chunk) = self.chunk.take() {
            // The host may still read what it was told of.
            let read = if self.pointed_at { connection.ring.submit(&[]).ok() } else { None };
            connection.streams.recycle(chunk, read, &connection.ring);
        }
        self.begin_chunk();
        self.error = None;
    }
}

/// The recording of a command buffer.
///
/// # Safety
/// Vulkan makes recording externally synchronised: no other thread may be in one for the same command buffer.
#[inline]
unsafe fn recording<'a>(command_buffer: vk::CommandBuffer) -> (&'a CommandBuffer, &'a mut Recording) {
    // SAFETY: a valid handle, used by this thread alone.
    unsafe {
        let c = CommandBuffer::of(command_buffer);
        (c, &mut *c.recording.get())
    }
}

/// Records a command; errors show at vkEndCommandBuffer.
#[inline]
pub unsafe fn record(command_buffer: vk::CommandBuffer, encode: impl FnOnce(&mut Writer)) {
    // SAFETY: by valid usage of every vkCmd command.
    unsafe {
        let (c, r) = recording(command_buffer);
        r.write(c.connection(), encode);
    }
}

/// Records a barrier or a copy; `note` says whether the host could do without this command buffer if there was nothing else in it,
/// and keeps what is copied.
#[inline]
pub unsafe fn record_copy(
    command_buffer: vk::CommandBuffer,
    note: impl FnOnce(&mut Vec<CopyCommand>) -> bool,
    encode: impl FnOnce(&mut Writer),
) {
    // SAFETY: by valid usage of every vkCmd command.
    unsafe {
        let (c, r) = recording(command_buffer);
        let before = r.only_copies;
        let only_copies = before == r.used;
        r.append(c.connection(), encode);
        if only_copies {
            r.copied(before, note);
        }
        if r.used >= r.look {
            r.look(c.connection());
        }
    }
}

/// What a command buffer copies that the host hasn't been told of.
pub unsafe fn held<'a>(command_buffer: vk::CommandBuffer) -> Option<&'a [CopyCommand]> {
    // SAFETY: a command buffer that is submitted isn't recorded meanwhile.
    let (_, r) = unsafe { recording(command_buffer) };
    r.held.then_some(&r.copies)
}

/// Tells the host of a command buffer that was held back.
pub unsafe fn send_held(command_buffer: vk::CommandBuffer) -> Result<(), Error> {
    // SAFETY: as above; it was recorded to be submitted once, so nobody else submits it.
    let (c, r) = unsafe { recording(command_buffer) };
    if r.held { r.end(c.connection()) } else { Ok(()) }
}

/// Forgets a command buffer that was held back and isn't needed any more.
pub unsafe fn forget_held(command_buffer: vk::CommandBuffer) {
    // SAFETY: as above.
    let (_, r) = unsafe { recording(command_buffer) };
    if r.held {
        r.empty();
    }
}

/// Fails the recording: vkEndCommandBuffer returns an error, since the commands of a recording return none.
#[cold]
pub unsafe fn fail(command_buffer: vk::CommandBuffer, result: vk::Result) {
    // SAFETY: recording is externally synchronised.
    let (_, r) = unsafe { recording(command_buffer) };
    r.error.get_or_insert(match result {
        vk::Result::ERROR_OUT_OF_HOST_MEMORY => Error::OutOfHostMemory,
        vk::Result::ERROR_OUT_OF_DEVICE_MEMORY => Error::OutOfDeviceMemory,
        vk::Result::ERROR_DEVICE_LOST => Error::Lost("the pipeline was never made".into()),
        _ => Error::Refused("a pipeline that couldn't be made".into()),
    });
}

/// Notes that a command of the recording resets queries of a pool.
pub unsafe fn note_reset(command_buffer: vk::CommandBuffer, pool: vk::QueryPool) {
    // SAFETY: recording is externally synchronised.
    let resets = unsafe { &mut *CommandBuffer::of(command_buffer).resets.get() };
    if !resets.contains(&pool) {
        resets.push(pool);
    }
}

/// The query pools that a recorded command buffer resets.
pub unsafe fn resets<'a>(command_buffer: vk::CommandBuffer) -> &'a [vk::QueryPool] {
    // SAFETY: a command buffer that is submitted or executed isn't recorded meanwhile.
    unsafe { &*CommandBuffer::of(command_buffer).resets.get() }
}

/// Its command buffers, for pools that are reset or destroyed as a whole.
struct Pool {
    buffers: Mutex<Vec<vk::CommandBuffer>>,
}

static POOLS: Slab<Pool> = Slab::new(4);

/// The command buffers that were allocated from a pool and not freed.
pub fn allocated_from(pool: vk::CommandPool) -> Vec<vk::CommandBuffer> {
    POOLS.get(pool).map(|p| p.buffers.lock().clone()).unwrap_or_default()
}

pub unsafe fn create_command_pool(
    device: vk::Device,
    info: *const vk::CommandPoolCreateInfo,
    allocator: *const vk::AllocationCallbacks,
    to: *mut vk::CommandPool,
) -> vk::Result {
    let Some(id) = POOLS.insert(Pool { buffers: Mutex::default() }) else {
        return vk::Result::ERROR_OUT_OF_HOST_MEMORY;
    };
    // SAFETY: by valid usage.
    unsafe {
        Device::of(device).recorders.note();
        *to = vk::CommandPool::from_raw(id);
        let sent = post(device, |w| request::create_command_pool(w, 0, device, info, allocator, to));
        if sent.is_err() {
            POOLS.remove(*to);
            *to = vk::CommandPool::null();
        }
        done(sent)
    }
}

pub unsafe fn destroy_command_pool(
    device: vk::Device,
    pool: vk::CommandPool,
    allocator: *const vk::AllocationCallbacks,
) {
    let Some(p) = POOLS.remove(pool) else { return };
    // SAFETY: by valid usage none of the pool's buffers is in use.
    unsafe {
        for c in p.buffers.into_inner() {
            let (object, r) = recording(c);
            r.reset(object.connection());
            CommandBuffer::take(c);
        }
        forward::destroy_command_pool(device, pool, allocator);
    }
}

pub unsafe fn reset_command_pool(
    device: vk::Device,
    pool: vk::CommandPool,
    flags: vk::CommandPoolResetFlags,
) -> vk::Result {
    // SAFETY: by valid usage none of the pool's buffers is in use.
    unsafe {
        if let Some(p) = POOLS.get(pool) {
            for c in p.buffers.lock().iter() {
                let (object, r) = recording(*c);
                r.reset(object.connection());
            }
        }
        forward::reset_command_pool(device, pool, flags)
    }
}

pub unsafe fn allocate_command_buffers(
    device: vk::Device,
    info: *const vk::CommandBufferAllocateInfo,
    to: *mut vk::CommandBuffer,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let connection = object::get(device).connection();
        let secondary = (*info).level == vk::CommandBufferLevel::SECONDARY;
        let n = (*info).command_buffer_count as usize;
        let make = || CommandBuffer {
            object: Object::new(fresh_id(), connection.clone()),
            secondary,
            recording: UnsafeCell::default(),
            resets: UnsafeCell::default(),
            waits_for_events: Cell::new(false),
        };
        let made: Vec<vk::CommandBuffer> = (0..n).map(|_| Box::new(make()).into_handle()).collect();
        for (i, c) in made.iter().enumerate() {
            to.add(i).write(*c);
        }
        let sent = connection.post(|w| request::allocate_command_buffers(w, 0, device, info, to));
        if sent.is_err() {
            for (i, c) in made.into_iter().enumerate() {
                CommandBuffer::take(c);
                to.add(i).write(vk::CommandBuffer::null());
            }
        } else if let Some(p) = POOLS.get((*info).command_pool) {
            p.buffers.lock().extend(made);
        }
        done(sent)
    }
}

pub unsafe fn free_command_buffers(
    device: vk::Device,
    pool: vk::CommandPool,
    n: u32,
    buffers: *const vk::CommandBuffer,
) {
    // SAFETY: by valid usage.
    unsafe {
        let list = slice(buffers, n);
        if list.is_empty() {
            return;
        }
        let _ = post(device, |w| request::free_command_buffers(w, 0, device, pool, n, buffers));
        if let Some(p) = POOLS.get(pool) {
            p.buffers.lock().retain(|c| !list.contains(c));
        }
        for c in list.iter().filter(|c| **c != vk::CommandBuffer::null()) {
            let (object, r) = recording(*c);
            r.reset(object.connection());
            CommandBuffer::take(*c);
        }
    }
}

pub unsafe fn begin_command_buffer(
    command_buffer: vk::CommandBuffer,
    info: *const vk::CommandBufferBeginInfo,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let (c, r) = recording(command_buffer);
        if let Err(e) = c.connection().ring.check() {
            return result_of_error(&e);
        }
        r.reset_if_begun(c.connection());
        (*c.resets.get()).clear();
        c.waits_for_events.set(false);
        let mut info = *info;
        // What a primary inherits is ignored, and so are render pass and framebuffer outside a render pass.
        let mut inherited;
        if !c.secondary {
            info.p_inheritance_info = ptr::null();
        } else if let Some(i) = info.p_inheritance_info.as_ref() {
            inherited = *i;
            let dynamic = crate::base::chain::find::<vk::CommandBufferInheritanceRenderingInfo>(i.p_next).is_some();
            if !info.flags.contains(vk::CommandBufferUsageFlags::RENDER_PASS_CONTINUE)
                || (dynamic && i.render_pass == vk::RenderPass::null())
            {
                inherited.render_pass = vk::RenderPass::null();
                inherited.subpass = 0;
                inherited.framebuffer = vk::Framebuffer::null();
            }
            info.p_inheritance_info = &raw const inherited;
        }
        r.copies.clear();
        let once = info.flags == vk::CommandBufferUsageFlags::ONE_TIME_SUBMIT && info.p_next.is_null();
        r.append(c.connection(), |w| request::begin_command_buffer(w, 0, command_buffer, &info));
        // Sent with what comes next, unless that is an upload (`upload`).
        r.only_copies = if once && !c.secondary && settings::get().uploads { r.used } else { OTHER };
        r.look(c.connection());
    }
    vk::Result::SUCCESS
}

impl Recording {
    /// A recording that was begun and never ended is dropped; an ended one has left nothing behind.
    fn reset_if_begun(&mut self, connection: &Connection) {
        if self.used > 0 || self.error.is_some() {
            self.reset(connection);
        }
    }
}

pub unsafe fn end_command_buffer(command_buffer: vk::CommandBuffer) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let (c, r) = recording(command_buffer);
        let before = r.only_copies;
        let copies_only = before == r.used && !r.copies.is_empty();
        r.append(c.connection(), |w| request::end_command_buffer(w, 0, command_buffer));
        if copies_only && r.only_copies == before && r.error.is_none() {
            r.held = true;
            return vk::Result::SUCCESS;
        }
        match r.end(c.connection()) {
            Ok(()) => vk::Result::SUCCESS,
            Err(e) => result_of_error(&e),
        }
    }
}

pub unsafe fn reset_command_buffer(
    command_buffer: vk::CommandBuffer,
    flags: vk::CommandBufferResetFlags,
) -> vk::Result {
    // SAFETY: by valid usage.
    unsafe {
        let (c, r) = recording(command_buffer);
        r.reset(c.connection());
        done(c.connection().post(|w| request::reset_command_buffer(w, 0, command_buffer, flags)))
    }
}
