//! For how long threads that could have run waited for a processor, and why: out of the scheduler's trace ([`crate::scheduler`]).

use std::collections::{BTreeMap, HashMap};
use std::fmt;

use crate::switches::{Event, Kind, Lines, Thread};

/// The name of threads that are there to compute beside the drivers; nobody asks what they wait for.
pub const BUSY: &str = "busy";
/// A wait in nanoseconds that counts as late: a processor that rests wakes up sooner, others' turns take longer.
const LATE: u64 = 200_000;

/// A part of a trace, in nanoseconds of CLOCK_MONOTONIC.
pub type Span = std::ops::Range<u64>;

/// What the threads of a machine did while some tokens were computed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    tokens: u64,
    /// By name, and those of one name by number: threads are called as those that start them until they give themselves names.
    threads: BTreeMap<(String, u32), Times>,
    /// Lines about switches that can't be read.
    unread: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Times {
    /// Nanoseconds on a processor.
    ran: u64,
    waited: BTreeMap<Cause, Waited>,
}

/// Why a thread that could run didn't.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// It had slept until then. On the same processor its waker has to make room.
    Woken { by: String, same_processor: bool },
    /// It ran until another one took its place, or it yielded.
    PutOff { by: String },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Waited {
    times: u64,
    late: u64,
    /// Nanoseconds.
    time: u64,
}

/// Who wakes a thread that the kernel hasn't put onto a processor's queue yet.
struct Waker {
    at: u64,
    by: String,
    /// Of a waker that is no interrupt.
    processor: Option<u32>,
}

/// What is going on at some point of a span.
#[derive(Default)]
struct Now<'a> {
    /// Who runs on each processor, and since when, as far as that is known.
    running: HashMap<u32, (Thread<'a>, u64)>,
    wakers: HashMap<u32, Waker>,
    /// Which thread waits, since when, and why.
    ready: HashMap<u32, (Thread<'a>, u64, Cause)>,
}

impl Waits {
    /// Reads a trace: what happened in these spans of it, in which so many tokens were computed. What began before a span, or goes on behind it, is counted as far as it lies within.
    pub fn of(trace: &str, spans: &[Span], tokens: u64) -> Self {
        let mut waits = Self { tokens, unread: Lines::of(trace).filter(Result::is_err).count(), ..Self::default() };
        for span in spans {
            let within = |event: &Event<'_>| span.contains(&event.at);
            waits.count(span, Lines::of(trace).filter_map(Result::ok).filter(within));
        }
        waits.threads.retain(|(name, _), _| name != BUSY && !name.starts_with("swapper/"));
        waits
    }

    fn count<'a>(&mut self, span: &Span, events: impl Iterator<Item = Event<'a>>) {
        let mut now = Now::default();
        for event in events {
            match event.kind {
                Kind::Waking { thread } => {
                    now.wakers.insert(thread.id, now.waker(&event));
                }
                Kind::Wakeup { thread, processor } => {
                    let waker = now.wakers.remove(&thread.id).unwrap_or_else(|| now.waker(&event));
                    let same_processor = waker.processor == Some(processor);
                    let cause = Cause::Woken { by: waker.by, same_processor };
                    now.ready.entry(thread.id).or_insert((thread, waker.at, cause));
                }
                Kind::Switch { from, runnable, to } => {
                    let since = now.running.insert(event.processor, (to, event.at)).map_or(span.start, |(_, at)| at);
                    self.times(from).ran += event.at.saturating_sub(since);
                    now.ready.remove(&from.id);
                    if runnable {
                        now.ready.insert(from.id, (from, event.at, Cause::PutOff { by: to.name.to_owned() }));
                    }
                    if let Some((_, since, cause)) = now.ready.remove(&to.id) {
                        self.times(to).wait(cause, event.at.saturating_sub(since));
                    }
                }
            }
        }
        for (thread, since) in now.running.into_values() {
            self.times(thread).ran += span.end.saturating_sub(since);
        }
        for (thread, since, cause) in now.ready.into_values() {
            self.times(thread).wait(cause, span.end.saturating_sub(since));
        }
    }

    fn times(&mut self, thread: Thread<'_>) -> &mut Times {
        self.threads.entry((thread.name.to_owned(), thread.id)).or_default()
    }
}

impl Now<'_> {
    /// Whoever runs where the event was noted, unless that was an interrupt.
    fn waker(&self, event: &Event<'_>) -> Waker {
        // Lines have names that were kept by number, and have lost some of them.
        let by = self.running.get(&event.processor).map_or(event.running, |(thread, _)| thread.name);
        let by = if event.interrupt { "an interrupt" } else { by }.to_owned();
        Waker { at: event.at, by, processor: (!event.interrupt).then_some(event.processor) }
    }
}

impl Times {
    fn wait(&mut self, cause: Cause, time: u64) {
        let waited = self.waited.entry(cause).or_default();
        waited.times += 1;
        waited.late += u64::from(time > LATE);
        waited.time += time;
    }

    fn waited(&self) -> u64 {
        self.waited.values().map(|w| w.time).sum()
    }
}

