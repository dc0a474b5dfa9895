//! What a ring is like.

use std::sync::Arc;
use std::time::Duration;

use crate::contention::{Contention, Mode};
use crate::waiting::Patience;

/// How long the host's thread looks for work before it sleeps and has to be woken, where that takes 80 to 250 microseconds
/// (seen in traces over vtest). Longer looking gained nothing there on a GPU, and took from the work where the host computes on its processor.
pub const IDLE: Duration = Duration::from_millis(1);

/// What a ring is like.
#[derive(Clone, Debug)]
pub struct RingOptions {
    /// Bytes of commands in flight; a power of two, at most 16 MiB.
    pub buffer_size: usize,
    /// How long the host's thread looks for work before it sleeps and has to be woken.
    pub idle_timeout: Duration,
    /// How the guest waits.
    pub patience: Patience,
    /// Whether the host's thread is called for whatever it is shown while it sleeps, even where a call is on its way.
    pub notify_always: bool,
    /// Whether the host's thread waits behind what it is shown while others want the processors: its own ones, that is.
    pub parks: bool,
    /// Whether replies of known size lie one behind the other, so that the host is told of the first one's place alone.
    pub reply_runs: bool,
    /// Whether a command that points at a part of a chunk is lengthened by the part behind it, where the host hasn't been shown it.
    pub joined_parts: bool,
    /// What is known of others who want the processors.
    pub contention: Arc<Contention>,
}

impl Default for RingOptions {
    fn default() -> Self {
        // Small enough to stay in the processors' caches, where a memory that is written once around is always cold.
        Self {
            buffer_size: 256 << 10,
            idle_timeout: IDLE,
            patience: Patience::default(),
            notify_always: false,
            parks: true,
            reply_runs: true,
            joined_parts: true,
            contention: Arc::new(Contention::new(Mode::Never)),
        }
    }
}

impl RingOptions {
    /// The same with a buffer size that the host accepts (WIRE.md 5.2).
    pub(super) fn checked(self) -> Self {
        Self { buffer_size: self.buffer_size.next_power_of_two().clamp(4096, 16 << 20), ..self }
    }

    pub(super) fn idle_timeout_ns(&self) -> u64 {
        u64::try_from(self.idle_timeout.as_nanos()).unwrap_or(1_000_000)
    }
}
