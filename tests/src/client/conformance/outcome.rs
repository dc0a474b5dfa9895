//! What an area says.

/// How an area ended that didn't fail.
pub enum Outcome {
    Passed,
    /// Nothing could be tried, for this reason.
    LeftOut(&'static str),
}
