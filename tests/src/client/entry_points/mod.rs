//! Every entry point that the driver offers, called once with valid arguments, on a host that has just died or on one that lives.
//!
//! All arguments are made first; then `ready` is printed and a line of input waited for, so that whoever runs this can kill the host.

pub mod call;
mod command_buffers;
pub mod keep;
mod objects;
mod pipelines;
mod watch;
pub mod world;

use std::ffi::CString;
use std::io::{Write as _, stdin, stdout};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use ash::vk;
use call::{Call, Erased, Prepared, Scope};
use hesper_tests::result_codes::allowed;
use keep::Output;
use watch::Watch;
use world::World;

use crate::generated::calls::CALLS;

/// How to call what.
#[derive(clap::Args)]
pub struct Args {
    /// Only these.
    only: Vec<String>,
    /// Not these.
    #[arg(long)]
    skip: Vec<String>,
    /// The host will be alive.
    #[arg(long)]
    alive: bool,
    /// Each call on a connection of its own, so that none profits from what an earlier one has noticed.
    #[arg(long)]
    apart: bool,
    /// A call that takes this many milliseconds fails.
    #[arg(long, default_value_t = 1000)]
    limit: u64,
    /// Only print the names of those that might wait for the host.
    #[arg(long)]
    names: bool,
}

pub fn run(args: &Args) -> Result<()> {
    if args.names {
        // What is recorded waits for nobody.
        CALLS.iter().filter(|c| !c.alias && !c.name.starts_with("vkCmd")).for_each(|c| println!("{}", c.name));
        return Ok(());
    }
    let mut worlds = vec![World::new()?];
    let mut calls = Vec::new();
    for call in in_order(&args.only).into_iter().filter(|c| !args.skip.iter().any(|s| s == c.name)) {
        let Some(mut world) = worlds.pop() else { bail!("there is always a world") };
        let offered = find(&world, call)?;
        if let Some(f) = offered {
            // SAFETY: the function of this name.
            let prepared = unsafe { (call.prepare)(&mut world, f) };
            calls.push((call, prepared, std::mem::take(&mut world.outputs)));
        }
        worlds.push(world);
        if args.apart && offered.is_some() {
            worlds.push(World::new()?);
        }
    }
    ensure!(!calls.is_empty(), "the driver has none of these");
    println!("ready");
    stdout().flush()?;
    stdin().read_line(&mut String::new())?;
    if args.alive {
        worlds.iter().try_for_each(World::release)?;
    }
    let complaints = make(calls, args);
    for world in worlds.iter().filter(|_| args.alive) {
        // SAFETY: a device that lives.
        unsafe { world.d.device_wait_idle() }.context("the device is lost after all that")?;
    }
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    Ok(())
}

/// Those that ask the host first, so that the loss is known to the others; those that give something back last, and after what they
/// would take with them.
fn in_order(only: &[String]) -> Vec<&'static Call> {
    let mut calls: Vec<_> = CALLS.iter().filter(|c| only.is_empty() || only.iter().any(|o| o == c.name)).collect();
    calls.sort_by_key(|c| match c.name {
        "vkDestroyDevice" | "vkDestroyInstance" => 4,
        n if n.starts_with("vkDestroy") => 3,
        n if n.starts_with("vkFree") => 2,
        _ if c.asks => 0,
        _ => 1,
    });
    calls
}

/// The function of a call, if the driver offers it.
fn find(world: &World, call: &Call) -> Result<Option<Erased>> {
    // The loader has functions of its own for what no driver may offer.
    if !call.extensions.is_empty() && !call.extensions.iter().any(|e| world.has(e)) {
        return Ok(None);
    }
    let name = CString::new(call.name)?;
    // SAFETY: valid handles and a name.
    let f = unsafe {
        match call.scope {
            Scope::Global => world.entry.get_instance_proc_addr(vk::Instance::null(), name.as_ptr()),
            Scope::Instance | Scope::PhysicalDevice => {
                world.entry.get_instance_proc_addr(world.i.handle(), name.as_ptr())
            }
            Scope::Device => world.i.get_device_proc_addr(world.d.handle(), name.as_ptr()),
        }
    };
    Ok(f)
}

