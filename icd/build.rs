//! How the shared object is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // The driver stays where it is when a program closes it. The C library would unmap it at some later time, once no thread has memory of the
    // driver's own, and what its tables hold would be lost with each load.
    println!("cargo::rustc-link-arg-cdylib=-Wl,-z,nodelete");
}