/// A table of those threads and causes that took a microsecond a token at least, the greatest first.
impl fmt::Display for Waits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tokens = self.tokens.max(1);
        let us = |time: u64| time as f64 / tokens as f64 / 1000.0;
        let often = |n: u64| n as f64 / tokens as f64;
        let mut threads: Vec<_> = self.threads.iter().filter(|(_, t)| us(t.ran + t.waited()) >= 1.0).collect();
        threads.sort_by_key(|(_, t)| std::cmp::Reverse(t.ran + t.waited()));
        writeln!(f, "Microseconds a token, of {} tokens:", self.tokens)?;
        if self.unread > 0 {
            writeln!(f, "{} lines of the trace can't be read", self.unread)?;
        }
        for ((name, id), times) in threads {
            writeln!(
                f,
                "{name} ({id}): on a processor {:.0}, waiting for one {:.0}",
                us(times.ran),
                us(times.waited())
            )?;
            let mut causes: Vec<_> = times.waited.iter().filter(|(_, w)| us(w.time) >= 1.0).collect();
            causes.sort_by_key(|(_, w)| std::cmp::Reverse(w.time));
            for (cause, w) in causes {
                let late = w.late as f64 / w.times as f64;
                let (time, times, cause) = (us(w.time), often(w.times), cause.to_string());
                writeln!(
                    f,
                    "  {time:6.0}  {cause:48} {times:6.2} times a token, {late:.2} of them longer than 0.2 ms"
                )?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Woken { by, same_processor: false } => write!(f, "woken by {by}"),
            Self::Woken { by, same_processor: true } => write!(f, "woken by {by}, on the same processor"),
            Self::PutOff { by } => write!(f, "put off by {by}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::switches::tests::{switch, wakeup, waking};

    const ALL: Span = 1_000_000_000..1_006_000_000;

    fn waited(times: u64, late: u64, us: u64) -> Waited {
        Waited { times, late, time: us * 1000 }
    }

    fn woken(by: &str, same_processor: bool) -> Cause {
        Cause::Woken { by: by.into(), same_processor }
    }

    fn put_off(by: &str) -> Cause {
        Cause::PutOff { by: by.into() }
    }

    fn trace() -> String {
        // The guest wakes the server on its own processor, which takes its place for 30 us; then another thread has a turn of 4 ms.
        switch(100, "busy/7", 'R', "guest/1")
            + &waking(198, "<...>-1", "d..2.", 2)
            + &wakeup(200, "<...>-1", "d..2.", 2, 1)
            + &switch(205, "guest/1", 'R', "server/2")
            + &switch(235, "server/2", 'S', "busy/7")
            + &switch(4235, "busy/7", 'R', "guest/1")
            // It wakes the ring's thread, which another processor has no time for, and sleeps until its timer wakes it.
            + &wakeup(4250, "guest-1", "d..2.", 3, 2)
            + &switch(4300, "guest/1", 'S', "swapper/1/0")
            + &wakeup(5000, "<idle>-0", "dNh2.", 1, 1)
            + &switch(5003, "swapper/1/0", 'R', "guest/1")
    }

    #[test]
    fn waits_are_told_by_their_causes() {
        let waits = Waits::of(&("# tracer: nop\n".to_owned() + &trace()), &[ALL], 2);
        let guest = &waits.threads[&("guest".to_owned(), 1)];
        assert_eq!(guest.ran, (105 + 65 + 997) * 1000);
        assert_eq!(
            guest.waited,
            [(woken("an interrupt", false), waited(1, 0, 3)), (put_off("server"), waited(1, 1, 4030))].into()
        );
        let server = &waits.threads[&("server".to_owned(), 2)];
        assert_eq!((server.ran, &server.waited), (30_000, &[(woken("guest", true), waited(1, 0, 7))].into()));
        let ring = &waits.threads[&("x y".to_owned(), 3)];
        assert_eq!(
            (ring.ran, &ring.waited),
            (0, &[(woken("guest", false), waited(1, 1, 1750))].into()),
            "it waits yet"
        );
        assert_eq!((waits.threads.len(), waits.unread), (3, 0), "nobody asks about idle and busy processors");
        let told = waits.to_string();
        assert!(
            told.contains("guest (1): on a processor 584, waiting for one 2016\n    2015  put off by server "),
            "{told}"
        );
        assert!(told.contains("0.50 times a token, 1.00 of them longer than 0.2 ms"), "{told}");
    }

    #[test]
    fn what_lies_outside_of_spans_is_not_counted() {
        let (first, second) = (ALL.start..ALL.start + 1_000_000, ALL.start + 4_000_000..ALL.end);
        let whole = Waits::of(&trace(), &[ALL], 2);
        let cut = Waits::of(&trace(), &[first, second], 2);
        let guest = |waits: &Waits| waits.threads[&("guest".to_owned(), 1)].clone();
        assert_eq!(guest(&cut).ran, guest(&whole).ran);
        assert_eq!(guest(&cut).waited[&put_off("server")], waited(1, 1, 795), "up to the first one's end");
        // Who runs when a span begins is known when it is over.
        let short = ALL.start + 150_000..ALL.start + 210_000;
        let late = Waits::of(&trace(), std::slice::from_ref(&short), 2);
        assert_eq!(guest(&late).ran, 55_000);
    }

    #[test]
    fn lines_of_another_kernel_are_no_empty_table() {
        let waits = Waits::of("x-1 [001] d..2. 1.5: sched_switch: from=1 to=2\n", &[ALL], 2);
        assert!(waits.to_string().contains("1 lines of the trace can't be read"), "{waits}");
    }
}
