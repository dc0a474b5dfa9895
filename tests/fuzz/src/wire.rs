//! What the tester and its workers say to each other: messages of postcard's, each behind its length.

use std::io::{self, Read, Write};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::facts::Facts;
use crate::step::Step;

/// Said by a worker first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    pub facts: Facts,
    pub device: String,
}

/// A planned program to run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Task {
    pub poison: bool,
    pub fresh_instance: bool,
    pub steps: Vec<Step>,
}

/// Where something was seen: the step, the thread in it (0 for the main one), and the step of that thread.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Place {
    pub step: u32,
    pub thread: u8,
    pub inner: u32,
}

/// What a program can see.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Seen {
    /// A result other than success, or of a question.
    Result(i32),
    Value(u64),
    Bytes(Vec<u8>),
    /// Which handles of several are there.
    There(Vec<bool>),
    /// What ended the program before its end.
    Ended(String),
}

/// One thing that was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub at: Place,
    pub seen: Seen,
}

/// What a run of a program showed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    pub notes: Vec<Note>,
    /// Vulkan calls.
    pub calls: u64,
}

impl Report {
    /// What ended the program before its end.
    pub fn ended(&self) -> Option<&str> {
        self.notes.iter().rev().find_map(|n| match &n.seen {
            Seen::Ended(why) => Some(why.as_str()),
            _ => None,
        })
    }
}

/// Sends a message.
///
/// # Errors
/// Of the pipe.
pub fn send<T: Serialize>(to: &mut impl Write, message: &T) -> io::Result<()> {
    let bytes = postcard::to_stdvec(message).map_err(io::Error::other)?;
    to.write_all(&(bytes.len() as u64).to_le_bytes())?;
    to.write_all(&bytes)?;
    to.flush()
}

/// Receives a message; `None` at the end.
///
/// # Errors
/// Of the pipe, and for what isn't such a message.
pub fn receive<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<Option<T>> {
    let mut length = [0; 8];
    match from.read_exact(&mut length) {
        Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        other => other?,
    }
    let mut bytes = vec![0; usize::try_from(u64::from_le_bytes(length)).map_err(io::Error::other)?];
    from.read_exact(&mut bytes)?;
    postcard::from_bytes(&bytes).map(Some).map_err(io::Error::other)
}
