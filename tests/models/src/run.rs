//! Runs models by name.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use loom::model::Builder;

/// A step of a protocol that a model leaves out, to show that the model finds that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Weak {
    /// Full fences order as locks do, and no more.
    Fences,
    /// Loads order nothing.
    Loads,
}

thread_local! {
    static WEAK: Cell<Option<Weak>> = const { Cell::new(None) };
}

/// Whether this step is left out. loom runs all threads of a model on one.
pub fn is_weak(step: Weak) -> bool {
    WEAK.get() == Some(step)
}

/// A model: its name, how often a thread may lose the processor to another one where it could go on, and what is checked.
pub struct Model {
    pub name: &'static str,
    pub preemptions: usize,
    pub check: fn(),
    /// Steps without which it must fail.
    pub needs: &'static [Weak],
}

/// In how many orders a model holds, if it does.
fn holds(model: &Model, weak: Option<Weak>, more: usize) -> Option<usize> {
    WEAK.set(weak);
    let orders = Arc::new(AtomicUsize::new(0));
    let mut builder = Builder::new();
    builder.preemption_bound = Some(model.preemptions + more);
    let (check, count) = (model.check, orders.clone());
    let one = move || {
        count.fetch_add(1, Ordering::Relaxed);
        check();
    };
    let done = catch_unwind(AssertUnwindSafe(|| builder.check(one)));
    WEAK.set(None);
    done.is_ok().then(|| orders.load(Ordering::Relaxed))
}

/// Runs models, all of them or the one that an argument names; `--more=N` lets a thread lose the processor so many times more.
pub fn main(models: &[Model]) -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let more = args.iter().find_map(|a| a.strip_prefix("--more=")?.parse().ok()).unwrap_or(0);
    let only = args.iter().find(|a| !a.starts_with("--"));
    let mut good = true;
    for model in models.iter().filter(|m| only.is_none_or(|only| only == m.name)) {
        let start = std::time::Instant::now();
        let held = holds(model, None, more);
        let seconds = start.elapsed().as_secs_f32();
        match held {
            Some(orders) => println!("{}: holds in {orders} orders ({seconds:.1} s)", model.name),
            None => println!("{}: FAILS ({seconds:.1} s)", model.name),
        }
        good &= held.is_some();
        for weak in model.needs {
            let missed = holds(model, Some(*weak), more).is_some();
            println!("{} without {weak:?}: {}", model.name, if missed { "NOT found out" } else { "found out" });
            good &= !missed;
        }
    }
    if good { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
