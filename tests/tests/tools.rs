//! What `hesper` has beside the doctor, over a real host: `trace` says where time went, `env` leads programs to the driver, `bench` measures.

use hesper_rig::{Driver, Host, build_driver};
use hesper_tests::{both, good, output, root};
use serde_json::Value;

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");

#[test]
fn a_trace_says_where_time_went() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let program = build_driver().unwrap().program;
    let kept = std::env::temp_dir().join(format!("hesper-tools-{}.json", std::process::id()));
    let mut command = root.client(Driver::Hesper, Some(&host), &program).unwrap();
    let out = output("hesper trace", command.arg("trace").arg("--keep").arg(&kept).args([CLIENT, "compute"]));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}", both(&out));
    assert!(String::from_utf8_lossy(&out.stdout).contains("ok compute"), "{}", both(&out));
    for name in ["  vkCreateDevice\n", "  wait for the host\n", "of that waiting"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    let row = |name: &str| {
        let line =
            said.lines().find(|l| l.ends_with(&format!("  {name}"))).unwrap_or_else(|| panic!("no {name}: {said}"));
        line.split_whitespace().take(4).map(|w| w.parse().unwrap()).collect::<Vec<f64>>()
    };
    let waits = row("wait for the host");
    assert!(waits[0] > 0.0 && waits[1] >= 1.0 && waits[3] >= waits[2], "{said}");
    assert!(std::fs::read_to_string(&kept).unwrap().contains("vkCreateDevice"));
    std::fs::remove_file(&kept).unwrap();
}

#[test]
fn the_environment_leads_programs_here() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let build = build_driver().unwrap();
    // By the variable that older loaders know, to both.
    let script =
        format!("eval \"$({} env)\" && unset VK_ICD_FILENAMES && exec {CLIENT} compute", build.program.display());
    let mut command = root.client(Driver::Hesper, Some(&host), "/bin/sh").unwrap();
    command.env_remove("VK_DRIVER_FILES").env("VK_ICD_FILENAMES", &build.manifest);
    let said = good("the client", command.args(["-c", &script]));
    assert!(said.contains("ok compute"), "{said}");
}

#[test]
fn the_bench_measures_and_ends_in_time() {
    let root = root();
    let host = Host::start(&root).unwrap();
    let mut command = root.client(Driver::Hesper, Some(&host), build_driver().unwrap().program).unwrap();
    let start = std::time::Instant::now();
    let out = output("hesper bench", command.args(["bench", "--json"]));
    let report: Value = serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{e}: {}", both(&out)));
    println!("{:.1} s: {report:#}", start.elapsed().as_secs_f64());
    assert_eq!(report["good"].as_bool(), Some(out.status.success()));
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 6, "{report:#}");
    assert!(rows.iter().all(|r| r["value"].as_f64().is_some_and(|v| v > 0.0)), "{report:#}");
    assert!(start.elapsed().as_secs() < 40, "{:?}", start.elapsed());
}
