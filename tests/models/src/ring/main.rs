//! The ring: its own files, against a model of the host's thread.

// The files have tests of their own, which are not for here.
#![cfg(not(test))]

use std::process::ExitCode;

use hesper_models::run::{self, Model, Weak};

pub use hesper_models::shared;
pub use hesper_winsys::{Error, Health, contention, health, notice, reply_place, trace, transport};

mod host;
#[path = "../../../../winsys-virtgpu/src/reply_pool.rs"]
#[allow(dead_code)]
mod reply_pool;
#[path = "../../../../winsys-virtgpu/src/ring/mod.rs"]
#[allow(dead_code, unused_imports)]
mod ring;
#[path = "../../../../winsys-virtgpu/src/seqno.rs"]
#[allow(dead_code)]
mod seqno;
mod shmem;
#[path = "../../../../winsys-virtgpu/src/stream.rs"]
#[allow(dead_code)]
mod stream;
mod submitters;
mod waiting;

pub use shmem::{Shmem, Winsys};

fn main() -> ExitCode {
    run::main(&[
        Model { name: "wake-up", preemptions: 3, check: submitters::wake_up, needs: &[Weak::Fences] },
        Model { name: "posted", preemptions: 3, check: submitters::posted, needs: &[Weak::Fences] },
        Model { name: "done", preemptions: 3, check: submitters::done, needs: &[Weak::Loads] },
        Model { name: "full", preemptions: 2, check: submitters::full, needs: &[] },
        Model { name: "noted", preemptions: 3, check: submitters::noted, needs: &[Weak::Loads] },
        Model { name: "parked", preemptions: 2, check: submitters::parked, needs: &[] },
    ])
}
