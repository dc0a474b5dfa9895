//! The registry as plain tables.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use anyhow::{Context, Result};

use crate::formats::Format;

/// A struct member or a command parameter.
#[derive(Clone, Debug, Default)]
pub struct Member {
    pub name: String,
    /// The C base type, without `const` and stars.
    pub ty: String,
    pub pointers: u8,
    pub is_const: bool,
    /// `[N]`, with constants resolved; several for `[3][4]`.
    pub array: Vec<usize>,
    /// `altlen` where given, otherwise `len`, split at commas.
    pub len: Vec<String>,
    /// The parameter that tells how many bytes apart the elements lie.
    pub stride: Option<String>,
    pub bitfield: bool,
    pub values: Option<String>,
    pub selector: Option<String>,
    pub selection: Vec<String>,
    /// Whether null or zero will do.
    pub optional: bool,
}

#[derive(Clone, Debug, Default)]
pub struct Struct {
    pub name: String,
    pub members: Vec<Member>,
    pub is_union: bool,
}

impl Struct {
    /// Whether the struct starts with sType and pNext.
    pub fn chained(&self) -> bool {
        self.members.first().is_some_and(|m| m.name == "sType")
    }
    pub fn stype(&self) -> Option<&str> {
        self.members.first().filter(|m| m.name == "sType")?.values.as_deref()
    }
    /// The members that go on the wire behind the chain.
    pub fn body(&self) -> &[Member] {
        if self.chained() { &self.members[2..] } else { &self.members }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Command {
    pub name: String,
    pub ret: String,
    pub params: Vec<Member>,
    /// The names of the codes that it may return, if it returns one: those that aren't errors, and those that are.
    pub successes: Vec<String>,
    pub errors: Vec<String>,
    /// Whether it is recorded inside of a render pass, where it isn't allowed outside.
    pub in_render_pass: bool,
}

/// What a basic type is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basic {
    /// Bytes in memory: 1, 2, 4 or 8; on the wire at least 4.
    Scalar(usize),
    Dispatchable,
    NonDispatchable,
}

/// What makes a type or command known: core versions (major << 16 | minor) and extension numbers.
#[derive(Clone, Debug, Default)]
pub struct Gate {
    pub version: Option<u32>,
    pub extensions: BTreeSet<u32>,
}

#[derive(Clone, Debug)]
pub struct Extension {
    pub spec_version: u32,
    pub number: u32,
    /// Whether devices have it, not instances.
    pub of_device: bool,
}

/// A command that a version or an extension brings.
#[derive(Clone, Debug)]
pub struct Required {
    /// The version's or the extension's name.
    pub by: String,
    pub version: Option<u32>,
    /// What else must be there for it.
    pub depends: Option<String>,
    pub command: String,
}

#[derive(Default)]
pub struct Registry {
    pub structs: BTreeMap<String, Struct>,
    pub commands: BTreeMap<String, Command>,
    /// alias -> canonical name, for types and commands alike.
    pub aliases: HashMap<String, String>,
    /// canonical name -> aliases
    pub names: BTreeMap<String, Vec<String>>,
    pub basics: HashMap<String, Basic>,
    /// enum and flag-bit values: type -> [(name, value)]
    pub enums: BTreeMap<String, Vec<(String, i64)>>,
    /// Flags type -> FlagBits type
    pub flag_bits: HashMap<String, String>,
    pub values: HashMap<String, i64>,
    pub constants: HashMap<String, usize>,
    pub gates: HashMap<String, Gate>,
    pub extensions: BTreeMap<String, Extension>,
    pub required: Vec<Required>,
    pub formats: Vec<Format>,
    /// Features that a version demands of every device, with the version that was the first to do so.
    pub demanded: BTreeMap<String, u32>,
    pub header_version: u32,
}

impl Registry {
    pub fn canonical<'a>(&'a self, name: &'a str) -> &'a str {
        let mut n = name;
        while let Some(next) = self.aliases.get(n) {
            n = next;
        }
        n
    }

    pub fn find_struct(&self, name: &str) -> Option<&Struct> {
        self.structs.get(self.canonical(name))
    }

    pub fn basic(&self, name: &str) -> Option<Basic> {
        self.basics.get(self.canonical(name)).copied()
    }

    pub fn stype_value(&self, s: &Struct) -> Result<i64> {
        let name = s.stype().with_context(|| format!("{} has no sType", s.name))?;
        self.values.get(name).copied().with_context(|| format!("{name} has no value"))
    }

    pub fn gate(&self, name: &str) -> Gate {
        let canonical = self.canonical(name).to_string();
        let mut gate = Gate::default();
        let aliases = self.names.get(&canonical).cloned().unwrap_or_default();
        for n in std::iter::once(&canonical).chain(&aliases) {
            if let Some(g) = self.gates.get(n) {
                gate.extensions.extend(&g.extensions);
                gate.version = match (gate.version, g.version) {
                    (Some(a), Some(b)) => Some(a.min(b)),
                    (a, b) => a.or(b),
                };
            }
        }
        gate
    }
}
