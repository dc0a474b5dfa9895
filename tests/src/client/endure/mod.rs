//! What must go on for long, or with very much of everything. `hesper_tests::endure` runs these parts, and looks at what they hold meanwhile.

pub mod crowd;
pub mod long;
pub mod many;
mod pace;
pub mod starts;
