//! Each model holds, and fails where a step of its protocol is left out.

use std::process::Command;

fn all_hold(program: &str) {
    let out = Command::new(program).env("RUST_BACKTRACE", "0").output().unwrap();
    let (text, errors) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    assert!(out.status.success(), "{text}\n{errors}");
    assert!(text.contains(": holds in "), "no model ran");
}

#[test]
fn the_ring() {
    all_hold(env!("CARGO_BIN_EXE_hesper-model-ring"));
}

#[test]
fn what_the_driver_s_threads_share() {
    all_hold(env!("CARGO_BIN_EXE_hesper-model-driver"));
}
