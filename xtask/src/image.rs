//! `image`: the driver as an OCI image layout, written without a container engine.

use std::path::PathBuf;

use anyhow::{Context, Result};
use hesper_packaging::oci::{self, Tag};
use hesper_rig::{Guest, workspace};

use crate::{handed_out, revision};

/// Writes the driver as container images, in the OCI layout, without a container engine.
///
/// One name has the images for glibc, another those for musl, each for x86-64 and AArch64. An image holds the driver, its manifest, the `hesper` program and their papers: `podman run`
/// can't start it, but `COPY --from=` takes them from it (container/README.md).
#[derive(clap::Args)]
pub struct Args {
    /// The folder to write, which podman and skopeo call oci:DIR.
    #[arg(long, default_value = "target/hesper-oci")]
    output: PathBuf,
    /// The name of the images for glibc in the layout, under which engines keep them; those for musl have NAME-musl.
    #[arg(long, default_value = "localhost/hesper:latest")]
    name: String,
    /// The guests to write images for; all if none is named.
    #[arg(long, value_delimiter = ',', num_args = 1.., default_values = ["amd64", "arm64", "amd64-musl", "arm64-musl"])]
    target: Vec<Guest>,
}

pub fn run(args: &Args) -> Result<()> {
    let (musl, glibc): (Vec<_>, Vec<_>) = handed_out::build(&args.target)?.into_iter().partition(|c| c.is_musl());
    let names = [args.name.clone(), format!("{}-musl", args.name)];
    let tags = names.into_iter().zip([glibc, musl]).map(|(name, images)| Tag { name, images });
    let tags: Vec<Tag> = tags.filter(|t| !t.images.is_empty()).collect();
    let output = workspace().join(&args.output);
    let digests = oci::write(&output, &tags, revision::clean().as_deref())
        .with_context(|| format!("writing {}", output.display()))?;
    for (tag, digest) in tags.iter().zip(digests) {
        println!("{}:{}  {digest}", output.display(), tag.name);
    }
    println!("podman pull oci:{}:{}   or   skopeo copy --all oci:{0}:{1} docker://…", output.display(), args.name);
    Ok(())
}
