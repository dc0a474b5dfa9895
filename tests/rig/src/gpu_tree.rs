//! A small tree with llama.cpp and a Venus host, for a machine with a GPU and no network.

use std::path::PathBuf;

use anyhow::Result;

use crate::cache;

const RECIPE: &str = include_str!("../gpu_bench.sh");

/// The tree in the cache folder; made if it isn't there. With `lavapipe` that driver is in it, for trials without a GPU.
///
/// # Errors
/// When it can't be made; with the recipe's output.
pub fn gpu_tree(lavapipe: bool) -> Result<PathBuf> {
    let name = if lavapipe { "gpu-tree-lavapipe" } else { "gpu-tree" };
    cache::made(name, &[RECIPE], "fetching llama.cpp and a Venus host from Debian, two minutes", |new| {
        let mut recipe = cache::recipe(RECIPE, new)?;
        if lavapipe {
            recipe.arg("lavapipe");
        }
        cache::run(&mut recipe)
    })
}
