//! What the host can do.

/// What the host says of itself.
#[derive(Clone, Debug)]
pub struct Capabilities {
    /// VK_MAKE_API_VERSION of the vk.xml behind its codec; its device has the same version.
    pub vk_xml_version: u32,
    /// The extensions that its codec knows, as in the capset (WIRE.md 8.4).
    pub mask: [u32; 32],
    /// The extensions that its device lists, with their versions.
    pub extensions: Vec<(String, u32)>,
}
