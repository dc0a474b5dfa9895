//! Which device is imitated.

use std::sync::OnceLock;

/// The driver of an Apple device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Host {
    /// MoltenVK of August 2026.
    MoltenVk,
    /// The same, and not even virglrenderer's word for memory that it hands out.
    MoltenVkBare,
    /// KosmicKrisp of Mesa 26.
    KosmicKrisp,
}

/// The one that was asked for.
pub fn host() -> Option<Host> {
    static HOST: OnceLock<Option<Host>> = OnceLock::new();
    *HOST.get_or_init(|| match std::env::var("HESPER_TEST_LAYER_APPLE").ok()?.as_str() {
        "moltenvk" => Some(Host::MoltenVk),
        "moltenvk-bare" => Some(Host::MoltenVkBare),
        "kosmickrisp" => Some(Host::KosmicKrisp),
        other => {
            eprintln!("HESPER_TEST_LAYER_APPLE={other}: none of moltenvk, moltenvk-bare, kosmickrisp");
            std::process::abort()
        }
    })
}
