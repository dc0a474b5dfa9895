//! What can be done to a host, and what is counted until it is done.

use std::fmt;
use std::time::Duration;

/// What a script counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Counter {
    /// Requests on the socket.
    Requests,
    /// Those that are answered.
    Answers,
    /// Those that make blobs.
    Blobs,
    /// Those that ask what the host can do.
    Capsets,
    /// Replies that a ring's commands ask for.
    Replies,
}

impl Counter {
    pub const ALL: [Self; 5] = [Self::Requests, Self::Answers, Self::Blobs, Self::Capsets, Self::Replies];
}

/// A fault that a proxy between the driver and its host injects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The connection is closed instead of a request being taken.
    Closed,
    /// The connection is closed after a request was taken, instead of an answer.
    Unanswered,
    /// An answer ends in its middle, and the connection with it.
    AnswerCut,
    /// An answer of other bytes.
    AnswerGarbage,
    /// A request is taken late.
    Late,
    /// A blob without a file.
    BlobRefused,
    /// A blob whose file is half as long.
    BlobShort,
    /// A blob whose file can't be mapped.
    BlobUnmappable,
    /// A blob without a number.
    BlobNumberless,
    CapsetZeros,
    CapsetShort,
    CapsetUnknown,
    /// Later versions of codec and protocol, bits of extensions that there aren't yet, and more members.
    CapsetFuture,
    /// The connection is closed while a reply is due.
    ClosedInReply,
    /// The host runs the command, but writes no reply.
    ReplyMissing,
    /// The reply's first words are written, the others aren't.
    ReplyCut,
    ReplyGarbage,
    /// The ring says that it has met a fatal error.
    Fatal,
    /// The ring goes no further for a while, though the host lives.
    HeadStuck,
    /// The ring's head goes back for a moment.
    HeadBack,
    /// The ring's head is beyond what was sent, for a moment.
    HeadAhead,
    /// The process that runs the context is killed.
    WorkerKilled,
    /// All of the host is killed.
    HostKilled,
    /// All of the host is stopped for a while.
    HostStopped,
    /// The program, then the host are stopped for a while.
    BothStopped,
}

/// How long something that passes lasts.
pub const WHILE: Duration = Duration::from_secs(3);
/// How long a moment is.
pub const MOMENT: Duration = Duration::from_millis(300);

impl Fault {
    pub const ALL: [Self; 25] = [
        Self::Closed,
        Self::Unanswered,
        Self::AnswerCut,
        Self::AnswerGarbage,
        Self::Late,
        Self::BlobRefused,
        Self::BlobShort,
        Self::BlobUnmappable,
        Self::BlobNumberless,
        Self::CapsetZeros,
        Self::CapsetShort,
        Self::CapsetUnknown,
        Self::CapsetFuture,
        Self::ClosedInReply,
        Self::ReplyMissing,
        Self::ReplyCut,
        Self::ReplyGarbage,
        Self::Fatal,
        Self::HeadStuck,
        Self::HeadBack,
        Self::HeadAhead,
        Self::WorkerKilled,
        Self::HostKilled,
        Self::HostStopped,
        Self::BothStopped,
    ];

    /// What is counted until it is injected.
    pub fn counter(self) -> Counter {
        match self {
            Self::Closed | Self::Late => Counter::Requests,
            Self::Unanswered | Self::AnswerCut | Self::AnswerGarbage => Counter::Answers,
            Self::BlobRefused | Self::BlobShort | Self::BlobUnmappable | Self::BlobNumberless => Counter::Blobs,
            Self::CapsetZeros | Self::CapsetShort | Self::CapsetUnknown | Self::CapsetFuture => Counter::Capsets,
            _ => Counter::Replies,
        }
    }

    /// Whether a program must go on as if nothing had been: the host is only slow, or newer.
    pub fn passes(self) -> bool {
        matches!(self, Self::CapsetFuture | Self::Late | Self::HeadStuck | Self::HostStopped | Self::BothStopped)
    }

    /// How long the program is held up by the fault itself.
    pub fn lasts(self) -> Duration {
        match self {
            Self::HeadStuck | Self::HostStopped | Self::BothStopped => WHILE,
            Self::Late | Self::HeadBack | Self::HeadAhead => MOMENT,
            _ => Duration::ZERO,
        }
    }

    /// Whether the host is of no use to others afterwards.
    pub fn ends_host(self) -> bool {
        matches!(self, Self::WorkerKilled | Self::HostKilled)
    }

    fn text(self) -> &'static str {
        match self {
            Self::Closed => "connection closed before a request",
            Self::Unanswered => "connection closed before an answer",
            Self::AnswerCut => "answer cut off",
            Self::AnswerGarbage => "answer of garbage",
            Self::Late => "request taken 0.3 s late",
            Self::BlobRefused => "blob refused",
            Self::BlobShort => "blob half as long",
            Self::BlobUnmappable => "blob can't be mapped",
            Self::BlobNumberless => "blob without a number",
            Self::CapsetZeros => "capset of zeros",
            Self::CapsetShort => "capset of 20 bytes",
            Self::CapsetUnknown => "capset of unknown versions",
            Self::CapsetFuture => "capset of the future",
            Self::ClosedInReply => "connection closed before a reply",
            Self::ReplyMissing => "reply never written",
            Self::ReplyCut => "reply cut off",
            Self::ReplyGarbage => "reply of garbage",
            Self::Fatal => "ring fatal",
            Self::HeadStuck => "ring stuck for 3 s",
            Self::HeadBack => "ring's head goes back",
            Self::HeadAhead => "ring's head beyond its tail",
            Self::WorkerKilled => "context's process killed",
            Self::HostKilled => "host killed",
            Self::HostStopped => "host stopped for 3 s",
            Self::BothStopped => "program and host stopped for 3 s",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}
