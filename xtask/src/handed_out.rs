//! What is built to be handed out.

use anyhow::Result;
use hesper_packaging::Contents;
use hesper_rig::Guest;

use crate::{guests, setup};

/// Builds for guests, and collects what goes out with each build.
///
/// # Errors
/// When a build fails, or isn't as it should be.
pub fn build(all: &[Guest]) -> Result<Vec<Contents>> {
    setup::ensure()?;
    all.iter().map(|guest| Contents::collect(*guest, &guests::build(*guest)?)).collect()
}
