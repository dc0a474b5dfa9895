//! Pipelines that the host still compiles.
//!
//! A program with one recording thread gets its pipelines at once, and goes on while the host compiles; what is sent
//! afterwards waits behind the compiler by itself. (Where several threads record, one's compiling would hold up the others, so
//! there the creation waits, on a ring of its own.) Whether it went well is looked at before the pipeline is used for the
//! first time: the host must never see a pipeline that isn't there. A pipeline that couldn't be made is said on stderr, and fails
//! the command buffer that binds it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use ash::vk;
use ash::vk::Handle;
use hesper_encoder::{Reader, Writer};
use hesper_winsys::ring::Asked;
use parking_lot::Mutex;

use crate::base::connection::Connection;
use crate::base::forwarding::result_of;
use crate::base::log::error;
use crate::base::object::{self, Part};
use crate::base::settings;
use crate::generated::forward;
use crate::pipelines::device::Device;

/// Creations that may be open at once: each holds a piece of reply memory.
const MANY: usize = 64;

/// Pipelines of one creation; larger ones wait.
const AT_ONCE: u32 = 64;

/// Reads the reply to a creation into an array of as many pipelines as were asked for.
pub type Decode = fn(&mut Reader, *mut vk::Pipeline, u32) -> vk::Result;

/// One creation that was sent: the pipelines with `count` ids from `first` on.
struct Creation {
    device: vk::Device,
    first: u64,
    count: u32,
    decode: Decode,
    /// What was asked, until the answer has been read.
    asked: Mutex<Option<Asked>>,
    /// A bit for each pipeline that the program has destroyed meanwhile; changed under the table's lock.
    destroyed: AtomicU64,
}

struct Table {
    creations: Vec<Arc<Creation>>,
    failed: BTreeMap<u64, (vk::Device, vk::Result)>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { creations: Vec::new(), failed: BTreeMap::new() });
/// Creations and failed pipelines in the table; most of the time there are none, and nobody looks further.
static OPEN: AtomicUsize = AtomicUsize::new(0);

impl Table {
    fn creation_of(&self, pipeline: vk::Pipeline) -> Option<&Arc<Creation>> {
        // What was made last is used first.
        self.creations.iter().rev().find(|c| c.index(pipeline).is_some())
    }
}

/// Whether any pipeline is in the table.
#[inline]
pub fn any() -> bool {
    OPEN.load(Ordering::Relaxed) != 0
}

fn with_table<R>(f: impl FnOnce(&mut Table) -> R) -> R {
    let mut table = TABLE.lock();
    let result = f(&mut table);
    OPEN.store(table.creations.len() + table.failed.len(), Ordering::Relaxed);
    result
}

/// Sends a creation of `n` pipelines, whose handles with consecutive ids stand at `to`, without waiting; `None` where it has to
/// be waited for.
///
/// # Safety
/// A valid device, and by valid usage of the creation.
pub unsafe fn create(
    device: vk::Device,
    to: *const vk::Pipeline,
    n: u32,
    mut flags: impl Iterator<Item = vk::PipelineCreateFlags>,
    size: usize,
    encode: impl FnOnce(&mut Writer),
    decode: Decode,
) -> Option<vk::Result> {
    // The answer to these depends on the compiling.
    let waits =
        vk::PipelineCreateFlags::FAIL_ON_PIPELINE_COMPILE_REQUIRED | vk::PipelineCreateFlags::EARLY_RETURN_ON_FAILURE;
    // SAFETY: by contract.
    let d = unsafe { Device::of(device) };
    let few = (1..=AT_ONCE).contains(&n);
    if !few || settings::get().sync || !d.recorders.only_this() || flags.any(|f| f.intersects(waits)) {
        return None;
    }
    let asked = match d.connection().ask(size, encode) {
        Ok(asked) => asked,
        Err(e) => return Some(crate::base::forwarding::result_of_error(&e)),
    };
    let creation = Arc::new(Creation {
        device,
        // SAFETY: the creation's output array, which isn't empty.
        first: unsafe { to.read() }.as_raw(),
        count: n,
        decode,
        asked: Mutex::new(Some(asked)),
        destroyed: AtomicU64::new(0),
    });
    let oldest = with_table(|t| {
        t.creations.push(creation);
        if t.creations.len() > MANY { t.creations.first().cloned() } else { None }
    });
    if let Some(oldest) = oldest {
        oldest.finish();
    }
    Some(vk::Result::SUCCESS)
}

