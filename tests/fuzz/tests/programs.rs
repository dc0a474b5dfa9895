//! Programs that once showed a fault, run again.

use std::path::Path;
use std::process::Command;

#[test]
fn kept_programs_show_no_difference() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let mut programs = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let mut command = Command::new(env!("CARGO_BIN_EXE_hesper-fuzz"));
        let out = command.arg("run").arg(format!("--replay={}", path.display())).output().unwrap();
        let text = format!("{}{}", String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        assert!(out.status.success() && text.contains(" 0 differences"), "{}:\n{text}", path.display());
        programs += 1;
    }
    assert!(programs > 0, "no program in {}", folder.display());
}