/// Makes the calls, prints a line for each, and returns what is wrong.
fn make(calls: Vec<(&'static Call, Prepared, Vec<Output>)>, args: &Args) -> Vec<String> {
    let limit = Duration::from_millis(args.limit);
    let watch = Watch::new(limit);
    let (mut complaints, mut host) = (Vec::new(), if args.alive { HostIs::Alive } else { HostIs::Dead });
    for (call, prepared, outputs) in calls {
        let (code, took) = watch.call(call.name, prepared);
        let shown = code.map_or_else(|| "-".into(), |c| format!("{c:?}"));
        println!("{}\t{shown}\t{}", call.name, took.as_micros());
        let wrong = wrong(call, code, host);
        complaints.extend(wrong.map(|why| format!("{}: {shown}, {why}", call.name)));
        if took > limit {
            complaints.push(format!("{}: took {took:?}", call.name));
        }
        if outputs.iter().any(Output::is_untouched) {
            complaints.push(format!("{}: leaves what was there before for its answer", call.name));
        }
        if host == HostIs::Dead && call.asks && !args.apart {
            host = HostIs::Lost;
        }
    }
    complaints
}

/// How a call finds its host.
#[derive(Clone, Copy, PartialEq, Eq)]
enum HostIs {
    Alive,
    /// It has died, and the driver may not know yet.
    Dead,
    /// It has died, and the driver has noticed.
    Lost,
}

/// What is wrong with a call's result.
fn wrong(call: &Call, code: Option<vk::Result>, host: HostIs) -> Option<&'static str> {
    let code = code?;
    let failed = code.as_raw() < 0;
    match host {
        _ if !allowed(call.name, code) => Some("which the command may not return"),
        HostIs::Alive if failed => Some("while the host lives"),
        HostIs::Dead | HostIs::Lost if call.asks && !failed => Some("which only the host can know"),
        HostIs::Lost if !call.local && !failed => Some("on a host that is known to be lost"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated::calls::LEFT_OUT;

    /// An entry point that is in neither list would be forgotten.
    #[test]
    fn every_entry_point_is_called_or_left_out_for_a_reason() {
        let driver = include_str!("../../../../icd/src/generated/procs.rs");
        let names: Vec<&str> = driver.split("proc(c\"").skip(1).filter_map(|s| s.split('"').next()).collect();
        assert!(names.len() > 400, "{names:?}");
        for name in names {
            let called = CALLS.iter().any(|c| c.name == name);
            let left_out = LEFT_OUT.iter().any(|(n, why)| *n == name && !why.is_empty());
            assert!(called != left_out, "{name} is called: {called}, left out: {left_out}");
        }
    }

    #[test]
    fn what_is_wrong_is_found() {
        let call = |name: &str| CALLS.iter().find(|c| c.name == name).unwrap();
        let wrong = |name: &str, code, host| wrong(call(name), Some(code), host).is_some();
        use HostIs::{Alive, Dead, Lost};
        use vk::Result as R;
        for (name, code, host, expected) in [
            ("vkCreateFence", R::ERROR_DEVICE_LOST, Dead, true),
            ("vkCreateFence", R::SUCCESS, Dead, false),
            ("vkCreateFence", R::SUCCESS, Lost, true),
            ("vkCreateFence", R::SUCCESS, Alive, false),
            ("vkCreateFence", R::ERROR_OUT_OF_HOST_MEMORY, Alive, true),
            ("vkWaitForFences", R::SUCCESS, Dead, true),
            ("vkWaitForFences", R::TIMEOUT, Dead, true),
            ("vkWaitForFences", R::ERROR_DEVICE_LOST, Dead, false),
            ("vkSetPrivateData", R::SUCCESS, Lost, false),
            // The generator knows that its default body asks.
            ("vkGetSemaphoreCounterValue", R::SUCCESS, Dead, true),
        ] {
            assert_eq!(wrong(name, code, host), expected, "{name} {code:?}");
        }
    }
}
