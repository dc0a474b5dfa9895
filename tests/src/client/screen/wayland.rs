//! A window of Wayland, by a connection of the program's own. What is seen of it the compositor knows (`hesper_tests::compositor`), and whoever runs both.

use std::io::{BufRead as _, Write as _, stdin, stdout};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use ash::vk;
use clap::ValueEnum;

use super::stage::Chain;
use super::wayland_place::{AT_ONCE, Place, SIZE, Told, end_at_once};
use super::wayland_short;

const FIFO: vk::PresentModeKHR = vk::PresentModeKHR::FIFO;

/// What a window goes through.
#[derive(Clone, Copy, Debug, ValueEnum)]
pub enum Part {
    /// Pictures in every mode, with and without alpha, and what is said of the surface before each.
    Pictures,
    /// Swapchains of other sizes take the window over.
    Resized,
    /// The compositor never says that a picture is due.
    Hidden,
    /// The compositor gives no buffer back.
    Kept,
    /// The compositor dies after `ready` is printed and before the line of input that is waited for.
    Dead,
    /// The compositor dies while a swapchain is made.
    Dying,
    /// Many swapchains, one after the other.
    Renewed,
    /// The connection is closed before the swapchain ends.
    Closed,
    /// The connection is closed, and the swapchain never ends.
    Left,
    /// The compositor looks at nothing for a while, and the program has asked for so much meanwhile that its socket is full. It does so from each `ready` on,
    /// before the line of input that is waited for, until `full`.
    Full,
    /// Files can't be opened for a while.
    NoFiles,
}

/// Goes through a part.
pub fn run(part: Part) -> Result<()> {
    match part {
        Part::Pictures => pictures(),
        Part::Resized => resized(),
        Part::Hidden => hidden(),
        Part::Kept => kept(),
        Part::Dead => dead(),
        Part::Dying => dying(),
        Part::Renewed => renewed(),
        Part::Closed => closed(true),
        Part::Left => closed(false),
        Part::Full => wayland_short::full(),
        Part::NoFiles => wayland_short::no_files(),
    }?;
    println!("ok {part:?}");
    Ok(())
}

/// A color for a frame, opaque or not.
fn color(frame: u32, alpha: f32) -> [f32; 4] {
    let [r, g, b] = [frame * 37 % 256, frame * 91 % 256, frame * 11 % 256].map(|c| c as f32 / 255.0 * alpha);
    [r, g, b, alpha]
}

/// Prints a line a picture: what the compositor is to see. Meanwhile, events of the program's own queue stay in that.
fn pictures() -> Result<()> {
    let mut place = Place::new()?;
    let stage = place.stage()?;
    let (mut frame, mut told) = (0, Told::default());
    let opaque = vk::CompositeAlphaFlagsKHR::OPAQUE;
    let all = stage.modes()?.into_iter().map(|m| (m, opaque));
    for (mode, alpha) in all.chain([(FIFO, vk::CompositeAlphaFlagsKHR::PRE_MULTIPLIED)]) {
        let info = stage.info(SIZE, mode)?.composite_alpha(alpha);
        // SAFETY: a valid info, and a new swapchain.
        let chain = unsafe {
            let handle = stage.swapchains.create_swapchain(&info, None).context("vkCreateSwapchainKHR")?;
            Chain { handle, images: stage.swapchains.get_swapchain_images(handle)? }
        };
        for _ in 0..12 {
            frame += 1;
            // The compositor's answer comes while the picture waits for its turn.
            place.connection.display().sync(&place.queue.handle(), ());
            let scale = 1 + frame % 2;
            place.surface.set_buffer_scale(scale as i32);
            let seen = color(frame, if alpha == opaque { 1.0 } else { 0.5 });
            let shown = stage.try_frame(&chain, None, seen)?;
            ensure!(shown.is_ok_and(|(_, suboptimal)| !suboptimal), "{mode:?}: {shown:?}");
            // Said of the next picture, not of this one, which is there already.
            place.surface.set_buffer_scale(9);
            let [r, g, b, a] = seen.map(|c| (c * 255.0).round() as u8);
            println!("picture {mode:?} {scale} {b} {g} {r} {a}");
        }
        end_at_once(&stage, chain)?;
    }
    place.queue.roundtrip(&mut told)?;
    ensure!(told.answers == frame, "{} of {frame} answers came to the program's own queue", told.answers);
    drop(stage);
    Ok(())
}

/// Three pictures of each size; the old swapchain ends when the new one is there.
fn resized() -> Result<()> {
    let place = Place::new()?;
    let stage = place.stage()?;
    let mut chain: Option<Chain> = None;
    for size in [SIZE, [80, 30], [20, 60], SIZE] {
        let new = stage.chain(size, FIFO, chain.as_ref())?;
        if let Some(old) = chain.replace(new) {
            end_at_once(&stage, old)?;
        }
        for _ in 0..3 {
            stage.frame(chain.as_ref().context("a swapchain")?, None)?;
        }
    }
    end_at_once(&stage, chain.context("a swapchain")?)
}

