//! What has been submitted, and when the real queue gets it.

use std::collections::{HashMap, VecDeque};
use std::ops::Range;
use std::sync::Arc;

use ash::vk;
use parking_lot::{Condvar, Mutex};

use super::families::{Asked, FAMILIES, QUEUES, real};
use super::handles::Queue;
use super::work::Work;
use crate::chain::Device;

/// The queues of one device.
pub struct Scheduler {
    device: Arc<Device>,
    real: vk::Queue,
    queues: Vec<Queue>,
    asked: [u32; FAMILIES as usize],
    state: Mutex<State>,
    /// A queue has given its last submission to the real one, or the device is lost.
    emptied: Condvar,
}

#[derive(Default)]
struct State {
    /// By queue, in order: what the real queue hasn't got yet.
    held: Vec<VecDeque<Work>>,
    semaphores: Semaphores,
    /// The real queue has refused something, after its program was told that all was well.
    lost: bool,
}

/// What the real queue has got so far of each semaphore's signals.
#[derive(Default)]
pub struct Semaphores(HashMap<vk::Semaphore, Semaphore>);

#[derive(Clone, Copy, Debug)]
pub enum Semaphore {
    /// Whether a signal has been given and no wait for it.
    Binary { signalled: bool },
    /// The highest value that has been reached or whose signal has been given.
    Timeline { given: u64 },
    /// Another process signals it, too: it is never waited for here.
    Shared,
}

impl Semaphores {
    /// Whether a wait ends without anything that the real queue hasn't got.
    fn is_ready(&self, wait: &vk::SemaphoreSubmitInfo) -> bool {
        match self.0.get(&wait.semaphore) {
            Some(Semaphore::Binary { signalled }) => *signalled,
            Some(Semaphore::Timeline { given }) => *given >= wait.value,
            Some(Semaphore::Shared) | None => true,
        }
    }

    fn are_ready(&self, work: &Work) -> bool {
        work.waits.iter().all(|w| self.is_ready(w))
    }

    /// The real queue gets these waits and signals.
    fn give(&mut self, work: &Work) {
        for wait in &work.waits {
            self.consume(wait.semaphore);
        }
        for signal in &work.signals {
            self.signal(signal.semaphore, signal.value);
        }
    }

    pub fn add(&mut self, semaphore: vk::Semaphore, is: Semaphore) {
        self.0.insert(semaphore, is);
    }

    pub fn remove(&mut self, semaphore: vk::Semaphore) {
        self.0.remove(&semaphore);
    }

    /// A signal, by work or by the host; `value` counts for timelines.
    pub fn signal(&mut self, semaphore: vk::Semaphore, value: u64) {
        match self.0.get_mut(&semaphore) {
            Some(Semaphore::Binary { signalled }) => *signalled = true,
            Some(Semaphore::Timeline { given }) => *given = (*given).max(value),
            Some(Semaphore::Shared) | None => {}
        }
    }

    /// A wait takes a binary semaphore's signal away.
    pub fn consume(&mut self, semaphore: vk::Semaphore) {
        if let Some(Semaphore::Binary { signalled }) = self.0.get_mut(&semaphore) {
            *signalled = false;
        }
    }
}

impl State {
    /// The next submission, of whichever queue, that nothing holds back.
    fn next(&mut self) -> Option<Work> {
        let ready = |q: &VecDeque<Work>| q.front().is_some_and(|w| self.semaphores.are_ready(w));
        let queue = self.held.iter().position(ready)?;
        let work = self.held[queue].pop_front()?;
        self.semaphores.give(&work);
        Some(work)
    }
}

impl Scheduler {
    /// Makes the queues of a device with this dispatch pointer.
    pub unsafe fn new(device: Arc<Device>, dispatch: usize, asked: &Asked) -> Self {
        let mut queue = vk::Queue::null();
        // SAFETY: the device was created with a queue of the first family.
        unsafe { (device.v1_0.get_device_queue)(device.handle, real(0), 0, &mut queue) };
        let all = (FAMILIES * QUEUES) as usize;
        let held = std::iter::repeat_with(VecDeque::new).take(all).collect();
        Self {
            device,
            real: queue,
            queues: (0..all).map(|n| Queue::new(dispatch, n)).collect(),
            asked: asked.counts,
            state: Mutex::new(State { held, ..State::default() }),
            emptied: Condvar::new(),
        }
    }

    /// A queue that the device was created with.
    pub fn queue(&self, family: u32, index: u32) -> vk::Queue {
        let there = self.asked.get(family as usize).is_some_and(|n| index < *n);
        let queue = self.queues.get((family * QUEUES + index) as usize).filter(|_| there);
        queue.map_or(vk::Queue::null(), Queue::handle)
    }

    /// All queues' numbers.
    pub fn all(&self) -> Range<usize> {
        0..self.queues.len()
    }

    /// Submits to a queue. What nothing holds back goes to the real queue at once.
    pub fn submit(&self, queue: usize, work: Vec<Work>) -> vk::Result {
        let mut state = self.state.lock();
        if state.lost {
            return vk::Result::ERROR_DEVICE_LOST;
        }
        let Some(held) = state.held.get_mut(queue) else { return vk::Result::ERROR_UNKNOWN };
        held.extend(work);
        self.give(&mut state)
    }

