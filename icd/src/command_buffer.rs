//! VkCommandPool and VkCommandBuffer: recording straight into shared memory.
//!
//! A command buffer owns a chunk of shared memory that the generated encoders write into. Whenever enough has been
//! recorded, the host is told to run that part, so that it replays while the guest still records. What is short enough at the end is
//! copied into the ring instead, and the chunk is free for the next recording at once.

use std::cell::UnsafeCell;
use std::ptr;

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::generated::request;
use hesper_encoder::{ChunkSource, Window, Writer};
use hesper_winsys::{Chunk, Error};
use parking_lot::Mutex;

use crate::chain::slice;
use crate::connection::Connection;
use crate::forwarding::{done, post, result_of_error};
use crate::generated::forward;
use crate::object::{self, Object, dispatchable};
use crate::slab::{Slab, fresh_id};

/// Bytes after which the host is told to run what has been recorded.
const EAGER: usize = 8 << 10;
/// Bytes that are copied into the ring rather than pointed at.
const COPIED: usize = 4 << 10;

/// What a VkCommandBuffer points at.
#[repr(C)]
pub struct CommandBuffer {
    object: Object,
    secondary: bool,
    recording: UnsafeCell<Recording>,
}
dispatchable!(vk::CommandBuffer, CommandBuffer);

/// The command stream of one command buffer.
#[derive(Default)]
struct Recording {
    chunk: Option<Chunk>,
    /// A chunk that was full: the writer still copies the command begun out of it.
    full: Option<(Chunk, Result<hesper_winsys::Seqno, Error>)>,
    /// Bytes of whole commands in the chunk, and how many of those the host has been told of.
    used: usize,
    sent: usize,
    /// Bytes written since the stream was last sent from.
    error: Option<Error>,
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
        (r.used, r.sent) = (0, 0);
        match self.connection.streams.take(begun.len().checked_add(need)?) {
            Ok(mut chunk) => {
                let window = chunk.window(0);
                r.chunk = Some(chunk);
                window
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
        if self.error.is_some() {
            return;
        }
        let window = match &mut self.chunk {
            Some(c) => c.window(0),
            None => None,
        };
        let used = self.used;
        let mut source = Source { recording: self, connection };
        let mut writer = match window {
            Some(w) => Writer::resume(w, used, &connection.codec, &mut source),
            None => Writer::new(&connection.codec, &mut source),
        };
        encode(&mut writer);
        match writer.finish() {
            Some(n) => self.used = n,
            None => self.error = Some(self.error.take().unwrap_or(Error::OutOfHostMemory)),
        }
        if self.used - self.sent >= EAGER || self.full.is_some() {
            self.flush(connection);
        }
    }

    #[cold]
    fn flush(&mut self, connection: &Connection) {
        if let Some((old, sent)) = self.full.take() {
            connection.streams.recycle(old, sent.ok(), &connection.ring);
        }
        if let Some(chunk) = &self.chunk
            && self.used - self.sent >= EAGER
        {
            match send_part(connection, chunk, self.sent, self.used) {
                Ok(_) => self.sent = self.used,
                Err(e) => self.error = Some(e),
            }
        }
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
        let Some(chunk) = &self.chunk else { return Ok(()) };
        let pointed_at = self.sent > 0 || self.used > COPIED;
        let sent = send_part(connection, chunk, self.sent, self.used);
        (self.used, self.sent) = (0, 0);
        if pointed_at && let Some(chunk) = self.chunk.take() {
            connection.streams.recycle(chunk, sent.as_ref().ok().copied(), &connection.ring);
        }
        sent.map(drop)
    }

    /// Forgets what the host hasn't been told of.
    fn reset(&mut self, connection: &Connection) {
        if let Some((old, sent)) = self.full.take() {
            connection.streams.recycle(old, sent.ok(), &connection.ring);
        }
        if let Some(chunk) = self.chunk.take() {
            // The host may still read what it was told of.
            let read = if self.sent > 0 { connection.ring.submit(&[]).ok() } else { None };
            connection.streams.recycle(chunk, read, &connection.ring);
        }
        (self.used, self.sent, self.error) = (0, 0, None);
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
        let c = object::get(command_buffer);
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

/// Its command buffers, for pools that are reset or destroyed as a whole.
struct Pool {
    buffers: Mutex<Vec<vk::CommandBuffer>>,
}

static POOLS: Slab<Pool> = Slab::new(4);

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
            object::take(c);
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
        };
        let made: Vec<vk::CommandBuffer> = (0..n).map(|_| object::into_handle(Box::new(make()))).collect();
        for (i, c) in made.iter().enumerate() {
            to.add(i).write(*c);
        }
        let sent = connection.post(|w| request::allocate_command_buffers(w, 0, device, info, to));
        if sent.is_err() {
            for (i, c) in made.into_iter().enumerate() {
                object::take(c);
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
            object::take(*c);
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
        let mut info = *info;
        // What a primary inherits is ignored, and so are render pass and framebuffer outside a render pass.
        let mut inherited;
        if !c.secondary {
            info.p_inheritance_info = ptr::null();
        } else if let Some(i) = info.p_inheritance_info.as_ref() {
            inherited = *i;
            let dynamic = crate::chain::find::<vk::CommandBufferInheritanceRenderingInfo>(i.p_next).is_some();
            if !info.flags.contains(vk::CommandBufferUsageFlags::RENDER_PASS_CONTINUE)
                || (dynamic && i.render_pass == vk::RenderPass::null())
            {
                inherited.render_pass = vk::RenderPass::null();
                inherited.subpass = 0;
                inherited.framebuffer = vk::Framebuffer::null();
            }
            info.p_inheritance_info = &raw const inherited;
        }
        r.write(c.connection(), |w| request::begin_command_buffer(w, 0, command_buffer, &info));
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
        r.write(c.connection(), |w| request::end_command_buffer(w, 0, command_buffer));
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
