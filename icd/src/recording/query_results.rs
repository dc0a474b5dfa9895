//! vkGetQueryPoolResults: from what is known, or from the host.
//!
//! The host's reply carries the whole array, also where the command leaves memory untouched: the values of queries that aren't available
//! (but for VK_QUERY_RESULT_PARTIAL_BIT), and whatever lies between and behind the results. So the host is always asked for the
//! availability as well, in rows without gaps, and what the command writes is written from those rows.

use std::ffi::c_void;
use std::time::Duration;

use ash::vk;
use hesper_winsys::Error;

use crate::base::forwarding::result_of_error;
use crate::generated::forward;
use crate::recording::query_pool::{self, Pool};

use vk::QueryResultFlags as F;

/// The flags that say how results lie in memory, and whether to wait for them.
const PLAIN: F =
    F::from_raw(F::TYPE_64.as_raw() | F::WAIT.as_raw() | F::WITH_AVAILABILITY.as_raw() | F::PARTIAL.as_raw());

/// The program's array.
struct Target {
    data: *mut u8,
    size: usize,
    stride: usize,
}

impl Target {
    /// Writes bytes of the `query`-th query at `offset` from its place, as far as the array reaches.
    fn put(&self, query: usize, offset: usize, bytes: &[u8]) {
        let at = query.checked_mul(self.stride).and_then(|at| at.checked_add(offset));
        let Some(at) = at.filter(|at| at.checked_add(bytes.len()).is_some_and(|end| end <= self.size)) else { return };
        // SAFETY: inside the program's array of `size` bytes, by valid usage of the command; the driver's own bytes can't overlap it.
        unsafe { self.data.add(at).copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    }
}

/// How the results of some queries are asked for.
#[derive(Clone, Copy)]
struct Format {
    /// Values of each query, not 0.
    values: usize,
    flags: F,
}

impl Format {
    /// Bytes of a value.
    fn width(self) -> usize {
        if self.flags.contains(F::TYPE_64) { 8 } else { 4 }
    }

    /// Bytes of a row: the values of a query and its availability.
    fn row(self) -> usize {
        (self.values + 1) * self.width()
    }

    /// The values and the availability of each query in the host's rows.
    fn split(self, rows: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
        rows.chunks_exact(self.row()).map(move |row| row.split_at(self.values * self.width()))
    }

    /// Writes the results in the host's rows as the command does.
    fn put_rows(self, rows: &[u8], target: &Target) {
        for (query, (values, available)) in self.split(rows).enumerate() {
            if is_set(available) || self.flags.contains(F::PARTIAL) {
                target.put(query, 0, values);
            }
            if self.flags.contains(F::WITH_AVAILABILITY) {
                target.put(query, values.len(), available);
            }
        }
    }

