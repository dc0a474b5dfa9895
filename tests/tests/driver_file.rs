//! The shared object as it is shipped: small, and at home in any container.

use std::process::Command;

use hesper_rig::build_driver;
use hesper_tests::good;

#[test]
fn small_and_needs_only_the_c_library() {
    let library = build_driver().unwrap().library;
    let size = std::fs::metadata(&library).unwrap().len();
    assert!(size <= 4 << 20, "{size} bytes");
    let needs = good("ldd", Command::new("ldd").arg(&library));
    for line in needs.lines() {
        let known = ["linux-vdso.so", "libc.so.6", "libm.so.6", "libgcc_s.so.1", "ld-linux"];
        assert!(known.iter().any(|k| line.contains(k)), "the driver needs {line}");
    }
}

/// Nothing but the loader's interface is visible, so the driver can't clash with a program's symbols.
#[test]
fn exports_the_loader_interface_alone() {
    let library = build_driver().unwrap().library;
    let out = good("nm", Command::new("nm").args(["-D", "--defined-only", "--format=posix"]).arg(&library));
    let mut names: Vec<&str> = out.lines().filter_map(|l| l.split(' ').next()).collect();
    names.sort_unstable();
    assert_eq!(
        names,
        ["vk_icdGetInstanceProcAddr", "vk_icdGetPhysicalDeviceProcAddr", "vk_icdNegotiateLoaderICDInterfaceVersion"]
    );
}
