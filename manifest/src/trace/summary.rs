//! Where time went: how long each kind of event took by itself, without those that it contains.

use std::collections::BTreeMap;
use std::time::Duration;

use super::events::{Event, Events};

/// Events in which a thread of the program's waits for the host (`winsys-virtgpu`, `icd/src/sync`).
const WAITS: [&str; 7] =
    ["wait for the host", "poll", "block", "doze", "look", "wait for an upload", "unpark the host"];
/// Rows of a table.
const ROWS: usize = 12;

/// All events of one name.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Kind {
    count: u64,
    /// Microseconds without the events that it contains.
    own: f64,
    /// Microseconds of all, and of the longest.
    total: f64,
    longest: f64,
    /// Microseconds of those that are within no other.
    outermost: f64,
}

/// Microseconds of a thread.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Thread {
    /// In calls, from their start to their end.
    calls: f64,
    /// Of these, in waits for the host.
    waits: f64,
}

/// Where time went.
#[derive(Debug, Default, PartialEq)]
pub struct Summary {
    kinds: BTreeMap<String, Kind>,
    threads: BTreeMap<u32, Thread>,
    /// Microseconds from the first event to the end of the last.
    span: f64,
}

impl Summary {
    /// Of all events.
    pub fn of(events: Events) -> Self {
        let Events { names, mut all } = events;
        // A thread's events in the order of their starts; what contains another stands before it.
        all.sort_by(|a, b| {
            (a.thread.cmp(&b.thread)).then(a.start.total_cmp(&b.start)).then(b.duration.total_cmp(&a.duration))
        });
        let end = |e: &Event| e.start + e.duration;
        let first = all.iter().map(|e| e.start).fold(f64::INFINITY, f64::min);
        let last = all.iter().map(end).fold(f64::NEG_INFINITY, f64::max);
        let mut kinds = vec![Kind::default(); names.len()];
        let mut threads: BTreeMap<u32, Thread> = BTreeMap::new();
        // Events that contain the one that is looked at, the innermost last.
        let mut around: Vec<Event> = Vec::new();
        for e in &all {
            around.retain(|a| a.thread == e.thread && end(a) > e.start);
            if let Some(kind) = kinds.get_mut(e.name) {
                kind.count += 1;
                kind.own += e.duration;
                kind.total += e.duration;
                kind.longest = kind.longest.max(e.duration);
            }
            let waits = |event: &Event| names.get(event.name).is_some_and(|n| WAITS.contains(&n.as_str()));
            let thread = threads.entry(e.thread).or_default();
            match around.last() {
                Some(outer) => {
                    if let Some(kind) = kinds.get_mut(outer.name) {
                        kind.own -= e.duration;
                    }
                }
                None => {
                    thread.calls += e.duration;
                    if let Some(kind) = kinds.get_mut(e.name) {
                        kind.outermost += e.duration;
                    }
                }
            }
            if waits(e) && !around.iter().any(waits) {
                thread.waits += e.duration;
            }
            around.push(*e);
        }
        // The mark at the start is nobody's.
        threads.retain(|number, _| *number != 0);
        let span = if last > first { last - first } else { 0.0 };
        Self { kinds: names.into_iter().zip(kinds).collect(), threads, span }
    }

    /// For people; `took` is the program's whole life.
    pub fn text(&self, took: Duration) -> String {
        let seconds = |us: f64| us / 1e6;
        let mut text = format!(
            "{:.3} s, of which {:.3} s from the first to the last event\n\n",
            took.as_secs_f64(),
            seconds(self.span)
        );
        text += "thread   in Vulkan   of that waiting   outside (s)\n";
        for (number, t) in &self.threads {
            let outside = seconds(self.span - t.calls).max(0.0);
            text += &format!("{number:6} {:11.3} {:17.3} {outside:13.3}\n", seconds(t.calls), seconds(t.waits));
        }
        text += "\nby itself (ms)    calls   each (us)   longest (us)\n";
        self.table(&mut text, |k| k.own);
        text += "\nwith what it contains (ms)\n";
        self.table(&mut text, |k| k.outermost);
        text
    }

    /// Those that took longest, by a measure in microseconds.
    fn table(&self, text: &mut String, by: impl Fn(&Kind) -> f64) {
        let mut kinds: Vec<_> = self.kinds.iter().filter(|(_, k)| by(k) > 0.0).collect();
        kinds.sort_by(|a, b| by(b.1).total_cmp(&by(a.1)));
        let left_out = kinds.len().saturating_sub(ROWS);
        for (name, k) in kinds.into_iter().take(ROWS) {
            let each = k.total / k.count as f64;
            *text += &format!("{:14.3} {:8} {each:11.2} {:14.1}  {name}\n", by(k) / 1e3, k.count, k.longest);
        }
        if left_out > 0 {
            *text += &format!("and {left_out} more\n");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_contains_others_has_the_rest() {
        let names = ["the trace begins", "vkWaitForFences", "block", "vkQueueSubmit"].map(str::to_owned).to_vec();
        let event = |thread, name, start, duration| Event { thread, name, start, duration };
        let all = vec![
            event(0, 0, 0.0, 0.0),
            // Written when they end: the inner one first.
            event(1, 2, 12.0, 50.0),
            event(1, 1, 10.0, 60.0),
            event(2, 3, 20.0, 5.0),
            event(1, 3, 80.0, 20.0),
        ];
        let s = Summary::of(Events { names, all });
        assert_eq!(s.span, 100.0);
        assert_eq!(s.threads[&1], Thread { calls: 80.0, waits: 50.0 });
        assert_eq!(s.threads[&2], Thread { calls: 5.0, waits: 0.0 });
        assert_eq!((s.kinds["vkWaitForFences"].own, s.kinds["block"].own), (10.0, 50.0));
        assert_eq!((s.kinds["vkWaitForFences"].outermost, s.kinds["block"].outermost), (60.0, 0.0));
        assert_eq!((s.kinds["vkQueueSubmit"].count, s.kinds["vkQueueSubmit"].longest), (2, 20.0));
        let text = s.text(Duration::from_secs(1));
        let position = |word: &str| text.find(word).unwrap();
        assert!(position("block") < position("vkQueueSubmit"), "{text}");
    }

    #[test]
    fn nothing_is_no_failure() {
        assert_eq!(Summary::of(Events::default()), Summary::default());
        assert!(Summary::default().text(Duration::ZERO).contains("0.000 s"));
    }
}
