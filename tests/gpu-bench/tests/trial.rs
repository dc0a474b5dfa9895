//! The whole of it in the rig's root, on lavapipe and tiny models.

use std::path::Path;
use std::process::Command;

use hesper_gpu_bench::record::{self, Line, Value};
use hesper_gpu_bench::scheduler::Instance;
use hesper_rig::{Driver, build_driver, llama, target_folder};
use hesper_tests::{quick, root};

/// A variant that is measured beside the drivers.
const VARIANT: &str = "+contention";

/// Has all drivers keep things in one folder: lavapipe compiles below each of them, and once is enough here.
fn share_caches(caches: &Path) {
    let all = caches.join("all");
    std::fs::create_dir_all(&all).unwrap();
    let variant = format!("{}-{VARIANT}", Driver::Hesper);
    for name in Driver::ALL.map(Driver::name).into_iter().chain([&*variant]) {
        let own = caches.join(name);
        if !own.is_symlink() {
            let _ = std::fs::remove_dir_all(&own);
            // The other test may have been first.
            let _ = std::os::unix::fs::symlink(&all, &own);
        }
        assert!(own.is_dir(), "{}", own.display());
    }
}

/// Runs gpu-bench; what it measured.
fn run(name: &str, arguments: &[&str]) -> Vec<Value> {
    let build = build_driver().unwrap();
    // What drivers keep on disk is kept here, too: lavapipe compiles llama.cpp's shaders for half a minute.
    let folder = target_folder().unwrap().join("gpu-bench-trial");
    std::fs::create_dir_all(&folder).unwrap();
    share_caches(&folder.join("caches"));
    let results = folder.join(format!("{name}.jsonl"));
    // Those of the last trial, which gpu-bench would keep.
    let _ = std::fs::remove_file(&results);
    let option = |name: &str, path: &Path| format!("--{name}={}", path.display());
    let mut command: Command = root().client(Driver::Native, None, env!("CARGO_BIN_EXE_gpu-bench")).unwrap();
    command
        .arg("run")
        .args([option("out", &results), option("hesper", &build.manifest), option("layer", &build.layer)])
        .args([option("caches", &folder.join("caches")), option("models-in", &folder.join("models"))])
        .args(["--native", "/usr/share/vulkan/icd.d/lvp_icd.json", "--processes=1", "--repetitions=2", "--limit=300"])
        .arg("--warm-up=16")
        .args(arguments)
        .envs(llama::ENVIRONMENT);
    let out = command.output().unwrap();
    assert!(out.status.success(), "{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
    let (lines, bad) = record::read(&std::fs::read_to_string(results).unwrap());
    assert_eq!(bad, 0);
    assert!(matches!(lines[0], Line::About(_)), "{lines:?}");
    let values = lines.into_iter().skip(1).map(|line| match line {
        Line::Value(value) => value,
        other => panic!("{other:?}"),
    });
    values.collect()
}

#[test]
fn all_three_drivers_are_measured() {
    if quick() {
        return;
    }
    let variants = format!("--variants={VARIANT}");
    let waits = target_folder().unwrap().join("gpu-bench-trial/waits");
    let _ = std::fs::remove_dir_all(&waits);
    let scheduler = format!("--scheduler={}", waits.display());
    let mut arguments = vec!["--sections=matrix", "--models=tiny", "--tests=tg8", "--flash=on", &variants];
    // Not everybody may trace.
    let traces = Instance::new().is_ok();
    if traces {
        arguments.push(&scheduler);
    }
    let values = run("drivers", &arguments);
    let units_of = |driver: &str, variant: Option<&str>| {
        let own = values.iter().filter(|v| v.driver == driver && v.variant.as_deref() == variant);
        own.map(|v| v.unit.as_str()).collect::<Vec<_>>()
    };
    let units = |driver| units_of(driver, None);
    let own = ["tokens/s", "CPU ms per 1000 tokens"];
    let both = ["guest CPU ms per 1000 tokens", "host CPU ms per 1000 tokens"];
    assert_eq!(units("native"), own);
    for driver in ["mesa", "hesper"] {
        assert_eq!(units(driver), [own, both].concat());
    }
    assert_eq!(units_of("hesper", Some(VARIANT)), [own, both].concat());
    for value in &values {
        assert_eq!((value.section.as_str(), value.row.as_str()), ("matrix", "tiny:q4_k tg8 fa"));
        assert!(value.samples.iter().all(|s| s.is_finite() && *s > 0.0), "{value:?}");
        assert_eq!(value.samples.len(), if value.unit == "tokens/s" { 2 } else { 1 });
    }
    if traces {
        let table = std::fs::read_to_string(waits.join("matrix-tiny-q4-k-tg8-fa-hesper-1.txt")).unwrap();
        assert!(table.contains("a token, of 16 tokens:"), "{table}");
        // Whom else the host's thread waits for, and whether the server is ever woken, is chance.
        assert!(table.contains("\nvkr-ring-1 (") && table.contains("  woken by "), "{table}");
        assert!(!table.contains("can't be read"), "{table}");
    }
}

#[test]
fn models_of_all_weights_and_with_experts_are_models_to_llama_cpp() {
    if quick() {
        return;
    }
    let models = ["tiny:q8_0", "tiny:f16", "tiny-moe:q4_k"];
    let list = format!("--models={}", models.join(","));
    let values = run("models", &["--sections=matrix", "--drivers=native", &list, "--tests=tg4", "--flash=off"]);
    let rows: Vec<&str> = values.iter().filter(|v| v.unit == "tokens/s").map(|v| v.row.as_str()).collect();
    assert_eq!(rows, models.map(|m| format!("{m} tg4 nofa")));
}

#[test]
fn a_start_is_told_with_the_calls_of_the_hosts_driver() {
    if quick() {
        return;
    }
    let arguments = ["--sections=first-token", "--drivers=native,hesper", "--models=tiny", "--host-calls"];
    let values = run("first-token", &arguments);
    let busy = |driver: &str, call: &str| {
        let row = format!("tiny:q4_k warm: {call}");
        values.iter().find(|v| v.driver == driver && v.row == row).map(|v| v.samples[0])
    };
    for driver in ["native", "hesper"] {
        let start = values.iter().find(|v| v.driver == driver && v.row == "tiny:q4_k warm" && v.unit == "ms").unwrap();
        for call in ["vkCreateInstance", "vkCreateDevice", "vkAllocateMemory", "vkCreateComputePipelines"] {
            let busy = busy(driver, call);
            assert!(busy.is_some_and(|ms| ms > 0.0 && ms < start.samples[0]), "{driver} {call}: {busy:?}");
        }
    }
}
