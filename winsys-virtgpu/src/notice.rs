//! What a user should know of a host that is neither lost nor well. The process has one standard error, so there is one speaker.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static SPEAKER: OnceLock<fn(&str)> = OnceLock::new();
static SILENT: AtomicBool = AtomicBool::new(false);

/// Has `speaker` hand lines to the user from now on; the first one stays.
pub fn speak_by(speaker: fn(&str)) {
    let _ = SPEAKER.set(speaker);
}

/// A host has been silent for 10 s, or isn't any more; said once for all who wait for it.
pub fn silent(is: bool) {
    if SILENT.swap(is, Ordering::Relaxed) != is
        && let Some(speaker) = SPEAKER.get()
    {
        speaker(if is {
            "the host has shown no sign of life for 10 s; it is waited for"
        } else {
            "the host shows signs of life again"
        });
    }
}

#[cfg(test)]
mod tests {
    use parking_lot::Mutex;

    use super::*;

    static SAID: Mutex<Vec<String>> = Mutex::new(Vec::new());

    #[test]
    fn silence_is_said_once() {
        speak_by(|text| SAID.lock().push(text.into()));
        for is in [false, true, true, false, false] {
            silent(is);
        }
        assert_eq!(SAID.lock().len(), 2);
    }
}
