//! Models by name, made where they are run.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result};
use hesper_rig::models::{self, Shape, Weights};

/// A shape with weights, as in `llama3.2-1b:q4_k`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Model {
    pub shape: Shape,
    pub weights: Weights,
}

impl Model {
    /// The file in `folder`; made if it isn't there.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn ensure(self, folder: &Path) -> Result<PathBuf> {
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        let path = folder.join(format!("{}-{}.gguf", self.shape, self.weights.name()));
        if !path.is_file() {
            // Others may make the same model.
            let new = path.with_extension(format!("new{}", std::process::id()));
            models::random(self.shape, self.weights, &new)?;
            std::fs::rename(&new, &path).with_context(|| format!("making {}", path.display()))?;
        }
        Ok(path)
    }
}

impl fmt::Display for Model {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.shape, self.weights.name())
    }
}

impl FromStr for Model {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (shape, weights) = text.split_once(':').unwrap_or((text, Weights::Q4K.name()));
        Ok(Self { shape: shape.parse()?, weights: weights.parse()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        for name in ["llama3.2-1b:q4_k", "olmoe-1b-7b:f16"] {
            assert_eq!(name.parse::<Model>().unwrap().to_string(), name);
        }
        assert_eq!("tiny".parse::<Model>().unwrap().to_string(), "tiny:q4_k");
        assert!("tiny:q5".parse::<Model>().is_err() && "huge".parse::<Model>().is_err());
    }
}
