//! Who has which image of a swapchain: the program, the screen, or nobody. Free of Vulkan objects, so that tests can go through it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use ash::vk;
use parking_lot::{Condvar, Mutex};

use crate::wsi::presentation::Present;

/// The images of one swapchain.
pub struct Images {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Holder {
    Nobody,
    Program,
    Screen,
}

struct State {
    holders: Vec<Holder>,
    /// Those that nobody has, the longest free first.
    free: VecDeque<u32>,
    /// What was presented and not taken up by the thread that shows it.
    waiting: VecDeque<Present>,
    /// The highest number of a present that was shown, or made way for a later one.
    shown: u64,
    /// Whether the last picture fitted the window.
    fits: bool,
    /// Another swapchain has taken the window over.
    retired: bool,
    /// Why nothing can be shown any more.
    lost: Option<vk::Result>,
    closing: bool,
}

/// How long a wait may take until somebody looks whether the host is still there.
const LOOK: Duration = Duration::from_millis(100);

/// When a timeout of Vulkan's is over, nanoseconds from now on; `None` for never.
fn deadline(timeout: u64) -> Option<Instant> {
    Instant::now().checked_add(Duration::from_nanos(timeout)).filter(|_| timeout != u64::MAX)
}

impl Images {
    /// Images that nobody has.
    pub fn new(count: u32) -> Self {
        let state = State {
            holders: vec![Holder::Nobody; count as usize],
            free: (0..count).collect(),
            waiting: VecDeque::new(),
            shown: 0,
            fits: true,
            retired: false,
            lost: None,
            closing: false,
        };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// Waits until `look` finds what it wants or the time is over (`None` then), and asks `alive` now and then.
    fn wait<R>(
        &self,
        timeout: u64,
        alive: impl Fn() -> Result<(), vk::Result>,
        mut look: impl FnMut(&mut State) -> Option<R>,
    ) -> Result<Option<R>, vk::Result> {
        let end = deadline(timeout);
        let mut state = self.state.lock();
        loop {
            if let Some(found) = look(&mut state) {
                return Ok(Some(found));
            }
            let now = Instant::now();
            if timeout == 0 || end.is_some_and(|e| e <= now) {
                return Ok(None);
            }
            let next = now + LOOK;
            self.changed.wait_until(&mut state, end.map_or(next, |e| e.min(next)));
            alive()?;
        }
    }

    /// Gives the program an image; whether the last picture fitted.
    ///
    /// # Errors
    /// TIMEOUT and NOT_READY where there is none, ERROR_OUT_OF_DATE_KHR where another swapchain has the window, what `alive` says, or why the
    /// images are lost.
    pub fn acquire(&self, timeout: u64, alive: impl Fn() -> Result<(), vk::Result>) -> Result<(u32, bool), vk::Result> {
        alive()?;
        let found = self.wait(timeout, alive, |state| {
            if let Some(why) = state.lost {
                return Some(Err(why));
            }
            if state.retired {
                return Some(Err(vk::Result::ERROR_OUT_OF_DATE_KHR));
            }
            let index = state.free.pop_front()?;
            state.hold(index, Holder::Program);
            Some(Ok((index, state.fits)))
        })?;
        let none = if timeout == 0 { vk::Result::NOT_READY } else { vk::Result::TIMEOUT };
        found.unwrap_or(Err(none))
    }

    /// Takes an image from the program for the screen; whether the last picture fitted.
    ///
    /// # Errors
    /// ERROR_VALIDATION_FAILED for an image that the program doesn't have, or why nothing can be shown any more; the program has the image
    /// no more then.
    pub fn take(&self, index: u32) -> Result<bool, vk::Result> {
        let mut state = self.state.lock();
        if state.holder(index) != Some(Holder::Program) {
            return Err(vk::Result::ERROR_VALIDATION_FAILED_EXT);
        }
        if let Some(why) = state.lost {
            state.free_one(index);
            return Err(why);
        }
        state.hold(index, Holder::Screen);
        Ok(state.fits)
    }

    /// Gives an image back to the program that was taken from it and couldn't be copied.
    pub fn hand_back(&self, index: u32) {
        self.state.lock().hold(index, Holder::Program);
    }

    /// Whether the screen has no image but the one that was just taken for it: the thread that shows pictures has none to show.
    pub fn is_alone(&self) -> bool {
        self.state.lock().holders.iter().filter(|h| **h == Holder::Screen).count() == 1
    }

    /// Hands a picture, whose image was taken before, to the thread that shows it.
    pub fn present(&self, present: Present) {
        self.state.lock().waiting.push_back(present);
        self.changed.notify_all();
    }

    /// Images that the program has and doesn't want.
    ///
    /// # Errors
    /// ERROR_VALIDATION_FAILED where it doesn't have one of them; nothing is changed then.
    pub fn release(&self, indices: &[u32]) -> Result<(), vk::Result> {
        let mut state = self.state.lock();
        let once = |i: usize, index: &u32| indices.get(..i).is_some_and(|before| !before.contains(index));
        let has = |(i, index): (usize, &u32)| once(i, index) && state.holder(*index) == Some(Holder::Program);
        if !indices.iter().enumerate().all(has) {
            return Err(vk::Result::ERROR_VALIDATION_FAILED_EXT);
        }
        indices.iter().for_each(|i| state.free_one(*i));
        drop(state);
        self.changed.notify_all();
        Ok(())
    }

    /// The next picture to show; `None` when the swapchain ends and there are no more.
    pub fn next(&self) -> Option<Present> {
        let mut state = self.state.lock();
        loop {
            if let Some(p) = state.waiting.pop_front() {
                return Some(p);
            }
            if state.closing {
                return None;
            }
            self.changed.wait(&mut state);
        }
    }

    /// The next picture to show if it comes before `end` and the program wants it to replace the one before it.
    pub fn replacement(&self, end: Instant) -> Option<Present> {
        let mut state = self.state.lock();
        loop {
            match state.waiting.front() {
                Some(p) if p.mode != vk::PresentModeKHR::MAILBOX => return None,
                Some(_) => return state.waiting.pop_front(),
                None if state.closing || Instant::now() >= end => return None,
                None => drop(self.changed.wait_until(&mut state, end)),
            }
        }
    }

    /// Sleeps until `end`, or until the swapchain ends.
    pub fn rest(&self, end: Instant) {
        let mut state = self.state.lock();
        while !state.closing && Instant::now() < end {
            self.changed.wait_until(&mut state, end);
        }
    }

    /// A picture made way for a later one, and nobody has its image any more; the later one, which counts for both once it has been shown.
    pub fn replaced(&self, present: Present, by: Present) -> Present {
        let id = by.id.max(present.id);
        self.state.lock().end(present);
        self.changed.notify_all();
        Present { id, ..by }
    }

    /// A picture has been shown, or can't be: nobody has its image any more. `fits` is whether it fitted, where that is known.
    pub fn over(&self, present: Present, fits: Option<bool>) {
        let mut state = self.state.lock();
        if state.lost.is_none() {
            state.shown = state.shown.max(present.id);
        }
        state.end(present);
        state.fits = fits.unwrap_or(state.fits);
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing can be shown any more.
    pub fn lose(&self, why: vk::Result) {
        self.state.lock().lost.get_or_insert(why);
        self.changed.notify_all();
    }

    /// Whether anything can be shown.
    pub fn is_lost(&self) -> bool {
        self.state.lock().lost.is_some()
    }

    /// Waits until a picture that was presented is on the screen or can't be, at most so long (nanoseconds), and as long as the host is there.
    pub fn settle(&self, index: u32, timeout: u64, alive: impl Fn() -> Result<(), vk::Result>) {
        let over = |s: &mut State| (s.lost.is_some() || s.holder(index) != Some(Holder::Screen)).then_some(());
        // Whether the time was over or the host is gone, the next command tells.
        let _ = self.wait(timeout, alive, over);
    }

    /// Another swapchain takes the window over.
    pub fn retire(&self) {
        self.state.lock().retired = true;
        self.changed.notify_all();
    }

    /// The thread that shows pictures shall end once it is through with those that wait.
    pub fn close(&self) {
        self.state.lock().closing = true;
        self.changed.notify_all();
    }

    /// Whether the swapchain ends.
    pub fn is_closing(&self) -> bool {
        self.state.lock().closing
    }

    /// Waits until a picture with this number, or a later one, has been shown; whether it fitted.
    ///
    /// # Errors
    /// TIMEOUT, what `alive` says, or why nothing can be shown any more.
    pub fn wait_for_present(
        &self,
        id: u64,
        timeout: u64,
        alive: impl Fn() -> Result<(), vk::Result>,
    ) -> Result<bool, vk::Result> {
        alive()?;
        let found = self.wait(timeout, alive, |state| match state.lost {
            _ if state.shown >= id => Some(Ok(state.fits)),
            why => why.map(Err),
        })?;
        found.unwrap_or(Err(vk::Result::TIMEOUT))
    }
}

impl State {
    fn holder(&self, index: u32) -> Option<Holder> {
        self.holders.get(index as usize).copied()
    }

    fn hold(&mut self, index: u32, by: Holder) {
        if let Some(holder) = self.holders.get_mut(index as usize) {
            *holder = by;
        }
    }

    fn free_one(&mut self, index: u32) {
        self.hold(index, Holder::Nobody);
        self.free.push_back(index);
    }

    /// A picture's image and buffer are let go of together: who gets the image finds a buffer to copy it into (`handover`).
    fn end(&mut self, Present { index, lease, .. }: Present) {
        drop(lease);
        self.free_one(index);
    }
}

#[cfg(test)]
mod tests;
