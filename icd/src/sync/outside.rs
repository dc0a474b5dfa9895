//! What is known of a fence outside of this process, or from there.

use std::time::Duration;

use ash::vk;
use hesper_winsys::health;

use crate::base::clock;
use crate::base::connection::Connection;
use crate::base::forwarding::result_of_error;
use crate::sync::payload::{Payload, given_up};

/// A fence's payloads that are files.
#[derive(Default)]
pub struct Outside {
    /// Its payload, until it is reset.
    pub imported: Option<Payload>,
    /// Whether its payload has left, with which the host's fence is signalled: until it has been and was reset, the fence can't be submitted.
    pub has_left: bool,
}

impl Outside {
    /// The fence's status, where the host can't tell.
    pub fn status(&self) -> Option<vk::Result> {
        match &self.imported {
            Some(p) => Some(p.status()),
            None => self.has_left.then_some(vk::Result::NOT_READY),
        }
    }
}

/// How long a wait for several kinds of fences sleeps between two looks, in nanoseconds.
const LOOK: u64 = 500_000;
/// How many looks a file from outside is given up after, as in `payload`.
const LOOKS: u64 = health::GIVE_UP.as_nanos() as u64 / LOOK;

/// Waits for some or all of several fences by looking at each again and again, for at most `timeout` nanoseconds. `status` looks at all; `imports` says whether one
/// that isn't signalled came from outside.
pub fn wait_by_looking(
    connection: &Connection,
    timeout: u64,
    mut status: impl FnMut() -> vk::Result,
    imports: impl Fn() -> bool,
) -> vk::Result {
    let start = clock::now();
    let mut looks = 0;
    loop {
        match status() {
            vk::Result::NOT_READY => {}
            over => return over,
        }
        let passed = clock::now().saturating_sub(start);
        if passed >= timeout {
            return vk::Result::TIMEOUT;
        }
        looks += 1;
        let check = || if looks > LOOKS && imports() { Err(given_up()) } else { connection.check() };
        if let Err(e) = connection.report(check()) {
            return result_of_error(&e);
        }
        connection.contention().sleep(Duration::from_nanos((timeout - passed).min(LOOK)));
    }
}
