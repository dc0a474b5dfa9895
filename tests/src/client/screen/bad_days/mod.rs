//! Bad days of a window: it gets another size, goes from the screen or ends, or its server stops or dies. What each command returns is printed, a line each,
//! for whoever runs this on several drivers and does to the server what lines that begin with `!` ask for (`tests/tests/bad_days.rs`).

mod place;
mod toplevel;
mod x11;

use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ash::vk;
use clap::ValueEnum;

use super::stage::{Chain, PATIENCE, Stage};
use super::window;
use place::Place;
use toplevel::Toplevel;

/// A window system.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum System {
    /// X11, by libxcb.
    Xcb,
    /// Wayland.
    Wayland,
}

/// What happens.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Day {
    /// The window gets another size between two pictures, and a new swapchain, while an image of the old one is held; then the smallest size that there is.
    Resized,
    /// It goes from the screen, and comes back.
    Minimised,
    /// It ends between two pictures.
    Destroyed,
    /// It ends while the program has an image.
    DestroyedAcquired,
    /// It ends while two pictures are on their way.
    DestroyedPresenting,
    /// The server dies while the program has an image.
    KilledAcquired,
    /// The server stops, and dies while an image is waited for without an end.
    KilledAcquiring,
    /// The same while the program has all images. Vulkan forbids such a wait, which nothing but the server's death could end.
    KilledHolding,
    /// The server stops, and dies while a present is waited for.
    KilledWaiting,
    /// The same with a present that is still to come.
    KilledWaitingAhead,
    /// The server dies while pictures are presented one after the other.
    KilledPresenting,
    /// The server stops for a while.
    Stopped,
}

/// How pictures are shown.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Mode {
    /// VK_PRESENT_MODE_FIFO_KHR.
    Fifo,
    /// VK_PRESENT_MODE_MAILBOX_KHR.
    Mailbox,
    /// VK_PRESENT_MODE_IMMEDIATE_KHR.
    Immediate,
}

/// What `hesper-client bad-day` takes.
#[derive(clap::Args)]
pub struct Args {
    system: System,
    day: Day,
    #[arg(default_value = "fifo")]
    mode: Mode,
}

const SIZE: [u32; 2] = [64, 48];
const OTHER: [u32; 2] = [96, 80];
/// How long a wait that is to end in time may take.
const MOMENT: Duration = Duration::from_millis(100);
/// How long any call may take while the server is stopped. Presenting waits a second for Wayland (docs/STATUS.md).
const IN_TIME: Duration = Duration::from_millis(2500);
/// For how long a server that has stopped is looked at.
const STOPPED: Duration = Duration::from_millis(2500);
/// How many pictures take all images of a swapchain, whatever has become of those before.
const MANY: u32 = 40;
/// How long it may take at most until a program hears of its window, and how many pictures at least.
const HEARD: Duration = Duration::from_millis(500);
const HEARD_PICTURES: u32 = 5;

/// Goes through a day.
pub fn run(args: &Args) -> Result<()> {
    let place: Box<dyn Place> = match args.system {
        System::Xcb => Box::new(window::Place::new(SIZE.map(|n| n as u16))?),
        System::Wayland => Box::new(Toplevel::new()?),
    };
    let mode = match args.mode {
        Mode::Fifo => vk::PresentModeKHR::FIFO,
        Mode::Mailbox => vk::PresentModeKHR::MAILBOX,
        Mode::Immediate => vk::PresentModeKHR::IMMEDIATE,
    };
    let stage = place.stage()?;
    if !stage.modes()?.contains(&mode) {
        println!("left out: there is no {mode:?}");
        return Ok(());
    }
    Window { stage, place, mode }.goes_through(args.day)
}

/// A window with a device. The device goes first.
struct Window {
    stage: Stage,
    place: Box<dyn Place>,
    mode: vk::PresentModeKHR,
}

/// Prints what a command returned.
fn note(what: &str, code: vk::Result) {
    println!("{what} {code:?}");
}

/// Has whoever runs this do something, now.
fn demand(what: &str) -> Result<()> {
    request(what)?;
    stdin().lock().read_line(&mut String::new())?;
    Ok(())
}

/// Has it do something a little later.
fn request(what: &str) -> Result<()> {
    println!("!{what}");
    Ok(stdout().flush()?)
}

/// The code of acquiring or presenting, which tell as well whether the picture fits.
fn code<T>(result: Result<(T, bool), vk::Result>) -> vk::Result {
    match result {
        Ok((_, false)) => vk::Result::SUCCESS,
        Ok((_, true)) => vk::Result::SUBOPTIMAL_KHR,
        Err(e) => e,
    }
}

