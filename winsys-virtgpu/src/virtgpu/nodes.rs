//! Which render nodes there are.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::obstacle::{Obstacle, Problem};

/// Where render nodes are.
const FOLDER: &str = "/dev/dri";

/// All render nodes in the order of their numbers, or the one that was asked for.
///
/// # Errors
/// [`Obstacle::NoDevice`] if there is none; [`Obstacle::NoPermission`] where the folder may not be read.
pub fn nodes(asked: Option<&Path>) -> Result<Vec<PathBuf>, Problem> {
    if let Some(path) = asked {
        return Ok(vec![path.to_path_buf()]);
    }
    let none = |why: String| Problem::new(Obstacle::NoDevice, why);
    let entries = std::fs::read_dir(FOLDER).map_err(|e| match e.kind() {
        ErrorKind::NotFound => none(format!("there is no {FOLDER}")),
        _ => Problem::new(Obstacle::NoPermission, format!("{FOLDER}: {e}")),
    })?;
    let number = |p: &PathBuf| p.file_name()?.to_str()?.strip_prefix("renderD")?.parse::<u32>().ok();
    let mut found: Vec<(u32, PathBuf)> =
        entries.flatten().filter_map(|e| Some((number(&e.path())?, e.path()))).collect();
    found.sort();
    if found.is_empty() {
        return Err(none(format!("{FOLDER} has no render node")));
    }
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asked_for_node_is_the_only_one() {
        assert_eq!(nodes(Some(Path::new("/x"))).unwrap(), [PathBuf::from("/x")]);
    }
}