impl Creation {
    fn connection(&self) -> &Connection {
        // SAFETY: the device is alive: it finishes all its creations before it goes.
        unsafe { object::get(self.device) }.connection()
    }

    /// Which of its pipelines this is.
    fn index(&self, pipeline: vk::Pipeline) -> Option<u32> {
        let at = pipeline.as_raw().checked_sub(self.first)?;
        u32::try_from(at).ok().filter(|at| *at < self.count)
    }

    /// Waits for the answer and acts on it, unless somebody else does.
    fn finish(self: &Arc<Self>) {
        // Held until the table knows: whoever waits here finds the result there.
        let mut asked = self.asked.lock();
        let Some(asked) = asked.take() else { return };
        let mut made = vec![vk::Pipeline::null(); self.count as usize];
        let to = made.as_mut_ptr();
        let result = result_of(self.connection().answer(asked, |r| (self.decode)(r, to, self.count)));
        // Without a reply nothing is known to be there.
        let unanswered = matches!(result, vk::Result::ERROR_DEVICE_LOST | vk::Result::ERROR_OUT_OF_HOST_MEMORY);
        if result.as_raw() < 0 {
            error!("the host couldn't make a pipeline ({result:?}); HESPER_DEBUG=sync lets its creation fail at once");
        }
        with_table(|t| {
            t.creations.retain(|c| !Arc::ptr_eq(c, self));
            let destroyed = self.destroyed.load(Ordering::Relaxed);
            for (i, made) in made.iter().enumerate() {
                let id = self.first + i as u64;
                let there = result.as_raw() >= 0 || (!unanswered && *made != vk::Pipeline::null());
                match (there, destroyed & (1 << i) != 0) {
                    (true, true) => {
                        let pipeline = vk::Pipeline::from_raw(id);
                        // SAFETY: the device is alive: it finishes all its creations before it goes.
                        unsafe { forward::destroy_pipeline(self.device, pipeline, std::ptr::null()) };
                    }
                    (false, false) => drop(t.failed.insert(id, (self.device, result))),
                    _ => {}
                }
            }
        });
    }
}

/// Waits until it is known whether a pipeline is there.
///
/// # Errors
/// What the host said of a pipeline that isn't.
#[cold]
pub fn settle(pipeline: vk::Pipeline) -> Result<(), vk::Result> {
    loop {
        let creation = with_table(|t| match t.failed.get(&pipeline.as_raw()) {
            Some((_, e)) => Err(*e),
            None => Ok(t.creation_of(pipeline).cloned()),
        })?;
        match creation {
            Some(c) => c.finish(),
            None => return Ok(()),
        }
    }
}

/// Looks after the creations that the host has answered; called where a program goes on to other things.
#[cold]
pub fn look() {
    let answered = |c: &&Arc<Creation>| {
        c.asked.try_lock().is_some_and(|a| a.as_ref().is_some_and(|a| c.connection().ring.done(a.seqno())))
    };
    for c in with_table(|t| t.creations.iter().filter(answered).cloned().collect::<Vec<_>>()) {
        c.finish();
    }
}

/// Finishes all creations of a device that is about to be destroyed.
pub fn close(device: vk::Device) {
    if !any() {
        return;
    }
    for c in with_table(|t| t.creations.iter().filter(|c| c.device == device).cloned().collect::<Vec<_>>()) {
        c.finish();
    }
    with_table(|t| t.failed.retain(|_, (d, _)| *d != device));
}

/// Destroys a pipeline of the table; false if it isn't there.
#[cold]
pub fn destroy(pipeline: vk::Pipeline) -> bool {
    with_table(|t| match t.creation_of(pipeline) {
        Some(c) => {
            if let Some(i) = c.index(pipeline) {
                c.destroyed.fetch_or(1 << i, Ordering::Relaxed);
            }
            true
        }
        None => t.failed.remove(&pipeline.as_raw()).is_some(),
    })
}
