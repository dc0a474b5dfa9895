//! The same jobs in guests of all kinds, on this driver and on Mesa's. `cargo xtask vm` shows them side by side, tests/vm.rs asks for what must hold.

mod jobs;
mod life;
mod outcome;
mod row;
mod run;
mod servers;
mod wake_ups;

pub use jobs::Plan;
pub use life::{boots, life};
pub use outcome::Outcome;
pub use row::Row;
pub use run::{run, tokens_of_the_host};
pub use servers::TOKENS;
pub use wake_ups::{WakeUps, wake_ups};
