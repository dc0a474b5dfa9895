//! For how long threads that could have run waited for a processor, and why: out of the scheduler's trace ([`crate::scheduler`]).

use std::collections::{BTreeMap, HashMap};
use std::fmt;

/// The name of threads that are there to compute beside; nobody asks what they wait for.
pub const BUSY: &str = "busy";
/// A wait in nanoseconds that counts as late: a processor that rests wakes up sooner, others' turns take longer.
const LATE: u64 = 200_000;

/// What the threads of a machine did while some tokens were computed, threads of one name together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Waits {
    tokens: u64,
    threads: BTreeMap<String, Thread>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Thread {
    /// Nanoseconds on a processor.
    ran: u64,
    waited: BTreeMap<Cause, Waited>,
}

/// A part of a trace, in nanoseconds of CLOCK_MONOTONIC.
pub type Span = std::ops::Range<u64>;

/// Why a thread that could run didn't.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    /// It had slept until then.
    Woken { by: String, beside: bool },
    /// It ran until another one took its place.
    PutOff { by: String },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Waited {
    times: u64,
    late: u64,
    /// Nanoseconds.
    time: u64,
}

/// A line of the trace.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Event<'a> {
    /// Nanoseconds.
    at: u64,
    processor: u32,
    /// Whether it came from an interrupt, and not from the thread that was running.
    interrupt: bool,
    running: &'a str,
    kind: Kind<'a>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Kind<'a> {
    Switch { from: (&'a str, u32), runnable: bool, to: (&'a str, u32) },
    Wakeup { thread: u32, processor: u32 },
}

impl Waits {
    /// Reads a trace: what happened in these spans of it, in which so many tokens were computed.
    pub fn of(trace: &str, spans: &[Span], tokens: u64) -> Self {
        let mut waits = Self { tokens, ..Self::default() };
        for span in spans {
            // Outside, nothing need have been recorded: what begins or ends there isn't counted.
            let within = |event: &Event<'_>| (span.start..span.end).contains(&event.at);
            waits.count(trace.lines().filter_map(Event::parse).filter(within));
        }
        waits.threads.retain(|name, _| name != BUSY && !name.starts_with("swapper/"));
        waits
    }

    fn count<'a>(&mut self, events: impl Iterator<Item = Event<'a>>) {
        // Since when a thread runs, and since when and why it waits.
        let (mut runs, mut ready) = (HashMap::new(), HashMap::new());
        for event in events {
            match event.kind {
                Kind::Wakeup { thread, processor } => {
                    let beside = !event.interrupt && processor == event.processor;
                    let by = if event.interrupt { "an interrupt" } else { event.running }.to_owned();
                    ready.insert(thread, (event.at, Cause::Woken { by, beside }));
                }
                Kind::Switch { from, runnable, to } => {
                    if let Some(since) = runs.remove(&from.1) {
                        self.thread(from.0).ran += event.at.saturating_sub(since);
                    }
                    runs.insert(to.1, event.at);
                    if runnable {
                        ready.insert(from.1, (event.at, Cause::PutOff { by: to.0.to_owned() }));
                    }
                    if let Some((since, cause)) = ready.remove(&to.1) {
                        let time = event.at.saturating_sub(since);
                        let waited = self.thread(to.0).waited.entry(cause).or_default();
                        waited.times += 1;
                        waited.late += u64::from(time > LATE);
                        waited.time += time;
                    }
                }
            }
        }
    }

    fn thread(&mut self, name: &str) -> &mut Thread {
        // Few names, many events.
        if !self.threads.contains_key(name) {
            self.threads.insert(name.to_owned(), Thread::default());
        }
        self.threads.get_mut(name).expect("it was inserted")
    }
}

impl Thread {
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
        for (name, thread) in threads {
            writeln!(f, "{name}: on a processor {:.0}, waiting for one {:.0}", us(thread.ran), us(thread.waited()))?;
            let mut causes: Vec<_> = thread.waited.iter().filter(|(_, w)| us(w.time) >= 1.0).collect();
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
            Self::Woken { by, beside: false } => write!(f, "woken by {by}"),
            Self::Woken { by, beside: true } => write!(f, "woken by {by}, on the same processor"),
            Self::PutOff { by } => write!(f, "put off by {by}"),
        }
    }
}

impl<'a> Event<'a> {
    /// A line such as `vkr-ring-1-4462    [003] d..2.   113.237941: sched_switch: …`. Names of threads may hold anything, so each is what lies between what doesn't.
    fn parse(line: &'a str) -> Option<Self> {
        let (head, kind) = match line.split_once(": sched_switch: ") {
            Some((head, rest)) => (head, Kind::switch(rest)?),
            None => {
                let (head, rest) = line.split_once(": sched_wakeup: ")?;
                (head, Kind::wakeup(rest)?)
            }
        };
        let (head, at) = head.rsplit_once(' ')?;
        let (seconds, fraction) = at.split_once('.')?;
        let fraction = fraction.parse::<u64>().ok()? * 10u64.checked_pow(9u32.checked_sub(fraction.len() as u32)?)?;
        let (head, flags) = head.trim_end().rsplit_once(' ')?;
        let (head, processor) = head.trim_end().rsplit_once(' ')?;
        let processor = processor.strip_prefix('[')?.strip_suffix(']')?.parse().ok()?;
        let (running, _) = head.trim().rsplit_once('-')?;
        let at = seconds.parse::<u64>().ok()?.checked_mul(1_000_000_000)?.checked_add(fraction)?;
        // The third says hard or soft interrupt.
        let interrupt = flags.chars().nth(2).is_some_and(|c| c != '.');
        Some(Self { at, processor, interrupt, running, kind })
    }
}

