//! The driver's lowest floor, as far as threads share something there.

pub mod asymmetric_fence;
#[path = "../../../../icd/src/base/background.rs"]
pub mod background;
#[path = "../../../../icd/src/base/backlog.rs"]
pub mod backlog;
#[path = "../../../../icd/src/base/in_progress.rs"]
pub mod in_progress;
pub mod clock {
    //! A clock by which every command takes the host long.

    /// A second later each time.
    pub fn now() -> u64 {
        static NOW: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        NOW.fetch_add(1_000_000_000, std::sync::atomic::Ordering::Relaxed)
    }
}
#[path = "../../../../icd/src/base/lanes.rs"]
pub mod lanes;
#[path = "../../../../icd/src/base/progress.rs"]
pub mod progress;
#[path = "../../../../icd/src/base/slab.rs"]
pub mod slab;

pub use hesper_models::shared;
