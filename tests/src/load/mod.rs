//! Servers of models under a load: a closed loop of clients, and what it measures.

mod answer;
mod closed_loop;
mod measured;
mod served;

pub use closed_loop::Load;
pub use measured::{BETWEEN, FIRST, Measured, TOKENS};
pub use served::Served;
