//! What the driver's threads share: its own files, against models of the host and of programs.

// The files have tests of their own, which are not for here.
#![cfg(not(test))]

// The files name the crate below them, of which they see a model.
extern crate self as hesper_winsys;

use std::process::ExitCode;

use hesper_models::run::{self, Model, Weak};

mod background;
#[allow(dead_code, clippy::missing_safety_doc, clippy::new_without_default)]
mod base;
mod host;
#[allow(dead_code, clippy::missing_safety_doc)]
mod memory;
mod objects;
mod recordings;
pub mod ring;
#[allow(dead_code)]
mod submission;
mod uploads;

pub use hesper_models::Error;
pub use host::Host;
pub use ring::{Ring, Seqno};

fn main() -> ExitCode {
    run::main(&[
        Model { name: "stale handles", preemptions: 3, check: objects::stale_handles, needs: &[] },
        Model { name: "new handles", preemptions: 3, check: objects::new_handles, needs: &[Weak::Loads] },
        Model { name: "recordings", preemptions: 3, check: recordings::check, needs: &[] },
        Model { name: "uploads", preemptions: 3, check: uploads::check, needs: &[Weak::Fences] },
        Model { name: "uploads, no fence once", preemptions: 3, check: uploads::a_fence_fails, needs: &[Weak::Fences] },
        Model { name: "background, side rings first", preemptions: 2, check: background::sides_first, needs: &[] },
        Model { name: "background, main ring first", preemptions: 2, check: background::main_first, needs: &[] },
        Model {
            name: "background, a side ring last",
            preemptions: 2,
            check: background::second_side_first,
            needs: &[],
        },
    ])
}
