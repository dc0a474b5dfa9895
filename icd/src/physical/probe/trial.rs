//! The way to run shaders on a device of the driver's own, which takes all of the driver.

use std::sync::{OnceLock, mpsc};
use std::thread;
use std::time::Duration;

use ash::vk;

use crate::base::signals::Blocked;

/// A compute shader that is dispatched as one work group.
#[derive(Clone, Debug)]
pub struct Run {
    /// SPIR-V with the entry point `main`.
    pub shader: &'static [u8],
    /// Specialization constants of 32 bits, with ids from 0.
    pub constants: Vec<u32>,
    /// What the storage buffer of binding 0 holds.
    pub given: Vec<u8>,
    /// Bytes of that of binding 1, zeros at first.
    pub room: usize,
    /// What it must hold afterwards; empty where nobody knows.
    pub right: Vec<u8>,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// The bytes of binding 1 afterwards.
    Wrote(Vec<u8>),
    /// The host doesn't take the shader.
    Refused,
}

impl Run {
    /// Whether it wrote what it must.
    pub fn came_out_right(&self, told: &Told) -> bool {
        matches!(told, Told::Wrote(bytes) if *bytes == self.right)
    }
}

/// Why nothing is known of any run.
#[derive(Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody has told how devices are tried out.
    NoTrial,
    /// No thread could be started.
    NoThread,
    /// There was no answer in time, or the thread panicked.
    NoAnswer,
    /// What a command of Vulkan's returned.
    Vulkan(vk::Result),
}

/// Runs shaders on the device with this deviceUUID at the host; one result for each.
pub type Trial = fn([u8; 16], &[Run]) -> Result<Vec<Told>, vk::Result>;

static TRIAL: OnceLock<Trial> = OnceLock::new();

/// How long a program is kept waiting, at its first start on a device. NVIDIA's driver takes some tenths of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells how devices are tried out.
pub fn register(trial: Trial) {
    let _ = TRIAL.set(trial);
}

/// Runs the shaders.
///
/// # Errors
/// Where they can't be run, or take too long.
pub fn run(uuid: [u8; 16], runs: Vec<Run>) -> Result<Vec<Told>, Failure> {
    let trial = *TRIAL.get().ok_or(Failure::NoTrial)?;
    within(PATIENCE, move || trial(uuid, &runs))
}

/// What `work` returns, if it does in time. Otherwise its thread is left alone: the instance that it holds is its own.
fn within(
    patience: Duration,
    work: impl FnOnce() -> Result<Vec<Told>, vk::Result> + Send + 'static,
) -> Result<Vec<Told>, Failure> {
    let (to, from) = mpsc::channel();
    let thread = thread::Builder::new().name("hesper-probe".into());
    let signals = Blocked::all();
    // Nobody listens any more where it took too long.
    let started = thread.spawn(move || drop(to.send(work())));
    drop(signals);
    started.map_err(|_| Failure::NoThread)?;
    from.recv_timeout(patience).map_err(|_| Failure::NoAnswer)?.map_err(Failure::Vulkan)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_hangs_panics_or_fails_is_no_answer() {
        let short = Duration::from_millis(20);
        let (hold, held) = mpsc::channel::<()>();
        let hangs = within(short, move || {
            let _ = held.recv();
            Ok(Vec::new())
        });
        assert_eq!(hangs, Err(Failure::NoAnswer));
        drop(hold);
        assert_eq!(within(PATIENCE, || panic!("as a test, which is no bug")), Err(Failure::NoAnswer));
        let lost = vk::Result::ERROR_DEVICE_LOST;
        assert_eq!(within(PATIENCE, move || Err(lost)), Err(Failure::Vulkan(lost)));
        assert_eq!(within(PATIENCE, || Ok(vec![Told::Refused])), Ok(vec![Told::Refused]));
    }
}
