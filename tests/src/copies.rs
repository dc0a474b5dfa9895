//! Copies of a program and the driver that every user of a guest may read: the checkout may lie in root's home.

use std::path::Path;

/// What a shell does before anything of [`FOLDER`] is used: `program` becomes `program` there, and the driver is chosen by what [`AS_CHOSEN`] sets.
pub fn script(program: &Path, library: &Path) -> String {
    let manifest = format!(
        r#"{{"file_format_version":"1.0.1","ICD":{{"library_path":"{FOLDER}/libvulkan_hesper.so","api_version":"1.4.0"}}}}"#
    );
    let [program, library] = [program, library].map(Path::display);
    format!(
        "mkdir -m 755 {FOLDER} && cp {program} {FOLDER}/program && cp {library} {FOLDER}/libvulkan_hesper.so && echo '{manifest}' >{FOLDER}/hesper_icd.json"
    )
}

/// Where the copies are.
pub const FOLDER: &str = "/run/copies";
/// The variable by which programs find the driver there.
pub const AS_CHOSEN: &str = "VK_DRIVER_FILES=/run/copies/hesper_icd.json";
