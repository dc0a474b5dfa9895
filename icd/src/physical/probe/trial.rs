//! The way to run shaders on a device of the driver's own, which takes all of the driver.

use std::sync::OnceLock;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use ash::vk;

use crate::base::own_threads;
use crate::base::signals::Blocked;

/// A compute shader, of which there is one pipeline.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Shader {
    /// SPIR-V with the entry point `main`.
    pub code: &'static [u8],
    /// Specialization constants of 32 bits, with ids from 0.
    pub constants: Vec<u32>,
}

/// A shader that is dispatched as one work group.
#[derive(Clone, Debug)]
pub struct Run {
    pub shader: Shader,
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

/// Why nothing is known of any run of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// Nobody has told how devices are tried out.
    NoTrial,
    /// No thread could be started.
    NoThread,
    /// There was no answer in time, or the thread panicked.
    NoAnswer,
    /// An earlier batch has failed, and the device with it.
    AfterAnother,
    /// What a command of Vulkan's returned.
    Vulkan(vk::Result),
}

impl Failure {
    /// Whether it says nothing of the runs, so that they may work at the next start.
    pub fn is_passing(self) -> bool {
        match self {
            Self::NoTrial | Self::NoThread | Self::AfterAnother => true,
            Self::NoAnswer => false,
            Self::Vulkan(e) => is_shortage(e),
        }
    }
}

/// Whether a command had no memory, which costs the device nothing.
pub fn is_shortage(e: vk::Result) -> bool {
    matches!(e, vk::Result::ERROR_OUT_OF_HOST_MEMORY | vk::Result::ERROR_OUT_OF_DEVICE_MEMORY)
}

/// What a batch of runs told, one for each.
pub type Results = Result<Vec<Told>, vk::Result>;

/// Where a trial finds its work.
pub struct Bench {
    batches: Receiver<Vec<Run>>,
    results: Sender<Results>,
}

impl Bench {
    /// Runs one batch after the other on a device that is ready, until there will be no more.
    ///
    /// # Errors
    /// That of a batch after which the device is of no use.
    pub fn serve(&self, mut run: impl FnMut(&[Run]) -> Results) -> Result<(), vk::Result> {
        self.answer(Ok(Vec::new()));
        while let Ok(runs) = self.batches.recv() {
            let told = run(&runs);
            let end = told.as_ref().err().copied().filter(|e| !is_shortage(*e));
            self.answer(told);
            if let Some(e) = end {
                return Err(e);
            }
        }
        Ok(())
    }

    fn answer(&self, results: Results) {
        // Nobody listens any more where it took too long.
        let _ = self.results.send(results);
    }
}

/// Serves a bench on the device with this deviceUUID at the host, and ends what it has made for that. With the first batch it compiles these
/// shaders, too, which later ones may need.
pub type Trial = fn([u8; 16], Vec<Shader>, &Bench) -> Result<(), vk::Result>;

static TRIAL: OnceLock<Trial> = OnceLock::new();

/// How long a program is kept waiting, at its first start on a device. NVIDIA's driver takes some tenths of a second.
const PATIENCE: Duration = Duration::from_secs(5);

/// Tells how devices are tried out.
pub fn register(trial: Trial) {
    let _ = TRIAL.set(trial);
}

/// A device that is being tried out, by a thread that ends it some time after this is dropped. The thread is counted (`own_threads`), and the
/// driver stays loaded whatever the program does (build.rs), so neither a fork nor the end of the program's own instance can come amiss.
pub struct Session {
    batches: Sender<Vec<Run>>,
    results: Receiver<Results>,
    deadline: Instant,
    over: bool,
}

impl Session {
    /// Makes a device of the one with this deviceUUID, which compiles these shaders with those of the first batch: whatever comes of them is
    /// that batch's affair.
    ///
    /// # Errors
    /// Where there can't be one, or it takes too long.
    pub fn begin(uuid: [u8; 16], ahead: Vec<Shader>) -> Result<Self, Failure> {
        let trial = *TRIAL.get().ok_or(Failure::NoTrial)?;
        Self::with(PATIENCE, move |bench| trial(uuid, ahead, bench))
    }

    /// The same, for the thread that does `work`. All batches together may take as long as `patience`.
    fn with(
        patience: Duration,
        work: impl FnOnce(&Bench) -> Result<(), vk::Result> + Send + 'static,
    ) -> Result<Self, Failure> {
        let deadline = Instant::now() + patience;
        let ((batches, asked), (told, results)) = (mpsc::channel(), mpsc::channel());
        let bench = Bench { batches: asked, results: told };
        let thread = thread::Builder::new().name("hesper-probe".into());
        let signals = Blocked::all();
        let counted = own_threads::count();
        let started = thread.spawn(move || {
            if let Err(e) = work(&bench) {
                bench.answer(Err(e));
            }
            drop(counted);
        });
        drop(signals);
        started.map_err(|_| Failure::NoThread)?;
        let mut session = Self { batches, results, deadline, over: false };
        session.hear().map(|_| session)
    }