impl<'a> Kind<'a> {
    fn switch(text: &'a str) -> Option<Self> {
        let (from, to) = text.split_once(" ==> next_comm=")?;
        let (name, rest) = from.strip_prefix("prev_comm=")?.rsplit_once(" prev_pid=")?;
        let (id, state) = (number(rest)?, rest.rsplit_once("prev_state=")?.1);
        let (next, rest) = to.rsplit_once(" next_pid=")?;
        Some(Self::Switch { from: (name, id), runnable: state.starts_with('R'), to: (next, number(rest)?) })
    }

    fn wakeup(text: &'a str) -> Option<Self> {
        let (rest, processor) = text.rsplit_once(" target_cpu=")?;
        let (_, rest) = rest.rsplit_once(" pid=")?;
        Some(Self::Wakeup { thread: number(rest)?, processor: processor.trim().parse().ok()? })
    }
}

/// The number up to the next space.
fn number(text: &str) -> Option<u32> {
    text.split(' ').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn switch(at: u32, from: &str, state: char, to: &str) -> String {
        let (a, b) = (from.rsplit_once('/').unwrap(), to.rsplit_once('/').unwrap());
        format!(
            "   {}-{} [001] d..2.     1.{at:06}: sched_switch: prev_comm={} prev_pid={} prev_prio=120 prev_state={state} ==> next_comm={} next_pid={} next_prio=120\n",
            a.0, a.1, a.0, a.1, b.0, b.1
        )
    }

    fn wakeup(at: u32, by: &str, flags: &str, thread: u32, processor: u32) -> String {
        format!(
            "   {by} [001] {flags}     1.{at:06}: sched_wakeup: comm=x y pid={thread} prio=120 target_cpu={processor:03}\n"
        )
    }

    #[test]
    fn waits_are_told_by_their_causes() {
        let trace = "# tracer: nop\n".to_owned()
            // The guest wakes the server on its own processor, which takes its place for 30 us; then another has a turn of 4 ms.
            + &switch(0, "busy/7", 'R', "guest a-b/1")
            + &wakeup(100, "guest a-b-1", "d..2.", 2, 1)
            + &switch(105, "guest a-b/1", 'R', "server/2")
            + &switch(135, "server/2", 'S', "busy/7")
            + &switch(4135, "busy/7", 'R', "guest a-b/1")
            + &switch(4200, "guest a-b/1", 'S', "swapper/1/0")
            // Its timer.
            + &wakeup(5000, "<idle>-0", "dNh2.", 1, 1)
            + &switch(5003, "swapper/1/0", 'R', "guest a-b/1");
        let all = 1_000_000_000..2_000_000_000;
        let waits = Waits::of(&trace, std::slice::from_ref(&all), 2);
        let waited = |times, late, us: u64| Waited { times, late, time: us * 1000 };
        let guest = &waits.threads["guest a-b"];
        assert_eq!(guest.ran, (105 + 65) * 1000);
        let woken = |by: &str, beside| Cause::Woken { by: by.into(), beside };
        let all = [
            (woken("an interrupt", false), waited(1, 0, 3)),
            (Cause::PutOff { by: "server".into() }, waited(1, 1, 4030)),
        ];
        assert_eq!(guest.waited, all.into());
        assert_eq!(waits.threads["server"].waited, [(woken("guest a-b", true), waited(1, 0, 5))].into());
        assert_eq!(waits.threads.len(), 2, "nobody asks about idle and busy processors");
        let told = waits.to_string();
        assert!(
            told.contains("guest a-b: on a processor 85, waiting for one 2016\n    2015  put off by server "),
            "{told}"
        );
        assert!(told.contains("0.50 times a token, 1.00 of them longer than 0.2 ms"), "{told}");
        // The 4 ms begin in one span and end in the other.
        let cut = Waits::of(&trace, &[1_000_000_000..1_001_000_000, 1_001_000_000..2_000_000_000], 2);
        assert_eq!(
            (cut.threads["guest a-b"].ran, &cut.threads["guest a-b"].waited),
            (guest.ran, &[(woken("an interrupt", false), waited(1, 0, 3))].into())
        );
        assert_eq!(cut.threads["server"], waits.threads["server"]);
    }

    #[test]
    fn lines_of_any_kind_are_passed_over() {
        let line = switch(5, "a ==> b [x] sched/1", 'R', "c/2");
        let event = Event::parse(line.trim_end()).unwrap();
        assert_eq!((event.at, event.processor, event.interrupt), (1_000_005_000, 1, false));
        for cut in 0..line.len() {
            // None of these is more than nothing, or less than a panic.
            let _ = Event::parse(&line[..cut]);
        }
        for wrong in [
            "",
            "CPU:3 [LOST 7 EVENTS]",
            "x-1 [001] d..2. 1.5: sched_switch: ",
            "x-1 [z] d 1.000001: sched_wakeup: comm=a pid=1 target_cpu=0",
        ] {
            assert_eq!(Event::parse(wrong), None, "{wrong}");
        }
    }
}
