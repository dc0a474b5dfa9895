//! Pipelines that the host compiles in the background.
//!
//! A program with one recording thread gets a pipeline at once, and goes on while the host compiles it on side rings
//! ([`backlog`](crate::base::backlog)). Where several threads record, each creation waits on a side ring of its own.
//! Before a pipeline is named to the host for the first time it is settled ([`unsettled`](super::unsettled)). A recording that binds one in
//! doubt goes on, and keeps what it has from the host until the pipeline is there (`recording::awaited`): so a program that makes pipelines as it comes to
//! use them has several compiled at the same time. `HESPER_DEBUG=one-compiler` has the host compile one after the other, and recordings wait.
//! A pipeline that couldn't be made is said on stderr, and fails the command buffer that binds it.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use ash::vk;
use hesper_encoder::{Reader, Writer};
use parking_lot::Mutex;

use crate::base::background::Ticket;
use crate::base::connection::Connection;
use crate::base::forwarding::result_of_error;
use crate::base::log::error;
use crate::base::object;
use crate::base::settings;
use crate::generated::forward;
use crate::pipelines::recorders::Recorders;
use crate::pipelines::unsettled::Unsettled;

/// Reads the reply to the creation of one pipeline.
pub type Decode = unsafe fn(&mut Reader, *mut vk::Pipeline) -> vk::Result;

/// The creation of one pipeline.
struct Creation {
    device: vk::Device,
    pipeline: vk::Pipeline,
    decode: Decode,
    /// The command in the background, until its reply has been read.
    ticket: Mutex<Option<Ticket>>,
    /// Whether the host has the pipeline, or why not, once the reply has been read.
    outcome: OnceLock<Result<(), vk::Result>>,
}

/// A pipeline of which nobody knew whether it is there.
pub struct InDoubt(Arc<Creation>);

static TABLE: Mutex<Unsettled<Arc<Creation>>> = Mutex::new(Unsettled::new());
/// Pipelines in the table; most of the time there are none, and nobody looks further. A thread that may name a pipeline synchronises with
/// the one that created it, and so sees a number that counts it.
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Whenever as many more are in doubt, replies are read: unread ones take room that other creations need.
const MANY: usize = 16;

/// Whether any pipeline is in doubt.
#[inline]
pub fn any() -> bool {
    COUNT.load(Ordering::Relaxed) != 0
}

fn with_table<R>(f: impl FnOnce(&mut Unsettled<Arc<Creation>>) -> R) -> R {
    let mut table = TABLE.lock();
    let result = f(&mut table);
    COUNT.store(table.len(), Ordering::Relaxed);
    result
}

/// Begins the creation of `pipeline` in the background, which `encode` writes; false where it has to be waited for.
///
/// # Errors
/// A lost host.
///
/// # Safety
/// A valid device, whose recorders are given; the result must not depend on the compiling, beyond success or failure.
pub unsafe fn begin(
    device: vk::Device,
    recorders: &Recorders,
    pipeline: vk::Pipeline,
    reply_size: usize,
    encode: impl FnOnce(&mut Writer),
    decode: Decode,
) -> Result<bool, vk::Result> {
    // SAFETY: by contract.
    let connection = unsafe { object::get(device) }.connection();
    if settings::get().sync || !recorders.only_this() {
        return Ok(false);
    }
    if COUNT.load(Ordering::Relaxed) % MANY == MANY - 1 {
        look(device);
    }
    let begun = connection.begin(vk::Handle::as_raw(device), reply_size, encode);
    let Some(ticket) = begun.map_err(|e| result_of_error(&e))? else {
        // There is no room: what has been answered makes some for the next one.
        look(device);
        return Ok(false);
    };
    let (ticket, outcome) = (Mutex::new(Some(ticket)), OnceLock::new());
    let creation = Arc::new(Creation { device, pipeline, decode, ticket, outcome });
    with_table(|t| t.began(device, pipeline, creation));
    Ok(true)
}

impl Creation {
    fn connection(&self) -> &Connection {
        // SAFETY: the device is alive: it finishes all its creations before it goes (`close`).
        unsafe { object::get(self.device) }.connection()
    }

    /// Waits for the reply and acts on it, unless somebody else has.
    fn finish(&self) {
        // Held until the table knows: whoever waits here finds the outcome there.
        let mut ticket = self.ticket.lock();
        let Some(ticket) = ticket.take() else { return };
        let mut made = vk::Pipeline::null();
        // SAFETY: `made` has room for the one pipeline that was asked for.
        let answer = self.connection().finish(&ticket, |r| unsafe { (self.decode)(r, &mut made) });
        let there = match answer {
            Ok(result) if result.as_raw() >= 0 && made == self.pipeline => Ok(()),
            Ok(result) => {
                error!(
                    "the host couldn't make a pipeline ({result:?}); HESPER_DEBUG=sync lets its creation fail at once"
                );
                // A recording can't end with a result that isn't an error.
                Err(if result.as_raw() < 0 { result } else { vk::Result::ERROR_UNKNOWN })
            }
            Err(e) => Err(result_of_error(&e)),
        };
        let given_up = with_table(|t| t.answered(self.pipeline, there));
        let _ = self.outcome.set(if given_up { Err(vk::Result::ERROR_UNKNOWN) } else { there });
        if given_up {
            // SAFETY: the device is alive, see above; the reply says that the pipeline is there, and the program has given it up.
            unsafe { forward::destroy_pipeline(self.device, self.pipeline, std::ptr::null()) };
        }
    }
}