/// In a window that nobody sees pictures go on, slower.
fn hidden() -> Result<()> {
    let place = Place::new()?;
    let stage = place.stage()?;
    let chain = stage.chain(SIZE, FIFO, None)?;
    let start = Instant::now();
    for frame in 0..5 {
        stage.frame(&chain, None)?;
        if frame == 0 {
            ensure!(start.elapsed() < Duration::from_secs(5), "the first picture took {:?}", start.elapsed());
        }
    }
    let took = start.elapsed();
    ensure!(took > Duration::from_millis(800), "five pictures took {took:?}, although none was due");
    ensure!(took < Duration::from_secs(10), "five pictures took {took:?}");
    end_at_once(&stage, chain)
}

/// Where no buffer comes back, presenting ends, acquiring keeps to its timeout, and another swapchain works.
fn kept() -> Result<()> {
    let place = Place::new()?;
    let stage = place.stage()?;
    let chain = stage.chain(SIZE, FIFO, None)?;
    let start = Instant::now();
    let mut shown = 0;
    let end = loop {
        let fence = stage.fence()?;
        let (timeout, none, start) = (30_000_000, vk::Semaphore::null(), Instant::now());
        // SAFETY: valid handles, and a fence that nothing else signals.
        let got = unsafe { stage.swapchains.acquire_next_image(chain.handle, timeout, none, fence) };
        let took = start.elapsed();
        match got {
            Ok((index, _)) => {
                stage.draw_and_present(&chain, index, none, None)?;
                shown += 1;
            }
            Err(e) => {
                ensure!((30..1000).contains(&took.as_millis()), "acquiring ended after {took:?}");
                break e;
            }
        }
        // SAFETY: the fence of an image that was handed out is signalled.
        unsafe {
            stage.device.wait_for_fences(&[fence], true, AT_ONCE.as_nanos() as u64)?;
            stage.device.destroy_fence(fence, None);
        }
        ensure!(shown < 30, "pictures go on, and no buffer comes back");
    };
    ensure!(end == vk::Result::TIMEOUT, "acquiring ended with {end:?}");
    ensure!(start.elapsed() < Duration::from_secs(30), "{shown} pictures took {:?}", start.elapsed());
    end_at_once(&stage, chain)?;
    let chain = stage.chain(SIZE, FIFO, None)?;
    stage.frame(&chain, None)?;
    end_at_once(&stage, chain)
}

/// A program that looks at every result hears of a compositor that has died, soon, and goes on without it.
fn dead() -> Result<()> {
    let place = Place::new()?;
    let stage = place.stage()?;
    let chain = stage.chain(SIZE, FIFO, None)?;
    for _ in 0..5 {
        stage.frame(&chain, None)?;
    }
    println!("ready");
    stdout().flush()?;
    stdin().lock().read_line(&mut String::new())?;
    let start = Instant::now();
    let end = loop {
        match stage.try_frame(&chain, None, [1.0; 4])? {
            Ok(_) if start.elapsed() < Duration::from_secs(20) => {}
            Ok(_) => bail!("nobody says that the compositor is gone"),
            Err(e) => break e,
        }
    };
    // SAFETY: valid handles.
    let can = unsafe { stage.surfaces.get_physical_device_surface_capabilities(stage.physical, stage.surface) };
    let again = stage.chain(SIZE, FIFO, Some(&chain)).err().context("a swapchain without a compositor")?;
    let gone = vk::Result::ERROR_SURFACE_LOST_KHR;
    ensure!(end == gone && can.err() == Some(gone), "without a compositor: {end:?}, {can:?}");
    ensure!(again.downcast_ref() == Some(&gone), "without a compositor: {again:?}");
    ensure!(start.elapsed() < Duration::from_secs(5), "after {:?}", start.elapsed());
    end_at_once(&stage, chain)?;
    drop(stage);
    Ok(())
}

/// A compositor that dies in the middle of a swapchain's making is told of, soon.
fn dying() -> Result<()> {
    let place = Place::new()?;
    let stage = place.stage()?;
    let start = Instant::now();
    let none = stage.chain(SIZE, FIFO, None).err().context("a swapchain without a compositor")?;
    ensure!(none.downcast_ref() == Some(&vk::Result::ERROR_SURFACE_LOST_KHR), "without a compositor: {none:?}");
    ensure!(start.elapsed() < AT_ONCE, "after {:?}", start.elapsed());
    Ok(())
}

/// Swapchains take all that they have open with them. What a device opens once may come at any time, and is little.
fn renewed() -> Result<()> {
    const ROUNDS: usize = 24;
    let place = Place::new()?;
    let stage = place.stage()?;
    let mut open = Vec::new();
    for _ in 0..ROUNDS {
        let chain = stage.chain(SIZE, FIFO, None)?;
        stage.frame(&chain, None)?;
        end_at_once(&stage, chain)?;
        open.push(std::fs::read_dir("/proc/self/fd")?.count());
    }
    ensure!(open[ROUNDS - 1] < open[0] + ROUNDS / 2, "files are left open: {open:?}");
    Ok(())
}

/// What a program does too late or never takes nothing down.
fn closed(ends: bool) -> Result<()> {
    let place = Place::new()?;
    let stage = place.stage()?;
    let chain = stage.chain(SIZE, FIFO, None)?;
    for _ in 0..5 {
        stage.frame(&chain, None)?;
    }
    drop(place);
    if ends {
        // The descriptor that the connection had is another file now.
        let _other = std::os::unix::net::UnixStream::pair()?;
        stage.end(chain)?;
        drop(stage);
    } else {
        std::mem::forget(stage);
    }
    Ok(())
}
