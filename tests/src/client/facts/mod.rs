//! `facts`: what a driver says of its device, past what vulkaninfo shows. A line of JSON each: `{"fact": …, "value": …}`.
//!
//! What a device can't do is no fact: a format without features, an image that can't be made, a handle type without a use.

mod asked;
mod external;
mod formats;
mod images;
mod layered;
mod queues;
mod shaders;
mod sparse;

use anyhow::{Result, ensure};

use asked::{Asked, Facts};

/// Asks for everything and prints what came.
pub fn run(few_formats: bool) -> Result<()> {
    let asked = Asked::new(few_formats)?;
    let mut facts = Facts::default();
    queues::tell(&asked, &mut facts);
    shaders::tell(&asked, &mut facts)?;
    layered::tell(&asked, &mut facts);
    formats::tell(&asked, &mut facts);
    images::tell(&asked, &mut facts);
    sparse::tell(&asked, &mut facts);
    external::tell(&asked, &mut facts);
    let lines = facts.lines();
    ensure!(!lines.is_empty(), "the device has no facts");
    print!("{lines}");
    Ok(())
}
