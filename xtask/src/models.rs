//! The models of concurrent parts at greater length. All tests run them, too (`tests/models`).

use anyhow::Result;

use crate::{cargo, step};

/// Runs all models with one preemption more than the tests have.
///
/// # Errors
/// When one doesn't hold.
pub fn with_more_preemptions() -> Result<()> {
    for program in ["hesper-model-ring", "hesper-model-driver"] {
        let args = ["run", "--quiet", "--package=hesper-models", "--bin", program, "--", "--more=1"];
        step::run(&format!("Models: {program}"), "some minutes", &mut cargo::cargo(&args))?;
    }
    Ok(())
}
