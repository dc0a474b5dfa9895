//! `hesper-litmus`: does a wake-up get lost?
//!
//! A guest shows commands by storing a ring's tail, and then loads the ring's status to see whether the host sleeps. A host that is about to
//! sleep does the same the other way round: it stores that it sleeps, and then loads the tail (WIRE.md 5.4, 5.6). Either processor may keep its store
//! to itself for a while, and each side then misses what the other one wrote: the host sleeps over commands, and nobody calls it. A full fence between
//! store and load on both sides rules that out, on every processor.
//!
//! Here both sides are processes that share the ring's memory, and go through that moment again and again, at the same time. The host always has
//! its fence. The guest is the driver's own ring over the driver's own socket, or a store and a load, with a fence in between or without.

mod conversation;
mod guest;
mod host;
mod meeting;
mod processor;

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::Parser;
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

use guest::Kind;
use meeting::Meeting;
use processor::Side;

/// Has a host go to sleep while it is sent commands, and counts how often it slept over them uncalled.
#[derive(Parser)]
struct Args {
    /// Who sends.
    kind: Kind,
    /// Ends after so many rounds.
    #[arg(long, default_value_t = u32::MAX - 1)]
    rounds: u32,
    /// Ends when so many wake-ups are lost.
    #[arg(long, default_value_t = u32::MAX)]
    lost: u32,
    /// Ends after so many seconds. Where the system allows it, nobody else has the two processors meanwhile.
    #[arg(long, default_value_t = 2)]
    seconds: u64,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("error: {e:?}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> Result<()> {
    let meeting = Meeting::new()?;
    let (ours, theirs) = std::os::unix::net::UnixStream::pair().context("making a socket")?;
    // SAFETY: this process has one thread, so the child has all of it.
    match unsafe { fork() }.context("forking")? {
        ForkResult::Child => {
            drop(ours);
            die_with_parent();
            processor::take(Side::Host);
            let limits = host::Limits { rounds: args.rounds, lost: args.lost, seconds: args.seconds };
            let code = match host::run(args.kind, &meeting, theirs, limits) {
                Ok(()) => 0,
                Err(e) => {
                    eprintln!("error: the host: {e:?}");
                    1
                }
            };
            std::process::exit(code);
        }
        ForkResult::Parent { child } => {
            drop(theirs);
            processor::take(Side::Guest);
            let sent = guest::run(args.kind, &meeting, ours);
            let ended = waitpid(child, None).context("waiting for the host")?;
            sent?;
            if ended != WaitStatus::Exited(child, 0) {
                bail!("the host ended with {ended:?}");
            }
        }
    }
    let seen = meeting.seen();
    println!("rounds {} lost {} both {}", seen.rounds, seen.lost, seen.both);
    Ok(())
}

fn die_with_parent() {
    // SAFETY: the call takes numbers, and touches no memory of this process.
    unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
}
