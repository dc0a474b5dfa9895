//! Lines of the scheduler's trace (Linux, include/trace/events/sched.h).

/// A thread's name, which may hold anything, and its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thread<'a> {
    pub name: &'a str,
    pub id: u32,
}

/// What was noted, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// Nanoseconds.
    pub at: u64,
    pub processor: u32,
    /// Whether it came from an interrupt, and not from the thread that was running.
    pub interrupt: bool,
    pub running: &'a str,
    pub kind: Kind<'a>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind<'a> {
    Switch {
        from: Thread<'a>,
        runnable: bool,
        to: Thread<'a>,
    },
    /// Somebody begins to wake a thread, which the kernel may leave to the processor that is to run it.
    Waking {
        thread: Thread<'a>,
    },
    /// It is in that processor's queue.
    Wakeup {
        thread: Thread<'a>,
        processor: u32,
    },
}

/// The events of a trace, in their order; an error for each line of these kinds that can't be read.
pub struct Lines<'a>(std::str::Lines<'a>);

impl<'a> Lines<'a> {
    pub fn of(trace: &'a str) -> Self {
        Self(trace.lines())
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = Result<Event<'a>, &'a str>;

    fn next(&mut self) -> Option<Self::Item> {
        self.0.find_map(|line| {
            let (head, kind, rest) = KINDS.iter().find_map(|(separator, kind)| {
                let (head, rest) = line.split_once(separator)?;
                Some((head, kind, rest))
            })?;
            Some(kind(rest).and_then(|kind| Event::parse(head, kind)).ok_or(line))
        })
    }
}

type Parse = for<'a> fn(&'a str) -> Option<Kind<'a>>;

/// What lines of each kind are known by. A thread's name has no room for any of these.
const KINDS: [(&str, Parse); 4] = [
    (": sched_switch: ", switch),
    (": sched_waking: ", |text| woken(text).map(|(thread, _)| Kind::Waking { thread })),
    (": sched_wakeup: ", |text| woken(text).map(|(thread, processor)| Kind::Wakeup { thread, processor })),
    (": sched_wakeup_new: ", |text| woken(text).map(|(thread, processor)| Kind::Wakeup { thread, processor })),
];

impl<'a> Event<'a> {
    /// Reads what stands before the kind, such as `vkr-ring-1-4462    [003] d..2.   113.237941`.
    fn parse(head: &'a str, kind: Kind<'a>) -> Option<Self> {
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

fn switch(text: &str) -> Option<Kind<'_>> {
    let (from, to) = text.split_once(" ==> next_comm=")?;
    let (name, rest) = from.strip_prefix("prev_comm=")?.rsplit_once(" prev_pid=")?;
    let (from, state) = (Thread { name, id: number(rest)? }, rest.rsplit_once("prev_state=")?.1);
    let (name, rest) = to.rsplit_once(" next_pid=")?;
    Some(Kind::Switch { from, runnable: state.starts_with('R'), to: Thread { name, id: number(rest)? } })
}

fn woken(text: &str) -> Option<(Thread<'_>, u32)> {
    let (rest, processor) = text.rsplit_once(" target_cpu=")?;
    let (name, rest) = rest.strip_prefix("comm=")?.rsplit_once(" pid=")?;
    Some((Thread { name, id: number(rest)? }, processor.trim().parse().ok()?))
}

/// The number up to the next space.
fn number(text: &str) -> Option<u32> {
    text.split(' ').next()?.parse().ok()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A switch on processor 1 so many microseconds after the first second, from and to `name/number`.
    pub fn switch(at: u32, from: &str, state: char, to: &str) -> String {
        let (a, b) = (from.rsplit_once('/').unwrap(), to.rsplit_once('/').unwrap());
        format!(
            "   {}-{} [001] d..2.     1.{at:06}: sched_switch: prev_comm={} prev_pid={} prev_prio=120 prev_state={state} ==> next_comm={} next_pid={} next_prio=120\n",
            a.0, a.1, a.0, a.1, b.0, b.1
        )
    }

    pub fn waking(at: u32, by: &str, flags: &str, thread: u32) -> String {
        format!("   {by} [001] {flags}     1.{at:06}: sched_waking: comm=x y pid={thread} prio=120 target_cpu=000\n")
    }

    pub fn wakeup(at: u32, by: &str, flags: &str, thread: u32, processor: u32) -> String {
        format!(
            "   {by} [001] {flags}     1.{at:06}: sched_wakeup: comm=x y pid={thread} prio=120 target_cpu={processor:03}\n"
        )
    }

    fn one(line: &str) -> Option<Result<Event<'_>, &str>> {
        Lines::of(line).next()
    }

    #[test]
    fn names_may_hold_anything() {
        let line = switch(5, "a-b ==> [x] c/1", 'S', "d pid=7/2");
        let (from, to) = (Thread { name: "a-b ==> [x] c", id: 1 }, Thread { name: "d pid=7", id: 2 });
        let kind = Kind::Switch { from, runnable: false, to };
        let event = Event { at: 1_000_005_000, processor: 1, interrupt: false, running: from.name, kind };
        assert_eq!(one(&line), Some(Ok(event)));
        let line = wakeup(7, "<idle>-0", "dNh2.", 9, 2);
        let kind = Kind::Wakeup { thread: Thread { name: "x y", id: 9 }, processor: 2 };
        assert_eq!(
            one(&line),
            Some(Ok(Event { at: 1_000_007_000, processor: 1, interrupt: true, running: "<idle>", kind }))
        );
    }

    #[test]
    fn what_is_cut_off_is_no_panic() {
        for line in [switch(5, "a/1", 'R', "b/2"), waking(5, "a-1", "d..2.", 9), wakeup(5, "a-1", "d..2.", 9, 2)] {
            assert!(one(&line).unwrap().is_ok());
            for cut in 0..line.len() {
                let _ = one(&line[..cut]);
            }
        }
        for other in ["", "# tracer: nop", "CPU:3 [LOST 7 EVENTS]", "x-1 [001] d..2. 1.5: sched_migrate_task: comm=x"] {
            assert_eq!(one(other), None, "{other}");
        }
        for wrong in
            ["x-1 [z] d..2. 1.5: sched_wakeup: comm=a pid=1 target_cpu=0", "x-1 [001] d..2. 1.5: sched_switch: "]
        {
            assert_eq!(one(wrong), Some(Err(wrong)));
        }
    }
}
