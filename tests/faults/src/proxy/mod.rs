//! A proxy between a driver and the test server. It passes everything on, files included, and lies between the two sides of every ring, so
//! that a script can damage what it likes, at a point that is counted.

mod blob;
mod connection;
mod ring;
mod transport;

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use anyhow::Result;
use hesper_tests::test_server::listener::Listener;

use crate::script::Script;
use connection::Connection;

/// A proxy; it stops listening when dropped.
pub struct Proxy(Listener);

impl Proxy {
    /// Listens at a socket of its own, and connects each client to the host at `host`.
    ///
    /// # Errors
    /// When it can't listen.
    pub fn start(host: &Path, script: Arc<Script>) -> Result<Self> {
        let host = host.to_path_buf();
        let serve = move |client| {
            // Without a host, the client finds a connection that is closed at once.
            if let Ok(host) = UnixStream::connect(&host) {
                Connection::new(client, host, script.clone()).serve();
            }
        };
        Listener::start("proxy", serve).map(Self)
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        self.0.socket()
    }
}
