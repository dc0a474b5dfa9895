//! A host that knows what no released one does yet: it decodes what a driver sends, by the rules of the wire, answers, and keeps what came. Nothing is
//! run; commands that no host could run are complained of: those that can't be decoded, and those that name objects which aren't there.

mod answers;
mod capabilities;
mod connection;
mod context;
mod interpreter;
mod journal;
mod ring;

use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use hesper_decoder::Decoded;

use crate::test_server::listener::Listener;
pub use capabilities::Capabilities;
use journal::Journal;

/// A host; it ends when it is dropped.
pub struct NewerHost {
    listener: Listener,
    journal: Arc<Journal>,
}

impl NewerHost {
    /// Listens at a socket of its own, as a test server does.
    ///
    /// # Errors
    /// When it can't listen.
    pub fn start(capabilities: Capabilities) -> Result<Self> {
        let (capabilities, journal) = (Arc::new(capabilities), Arc::new(Journal::default()));
        let kept = journal.clone();
        let serve = move |client| connection::serve(client, &capabilities, &kept);
        Ok(Self { listener: Listener::start("newer-host", serve)?, journal })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        self.listener.socket()
    }

    /// The commands that have come, in the order in which they were decoded, but those of the transport.
    pub fn commands(&self) -> Vec<Decoded> {
        self.journal.commands()
    }

    /// What was wrong with what came.
    pub fn complaints(&self) -> Vec<String> {
        self.journal.complaints()
    }
}
