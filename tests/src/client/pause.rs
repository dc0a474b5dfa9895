//! Pauses in which somebody else looks at what this process and the host hold.

use std::io::{BufRead, Write};

use anyhow::Result;

/// Says how far the program has come, and waits for a line of input.
pub fn pause(at: &str) -> Result<()> {
    println!("{at}");
    std::io::stdout().flush()?;
    std::io::stdin().lock().read_line(&mut String::new())?;
    Ok(())
}
