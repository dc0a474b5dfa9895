//! What the rings of a connection are like.

use std::sync::Arc;
use std::time::Duration;

use hesper_winsys::Winsys;
use hesper_winsys::contention::{Contention, Mode};
use hesper_winsys::ring::RingOptions;
use hesper_winsys::waiting::Patience;

use crate::base::settings::Settings;

/// How long a wait for the host's answer may keep a core busy: answers that take longer wait for the GPU or a compiler.
const ANSWER: Duration = Duration::from_micros(100);

/// The options of the main ring.
pub fn options(settings: &Settings, winsys: &dyn Winsys) -> RingOptions {
    RingOptions {
        patience: Patience { spin: settings.spin.min(ANSWER) },
        idle_timeout: settings.idle.unwrap_or_else(|| winsys.idle_timeout()),
        notify_always: settings.notify_always,
        parks: winsys.shares_processors() || settings.contention == Mode::Always,
        reply_runs: settings.reply_runs,
        joined_parts: settings.joined_parts,
        contention: Arc::new(Contention::new(settings.contention)),
        ..RingOptions::default()
    }
}
