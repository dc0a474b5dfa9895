//! The `hesper` program as a user runs it, on a folder of its own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// An empty folder that goes away with the test.
struct Dir(PathBuf);

impl Dir {
    fn new(name: &str) -> Self {
        let dir = std::env::temp_dir().join(format!("hesper-manifest-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        Self(dir)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn hesper(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_hesper")).args(args).output().unwrap()
}

fn stdout(args: &[&str]) -> String {
    let out = hesper(args);
    assert!(out.status.success(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Something that passes for a shared object.
fn library(dir: &Path) -> String {
    let path = dir.join("built.so");
    fs::write(&path, b"\x7fELF and the rest").unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn the_manifest_is_the_golden_one() {
    let text = stdout(&["manifest", "--library", "/usr/lib/x86_64-linux-gnu/libvulkan_hesper.so"]);
    assert_eq!(text, include_str!("golden/hesper_icd.json"));
    let json: Value = serde_json::from_str(&stdout(&["manifest"])).unwrap();
    assert_eq!(json["ICD"]["library_path"], "libvulkan_hesper.so");
}

#[test]
fn the_cdi_spec_is_the_golden_one() {
    let args =
        ["cdi", "--output=-", "--node=/dev/dri/renderD128", "--libdir=/usr/lib/x86_64-linux-gnu", "--prefix=/usr"];
    if !Path::new("/usr/share/vulkan/icd.d/hesper_icd.json").exists() {
        assert_eq!(stdout(&args), include_str!("golden/cdi.json"));
    }
    let two: Value = serde_json::from_str(&stdout(&[&args[..], &["--node=/dev/dri/renderD129"]].concat())).unwrap();
    let names: Vec<_> = two["devices"].as_array().unwrap().iter().map(|d| d["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["0", "1", "all"]);
    assert_eq!(two["devices"][2]["containerEdits"]["deviceNodes"].as_array().unwrap().len(), 2);
    let musl: Value = serde_json::from_str(&stdout(&[&args[..], &["--kind=hesper/gpu-musl"]].concat())).unwrap();
    assert_eq!(musl["kind"], "hesper/gpu-musl");
    for kind in ["", "hesper", "hesper/", "/gpu", "hesper/gpu=all", "hesper/9", "hesper-/gpu", "hesper/gpu/all"] {
        assert_eq!(hesper(&[&args[..], &["--kind", kind]].concat()).status.code(), Some(1), "{kind}");
    }
}

#[test]
fn a_spec_is_written_of_what_is_there() {
    let dir = Dir::new("cdi");
    let (prefix, spec) = (format!("--prefix={}", dir.0.join("usr").display()), dir.0.join("hesper.json"));
    let output = format!("--output={}", spec.display());
    let cdi = |more: &[&str]| hesper(&[&["cdi", &output, &prefix], more].concat());
    let refused = |out: Output, advice: &str| {
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert!(out.status.code() == Some(1) && error.contains(advice) && !spec.exists(), "{error}");
    };
    refused(cdi(&["--node=/dev/dri/renderD129"]), "hesper install");
    stdout(&["install", "--library", &library(&dir.0), &prefix]);
    if !Path::new("/dev/dri").exists() {
        refused(cdi(&[]), "--node");
    }
    assert!(cdi(&["--node=/dev/dri/renderD129"]).status.success());
    let json: Value = serde_json::from_str(&fs::read_to_string(&spec).unwrap()).unwrap();
    assert_eq!(json["devices"][0]["containerEdits"]["deviceNodes"][0]["path"], "/dev/dri/renderD129");
}

#[test]
fn installed_and_removed_again() {
    let dir = Dir::new("install");
    let (built, dest) = (library(&dir.0), dir.0.join("dest"));
    let layout = [format!("--destdir={}", dest.display()), "--prefix=/opt/x".into(), "--libdir=/opt/x/lib64".into()];
    let layout: Vec<&str> = layout.iter().map(String::as_str).collect();
    let install = [&["install", "--library", &built], &layout[..]].concat();
    // Twice: the second replaces the first.
    for _ in 0..2 {
        let said = stdout(&install);
        assert_eq!(said.lines().count(), 2, "{said}");
    }
    let so = dest.join("opt/x/lib64/libvulkan_hesper.so");
    let json = dest.join("opt/x/share/vulkan/icd.d/hesper_icd.json");
    assert_eq!(fs::read(&so).unwrap(), fs::read(&built).unwrap());
    let manifest: Value = serde_json::from_str(&fs::read_to_string(&json).unwrap()).unwrap();
    assert_eq!(manifest["ICD"]["library_path"], "/opt/x/lib64/libvulkan_hesper.so");
    for file in [&so, &json] {
        assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o644);
        assert_eq!(fs::read_dir(file.parent().unwrap()).unwrap().count(), 1, "nothing is left beside it");
    }
    let uninstall = [&["uninstall"], &layout[..]].concat();
    assert_eq!(stdout(&uninstall).matches("removed ").count(), 2);
    assert!(!so.exists() && !json.exists());
    assert_eq!(stdout(&uninstall).matches("not there: ").count(), 2);
}

#[test]
fn a_foreign_library_in_the_manifest_stays() {
    let dir = Dir::new("foreign");
    let icd = dir.0.join("usr/share/vulkan/icd.d");
    fs::create_dir_all(&icd).unwrap();
    let foreign = dir.0.join("usr/lib/libvulkan_other.so");
    fs::create_dir_all(foreign.parent().unwrap()).unwrap();
    fs::write(&foreign, "theirs").unwrap();
    fs::write(icd.join("hesper_icd.json"), r#"{"ICD":{"library_path":"/usr/lib/libvulkan_other.so"}}"#).unwrap();
    stdout(&["uninstall", &format!("--destdir={}", dir.0.display())]);
    assert!(foreign.exists() && !icd.join("hesper_icd.json").exists());
}

#[test]
fn what_is_refused() {
    let dir = Dir::new("refused");
    let text = dir.0.join("text.so");
    fs::write(&text, "text").unwrap();
    let dest = format!("--destdir={}", dir.0.display());
    for args in [
        &["install", "--library", text.to_str().unwrap(), &dest][..],
        &["install", "--library", "/nowhere/x.so", &dest],
        &["install", "--library", &library(&dir.0), &dest, "--prefix=usr"],
        &["cdi", "--output=-", "--node=renderD128"],
    ] {
        let out = hesper(args);
        assert_eq!(out.status.code(), Some(1), "{args:?}");
        assert!(out.stderr.starts_with(b"hesper: "), "{args:?}");
    }
    assert_eq!(hesper(&["sideways"]).status.code(), Some(2));
}

#[test]
fn the_doctor_says_something_in_both_forms() {
    let text = hesper(&["doctor"]);
    let json = hesper(&["doctor", "--json"]);
    assert_eq!(text.status.code(), json.status.code());
    assert!(!text.stdout.is_empty());
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["usable"].as_bool().unwrap(), json.status.success());
    assert!(report["verdict"].is_string());
}

#[test]
fn pages_and_completions_name_every_command() {
    let dir = Dir::new("generate");
    let said = stdout(&["generate", dir.0.to_str().unwrap()]);
    let read = |path: &str| fs::read_to_string(dir.0.join(path)).unwrap_or_else(|e| panic!("{path}: {e}\n{said}"));
    for command in ["manifest", "install", "uninstall", "cdi", "doctor", "bench", "env", "trace", "generate"] {
        let page = read(&format!("share/man/man1/hesper-{command}.1"));
        assert!(page.contains(".SH NAME") && page.contains(command), "{command}: {page}");
        for completions in [
            "bash-completion/completions/hesper",
            "zsh/site-functions/_hesper",
            "fish/vendor_completions.d/hesper.fish",
        ] {
            assert!(read(&format!("share/{completions}")).contains(command), "{command} in {completions}");
        }
    }
    assert!(read("share/man/man1/hesper.1").contains("doctor"));
    assert!(!said.contains("examine"), "what is hidden has a page: {said}");
}

#[test]
fn a_program_without_vulkan_is_traced_in_vain() {
    let out = hesper(&["trace", "sh", "-c", "echo $HESPER_TRACE; exit 7"]);
    assert_eq!(out.status.code(), Some(7));
    let said = String::from_utf8_lossy(&out.stderr);
    assert!(said.contains("made no instance of Vulkan on this driver"), "{said}");
    let file = String::from_utf8(out.stdout).unwrap();
    assert!(file.trim().ends_with("/trace.json") && !Path::new(file.trim()).parent().unwrap().exists(), "{file}");
    assert_eq!(hesper(&["trace", "sh", "-c", "kill -9 $$"]).status.code(), Some(137));
    // As from the keyboard, to both.
    assert_eq!(hesper(&["trace", "sh", "-c", "kill -INT $PPID; kill -INT $$"]).status.code(), Some(130));
    assert_eq!(hesper(&["trace", "/nowhere/program"]).status.code(), Some(1));
}

#[test]
fn the_environment_leads_to_the_manifest() {
    let dir = Dir::new("env");
    let manifest = dir.0.join("it's hesper_icd.json");
    fs::write(&manifest, r#"{"ICD":{"library_path":"./libvulkan_hesper.so"}}"#).unwrap();
    let run = |manifest: &Path, args: &[&str]| {
        Command::new(env!("CARGO_BIN_EXE_hesper")).args(args).env("VK_DRIVER_FILES", manifest).output().unwrap()
    };
    let text = |out: Output| String::from_utf8(out.stdout).unwrap();
    let script = format!("{}printf %s \"$VK_DRIVER_FILES$VK_ICD_FILENAMES\"", text(run(&manifest, &["env"])));
    let out = Command::new("sh").args(["-c", &script]).env_clear().env("PATH", "/usr/bin:/bin").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&out.stdout), format!("{0}{0}", manifest.display()));
    let library = dir.0.join("./libvulkan_hesper.so");
    if !Path::new("/etc/cdi/hesper.json").exists() {
        // A shell would take this path apart.
        let out = run(&manifest, &["env", "--podman"]);
        let error = String::from_utf8_lossy(&out.stderr).into_owned();
        assert_eq!((out.status.code(), out.stdout.len()), (Some(1), 0), "{error}");
        assert!(error.starts_with("hesper: ") && error.contains("hesper cdi"), "{error}");
        let plain = dir.0.join("hesper_icd.json");
        fs::copy(&manifest, &plain).unwrap();
        let arguments = text(run(&plain, &["env", "--podman"]));
        let volume = format!("--volume {0}:{0}:ro", library.display());
        for word in ["--device /dev/dri/", &volume, &format!("--env VK_DRIVER_FILES={}", plain.display())] {
            assert!(arguments.contains(word), "{word}: {arguments}");
        }
    }
    let none =
        Command::new(env!("CARGO_BIN_EXE_hesper")).arg("env").env("VK_DRIVER_FILES", "/nowhere").output().unwrap();
    let beside = Path::new(env!("CARGO_BIN_EXE_hesper")).with_file_name("hesper_icd.json").exists();
    assert_eq!(none.status.success(), beside);
}