    /// What these runs told. They are a batch: dispatched together, so that what one of them does to the device costs all.
    ///
    /// # Errors
    /// Where they couldn't be run, or took too long.
    pub fn run(&mut self, runs: Vec<Run>) -> Result<Vec<Told>, Failure> {
        if self.over {
            return Err(Failure::AfterAnother);
        }
        let heard = self.batches.send(runs).map_err(|_| Failure::NoAnswer).and_then(|()| self.hear());
        self.over = heard.as_ref().is_err_and(|e| !e.is_passing());
        heard
    }

    /// The thread's next answer. One that comes too late is left alone with its thread: the instance that this holds is its own.
    fn hear(&mut self) -> Result<Vec<Told>, Failure> {
        let left = self.deadline.saturating_duration_since(Instant::now());
        match self.results.recv_timeout(left) {
            Ok(results) => results.map_err(Failure::Vulkan),
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => Err(Failure::NoAnswer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOST: vk::Result = vk::Result::ERROR_DEVICE_LOST;
    const SHORT: vk::Result = vk::Result::ERROR_OUT_OF_DEVICE_MEMORY;

    fn some() -> Vec<Run> {
        let shader = Shader { code: &[], constants: Vec::new() };
        vec![Run { shader, given: Vec::new(), room: 4, right: Vec::new() }]
    }

    /// A session of which each batch gets the next of these results.
    fn session(results: &'static [Results]) -> Session {
        let work = move |bench: &Bench| {
            let mut results = results.iter();
            bench.serve(|_| results.next().cloned().unwrap())
        };
        Session::with(PATIENCE, work).unwrap()
    }

    #[test]
    fn a_device_that_cannot_be_made_is_a_failure() {
        let begin = |work: fn(&Bench) -> Result<(), vk::Result>| Session::with(PATIENCE, work).err();
        assert_eq!(begin(|_| Err(LOST)), Some(Failure::Vulkan(LOST)));
        assert_eq!(begin(|_| panic!("as a test, which is no bug")), Some(Failure::NoAnswer));
    }

    #[test]
    fn work_that_hangs_is_left_alone() {
        let short = Duration::from_millis(20);
        let (hold, held) = mpsc::channel::<()>();
        let hangs = move |bench: &Bench| {
            bench.serve(|_| {
                let _ = held.recv();
                Ok(Vec::new())
            })
        };
        let mut session = Session::with(short, hangs).unwrap();
        assert_eq!(session.run(some()), Err(Failure::NoAnswer));
        assert_eq!(session.run(some()), Err(Failure::AfterAnother));
        drop(hold);
    }

    #[test]
    fn a_panic_is_no_answer() {
        let mut session =
            Session::with(PATIENCE, |bench| bench.serve(|_| panic!("as a test, which is no bug"))).unwrap();
        assert_eq!(session.run(some()), Err(Failure::NoAnswer));
    }

    #[test]
    fn a_shortage_costs_one_batch_and_a_lost_device_those_that_follow() {
        static SHORTAGE: [Results; 2] = [Err(SHORT), Ok(Vec::new())];
        let mut session = self::session(&SHORTAGE);
        assert_eq!(session.run(some()), Err(Failure::Vulkan(SHORT)));
        assert_eq!(session.run(some()), Ok(Vec::new()));
        static LOSS: [Results; 2] = [Ok(Vec::new()), Err(LOST)];
        let mut session = self::session(&LOSS);
        assert_eq!(session.run(some()), Ok(Vec::new()));
        assert_eq!(session.run(some()), Err(Failure::Vulkan(LOST)));
        assert_eq!(session.run(some()), Err(Failure::AfterAnother));
    }

    /// The answer is there before the device is ended, and the device is ended.
    #[test]
    fn nobody_waits_for_the_end() {
        let ((go, wait), (end, ended)) = (mpsc::channel::<()>(), mpsc::channel());
        let work = move |bench: &Bench| {
            let served = bench.serve(|_| Ok(vec![Told::Refused]));
            let _ = wait.recv();
            let _ = end.send(served);
            served
        };
        let mut session = Session::with(PATIENCE, work).unwrap();
        assert_eq!(session.run(some()), Ok(vec![Told::Refused]));
        drop(session);
        assert!(ended.try_recv().is_err());
        go.send(()).unwrap();
        assert_eq!(ended.recv_timeout(PATIENCE), Ok(Ok(())));
    }

    #[test]
    fn what_passes_and_what_does_not() {
        for passing in [Failure::NoTrial, Failure::NoThread, Failure::AfterAnother, Failure::Vulkan(SHORT)] {
            assert!(passing.is_passing(), "{passing:?}");
        }
        for lasting in [Failure::NoAnswer, Failure::Vulkan(LOST), Failure::Vulkan(vk::Result::TIMEOUT)] {
            assert!(!lasting.is_passing(), "{lasting:?}");
        }
    }
}
