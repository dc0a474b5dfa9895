//! Where a worker is, in a file that the tester looks into when the worker hangs or dies.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::OnceLock;

use crate::wire::Place;

static FILE: OnceLock<File> = OnceLock::new();

/// In a worker: writes to this file from now on.
///
/// # Errors
/// When it can't be written.
pub fn to(path: &Path) -> std::io::Result<()> {
    let _ = FILE.set(File::create(path)?);
    Ok(())
}

/// In a worker: a thread begins a step.
pub fn note(at: Place) {
    let Some(file) = FILE.get() else { return };
    let number = if at.thread == 0 { at.step } else { at.inner };
    // A place that is missing costs a hint.
    let _ = file.write_at(&(number + 1).to_le_bytes(), u64::from(at.thread) * 4);
    if at.thread == 0 {
        let _ = file.write_at(&[0; 8], 4);
    }
}

/// In the tester: where the threads of a worker are.
pub fn read(path: &Path) -> Vec<Place> {
    let bytes = std::fs::read(path).unwrap_or_default();
    let numbers: Vec<u32> = bytes.chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let Some(step) = numbers.first().and_then(|n| n.checked_sub(1)) else { return Vec::new() };
    let inner =
        (1..).zip(&numbers[1..]).filter_map(|(thread, n)| Some(Place { step, thread, inner: n.checked_sub(1)? }));
    let threads: Vec<Place> = inner.collect();
    if threads.is_empty() { vec![Place { step, thread: 0, inner: 0 }] } else { threads }
}
