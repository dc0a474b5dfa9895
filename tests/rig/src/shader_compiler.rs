//! The compiler of the project's shaders: Debian's glslang, in a tree of its own.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use crate::{Root, cache, display};

/// A tree with glslang.
#[derive(Debug)]
pub struct ShaderCompiler(Root);

impl ShaderCompiler {
    /// The tree in the cache folder; made if it isn't there yet.
    ///
    /// # Errors
    /// When it can't be made.
    pub fn new() -> Result<Self> {
        display::tree("glslang-tools", "glslang (30 MB of Debian's packages)").map(Self)
    }

    /// A shader of the checkout as SPIR-V, for a version of Vulkan such as `vulkan1.1`, with functions that nobody calls.
    ///
    /// # Errors
    /// When it doesn't compile, with the compiler's words.
    pub fn compile(&self, source: &Path, target: &str) -> Result<Vec<u8>> {
        let to = std::env::temp_dir().join(format!("hesper-shader-{}.spv", std::process::id()));
        let mut command = self.0.command("/usr/bin/glslangValidator")?;
        command.args(["--quiet", "-V", "--keep-uncalled", "--target-env", target, "-o"]).arg(&to).arg(source);
        cache::run(&mut command).with_context(|| format!("compiling {}", source.display()))?;
        let spirv = fs::read(&to).with_context(|| format!("reading {}", to.display()))?;
        fs::remove_file(&to)?;
        Ok(spirv)
    }
}
