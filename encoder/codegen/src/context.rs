//! What encoders are told beside their structs: those that the structs stand in.

use std::collections::{BTreeMap, BTreeSet};

/// The struct that the state of a graphics pipeline is read from.
pub const GRAPHICS: &str = "VkGraphicsPipelineCreateInfo";

/// What an encoder is told beside its struct.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Context {
    /// The struct that this one stands in.
    Owner(String),
    /// The state of the graphics pipeline.
    Graphics,
    /// Whether the struct stands in one of these.
    Within(Vec<String>),
}

pub type Contexts = BTreeMap<String, BTreeSet<Context>>;
