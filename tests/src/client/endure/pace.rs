//! Whether the last of many things take as long as the first ones.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Instant;

use anyhow::{Context, Result};
use ash::vk;

use crate::gpu::Gpu;

/// Things are measured in so many slices.
const SLICES: usize = 12;

/// Nanoseconds of each thing in the slices of one go.
type Slices = Vec<f64>;

/// Measures what is done to each of many objects.
pub struct Pace<'a> {
    gpu: &'a Gpu,
    /// Whoever asks for its state waits until the host has come so far.
    event: vk::Event,
    measured: RefCell<BTreeMap<String, Vec<Slices>>>,
}

impl<'a> Pace<'a> {
    pub fn new(gpu: &'a Gpu) -> Result<Self> {
        // SAFETY: a valid device.
        let event = unsafe { gpu.device.create_event(&vk::EventCreateInfo::default(), None)? };
        Ok(Self { gpu, event, measured: RefCell::default() })
    }

    /// Does something `n` times; the time counts until the host is done with it.
    pub fn each<T>(&self, what: &str, how: &str, n: usize, mut f: impl FnMut(usize) -> Result<T>) -> Result<Vec<T>> {
        let (mut all, mut slices) = (Vec::with_capacity(n), Slices::new());
        for slice in 0..SLICES {
            let (from, to) = (n * slice / SLICES, n * (slice + 1) / SLICES);
            let start = Instant::now();
            for i in from..to {
                all.push(f(i).with_context(|| format!("number {i} of the {what} that are {how}"))?);
            }
            // SAFETY: an event of this device.
            unsafe { self.gpu.device.get_event_status(self.event)? };
            slices.push(start.elapsed().as_nanos() as f64 / (to - from).max(1) as f64);
        }
        self.measured.borrow_mut().entry(format!("{what} {how}")).or_default().push(slices);
        Ok(all)
    }

    /// Ends `n` objects.
    pub fn gone(&self, what: &str, n: usize, mut f: impl FnMut(usize)) -> Result<()> {
        let end = |i| {
            f(i);
            Ok(())
        };
        self.each(what, "destroyed", n, end).map(drop)
    }

    /// A line of JSON for each: nanoseconds of the first ones and of the last ones. Other work on the machine only adds to them, so the least of
    /// all goes counts.
    pub fn report(&self) {
        for (what, goes) in &*self.measured.borrow() {
            let least =
                |quarter: Range<usize>| goes.iter().map(|go| middle(&go[quarter.clone()])).fold(f64::MAX, f64::min);
            let (first, last) = (least(0..SLICES / 4), least(SLICES - SLICES / 4..SLICES));
            println!("{}", serde_json::json!({ "what": what, "first": first, "last": last }));
        }
    }

    pub fn end(self) {
        // SAFETY: the host is done with it.
        unsafe { self.gpu.device.destroy_event(self.event, None) };
    }
}

fn middle(slices: &[f64]) -> f64 {
    let mut sorted = slices.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}
