//! Man pages and shell completions, made of the arguments' own descriptions.

use std::path::Path;

use anyhow::{Context, Result};
use clap::{Command, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
use crate::files;

/// Where shells look below a prefix, and under which names.
const COMPLETIONS: [(Shell, &str); 3] = [
    (Shell::Bash, "share/bash-completion/completions/hesper"),
    (Shell::Zsh, "share/zsh/site-functions/_hesper"),
    (Shell::Fish, "share/fish/vendor_completions.d/hesper.fish"),
];

/// Writes all of them below a prefix; returns what was done, a line each.
///
/// # Errors
/// Those of the file system.
pub fn write(prefix: &Path) -> Result<Vec<String>> {
    let mut made: Vec<(String, Vec<u8>)> = Vec::new();
    for (shell, path) in COMPLETIONS {
        let mut bytes = Vec::new();
        clap_complete::generate(shell, &mut Cli::command(), "hesper", &mut bytes);
        made.push((path.to_owned(), bytes));
    }
    let mut program = Cli::command();
    program.build();
    pages(&program, "hesper", &mut made)?;
    let put = |(path, bytes): &(String, Vec<u8>)| {
        let path = prefix.join(path);
        files::write(&path, bytes)?;
        Ok(format!("wrote {}", path.display()))
    };
    made.iter().map(put).collect()
}

/// A page of a command's, and those of its own commands.
fn pages(command: &Command, name: &str, made: &mut Vec<(String, Vec<u8>)>) -> Result<()> {
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut bytes).with_context(|| format!("writing the page of {name}"))?;
    made.push((format!("share/man/man1/{name}.1"), bytes));
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set() && s.get_name() != "help") {
        pages(sub, &format!("{name}-{}", sub.get_name()), made)?;
    }
    Ok(())
}
