//! cargo on this workspace.

use std::process::Command;

/// The cargo that runs this program, at the top of the checkout.
pub fn cargo(args: &[&str]) -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(hesper_rig::workspace()).args(args);
    command
}