impl Window {
    fn goes_through(mut self, day: Day) -> Result<()> {
        match day {
            Day::Resized => self.resized(),
            Day::Minimised => self.minimised(),
            Day::Destroyed => self.destroyed(0),
            Day::DestroyedAcquired => self.destroyed_acquired(),
            Day::DestroyedPresenting => self.destroyed(2),
            Day::KilledAcquired => self.killed_acquired(),
            Day::KilledAcquiring => self.killed_acquiring(false),
            Day::KilledHolding => self.killed_acquiring(true),
            Day::KilledWaiting => self.killed_waiting(0),
            Day::KilledWaitingAhead => self.killed_waiting(1),
            Day::KilledPresenting => self.killed_presenting(),
            Day::Stopped => self.stopped(),
        }
    }

    /// A swapchain on which pictures have been seen.
    fn used(&self) -> Result<Chain> {
        let chain = self.stage.chain(SIZE, self.mode, None)?;
        for _ in 0..3 {
            let shown = self.frame(&chain)?;
            ensure!(shown == vk::Result::SUCCESS, "before anything happened: {shown:?}");
        }
        Ok(chain)
    }

    fn frame(&self, chain: &Chain) -> Result<vk::Result> {
        Ok(code(self.stage.try_frame(chain, None, [1.0; 4])?))
    }

    /// Frames until one isn't a plain success, at most so many; what the last one was.
    fn frames(&self, chain: &Chain, many: u32) -> Result<vk::Result> {
        for _ in 0..many {
            let shown = self.frame(chain)?;
            if shown != vk::Result::SUCCESS {
                return Ok(shown);
            }
        }
        Ok(vk::Result::SUCCESS)
    }

    /// Frames until one isn't a plain success, for as long as it may take to hear of the window.
    fn heard(&self, chain: &Chain) -> Result<vk::Result> {
        let start = Instant::now();
        loop {
            let shown = self.frames(chain, HEARD_PICTURES)?;
            if shown != vk::Result::SUCCESS || start.elapsed() > HEARD {
                return Ok(shown);
            }
        }
    }

    /// An image that may be drawn to.
    fn acquire(&self, chain: &Chain, timeout: u64) -> Result<Result<(u32, bool), vk::Result>> {
        let fence = self.stage.fence()?;
        // SAFETY: valid handles; the fence is waited for before it goes, where it will be signalled.
        unsafe {
            let got = self.stage.swapchains.acquire_next_image(chain.handle, timeout, vk::Semaphore::null(), fence);
            if got.is_ok() {
                self.stage.device.wait_for_fences(&[fence], true, PATIENCE).context("an acquired image's fence")?;
            }
            self.stage.device.destroy_fence(fence, None);
            Ok(got)
        }
    }

    fn present(&self, chain: &Chain, index: u32, id: Option<u64>) -> Result<vk::Result> {
        let shown = self.stage.try_present(chain, index, vk::Semaphore::null(), id, [1.0; 4])?;
        Ok(code(shown.map(|suboptimal| ((), suboptimal))))
    }

    /// Frames until one fails; then what becomes of everything else.
    fn end(&self, chain: Chain) -> Result<()> {
        let start = Instant::now();
        let end = loop {
            let shown = self.frame(&chain)?;
            if shown != vk::Result::SUCCESS && shown != vk::Result::SUBOPTIMAL_KHR {
                break shown;
            }
            if start.elapsed() > Duration::from_secs(10) {
                bail!("nobody says that the window is gone");
            }
        };
        self.ended(chain, end)
    }

    /// What becomes of everything else after the error `end`.
    fn ended(&self, chain: Chain, end: vk::Result) -> Result<()> {
        note("end", end);
        let stage = &self.stage;
        // SAFETY: valid handles.
        let can = unsafe { stage.surfaces.get_physical_device_surface_capabilities(stage.physical, stage.surface) };
        note("capabilities", can.err().unwrap_or(vk::Result::SUCCESS));
        stage.end(chain)
    }

    fn resized(&mut self) -> Result<()> {
        let old = self.used()?;
        self.place.resize(OTHER)?;
        note("resized", self.heard(&old)?);
        let held = self.acquire(&old, PATIENCE)?;
        note("held", code(held));
        let new = self.stage.chain(OTHER, self.mode, Some(&old)).context("in the new size")?;
        if let Ok((index, _)) = held {
            note("the held one", self.present(&old, index, None)?);
        }
        note("another of the old", code(self.acquire(&old, MOMENT.as_nanos() as u64)?));
        note("new", self.frames(&new, 3)?);
        self.stage.end(old)?;
        note("after the old one's end", self.frames(&new, 3)?);
        self.place.resize([1, 1])?;
        note("tiny", self.heard(&new)?);
        let tiny = self.stage.chain([1, 1], self.mode, Some(&new)).context("in the smallest size")?;
        note("new and tiny", self.frames(&tiny, 3)?);
        self.stage.end(new)?;
        self.stage.end(tiny)
    }