    /// Writes known values, all of them available; false if the host has to say how values that are too large for 32 bits are cut.
    fn put_known(self, known: impl Iterator<Item = u64> + Clone, target: &Target) -> bool {
        let wide = self.flags.contains(F::TYPE_64);
        if !wide && known.clone().any(|value| value > u64::from(u32::MAX)) {
            return false;
        }
        let put = |query, nth, value: u64| match wide {
            true => target.put(query, nth * 8, &value.to_ne_bytes()),
            false => target.put(query, nth * 4, &(value as u32).to_ne_bytes()),
        };
        for (i, value) in known.enumerate() {
            let (query, nth) = (i / self.values, i % self.values);
            put(query, nth, value);
            if nth + 1 == self.values && self.flags.contains(F::WITH_AVAILABILITY) {
                put(query, nth + 1, 1);
            }
        }
        true
    }
}

/// Whether an availability says that the values are there.
fn is_set(availability: &[u8]) -> bool {
    availability.iter().any(|b| *b != 0)
}

/// The values in rows of 64 bits, or none where they aren't available.
fn available_values(rows: &[u64], values: usize) -> impl Iterator<Item = Option<&[u64]>> {
    rows.chunks_exact(values + 1).map(|row| row.split_last().and_then(|(available, v)| (*available != 0).then_some(v)))
}

/// Asks until the answer isn't VK_NOT_READY, if `wait`.
///
/// The host must not wait inside its ring: the results may depend on commands that have to come through the same ring.
fn ask_until_ready(wait: bool, mut ask: impl FnMut() -> vk::Result) -> vk::Result {
    let mut pause = Duration::from_micros(20);
    loop {
        let result = ask();
        if !wait || result != vk::Result::NOT_READY {
            return result;
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(1));
    }
}

/// Results of queries whose values can be told apart. `ask` has the host fill rows, and gives the host's result.
fn results(
    format: Format,
    n: usize,
    target: &Target,
    mut ask: impl FnMut(F, &mut [u8]) -> vk::Result,
) -> (vk::Result, Vec<u8>) {
    let Some(size) = n.checked_mul(format.row()) else { return (vk::Result::ERROR_OUT_OF_HOST_MEMORY, Vec::new()) };
    let mut rows = vec![0; size];
    let wait = format.flags.contains(F::WAIT);
    // Whether the program is content with results that aren't all there; while waiting it never is.
    let partial = !wait && format.flags.contains(F::PARTIAL);
    let with_availability = !wait && format.flags.contains(F::WITH_AVAILABILITY);
    let several = format.values > 1;
    let mut asked = format.flags & !(F::WAIT | F::PARTIAL) | F::WITH_AVAILABILITY;
    // lavapipe puts the availability of several values that aren't there behind the first one, unless it writes partial ones.
    if partial || several {
        asked |= F::PARTIAL;
    }
    let result = ask_until_ready(wait, || {
        let result = ask(asked, &mut rows);
        let complete = format.split(&rows).all(|(_, available)| is_set(available));
        // A host that takes a program's asking for the availability as being content with it must not have that from a program that didn't ask.
        let content = partial || (with_availability && !several);
        if result == vk::Result::SUCCESS && !complete && !content { vk::Result::NOT_READY } else { result }
    });
    if result.as_raw() < 0 {
        return (result, Vec::new());
    }
    format.put_rows(&rows, target);
    (result, rows)
}

// Not inlined: as part of its entry point the function would find its parameters in memory instead of registers.
#[inline(never)]
pub unsafe fn get_query_pool_results(
    device: vk::Device,
    pool: vk::QueryPool,
    first: u32,
    n: u32,
    size: usize,
    data: *mut c_void,
    stride: vk::DeviceSize,
    flags: F,
) -> vk::Result {
    let found = query_pool::pool(pool);
    // Most read one timestamp at a time.
    if n == 1
        && flags == F::TYPE_64
        && let Some(value) = found.and_then(|p| p.one(first))
    {
        // SAFETY: the program's array has room for one value, aligned to its size, by valid usage.
        unsafe { data.cast::<u64>().write(value) };
        return vk::Result::SUCCESS;
    }
    if n == 0 {
        return vk::Result::SUCCESS;
    }
    let target = Target { data: data.cast(), size, stride: stride as usize };
    // SAFETY: handed on.
    unsafe { several(device, pool, found, first, n, target, flags) }
}

/// Results that aren't one known timestamp; apart, so that the way to that one is short.
#[inline(never)]
unsafe fn several(
    device: vk::Device,
    pool: vk::QueryPool,
    found: Option<&Pool>,
    first: u32,
    n: u32,
    target: Target,
    flags: F,
) -> vk::Result {
    let Some(p) = found.filter(|p| p.values > 0 && (flags & !PLAIN).is_empty()) else {
        // SAFETY: handed on.
        return unsafe { whole(device, pool, first, n, &target, flags) };
    };
    // SAFETY: handed on.
    unsafe { told_apart(device, pool, p, first, n, &target, flags) }
}

/// Results of queries whose values can be told apart from their availability.
unsafe fn told_apart(
    device: vk::Device,
    pool: vk::QueryPool,
    p: &Pool,
    first: u32,
    n: u32,
    target: &Target,
    flags: F,
) -> vk::Result {
    let format = Format { values: p.values, flags };
    let queries = first as usize..(first as usize).saturating_add(n as usize);
    if p.all(queries.clone()).is_some_and(|known| format.put_known(known, target)) {
        return vk::Result::SUCCESS;
    }
    let generation = p.settled();
    let row = format.row() as vk::DeviceSize;
    let (result, rows) = results(format, n as usize, target, |flags, rows| {
        let (size, data) = (rows.len(), rows.as_mut_ptr().cast());
        // SAFETY: a valid pool of a valid device, and an array of that size.
        unsafe { forward::get_query_pool_results(device, pool, first, n, size, data, row, flags) }
    });
    // Narrow values aren't the whole ones, and partial ones may not be the last.
    if let (Some(generation), true) = (generation, flags.contains(F::TYPE_64) && !flags.contains(F::PARTIAL)) {
        let words: Vec<u64> = rows.as_chunks().0.iter().map(|bytes| u64::from_ne_bytes(*bytes)).collect();
        p.keep(generation, queries, available_values(&words, p.values));
    }
    result
}

/// Results of queries that this driver knows no more of than the host says: they are written if all are there.
unsafe fn whole(device: vk::Device, pool: vk::QueryPool, first: u32, n: u32, target: &Target, flags: F) -> vk::Result {
    let mut bytes = Vec::new();
    if bytes.try_reserve_exact(target.size).is_err() {
        return result_of_error(&Error::OutOfHostMemory);
    }
    bytes.resize(target.size, 0);
    let wait = flags.contains(F::WAIT);
    let asked = if wait { flags & !(F::WAIT | F::PARTIAL) } else { flags };
    let result = ask_until_ready(wait, || {
        let (size, data, stride) = (bytes.len(), bytes.as_mut_ptr().cast(), target.stride as vk::DeviceSize);
        // SAFETY: a valid pool of a valid device, and an array of that size.
        unsafe { forward::get_query_pool_results(device, pool, first, n, size, data, stride, asked) }
    });
    if result == vk::Result::SUCCESS {
        target.put(0, 0, &bytes);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTOUCHED: u8 = 0xa5;

    /// A host with queries that are available or not: what it says, and what it leaves in rows that it doesn't write.
    struct Host {
        values: usize,
        queries: Vec<(Vec<u64>, bool)>,
    }

    impl Host {
        /// vkGetQueryPoolResults over a reply's memory that holds other bytes.
        fn answer(&self, flags: F, rows: &mut [u8]) -> vk::Result {
            assert!(flags.contains(F::WITH_AVAILABILITY) && !flags.contains(F::WAIT), "{:#x}", flags.as_raw());
            let width = if flags.contains(F::TYPE_64) { 8 } else { 4 };
            assert_eq!(rows.len(), self.queries.len() * (self.values + 1) * width);
            rows.fill(0x77);
            let mut result = vk::Result::SUCCESS;
            for (row, (values, available)) in rows.chunks_exact_mut((self.values + 1) * width).zip(&self.queries) {
                let mut fields = row.chunks_exact_mut(width);
                let written = *available || flags.contains(F::PARTIAL);
                // As lavapipe: where no value is written, the availability stands where it would with one value.
                for value in &values[..if written { self.values } else { 1 }] {
                    let field = fields.next().unwrap();
                    if written {
                        field.copy_from_slice(&value.to_le_bytes()[..width]);
                    }
                }
                fields.next().unwrap().copy_from_slice(&u64::from(*available).to_le_bytes()[..width]);
                if !available && !flags.contains(F::PARTIAL) {
                    result = vk::Result::NOT_READY;
                }
            }
            result
        }

        /// The result, and the program's memory of 32-bit words afterwards.
        fn asked(&self, flags: F, stride: usize, words: usize) -> (vk::Result, Vec<u32>) {
            let mut memory = vec![UNTOUCHED; words * 4];
            let target = Target { data: memory.as_mut_ptr(), size: memory.len(), stride };
            let format = Format { values: self.values, flags };
            let (result, _) = results(format, self.queries.len(), &target, |flags, rows| self.answer(flags, rows));
            (result, memory.chunks_exact(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())).collect())
        }
    }

    const U: u32 = u32::from_le_bytes([UNTOUCHED; 4]);
    const NOT_READY: vk::Result = vk::Result::NOT_READY;
    const SUCCESS: vk::Result = vk::Result::SUCCESS;

    #[test]
    fn values_that_are_not_available_leave_memory_untouched() {
        let host = Host { values: 1, queries: vec![(vec![7], true), (vec![8], false), (vec![1 << 32 | 9], true)] };
        assert_eq!(host.asked(F::empty(), 8, 6), (NOT_READY, vec![7, U, U, U, 9, U]));
        assert_eq!(host.asked(F::TYPE_64, 8, 6), (NOT_READY, vec![7, 0, U, U, 9, 1]));
        assert_eq!(host.asked(F::WITH_AVAILABILITY, 8, 6), (NOT_READY, vec![7, 1, U, 0, 9, 1]));
        assert_eq!(host.asked(F::PARTIAL, 4, 4), (SUCCESS, vec![7, 8, 9, U]));
        let wide = host.asked(F::TYPE_64 | F::WITH_AVAILABILITY, 24, 18);
        assert_eq!(wide, (NOT_READY, vec![7, 0, 1, 0, U, U, U, U, 0, 0, U, U, 9, 1, 1, 0, U, U]));
    }

    #[test]
    fn statistics_and_transform_feedback_have_several_values() {
        let host = Host { values: 2, queries: vec![(vec![1, 2], false), (vec![3, 4], true)] };
        assert_eq!(host.asked(F::empty(), 12, 6), (NOT_READY, vec![U, U, U, 3, 4, U]));
        assert_eq!(host.asked(F::WITH_AVAILABILITY, 12, 6), (NOT_READY, vec![U, U, 0, 3, 4, 1]));
        assert_eq!(host.asked(F::PARTIAL | F::WITH_AVAILABILITY, 12, 6), (SUCCESS, vec![1, 2, 0, 3, 4, 1]));
    }

    #[test]
    fn an_array_that_is_too_short_is_not_overrun() {
        let host = Host { values: 1, queries: vec![(vec![1], true), (vec![2], true)] };
        assert_eq!(host.asked(F::empty(), 8, 2), (SUCCESS, vec![1, U]));
        assert_eq!(host.asked(F::empty(), usize::MAX, 2), (SUCCESS, vec![1, U]));
    }

    /// VK_QUERY_RESULT_WAIT_BIT waits for all of them, with VK_QUERY_RESULT_PARTIAL_BIT too, and writes nothing before.
    #[test]
    fn waiting_ends_when_all_are_available() {
        for flags in [F::WAIT, F::WAIT | F::PARTIAL] {
            let mut memory = [UNTOUCHED; 8];
            let target = Target { data: memory.as_mut_ptr(), size: 8, stride: 4 };
            let mut host = Host { values: 1, queries: vec![(vec![1], false), (vec![2], false)] };
            let mut asked = 0;
            let (result, _) = results(Format { values: 1, flags }, 2, &target, |flags, rows| {
                let result = host.answer(flags, rows);
                if asked < 2 {
                    host.queries[asked].1 = true;
                }
                asked += 1;
                result
            });
            assert_eq!((result, asked), (SUCCESS, 3));
            assert_eq!(memory, [1, 0, 0, 0, 2, 0, 0, 0]);
        }
    }

    /// A host for which asking for the availability is enough to succeed.
    #[test]
    fn success_without_the_values_is_not_passed_on() {
        let host = Host { values: 1, queries: vec![(vec![1], false)] };
        let asked = |flags| {
            let mut memory = [UNTOUCHED; 8];
            let target = Target { data: memory.as_mut_ptr(), size: 8, stride: 8 };
            let format = Format { values: 1, flags };
            results(format, 1, &target, |flags, rows| {
                let _ = host.answer(flags, rows);
                SUCCESS
            })
            .0
        };
        assert_eq!(asked(F::empty()), NOT_READY);
        assert_eq!(asked(F::WITH_AVAILABILITY), SUCCESS, "as the host's own driver has it");
    }

    #[test]
    fn errors_leave_memory_untouched() {
        let mut memory = [UNTOUCHED; 8];
        let target = Target { data: memory.as_mut_ptr(), size: 8, stride: 8 };
        let format = Format { values: 1, flags: F::WAIT };
        let (result, rows) = results(format, 1, &target, |_, rows| {
            rows.fill(1);
            vk::Result::ERROR_DEVICE_LOST
        });
        assert_eq!((result, rows.len(), memory), (vk::Result::ERROR_DEVICE_LOST, 0, [UNTOUCHED; 8]));
    }

    #[test]
    fn known_results_are_laid_out_as_asked() {
        let known = [10u64, 20, 30, 1 << 40];
        let put = |known: &[u64], flags, stride| {
            let mut memory = [UNTOUCHED; 32];
            let target = Target { data: memory.as_mut_ptr(), size: 32, stride };
            let done = Format { values: 2, flags }.put_known(known.iter().copied(), &target);
            done.then(|| memory.chunks_exact(4).map(|c| u32::from_le_bytes(c.try_into().unwrap())).collect::<Vec<_>>())
        };
        assert_eq!(put(&known[..2], F::WITH_AVAILABILITY, 12), Some(vec![10, 20, 1, U, U, U, U, U]));
        assert_eq!(put(&known, F::TYPE_64, 16), Some(vec![10, 0, 20, 0, 30, 0, 0, 256]));
        assert_eq!(put(&known, F::empty(), 16), None, "whether that wraps or saturates is the host's to say");
    }
}
