//! What a user should know of a host that is neither lost nor well. The process has one standard error, so there is one speaker.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static SPEAKER: OnceLock<fn(&str)> = OnceLock::new();
static SAID: Said = Said::nothing();

/// Whether the last thing that was said is that the host is silent.
struct Said(AtomicBool);

impl Said {
    const fn nothing() -> Self {
        Self(AtomicBool::new(false))
    }

    /// What is news when the host is silent, or isn't.
    fn news(&self, silent: bool) -> Option<&'static str> {
        let news = self.0.swap(silent, Ordering::Relaxed) != silent;
        news.then_some(if silent {
            "the host has shown no sign of life for 10 s; it is waited for"
        } else {
            "the host shows signs of life again"
        })
    }

    fn forget(&self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Has `speaker` hand lines to the user from now on; the first one stays.
pub fn speak_by(speaker: fn(&str)) {
    let _ = SPEAKER.set(speaker);
}

/// A host has been silent for 10 s, or isn't any more; said once for all who wait for it.
pub fn silent(is: bool) {
    if let Some(news) = SAID.news(is)
        && let Some(speaker) = SPEAKER.get()
    {
        speaker(news);
    }
}

/// A host is lost: what was said of it is nothing that the user knows of the next one.
pub fn forget() {
    SAID.forget();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number_of_news(said: &Said, silences: &[bool]) -> usize {
        silences.iter().filter_map(|is| said.news(*is)).count()
    }

    #[test]
    fn silence_is_said_once() {
        assert_eq!(number_of_news(&Said::nothing(), &[false, true, true, false, false]), 2);
    }

    #[test]
    fn silence_of_the_next_host_is_said_again() {
        let said = Said::nothing();
        assert_eq!(number_of_news(&said, &[true]), 1);
        said.forget();
        assert_eq!(number_of_news(&said, &[false, true]), 1);
    }
}
