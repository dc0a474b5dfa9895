//! Processes of this machine, and which are whose children.

use std::fs;

use anyhow::Result;

/// A process and all that it has started, directly or not, parents first.
///
/// # Errors
/// When /proc can't be read.
pub fn tree(top: i32) -> Result<Vec<i32>> {
    let mut parents = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let entry = entry?;
        let Some(process) = entry.file_name().to_str().and_then(|n| n.parse::<i32>().ok()) else { continue };
        let Ok(stat) = fs::read_to_string(entry.path().join("stat")) else { continue };
        // pid (name) state ppid …: the name may hold anything but its last bracket.
        let parent = stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(1)?.parse::<i32>().ok());
        parents.extend(parent.map(|parent| (process, parent)));
    }
    let mut found = vec![top];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        found.extend(parents.iter().filter(|(_, p)| *p == parent).map(|(process, _)| *process));
        next += 1;
    }
    Ok(found)
}

/// A process's name; none for one that has ended.
pub fn name(process: i32) -> String {
    fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default().trim_end().to_owned()
}
