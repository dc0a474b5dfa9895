//! A proxy between a driver and the test server. It passes everything on, files included, and lies between the two sides of every ring, so
//! that a script can damage what it likes, at a point that is counted.

mod blob;
mod connection;
mod memory;
mod message;
mod ring;
mod transport;

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

use crate::script::Script;
use connection::Connection;

/// A proxy; it stops listening when dropped.
pub struct Proxy {
    socket: PathBuf,
    over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Listens at a socket of its own, and connects each client to the host at `host`.
    ///
    /// # Errors
    /// When it can't listen.
    pub fn start(host: &Path, script: Arc<Script>) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = std::env::temp_dir().join(format!("hesper-proxy-{}-{number}", std::process::id()));
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).with_context(|| format!("listening at {}", socket.display()))?;
        let (host, over) = (host.to_path_buf(), Arc::new(AtomicBool::new(false)));
        let stop = over.clone();
        let listening = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                // Without a host, the client finds a connection that is closed at once.
                let Ok(host) = UnixStream::connect(&host) else { continue };
                let script = script.clone();
                std::thread::spawn(move || Connection::new(client, host, script).serve());
            }
        });
        Ok(Self { socket, over, listening: Some(listening) })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::SeqCst);
        // Whatever connects makes the listener look.
        let _ = UnixStream::connect(&self.socket);
        if let Some(thread) = self.listening.take() {
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}
