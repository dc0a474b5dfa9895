//! A Wayland compositor without a screen: it keeps what programs show, looks whether they keep to the protocol, and can be silent, slow, or dead.

mod dmabuf;
mod memory;
mod output;
mod shells;
mod state;
mod surface;

use std::os::fd::AsFd as _;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use wayland_protocols::wp::linux_dmabuf::zv1::server::zwp_linux_dmabuf_v1::ZwpLinuxDmabufV1;
use wayland_protocols::xdg::shell::server::xdg_wm_base::XdgWmBase;
use wayland_server::backend::ClientData;
use wayland_server::protocol::wl_compositor::WlCompositor;
use wayland_server::protocol::wl_output::WlOutput;
use wayland_server::protocol::wl_shm::WlShm;
use wayland_server::{Display, Resource as _};

pub use state::{Dmabuf, Manners, Picture};
use state::{REFRESH, Record, State};
pub use wayland_server::protocol::wl_shm::Format;

/// How long it may take until what programs have sent is looked at, on a machine with other work.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running compositor; it goes away when dropped.
pub struct Compositor {
    socket: PathBuf,
    record: Arc<Mutex<Record>>,
    stop: Arc<AtomicBool>,
    paused: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Compositor {
    /// Starts one with a socket of its own.
    ///
    /// # Panics
    /// When there can't be a socket.
    pub fn start(manners: Manners) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let socket = std::env::temp_dir().join(format!("hesper-wayland-{}-{number}", std::process::id()));
        let listener = UnixListener::bind(&socket).unwrap_or_else(|e| panic!("{}: {e}", socket.display()));
        listener.set_nonblocking(true).unwrap();
        let (record, stop) = (Arc::<Mutex<Record>>::default(), Arc::<AtomicBool>::default());
        let state = State {
            manners,
            record: record.clone(),
            surfaces: Vec::new(),
            refresh: 0,
            start: Instant::now(),
            imported: 0,
            dies: false,
        };
        let paused = Arc::<AtomicBool>::default();
        let asked = [&stop, &paused].map(Arc::clone);
        let thread = std::thread::spawn(move || state.run(&listener, &asked));
        Self { socket, record, stop, paused, thread: Some(thread) }
    }

    /// What WAYLAND_DISPLAY names it by.
    pub fn display(&self) -> &Path {
        &self.socket
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap()
    }

    /// What was shown since this was asked last.
    ///
    /// # Panics
    /// When a program did what it must not.
    pub fn take(&self) -> Vec<Picture> {
        let mut record = self.record();
        assert!(record.complaints.is_empty(), "{:#?}", record.complaints);
        std::mem::take(&mut record.pictures)
    }

    /// How many pictures are there to [`Self::take`].
    pub fn shown(&self) -> usize {
        self.record().pictures.len()
    }

    /// How many objects of linux-dmabuf and wl_shm programs haven't ended that have ended themselves, once this looks at what they sent last.
    pub fn left(&self) -> i32 {
        let start = Instant::now();
        while self.record().left != 0 && start.elapsed() < PATIENCE {
            std::thread::sleep(REFRESH);
        }
        self.record().left
    }

    /// Has it look at nothing until [`Self::go_on`], as if its process were stopped.
    pub fn stop(&self) {
        self.paused.store(true, Ordering::Relaxed);
    }

    /// Lets it go on.
    pub fn go_on(&self) {
        self.paused.store(false, Ordering::Relaxed);
    }

    /// Ends it, as a crash would: its connections are closed.
    pub fn kill(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread's has been printed.
            let _ = thread.join();
        }
        let _ = std::fs::remove_file(&self.socket);
    }
}

impl Drop for Compositor {
    fn drop(&mut self) {
        self.kill();
    }
}

impl State {
    fn run(mut self, listener: &UnixListener, [stop, paused]: &[Arc<AtomicBool>; 2]) {
        let mut display = Display::<Self>::new().unwrap();
        let handle = display.handle();
        handle.create_global::<Self, WlCompositor, ()>(4, ());
        handle.create_global::<Self, WlShm, ()>(2, ());
        handle.create_global::<Self, XdgWmBase, ()>(1, ());
        handle.create_global::<Self, WlOutput, ()>(2, ());
        if let Some(version) = self.manners.dmabuf.version() {
            handle.create_global::<Self, ZwpLinuxDmabufV1, ()>(version, ());
        }
        let mut due = self.start;
        while !stop.load(Ordering::Relaxed) && !self.dies {
            if paused.load(Ordering::Relaxed) {
                std::thread::sleep(REFRESH);
                continue;
            }
            while let Ok((stream, _)) = listener.accept() {
                display.handle().insert_client(stream, Arc::new(Program)).unwrap();
            }
            display.dispatch_clients(&mut self).unwrap();
            if Instant::now() >= due {
                due = Instant::now() + REFRESH;
                self.refresh();
            }
            // Who has gone meanwhile is found at the next dispatch.
            let _ = display.flush_clients();
            let mut fds = [listener.as_fd(), display.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
            let left = due.saturating_duration_since(Instant::now()).as_millis() as u16;
            let _ = poll(&mut fds, PollTimeout::from(left + 1));
        }
    }

    /// The screen shows its next picture.
    fn refresh(&mut self) {
        self.refresh += 1;
        self.surfaces.retain(|surface| surface.is_alive());
        let time = self.start.elapsed().as_millis() as u32;
        for surface in &self.surfaces {
            let complaints = surface::refresh(surface, self.manners, time);
            self.record.lock().unwrap().complaints.extend(complaints);
        }
    }
}

/// A connection, of which nothing is kept.
struct Program;

impl ClientData for Program {}
