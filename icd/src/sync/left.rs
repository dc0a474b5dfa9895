//! sync_files that have left a device.
//!
//! Each is signalled when everything before it on its queue has ended, one after the other, so the last of each queue tells of all.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hesper_winsys::SyncFile;
use parking_lot::Mutex;

use crate::base::progress::Submission;

/// The last files of a device's queues, as long as nobody has seen them signalled.
#[derive(Default)]
pub struct Left(Mutex<Vec<Last>>);

struct Last {
    timeline: u32,
    file: Arc<SyncFile>,
    /// The last one to the queue before the file was made.
    submission: Submission,
}

impl Last {
    /// Sleeps until it is signalled, at most for `time`; whether it is.
    fn wait(&self, time: Duration) -> bool {
        // One that can't be waited for tells nothing.
        let signaled = self.file.wait(time).unwrap_or(false);
        if signaled {
            self.submission.end();
        }
        signaled
    }
}

impl Left {
    /// A file has left that tells of the queue with this timeline, up to a submission.
    pub fn add(&self, timeline: u32, file: Arc<SyncFile>, submission: Submission) {
        let mut all = self.0.lock();
        all.retain(|last| last.timeline != timeline);
        all.push(Last { timeline, file, submission });
    }

    /// Notes what the files tell of how far their queues have come.
    pub fn look(&self) {
        self.0.lock().retain(|last| !last.wait(Duration::ZERO));
    }

    /// Waits until all have been signalled, at most for `time`: the kernel drops fences that the host's monitor hasn't come to when their device is closed,
    /// and whoever has such a file waits in vain.
    pub fn settle(&self, time: Duration) {
        let end = Instant::now() + time;
        self.0.lock().retain(|last| !last.wait(end.saturating_duration_since(Instant::now())));
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::OwnedFd;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::base::progress::Progress;

    /// A file that becomes readable as sync_files do, and what signals it.
    fn file() -> (Arc<SyncFile>, UnixStream) {
        let (file, end) = UnixStream::pair().unwrap();
        (Arc::new(SyncFile::from(OwnedFd::from(file))), end)
    }

    fn signal(mut end: &UnixStream) {
        end.write_all(b"!").unwrap();
    }

    #[test]
    fn the_last_file_of_a_queue_tells_of_all() {
        let progress: Arc<Progress> = Arc::default();
        let (left, (first, _first), (second, last)) = (Left::default(), file(), file());
        left.add(1, first, Submission::new(&progress, 1));
        left.add(1, second, Submission::new(&progress, 3));
        left.look();
        assert!(!progress.reached(1));
        signal(&last);
        left.look();
        assert!(progress.reached(3) && !progress.reached(4) && left.0.lock().is_empty());
    }

    #[test]
    fn a_device_waits_for_its_files_but_not_forever() {
        let (left, (file, end)) = (Left::default(), file());
        left.add(1, file, Submission::default());
        let start = Instant::now();
        left.settle(Duration::from_millis(20));
        assert!(start.elapsed() >= Duration::from_millis(20));
        let signals = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(5));
            signal(&end);
        });
        left.settle(Duration::from_secs(60));
        assert!(left.0.lock().is_empty() && start.elapsed() < Duration::from_secs(60));
        signals.join().unwrap();
    }
}
