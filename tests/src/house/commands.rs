//! The commands that documents tell people to type: a test runs each, or the document says that it wasn't tried.

use super::Source;

/// Words of a document by which it says of commands that nobody has run them here.
const MARK: &str = "not tried here";
/// Kinds of fenced blocks that hold no commands.
const OTHER_KINDS: [&str; 4] = ["text", "json", "rust", "tsv"];

/// A line of the table `tests/commands.tsv`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row<'a> {
    /// The command as documents have it, without its comment.
    pub command: &'a str,
    /// The test's name.
    pub test: &'a str,
    /// What that test runs of it.
    pub runs: &'a str,
}

/// Reads the table.
///
/// # Errors
/// The line that has other than three columns.
pub fn rows(table: &str) -> Result<Vec<Row<'_>>, String> {
    let lines = table.lines().filter(|l| !l.starts_with('#') && !l.is_empty());
    let row = |line| match str::split(line, '\t').collect::<Vec<_>>()[..] {
        [command, test, runs] if !runs.is_empty() => Ok(Row { command, test, runs }),
        _ => Err(format!("not three columns: {line}")),
    };
    lines.map(row).collect()
}

/// The commands of a document that it doesn't mark as untried, without comments, a command of several lines in one.
///
/// Commands stand in blocks that are indented by four spaces or fenced. A mark in a command's comment, or in the last paragraph before a block, covers what it stands at.
pub fn commands(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    let (mut paragraph, mut behind_blank) = (String::new(), true);
    let mut lines = document.lines().peekable();
    while let Some(line) = lines.next() {
        let fenced = line.trim_start().strip_prefix("```");
        if let Some(kind) = fenced {
            let block: Vec<&str> = lines.by_ref().take_while(|l| !l.trim_start().starts_with("```")).collect();
            if !OTHER_KINDS.contains(&kind) {
                found.extend(of_block(&block, &paragraph));
            }
        } else if behind_blank && line.starts_with("    ") {
            let mut block = vec![line];
            block.extend(std::iter::from_fn(|| lines.next_if(|l| l.starts_with("    ") || l.is_empty())));
            found.extend(of_block(&block, &paragraph));
        } else {
            if behind_blank {
                paragraph.clear();
            }
            paragraph += line;
            paragraph.push(' ');
        }
        behind_blank = fenced.is_none() && (line.is_empty() || line.starts_with("    "));
    }
    found
}

/// The commands of one block, behind a paragraph.
fn of_block(lines: &[&str], paragraph: &str) -> Vec<String> {
    if paragraph.to_lowercase().contains(MARK) {
        return Vec::new();
    }
    let joined = lines.join("\n").replace("\\\n", " ");
    let mut found = Vec::new();
    for line in joined.lines() {
        let (command, comment) = line.split_once(" #").unwrap_or((line, ""));
        let words: Vec<&str> = command.split_whitespace().collect();
        if !words.is_empty() && !command.trim_start().starts_with('#') && !comment.contains(MARK) {
            found.push(words.join(" "));
        }
    }
    found
}

/// What isn't so: commands of the documents (each with its name) that are neither marked nor in the table, rows that no document needs, and rows whose test isn't there.
pub fn untried(documents: &[(String, String)], table: &[Row], sources: &[Source]) -> Vec<String> {
    let mut found = Vec::new();
    let mut used = vec![false; table.len()];
    for (name, text) in documents {
        for command in commands(text) {
            match table.iter().position(|r| r.command == command) {
                Some(row) => used.iter_mut().skip(row).take(1).for_each(|u| *u = true),
                None => found.push(format!("{name}: no test runs `{command}`, and it isn't marked as {MARK}")),
            }
        }
    }
    for (row, used) in table.iter().zip(used) {
        if !used {
            found.push(format!("no document has `{}`", row.command));
        }
        let function = format!("fn {}()", row.test);
        if !sources.iter().any(|s| s.text.lines().any(|l| l.trim_start().starts_with(&function))) {
            found.push(format!("`{}`: there is no test {}", row.command, row.test));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "\
Words, and `no command`
    nor this line of the paragraph

    one --two   # what it does
    three \\
      --four=\"#5\"

    # a comment alone
    five   # not tried here: it needs a Mac

```text
no command
```

```sh
six
```

Not tried here, for want of podman:

    seven

    eight

Words.

    nine
";

    #[test]
    fn commands_are_found_and_marked_ones_left_out() {
        assert_eq!(commands(DOCUMENT), ["one --two", "three --four=\"#5\"", "six", "nine"]);
    }

    #[test]
    fn what_no_test_runs_is_found() {
        let source = [Source { path: "tests/x.rs".into(), text: "#[test]\nfn there() {}\n".into() }];
        let documents = [("README.md".to_owned(), "x\n\n    one\n    two\n".to_owned())];
        let untried = |table: &str| untried(&documents, &rows(table).unwrap(), &source);
        assert!(untried("# head\none\tthere\tit\n\ntwo\tthere\tits parts\n").is_empty());
        assert_eq!(untried("one\tthere\tit\n").len(), 1, "a command without a row");
        assert_eq!(untried("one\tthere\tit\ntwo\tthere_too\tit\n").len(), 1, "a row without a test");
        assert_eq!(untried("one\tthere\tit\ntwo\tthere\tit\nthree\tthere\tit\n").len(), 1, "a row without a command");
        for wrong in ["one\tthere", "one\tthere\t", "one\tthere\tit\tmore"] {
            assert!(rows(wrong).is_err(), "{wrong}");
        }
    }
}
