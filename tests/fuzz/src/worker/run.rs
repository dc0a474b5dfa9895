//! Running the steps of a program.

use super::thread::{Ended, Thread};
use crate::progress;
use crate::step::Step;
use crate::wire::Place;

impl Thread<'_> {
    /// Runs steps.
    ///
    /// # Errors
    /// When the program can't go on; that was noted.
    pub fn run(&mut self, steps: &[Step]) -> Result<(), Ended> {
        for (i, step) in steps.iter().enumerate() {
            match self.at.thread {
                0 => self.at.step = i as u32,
                _ => self.at.inner = i as u32,
            }
            progress::note(self.at);
            self.step(step)?;
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) -> Result<(), Ended> {
        match step {
            Step::Parallel { left, right } => self.parallel(left, right),
            Step::Allocate { .. }
            | Step::Free { .. }
            | Step::CreateBuffer { .. }
            | Step::DestroyBuffer { .. }
            | Step::Map { .. }
            | Step::Unmap { .. }
            | Step::Write { .. }
            | Step::Read { .. }
            | Step::SetPrivate { .. }
            | Step::GetPrivate { .. } => self.memory_step(step),
            Step::CreateImage { .. }
            | Step::DestroyImage { .. }
            | Step::ReadRows { .. }
            | Step::TransitionImage { .. }
            | Step::CopyToImage { .. }
            | Step::CopyFromImage { .. }
            | Step::CopyImages { .. }
            | Step::CarryImage { .. } => self.image_step(step),
            Step::CreatePipelines { .. } | Step::DestroyPipeline { .. } => self.pipeline_step(step),
            Step::CreateSets { .. } | Step::FreeSets { .. } | Step::ResetSets { .. } | Step::WriteSet { .. } => {
                self.set_step(step)
            }
            Step::CreatePool { .. }
            | Step::ResetPool { .. }
            | Step::TrimPool { .. }
            | Step::DestroyPool { .. }
            | Step::ResetBuffer { .. }
            | Step::Record { .. } => self.recording_step(step),
            _ => self.sync_step(step),
        }
    }

    fn parallel(&mut self, left: &[Step], right: &[Step]) -> Result<(), Ended> {
        let (shared, step) = (self.shared, self.at.step);
        let gate = std::sync::Barrier::new(2);
        let side = |steps: &[Step], thread: u8| {
            let mut t = Thread::new(shared, Place { step, thread, inner: 0 });
            gate.wait();
            let done = t.run(steps);
            (t.notes, t.calls, done)
        };
        let (a, b) = std::thread::scope(|s| {
            let other = s.spawn(|| side(right, 2));
            let a = side(left, 1);
            // A panic of the other thread is one of this program.
            (a, other.join().unwrap_or_else(|e| std::panic::resume_unwind(e)))
        });
        for (notes, calls, _) in [&a, &b] {
            self.notes.extend(notes.iter().cloned());
            self.calls += calls;
        }
        a.2.and(b.2)
    }
}
