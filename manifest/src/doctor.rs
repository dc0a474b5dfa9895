//! `doctor`: whether the driver can work here, and if not, why and what to do.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use hesper_winsys::Config;
use hesper_winsys::probe::{self, Obstacle, Problem, Usable};
use serde_json::{Value, json};

use crate::icd;

/// Where the loader looks for manifests (Vulkan-Loader, LoaderDriverInterface.md, "Driver Discovery on Linux").
const MANIFEST_FOLDERS: [&str; 4] =
    ["/usr/share/vulkan/icd.d", "/usr/local/share/vulkan/icd.d", "/etc/vulkan/icd.d", "/usr/local/etc/vulkan/icd.d"];

/// What was found.
#[derive(Clone, Debug)]
pub struct Report {
    nodes: Vec<(PathBuf, Result<Usable, Problem>)>,
    /// Why there are no nodes.
    none: Option<Problem>,
    /// Manifests of this driver that the loader would find, and what is wrong with each.
    manifests: Vec<(PathBuf, Option<String>)>,
}

/// Looks at everything, with the driver's own settings.
pub fn examine() -> Report {
    let asked = std::env::var_os("HESPER_RENDER_NODE").map(PathBuf::from);
    let step = std::env::var("HESPER_BLOB_ALIGNMENT").ok().and_then(|s| s.trim().parse().ok());
    let config = Config { render_node: asked, blob_alignment: step, ..Config::default() };
    let (nodes, none) = match probe::nodes(config.render_node.as_deref()) {
        Ok(nodes) => (nodes, None),
        Err(problem) => (Vec::new(), Some(problem)),
    };
    let nodes = nodes.into_iter().map(|n| (n.clone(), probe::try_out(&n, &config))).collect();
    Report { nodes, none, manifests: manifests() }
}

/// The virtio-gpu render nodes, or the usual one if none can be seen from here.
pub fn nodes() -> Vec<PathBuf> {
    let all = probe::nodes(None).unwrap_or_default();
    let ours = |n: &PathBuf| {
        !matches!(probe::inspect(n), Err(Problem { obstacle: Obstacle::NotVirtioGpu | Obstacle::NoDevice, .. }))
    };
    let found: Vec<PathBuf> = all.into_iter().filter(ours).collect();
    if found.is_empty() { vec![PathBuf::from("/dev/dri/renderD128")] } else { found }
}

fn manifests() -> Vec<(PathBuf, Option<String>)> {
    let set = ["VK_DRIVER_FILES", "VK_ICD_FILENAMES"].iter().find_map(std::env::var_os);
    let candidates: Vec<PathBuf> = match set {
        Some(list) => std::env::split_paths(&list).collect(),
        None => MANIFEST_FOLDERS.iter().map(|f| Path::new(f).join(icd::MANIFEST)).collect(),
    };
    let ours = candidates.into_iter().filter(|p| p.file_name().is_some_and(|n| n == icd::MANIFEST) && p.exists());
    ours.map(|p| (p.clone(), wrong(&p))).collect()
}

/// What is wrong with a manifest.
fn wrong(manifest: &Path) -> Option<String> {
    match icd::library_of(manifest) {
        Err(e) => Some(format!("{e:#}")),
        Ok(library) if !library.contains('/') => None,
        Ok(library) => {
            let path = manifest.parent().unwrap_or(Path::new("/")).join(library);
            (!path.is_file()).then(|| format!("names {}, which isn't there", path.display()))
        }
    }
}

impl Report {
    /// The problem of the device that came closest to being usable; nothing if one is usable.
    fn problem(&self) -> Option<Problem> {
        if self.nodes.iter().any(|(_, r)| r.is_ok()) {
            return None;
        }
        Problem::closest(self.nodes.iter().filter_map(|(_, r)| r.as_ref().err()).cloned()).or_else(|| self.none.clone())
    }

    /// The exit status: 0, or the number of the obstacle's kind (see `hesper doctor --help`).
    pub fn status(&self) -> u8 {
        self.problem().map_or(0, |p| match p.obstacle {
            Obstacle::NoDevice => 3,
            Obstacle::NoPermission | Obstacle::MappingDenied => 4,
            Obstacle::NotVirtioGpu => 5,
            Obstacle::OldKernel => 6,
            Obstacle::No3d | Obstacle::NoContextInit | Obstacle::NoBlobs | Obstacle::NoVenus | Obstacle::OldVenus => 7,
            Obstacle::NoHostVisibleMemory | Obstacle::GuestVram => 8,
            Obstacle::NoContext | Obstacle::NoSharedMemory | Obstacle::Refused => 9,
        })
    }

    /// With the node that the driver takes: the first that works.
    fn verdict(&self) -> String {
        let usable = self.nodes.iter().find(|(_, r)| r.is_ok());
        match (self.problem(), usable) {
            (Some(p), _) => format!("Hesper can't work here: {}.", p.detail),
            (None, Some((node, _))) => format!("Hesper can work here, on {}.", node.display()),
            (None, None) => "Hesper can't work here: there is no render node.".to_owned(),
        }
    }

    /// For people.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for (node, result) in &self.nodes {
            let _ = match result {
                Ok(u) => writeln!(text, "{}: usable; {}", node.display(), facts(u)),
                // The detail names the node.
                Err(p) => writeln!(text, "{}", p.detail),
            };
        }
        for (path, wrong) in &self.manifests {
            let _ = writeln!(text, "{}: {}", path.display(), wrong.as_deref().unwrap_or("installed"));
        }
        if self.manifests.is_empty() {
            text.push_str("no manifest of this driver where the Vulkan loader looks: run `hesper install`, or set VK_DRIVER_FILES\n");
        }
        let _ = writeln!(text, "{}", self.verdict());
        if let Some(p) = self.problem() {
            let _ = writeln!(text, "What to do: {}.", p.obstacle.advice());
        }
        text
    }

    /// For programs.
    pub fn json(&self) -> Value {
        let node = |(path, result): &(PathBuf, Result<Usable, Problem>)| match result {
            Ok(Usable { facts: f, alignment }) => json!({
                "path": path, "usable": true, "venus": f.capset.venus_version, "vk_xml": version(f.capset.vk_xml_version),
                "blob_alignment": f.blob_alignment, "blob_alignment_used": alignment, "cross_device": f.cross_device
            }),
            Err(p) => json!({ "path": path, "usable": false, "problem": p.detail }),
        };
        json!({
            "usable": self.problem().is_none(),
            "verdict": self.verdict(),
            "advice": self.problem().map(|p| p.obstacle.advice()),
            "nodes": self.nodes.iter().map(node).collect::<Vec<_>>(),
            "manifests": self.manifests.iter().map(|(p, w)| json!({ "path": p, "problem": w })).collect::<Vec<_>>()
        })
    }
}

fn facts(u: &Usable) -> String {
    let told = if u.facts.blob_alignment.is_some() { "" } else { " (none is told)" };
    format!(
        "Venus {}, Vulkan registry {}, blob sizes are multiples of {} bytes{told}",
        u.facts.capset.venus_version,
        version(u.facts.capset.vk_xml_version),
        u.alignment
    )
}

/// `1.4.357` (Vulkan specification, "Version Numbers").
fn version(v: u32) -> String {
    format!("{}.{}.{}", v >> 22 & 0x7f, v >> 12 & 0x3ff, v & 0xfff)
}
