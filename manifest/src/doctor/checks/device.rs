//! This driver's device as programs find it, and work that it does.

use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::way::OLD_HOST_OF_NVIDIA;
use crate::children::Shown;
use crate::children::told::Outcome;
use crate::doctor::finding::{Finding, exit};
use crate::doctor::seen::Machine;

const MONITORS_LOG: &str = "see the log of the machine's monitor on the host; `HESPER_LOG=info` says more here";

/// What a stage has found, or the finding that says why there is nothing.
pub fn found<T: DeserializeOwned>(machine: &Machine, stage: &str, what: &str) -> Result<T, Finding> {
    let words = machine.drivers_words().map(|w| format!(" ({w})")).unwrap_or_default();
    let bad = |code, how: String| Err(Finding::fail(code, format!("{what}: {how}{words}"), MONITORS_LOG));
    match machine.vulkan(stage) {
        Outcome::Done(found) => Ok(found),
        Outcome::Failed(why) => bad(exit::WORK, why),
        Outcome::Silent(time) => bad(exit::SILENT, format!("nothing for {} s", time.as_secs())),
        Outcome::Died(how) => bad(exit::WORK, format!("the program that tries it crashed: {how}")),
        Outcome::NotReached => Err(Finding::skip("not reached")),
    }
}

/// Whether programs find this driver's device.
pub fn instance(machine: &Machine) -> Finding {
    if machine.device().is_none()
        && let Some(reason) = reason_above(machine)
    {
        return Finding::skip(reason);
    }
    let all = found::<Value>(machine, "instance", "no instance of Vulkan")
        .and_then(|_| found::<Vec<Shown>>(machine, "devices", "no list of devices"));
    let all = match all {
        Ok(all) => all,
        Err(finding) => return finding,
    };
    let Some(at) = all.iter().position(Shown::is_ours) else {
        let words = machine.drivers_words().map(|w| format!(": {w}")).unwrap_or_default();
        return Finding::fail(exit::WORK, format!("programs find no device of this driver{words}"), MONITORS_LOG);
    };
    let device = &all[at];
    let why =
        format!("{}, Vulkan {}, driver {} {}", device.name, device.api_version, device.driver, device.driver_info);
    let facts = json!({ "device": device, "at": at });
    match device.is_processor() {
        true => {
            let advice =
                "have the host's Vulkan use its GPU: the monitor's user needs the right to it there, and a driver";
            Finding::warn(format!("{why}: the host computes on its processor"), advice).with(facts)
        }
        false => Finding::pass(why).with(facts),
    }
}

/// What has failed before that leaves programs without this driver's device.
fn reason_above(machine: &Machine) -> Option<&'static str> {
    if machine.taken().is_none() {
        return Some("there is no way to the host");
    }
    let ours = machine.manifests.ours().filter(|m| m.ignored.is_none() && m.library.is_ok());
    ours.is_none().then_some("the loader doesn't come to this driver")
}

/// Whether a device can be made, and sees memory as the guest does.
pub fn memory(machine: &Machine) -> Finding {
    if let Err(finding) = found::<Value>(machine, "device", "no device can be made") {
        let known = machine.taken().is_some_and(|(_, offer)| OLD_HOST_OF_NVIDIA.applies(machine, &offer));
        return match finding.exit {
            exit::WORK if known => {
                let why = format!("{}: {}", finding.why, OLD_HOST_OF_NVIDIA.what);
                Finding { why, advice: Some(OLD_HOST_OF_NVIDIA.advice.to_owned()), ..finding }
            }
            _ => finding,
        };
    }
    match found::<Value>(machine, "memory", "mapped memory") {
        Ok(_) => Finding::pass("what one side writes to mapped memory the other reads"),
        Err(finding) => finding,
    }
}

/// Whether a shader computes what it should.
pub fn dispatch(machine: &Machine) -> Finding {
    match found::<Value>(machine, "dispatch", "a shader") {
        Ok(_) => Finding::pass("a shader computed what this processor computes"),
        Err(finding) => finding,
    }
}
