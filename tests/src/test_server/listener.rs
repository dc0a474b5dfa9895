//! A socket of its own, whose clients are served in threads of their own.

use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

use anyhow::{Context, Result};

/// A socket; nobody listens there any more when this is dropped.
pub struct Listener {
    socket: PathBuf,
    over: Arc<AtomicBool>,
    listening: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens, and has `serve` serve each client to its end. The socket's file has `name` in its own.
    ///
    /// # Errors
    /// When it can't listen.
    pub fn start(name: &str, serve: impl Fn(UnixStream) + Send + Sync + 'static) -> Result<Self> {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = std::env::temp_dir().join(format!("hesper-{name}-{}-{number}", std::process::id()));
        let _ = std::fs::remove_file(&socket);
        let listener = UnixListener::bind(&socket).with_context(|| format!("listening at {}", socket.display()))?;
        let (serve, over) = (Arc::new(serve), Arc::new(AtomicBool::new(false)));
        let stop = over.clone();
        let listening = std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if stop.load(Ordering::SeqCst) {
                    break;
                }
                let serve = serve.clone();
                std::thread::spawn(move || serve(client));
            }
        });
        Ok(Self { socket, over, listening: Some(listening) })
    }

    /// Where it listens.
    pub fn socket(&self) -> &Path {
        &self.socket
    }
}

impl Drop for Listener {
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
