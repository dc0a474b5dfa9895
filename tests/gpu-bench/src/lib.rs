//! llama.cpp on three drivers, on a machine with a GPU and no network: `gpu-bench` runs inside the bundle that `cargo xtask gpu-bench pack` makes, and writes lines
//! that `cargo xtask gpu-bench report` reads.

pub mod batched;
pub mod bench;
pub mod busy;
pub mod clients;
pub mod closed_loop;
pub mod cpu;
pub mod host;
pub mod host_calls;
pub mod killed;
pub mod machine;
pub mod model;
pub mod output;
pub mod pace;
pub mod record;
pub mod run;
pub mod run_queue;
pub mod running;
pub mod scheduler;
pub mod section;
pub mod sections;
pub mod switches;
pub mod variant;
