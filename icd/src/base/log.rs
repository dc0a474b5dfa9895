//! One line on stderr for what a user should know.

use std::sync::OnceLock;

use crate::base::environment::variable;

/// How much is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

fn level() -> Level {
    static LEVEL: OnceLock<Level> = OnceLock::new();
    *LEVEL.get_or_init(|| match variable("HESPER_LOG").as_deref() {
        Some("warn") => Level::Warn,
        Some("info") => Level::Info,
        Some("debug") => Level::Debug,
        Some("trace") => Level::Trace,
        _ => Level::Error,
    })
}

/// Says `message` if its level is asked for.
pub fn say(at: Level, message: std::fmt::Arguments<'_>) {
    if at <= level() {
        use std::io::Write;
        // A closed stderr is no reason to fail.
        let _ = writeln!(std::io::stderr(), "hesper: {message}");
    }
}

macro_rules! error { ($($t:tt)*) => { $crate::base::log::say($crate::base::log::Level::Error, format_args!($($t)*)) } }
macro_rules! warn_ { ($($t:tt)*) => { $crate::base::log::say($crate::base::log::Level::Warn, format_args!($($t)*)) } }
macro_rules! info { ($($t:tt)*) => { $crate::base::log::say($crate::base::log::Level::Info, format_args!($($t)*)) } }
macro_rules! debug { ($($t:tt)*) => { $crate::base::log::say($crate::base::log::Level::Debug, format_args!($($t)*)) } }
pub(crate) use {debug, error, info, warn_};
