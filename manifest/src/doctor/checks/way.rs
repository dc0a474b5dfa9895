//! The way to the host: the node and the rights to it, kernel and device, what the host offers, and the ring.

use hesper_winsys::probe::{Obstacle, Problem};
use serde_json::json;

use crate::children::Offer;
use crate::doctor::finding::{Finding, exit};
use crate::doctor::seen::Machine;
use crate::obstacles::{self, Part};

/// What a check of a part says: the obstacle in that part; that it is passed, if a later part has the obstacle; or what `pass` says of what is offered.
fn part(machine: &Machine, part: Part, pass: impl Fn(&str, Option<&Offer>) -> Finding) -> Finding {
    if let Some(way) = machine.silent_way() {
        let way = if way.is_empty() { "the way to the host" } else { way };
        return match part {
            Part::Ring => {
                let advice = "see whether the machine's monitor and its renderer still run (their log says more); restart them, or the machine";
                Finding::fail(exit::SILENT, format!("{way}: the host doesn't answer"), advice)
            }
            _ => Finding::skip("not known, since the host doesn't answer"),
        };
    }
    if let Some((way, offer)) = machine.taken() {
        return pass(&way, Some(&offer));
    }
    let Some(problem) = machine.problem() else {
        let (why, obstacle) = ("the process that tries it died", Obstacle::Refused);
        return match part {
            Part::Ring => Finding::fail(obstacles::status(obstacle), why, obstacle.advice()),
            _ => Finding::skip(why),
        };
    };
    let theirs = obstacles::part(problem.obstacle);
    match theirs as u8 {
        here if here == part as u8 => fail(machine, &problem),
        before if before < part as u8 => Finding::skip("not reached"),
        _ => pass(problem.detail.split(": ").next().unwrap_or_default(), None),
    }
}

fn fail(machine: &Machine, problem: &Problem) -> Finding {
    let (mut why, mut advice) = (problem.detail.clone(), problem.obstacle.advice().to_owned());
    let rights = machine.rights.iter().find(|r| why.starts_with(&r.path.display().to_string()));
    match (problem.obstacle, rights) {
        (Obstacle::NoPermission, Some(rights)) => {
            if let Some((more, better)) = rights.denied(&machine.place) {
                why.push_str(&format!(" ({more})"));
                advice = better;
            }
        }
        (Obstacle::MappingDenied, Some(rights)) => {
            if let Some(label) = &rights.label {
                why.push_str(&format!(" (SELinux enforces; this process is {label})"));
            }
        }
        (Obstacle::NoDevice, _) if machine.place.is_container() => {
            "pass the device to the container: --device /dev/dri; the machine around it needs a virtio-gpu (krunkit and libkrun have one)"
                .clone_into(&mut advice);
        }
        // Seen of a test server whose render server isn't installed.
        (Obstacle::NoContext, _) => advice.push_str(
            "; virglrenderer runs Venus in a program of its own: is virgl_render_server installed there, and may it be run?",
        ),
        _ => {}
    }
    Finding::fail(obstacles::status(problem.obstacle), why, advice)
        .with(json!({ "obstacle": obstacles::name(problem.obstacle) }))
}

/// Whether a node can be opened and mapped.
pub fn node(machine: &Machine) -> Finding {
    let tried: Vec<_> = machine
        .ways()
        .iter()
        .map(|t| json!({ "way": t.way, "usable": t.offer.is_some(), "problem": t.problem }))
        .collect();
    let finding = part(machine, Part::Node, |way, _| match machine.over_socket() {
        true => Finding::pass(format!("{way}, a test server's socket in place of a device")),
        false => Finding::pass(format!("{way} is a virtio-gpu, and may be used")),
    });
    let mut facts = json!({ "tried": tried });
    if let Some(obstacle) = finding.facts.get("obstacle") {
        facts["obstacle"] = obstacle.clone();
    }
    finding.with(facts)
}

/// What kernel and virtual device can do.
pub fn kernel(machine: &Machine) -> Finding {
    if machine.over_socket() {
        return Finding::skip(format!("Linux {}: of no account over a socket", machine.kernel));
    }
    part(machine, Part::Kernel, |_, offer| {
        let step = offer.map(|o| {
            let told = if o.blob_alignment.is_some() { "" } else { " (none is told)" };
            format!("; blob sizes are multiples of {} bytes{told}", o.blob_alignment_used)
        });
        let parts = "3D, contexts of a kind, blobs, host-visible memory";
        let why = format!("Linux {} has {parts}{}", machine.kernel, step.unwrap_or_default());
        Finding::pass(why).with(json!({
            "release": machine.kernel,
            "blob_alignment": offer.and_then(|o| o.blob_alignment),
            "blob_alignment_used": offer.map(|o| o.blob_alignment_used),
            "cross_device": offer.map(|o| o.cross_device),
        }))
    })
}

/// What the host offers.
pub fn host(machine: &Machine) -> Finding {
    part(machine, Part::Host, |_, offer| match offer {
        None => Finding::pass("the host offers Venus"),
        Some(offer) => {
            let registry = version(offer.vk_xml);
            let why = format!("Venus {}, Vulkan registry {registry}", offer.venus);
            let facts = json!({ "venus": offer.venus, "vk_xml": registry });
            match OLD_HOST_OF_NVIDIA.applies(machine, offer) {
                true => Finding::warn(format!("{why}: {}", OLD_HOST_OF_NVIDIA.what), OLD_HOST_OF_NVIDIA.advice),
                false => Finding::pass(why),
            }
            .with(facts)
        }
    })
}

/// A fault that hosts up to a version have with a vendor's driver.
pub struct KnownFault {
    /// The last spec version of VK_MESA_venus_protocol that has it.
    venus: u32,
    /// VkPhysicalDeviceProperties::vendorID.
    vendor: u32,
    pub what: &'static str,
    pub advice: &'static str,
}

/// The capset has no number of virglrenderer's: of the protocol's version 1.1 says 2, and 1.3 says 3.
pub const OLD_HOST_OF_NVIDIA: KnownFault = KnownFault {
    venus: 2,
    vendor: 0x10de,
    what: "the host's virglrenderer is older than 1.2, which makes no devices on NVIDIA's driver",
    advice: "update virglrenderer on the host to 1.2 or newer",
};

impl KnownFault {
    /// Whether a host has it.
    pub fn applies(&self, machine: &Machine, offer: &Offer) -> bool {
        offer.venus <= self.venus && machine.device().is_some_and(|d| d.vendor == self.vendor)
    }
}

/// Whether context, shared memory and ring work.
pub fn ring(machine: &Machine) -> Finding {
    part(machine, Part::Ring, |_, offer| match offer {
        None => Finding::skip("not reached"),
        Some(o) => {
            Finding::pass(format!("a context, shared memory and a ring; a round trip takes {:.0} us", o.round_trip_us))
                .with(json!({ "round_trip_us": o.round_trip_us }))
        }
    })
}

/// `1.4.357` (Vulkan specification, "Version Numbers").
fn version(v: u32) -> String {
    format!("{}.{}.{}", v >> 22 & 0x7f, v >> 12 & 0x3ff, v & 0xfff)
}
