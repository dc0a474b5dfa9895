//! Long steps: what is being done, about how long it takes, and how long it took.

use std::io::{BufRead, BufReader, IsTerminal, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

/// A step under way. Dropped without [`Step::done`] it is shown as failed.
pub struct Step {
    title: String,
    start: Instant,
    spinner: ProgressBar,
    ended: bool,
}

impl Step {
    /// Starts a step; `about` says how long it takes or what it waits for, and may be empty.
    pub fn start(title: &str, about: &str) -> Self {
        let spinner = ProgressBar::new_spinner();
        if std::io::stderr().is_terminal() {
            // The template is a constant that parses.
            if let Ok(style) = ProgressStyle::with_template("{spinner} {prefix}  {elapsed}  {wide_msg:.dim}") {
                spinner.set_style(style);
            }
            spinner.set_prefix(title.to_owned());
            spinner.set_message(about.to_owned());
            spinner.enable_steady_tick(Duration::from_millis(120));
        } else {
            let about = if about.is_empty() { String::new() } else { format!(" ({about})") };
            eprintln!("== {title}{about}");
        }
        Self { title: title.to_owned(), start: Instant::now(), spinner, ended: false }
    }

    /// Starts a step that shows its own progress.
    pub fn plain(title: &str, about: &str) -> Self {
        eprintln!("== {title} ({about})");
        Self { title: title.to_owned(), start: Instant::now(), spinner: ProgressBar::hidden(), ended: false }
    }

    /// What it is at.
    pub fn note(&self, text: &str) {
        self.spinner.set_message(text.to_owned());
    }

    /// A line of output, above the spinner.
    pub fn above(&self, line: &str) {
        self.spinner.suspend(|| println!("{line}"));
    }

    /// Ends it well.
    pub fn done(mut self, what: &str) -> Duration {
        self.end("ok", what)
    }

    fn end(&mut self, how: &str, what: &str) -> Duration {
        self.ended = true;
        self.spinner.finish_and_clear();
        let took = self.start.elapsed();
        let what = if what.is_empty() { String::new() } else { format!("  {what}") };
        eprintln!("   {how:<6} {:>7}  {}{what}", human(took), self.title);
        took
    }
}

impl Drop for Step {
    fn drop(&mut self) {
        if !self.ended {
            self.end("FAILED", "");
        }
    }
}

/// Runs a command as a step. On a terminal its last line of output is shown, and all of it when it fails; elsewhere all of it is passed on.
///
/// # Errors
/// When it can't be started or fails.
pub fn run(title: &str, about: &str, command: &mut Command) -> Result<Duration> {
    let step = Step::start(title, about);
    let quiet = std::io::stderr().is_terminal();
    let mut kept = String::new();
    let status = lines(command, |line| {
        if quiet {
            step.note(line);
            kept.push_str(line);
            kept.push('\n');
        } else {
            eprintln!("{line}");
        }
    })?;
    if !status.success() {
        drop(step);
        eprint!("{kept}");
        bail!("{title}: `{}` ended with {status}", show(command));
    }
    Ok(step.done(""))
}

/// Runs a command and hands its output, standard output and error together, to `each` by lines as they come.
///
/// # Errors
/// When it can't be started.
pub fn lines(command: &mut Command, mut each: impl FnMut(&str)) -> Result<std::process::ExitStatus> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().with_context(|| format!("starting `{}`", show(command)))?;
    let (send, receive) = mpsc::channel();
    let pipes: [Option<Box<dyn Read + Send>>; 2] =
        [child.stdout.take().map(|p| Box::new(p) as _), child.stderr.take().map(|p| Box::new(p) as _)];
    for pipe in pipes.into_iter().flatten() {
        let send = send.clone();
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = Vec::new();
            while pipe.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
                let text = String::from_utf8_lossy(&line).trim_end().to_owned();
                line.clear();
                if send.send(text).is_err() {
                    break;
                }
            }
        });
    }
    drop(send);
    for line in receive {
        each(&line);
    }
    child.wait().with_context(|| format!("waiting for `{}`", show(command)))
}

/// A command as a person would type it.
pub fn show(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|w| w.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

/// `12.3 s` or `4 min 05 s`.
pub fn human(time: Duration) -> String {
    let s = time.as_secs_f64();
    if s < 100.0 { format!("{s:.1} s") } else { format!("{} min {:02} s", s as u64 / 60, s as u64 % 60) }
}
