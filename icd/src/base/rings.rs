//! What the rings of a connection are like.

use std::sync::Arc;
use std::time::Duration;

use hesper_winsys::Winsys;
use hesper_winsys::contention::Contention;
use hesper_winsys::ring::RingOptions;
use hesper_winsys::waiting::Patience;

use crate::base::settings::Settings;

/// How long a wait for the host's answer may keep a core busy: answers that take longer wait for the GPU or a compiler.
const ANSWER: Duration = Duration::from_micros(100);

/// The nice value that the host's threads are asked to have: they work for some microseconds at a time, and each of these is waited for.
const PRIORITY: i32 = -10;
/// Venus's spec version from which hosts know of priorities (WIRE.md 5.6).
const PRIORITIES: u32 = 2;

/// The options of the main ring.
pub fn options(settings: &Settings, winsys: &dyn Winsys) -> RingOptions {
    RingOptions {
        patience: Patience { spin: settings.spin.min(ANSWER) },
        idle_timeout: settings.idle.unwrap_or_else(|| winsys.idle_timeout()),
        notify_always: settings.notify_always,
        priority: (settings.priority && winsys.capset().venus_version >= PRIORITIES).then_some(PRIORITY),
        contention: Arc::new(Contention::new(settings.contention)),
        ..RingOptions::default()
    }
}
