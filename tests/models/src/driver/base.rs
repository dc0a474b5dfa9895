//! The driver's lowest floor, as far as threads share something there.

pub mod asymmetric_fence;
#[path = "../../../../icd/src/base/background.rs"]
pub mod background;
#[path = "../../../../icd/src/base/backlog.rs"]
pub mod backlog;
#[path = "../../../../icd/src/base/in_progress.rs"]
pub mod in_progress;
#[path = "../../../../icd/src/base/progress.rs"]
pub mod progress;
#[path = "../../../../icd/src/base/slab.rs"]
pub mod slab;

pub use hesper_models::shared;
