//! The way to the host, without Vulkan: contexts, shared memory and a ring, on each node or over a test server's socket.

use hesper_winsys::probe::{self, Obstacle, Problem, Usable};
use serde::{Deserialize, Serialize};

use super::told;
use crate::environment::Environment;
use crate::obstacles;

/// What a way to the host offers.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Offer {
    /// Spec version of VK_MESA_venus_protocol.
    pub venus: u32,
    /// `VK_MAKE_API_VERSION` of the vk.xml behind the host's codec.
    pub vk_xml: u32,
    /// The step of blob sizes in bytes, where kernel and host tell one.
    pub blob_alignment: Option<u64>,
    /// The step that is used, in bytes.
    pub blob_alignment_used: u64,
    /// Whether other devices' drivers can use its memory.
    pub cross_device: bool,
    /// From the guest through context and ring and back, in microseconds.
    pub round_trip_us: f64,
}

/// A way that was tried.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Tried {
    /// The render node or socket; empty where there are no nodes.
    pub way: String,
    /// What it offers.
    pub offer: Option<Offer>,
    /// The obstacle in the way, by its name in `obstacles`, and how it showed.
    pub problem: Option<(String, String)>,
}

impl Tried {
    fn new(way: String, result: Result<Usable, Problem>) -> Self {
        match result {
            Ok(u) => {
                let capset = &u.facts.capset;
                let offer = Offer {
                    venus: capset.venus_version,
                    vk_xml: capset.vk_xml_version,
                    blob_alignment: u.facts.blob_alignment,
                    blob_alignment_used: u.alignment,
                    cross_device: u.facts.cross_device,
                    round_trip_us: u.round_trip.as_secs_f64() * 1e6,
                };
                Self { way, offer: Some(offer), problem: None }
            }
            Err(p) => Self { way, offer: None, problem: Some((obstacles::name(p.obstacle).to_owned(), p.detail)) },
        }
    }

    /// Why it can't be used.
    pub fn problem(&self) -> Option<(Obstacle, &str)> {
        let (name, detail) = self.problem.as_ref()?;
        Some((obstacles::by_name(name)?, detail))
    }
}

/// Tries the ways that the driver would, up to the first that works. A stage is named as its way.
pub fn go() {
    let config = Environment::of_process().config();
    // Whatever fails is told.
    let works = |way: String, attempt: &dyn Fn() -> Result<Usable, Problem>| {
        told::stage(&way, || Ok(Tried::new(way.clone(), attempt()))).is_ok_and(|t| t.offer.is_some())
    };
    if config.vtest {
        works(socket(&config), &|| probe::try_out_server(&config));
        return;
    }
    match probe::nodes(config.render_node.as_deref()) {
        Ok(nodes) => {
            nodes.iter().any(|node| works(node.display().to_string(), &|| probe::try_out(node, &config)));
        }
        Err(problem) => {
            works(String::new(), &|| Err(problem.clone()));
        }
    }
}

fn socket(config: &hesper_winsys::Config) -> String {
    let default = || hesper_winsys::vtest::DEFAULT_SOCKET.into();
    config.vtest_socket.clone().unwrap_or_else(default).display().to_string()
}