    /// Notes a change to semaphores, which may let work go.
    pub fn change(&self, change: impl FnOnce(&mut Semaphores)) {
        let mut state = self.state.lock();
        change(&mut state.semaphores);
        // Who waits for the work learns of a lost device.
        let _ = self.give(&mut state);
    }

    /// Gives the real queue everything that nothing holds back.
    fn give(&self, state: &mut State) -> vk::Result {
        while let Some(work) = state.next().filter(|_| !state.lost) {
            // SAFETY: the lock keeps the real queue to this thread.
            let result = unsafe { work.give(&self.device, self.real) };
            if result != vk::Result::SUCCESS {
                eprintln!("test layer: the real queue refused a submission: {result}");
                state.lost = true;
            }
        }
        if state.lost || state.held.iter().any(VecDeque::is_empty) {
            self.emptied.notify_all();
        }
        if state.lost { vk::Result::ERROR_DEVICE_LOST } else { vk::Result::SUCCESS }
    }

    /// Waits until some queues have nothing left to do. The real queue runs in order, so an empty submission ends after all others.
    pub fn wait_idle(&self, queues: Range<usize>) -> vk::Result {
        let d = &self.device;
        let mut fence = vk::Fence::null();
        let mut state = self.state.lock();
        let is_holding = |s: &State| s.held.get(queues.clone()).is_some_and(|q| q.iter().any(|q| !q.is_empty()));
        while is_holding(&state) && !state.lost {
            self.emptied.wait(&mut state);
        }
        if state.lost {
            return vk::Result::ERROR_DEVICE_LOST;
        }
        let info = vk::FenceCreateInfo::default();
        // SAFETY: the fence is this function's own; the lock keeps the real queue to this thread.
        let submitted = unsafe {
            let made = (d.v1_0.create_fence)(d.handle, &info, std::ptr::null(), &mut fence);
            if made != vk::Result::SUCCESS {
                return made;
            }
            (d.v1_0.queue_submit)(self.real, 0, std::ptr::null(), fence)
        };
        drop(state);
        // SAFETY: as above; the fence's submission has ended before it is destroyed.
        unsafe {
            let result = match submitted {
                vk::Result::SUCCESS => (d.v1_0.wait_for_fences)(d.handle, 1, &fence, vk::TRUE, u64::MAX),
                error => error,
            };
            (d.v1_0.destroy_fence)(d.handle, fence, std::ptr::null());
            result
        }
    }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    fn work(waits: &[(u64, u64)], signals: &[(u64, u64)]) -> Work {
        let operation =
            |(s, v): &(u64, u64)| vk::SemaphoreSubmitInfo::default().semaphore(vk::Semaphore::from_raw(*s)).value(*v);
        let mut work = Work::default();
        work.waits = waits.iter().map(operation).collect();
        work.signals = signals.iter().map(operation).collect();
        work
    }

    fn state(semaphores: &[(u64, Semaphore)]) -> State {
        let mut state = State { held: (0..4).map(|_| VecDeque::new()).collect(), ..State::default() };
        semaphores.iter().for_each(|(s, is)| state.semaphores.add(vk::Semaphore::from_raw(*s), *is));
        state
    }

    /// Everything that can go, as what it signals.
    fn goes(state: &mut State) -> Vec<u64> {
        std::iter::from_fn(|| state.next()).map(|w| w.signals[0].value).collect()
    }

    #[test]
    fn work_waits_for_the_signal_of_another_queue() {
        let mut s = state(&[(1, Semaphore::Binary { signalled: false }), (2, Semaphore::Timeline { given: 0 })]);
        s.held[0].push_back(work(&[(1, 0)], &[(2, 1)]));
        s.held[0].push_back(work(&[], &[(2, 2)]));
        assert_eq!(goes(&mut s), [0; 0], "the second one may not overtake the first");
        s.held[3].push_back(work(&[], &[(1, 7)]));
        assert_eq!(goes(&mut s), [7, 1, 2]);
        s.held[1].push_back(work(&[(1, 0)], &[(2, 3)]));
        assert_eq!(goes(&mut s), [0; 0], "the first wait has taken the signal away");
    }

    #[test]
    fn work_waits_for_a_timelines_value() {
        let mut s = state(&[(2, Semaphore::Timeline { given: 4 })]);
        s.held[0].push_back(work(&[(2, 4)], &[(9, 1)]));
        s.held[1].push_back(work(&[(2, 6)], &[(9, 2)]));
        s.held[2].push_back(work(&[(2, 5)], &[(2, 8)]));
        assert_eq!(goes(&mut s), [1]);
        s.semaphores.signal(vk::Semaphore::from_raw(2), 5);
        assert_eq!(goes(&mut s), [8, 2]);
    }

    #[test]
    fn another_processs_semaphore_holds_nothing_back() {
        let mut s = state(&[(1, Semaphore::Shared)]);
        s.held[0].push_back(work(&[(1, 9)], &[(2, 1)]));
        assert_eq!(goes(&mut s), [1]);
    }
}
