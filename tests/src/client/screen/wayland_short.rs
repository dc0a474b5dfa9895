//! A window of Wayland in a program that is short of something for a while: of room in its socket, or of files.

use std::io::{BufRead as _, Write as _, stdin, stdout};

use anyhow::{Context as _, Result, ensure};
use ash::vk;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use wayland_client::backend::WaylandError;

use super::wayland_place::{Place, SIZE, end_at_once};

/// More files than a swapchain opens.
const ENOUGH: u64 = 40;

/// Says something to whoever runs this.
fn say(what: &str) -> Result<()> {
    println!("{what}");
    Ok(stdout().flush()?)
}

/// Waits for a line of whoever runs this.
fn wait_for_a_line() -> Result<()> {
    ensure!(stdin().lock().read_line(&mut String::new())? > 0, "nobody says anything");
    Ok(())
}

/// Asks for so much that the socket is full, once the compositor looks at nothing.
fn fill(place: &Place) -> Result<()> {
    say("ready")?;
    wait_for_a_line()?;
    loop {
        for _ in 0..100 {
            place.surface.damage(0, 0, 1, 1);
        }
        match place.connection.flush() {
            Ok(()) => {}
            Err(WaylandError::Io(e)) if e.kind() == std::io::ErrorKind::WouldBlock => return say("full"),
            Err(e) => return Err(e.into()),
        }
    }
}

/// What a driver asks for behind all of that reaches the compositor, although the program itself asks for nothing any more.
pub fn full() -> Result<()> {
    let place = Place::new()?;
    let stage = place.stage()?;
    fill(&place)?;
    let chain = stage.chain(SIZE, vk::PresentModeKHR::IMMEDIATE, None)?;
    fill(&place)?;
    stage.frame(&chain, None)?;
    say("shown")?;
    wait_for_a_line()?;
    end_at_once(&stage, chain)
}

/// However few files can be opened, a swapchain is made, or there is no memory for it; once there are enough, all is as it was before.
pub fn no_files() -> Result<()> {
    let place = Place::new()?;
    let stage = place.stage()?;
    let with_files = || {
        let chain = stage.chain(SIZE, vk::PresentModeKHR::FIFO, None)?;
        for _ in 0..3 {
            stage.frame(&chain, None)?;
        }
        end_at_once(&stage, chain)
    };
    with_files()?;
    let (soft, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
    let most = std::fs::read_dir("/proc/self/fd")?.count() as u64 + ENOUGH;
    let mut failed = 0;
    // From none at all. Numbers of files are taken again once they are closed.
    for limit in 0..most {
        setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
        match stage.chain(SIZE, vk::PresentModeKHR::FIFO, None) {
            Ok(chain) => end_at_once(&stage, chain)?,
            Err(e) => {
                use vk::Result as R;
                let is_short = |r: &R| [R::ERROR_OUT_OF_HOST_MEMORY, R::ERROR_OUT_OF_DEVICE_MEMORY].contains(r);
                ensure!(e.downcast_ref().is_some_and(is_short), "with {limit} files: {e:?}");
                failed += 1;
            }
        }
    }
    setrlimit(Resource::RLIMIT_NOFILE, soft, hard)?;
    println!("{failed} of {most} limits are too low for a swapchain");
    ensure!((1..most).contains(&failed), "{failed} of {most} limits are too low for a swapchain");
    with_files().context("with as many files as before")
}