impl InDoubt {
    /// Whether both are the same.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Whether the host has answered: nobody waits for long then.
    pub fn is_answered(&self) -> bool {
        // Whoever has the ticket's lock waits for the answer.
        let Some(ticket) = self.0.ticket.try_lock() else { return false };
        ticket.as_ref().is_none_or(|ticket| self.0.connection().is_answered(ticket))
    }

    /// Has the host begin to compile it, and those that were created before it, instead of when somebody waits for each; waits until the main ring has run what they name.
    pub fn hasten(&self) {
        if let Some(ticket) = self.0.ticket.try_lock().as_deref().and_then(Option::as_ref) {
            // Whoever settles it hears of a lost host.
            let _ = self.0.connection().hasten(ticket);
        }
    }

    /// Waits until it is known whether the pipeline is there.
    ///
    /// # Errors
    /// What the host said of one that isn't.
    pub fn settle(&self) -> Result<(), vk::Result> {
        self.0.finish();
        self.0.outcome.get().copied().unwrap_or(Err(vk::Result::ERROR_UNKNOWN))
    }
}

/// A pipeline that is in doubt; `None` for one that is there.
///
/// # Errors
/// What the host said of a pipeline that isn't there.
#[inline]
pub fn doubt(pipeline: vk::Pipeline) -> Result<Option<InDoubt>, vk::Result> {
    if any() { in_table(pipeline) } else { Ok(None) }
}

#[cold]
fn in_table(pipeline: vk::Pipeline) -> Result<Option<InDoubt>, vk::Result> {
    let Some(in_doubt) = with_table(|t| t.creation_of(pipeline))?.map(InDoubt) else { return Ok(None) };
    if settings::get().one_compiler || in_doubt.is_answered() {
        return in_doubt.settle().map(|()| None);
    }
    // Whoever binds a pipeline will wait for it. A lost host is heard of then.
    let _ = in_doubt.0.connection().spread();
    Ok(Some(in_doubt))
}

/// Waits until it is known whether a pipeline is there.
///
/// # Errors
/// What the host said of a pipeline that isn't.
#[inline]
pub fn settle(pipeline: vk::Pipeline) -> Result<(), vk::Result> {
    if any() { settle_in_doubt(pipeline) } else { Ok(()) }
}

#[cold]
fn settle_in_doubt(pipeline: vk::Pipeline) -> Result<(), vk::Result> {
    while let Some(creation) = with_table(|t| t.creation_of(pipeline))? {
        creation.finish();
    }
    Ok(())
}

/// Waits for all creations of a device, for commands whose answer depends on all that was compiled before.
pub fn settle_all(device: vk::Device) {
    if any() {
        let creations = with_table(|t| t.creations_of(device));
        if let Some(last) = creations.last() {
            InDoubt(last.clone()).hasten();
        }
        creations.iter().for_each(|creation| creation.finish());
    }
}

/// Looks after the creations of a device, before something is submitted.
///
/// Behind a submission that may wait for the program (`may_wait`), nothing is sent that the program called for before it: a host may have
/// its queue locked as long as the queue waits (lavapipe has), and making or destroying a pipeline wait for that lock. The program's next
/// calls might then wait for a pipeline, and never come to what the queue waits for. So all creations end before such a submission, and what
/// was kept behind them is sent.
#[inline]
pub fn before_submission(device: vk::Device, may_wait: bool) {
    if any() {
        if may_wait { settle_all(device) } else { look(device) }
    }
}

/// Looks after the creations of a device that the host has answered; called where a program goes on to other things.
#[cold]
fn look(device: vk::Device) {
    for creation in with_table(|t| t.creations_of(device)).into_iter().map(InDoubt) {
        if creation.is_answered() {
            creation.0.finish();
        }
    }
}

/// Finishes all creations of a device that is about to be destroyed, and with them what was kept behind them.
pub fn close(device: vk::Device) {
    settle_all(device);
    if any() {
        with_table(|t| t.forget(device));
    }
}

/// Destroys a pipeline that is in doubt; false if it isn't.
#[inline]
pub fn destroy(pipeline: vk::Pipeline) -> bool {
    any() && with_table(|t| t.destroy(pipeline))
}
