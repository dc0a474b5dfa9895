//! How the program is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Programs for musl are static where nothing is said, and a static program can't open a library.
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "musl") {
        println!("cargo::rustc-link-arg-bins=-dynamic");
    }
}
