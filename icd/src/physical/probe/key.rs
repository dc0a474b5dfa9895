//! What a finding depends on, as one number: with another one it has to be found out again.

use std::hash::{DefaultHasher, Hash, Hasher};

use crate::physical::probe::planned::Planned;
use crate::physical::probe::subject::Subject;

/// Of this build of the driver: what is given to the same shader, and what its results mean, may be something else in another one.
const DRIVER: &str = env!("CARGO_PKG_VERSION");

/// The number for an extension's runs on this device: of both drivers and the Venus between them, of what the trial's device enables, and of
/// the shaders with their constants, so of all that decided which there are. A newer compiler's hash may be another one.
pub fn of(subject: &Subject<'_>, runs: &[Planned]) -> u64 {
    let mut hasher = DefaultHasher::new();
    let drivers = (DRIVER, subject.driver.as_raw(), subject.driver_version);
    (drivers, subject.uuid, subject.capset, subject.features).hash(&mut hasher);
    for run in runs {
        run.shader.hash(&mut hasher);
    }
    hasher.finish()
}