    fn minimised(&mut self) -> Result<()> {
        let chain = self.used()?;
        self.place.minimise()?;
        note("minimised", self.frames(&chain, 5)?);
        self.place.restore()?;
        note("restored", self.frames(&chain, 5)?);
        self.stage.end(chain)
    }

    /// The window ends, with so many pictures on their way.
    fn destroyed(&mut self, pictures: u32) -> Result<()> {
        let chain = self.used()?;
        for _ in 0..pictures {
            let (index, _) = self.acquire(&chain, PATIENCE)?.context("before the window's end")?;
            note("on its way", self.present(&chain, index, None)?);
        }
        self.place.destroy()?;
        self.after_the_window(chain)
    }

    fn destroyed_acquired(&mut self) -> Result<()> {
        let chain = self.used()?;
        let (index, _) = self.acquire(&chain, PATIENCE)?.context("before the window's end")?;
        self.place.destroy()?;
        match self.present(&chain, index, None)? {
            vk::Result::SUCCESS | vk::Result::SUBOPTIMAL_KHR => self.after_the_window(chain),
            end => self.ended(chain, end),
        }
    }

    /// A window of Wayland that has ended leaves its wl_surface, on which pictures go on, unseen.
    fn after_the_window(&self, chain: Chain) -> Result<()> {
        match self.heard(&chain)? {
            vk::Result::SUCCESS => {
                note("unseen", vk::Result::SUCCESS);
                self.stage.end(chain)
            }
            vk::Result::SUBOPTIMAL_KHR => self.end(chain),
            end => self.ended(chain, end),
        }
    }

    fn killed_acquired(&self) -> Result<()> {
        let chain = self.used()?;
        let (index, _) = self.acquire(&chain, PATIENCE)?.context("before the server's death")?;
        demand("kill")?;
        match self.present(&chain, index, None)? {
            vk::Result::SUCCESS => self.end(chain),
            end => self.ended(chain, end),
        }
    }

    /// The server dies while there is no image, since all are on their way to it, or in the program's hands.
    fn killed_acquiring(&self, holds: bool) -> Result<()> {
        let chain = self.used()?;
        demand("stop")?;
        for _ in 0..MANY {
            let Ok((index, _)) = self.acquire(&chain, MOMENT.as_nanos() as u64)? else { break };
            if !holds && self.present(&chain, index, None)? != vk::Result::SUCCESS {
                break;
            }
        }
        request("kill soon")?;
        match self.acquire(&chain, u64::MAX)? {
            Ok((index, _)) => match self.present(&chain, index, None)? {
                vk::Result::SUCCESS => self.end(chain),
                end => self.ended(chain, end),
            },
            Err(end) => self.ended(chain, end),
        }
    }

    /// The server dies while the program waits for a present, or for one that is so many later.
    fn killed_waiting(&self, ahead: u64) -> Result<()> {
        let Some(wait) = self.stage.present_wait.as_ref() else {
            println!("left out: presents can't be waited for");
            return Ok(());
        };
        let chain = self.used()?;
        // All others may be on their way.
        let (index, _) = self.acquire(&chain, PATIENCE)?.context("before the server's death")?;
        demand("stop")?;
        let shown = self.present(&chain, index, Some(1))?;
        ensure!(shown == vk::Result::SUCCESS, "before the server's death: {shown:?}");
        request("kill soon")?;
        // SAFETY: a valid swapchain.
        match unsafe { wait.wait_for_present(chain.handle, 1 + ahead, u64::MAX) } {
            Ok(_) => self.end(chain),
            Err(end) => self.ended(chain, end),
        }
    }

    fn killed_presenting(&self) -> Result<()> {
        let chain = self.used()?;
        request("kill soon")?;
        self.end(chain)
    }

    fn stopped(&self) -> Result<()> {
        let chain = self.used()?;
        demand("stop for 3 s")?;
        let (start, mut longest) = (Instant::now(), Duration::ZERO);
        while start.elapsed() < STOPPED {
            let call = Instant::now();
            let got = self.acquire(&chain, MOMENT.as_nanos() as u64)?;
            longest = longest.max(call.elapsed());
            let call = Instant::now();
            match got {
                Ok((index, _)) => {
                    let shown = self.present(&chain, index, None)?;
                    ensure!(shown == vk::Result::SUCCESS, "while the server is stopped: {shown:?}");
                }
                Err(vk::Result::TIMEOUT | vk::Result::NOT_READY) => {}
                Err(e) => bail!("while the server is stopped: {e:?}"),
            }
            longest = longest.max(call.elapsed());
        }
        println!("calls come back {}", if longest < IN_TIME { "in time" } else { "late" });
        note("afterwards", self.frames(&chain, MANY)?);
        self.stage.end(chain)
    }
}
