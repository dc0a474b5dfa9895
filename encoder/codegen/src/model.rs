//! The registry seen as the wire sees it: what each member's shape is, how Rust reaches it, and what the protocol needs.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, bail};

use crate::ash::Ash;
use crate::context::Contexts;
use crate::names::{bare, snake};
use crate::registry::{Basic, Member, Registry, Struct};
use crate::tables::{IgnoredMembers, Tables};

/// A member's form on the wire (WIRE.md 1.2 to 1.8).
#[derive(Clone, Debug, PartialEq)]
pub enum Shape {
    /// `n` bytes in memory.
    Scalar(usize),
    Dispatchable,
    NonDispatchable,
    Struct(String),
    Union(String),
    /// Element shape and number of elements.
    Fixed(Box<Shape>, usize),
    /// A pointer to one value, or to `len` values.
    Pointer {
        to: Box<Shape>,
        len: Option<String>,
        constant: bool,
    },
    /// NUL-terminated.
    String,
    /// An array of pointers to `inner` arrays or single values.
    Pointers {
        to: Box<Shape>,
        len: String,
        inner: Option<String>,
    },
    /// Always travels as null: allocators, host pointers.
    Null,
}

impl Shape {
    /// Fills the members' places into the length expressions.
    pub fn bind(self, of: &dyn Fn(&str) -> String) -> Self {
        match self {
            Self::Pointer { to, len, constant } => {
                Self::Pointer { to, len: len.map(|l| Model::bind(&l, of)), constant }
            }
            Self::Pointers { to, len, inner } => Self::Pointers { to, len: Model::bind(&len, of), inner },
            other => other,
        }
    }
}

pub struct Model {
    pub reg: Registry,
    pub ash: Ash,
    pub tables: Tables,
    /// Structs that requests carry in full.
    pub inputs: BTreeSet<String>,
    /// Structs that requests carry in part and replies in full.
    pub outputs: BTreeSet<String>,
    /// What the encoder of each input struct is told beside the struct.
    pub contexts: Contexts,
}

impl Model {
    pub fn new(reg: Registry, ash: Ash, tables: Tables) -> Result<Self> {
        let mut model =
            Self { reg, ash, tables, inputs: BTreeSet::new(), outputs: BTreeSet::new(), contexts: Contexts::new() };
        let names: Vec<String> = model.wire_commands().map(|c| c.1).collect();
        for name in names {
            let params = model.reg.commands[&name].params.clone();
            for p in &params {
                let shape = model.shape(p, &params)?;
                model.reach(&shape, p.is_const || p.pointers == 0)?;
            }
        }
        for row in &model.tables.ignored {
            model.check_row(row)?;
        }
        model.contexts = model.find_contexts()?;
        Ok(model)
    }

    /// Whether a row of `ignored.tsv` names something that travels.
    fn check_row(&self, row: &IgnoredMembers) -> Result<()> {
        let name = self.reg.canonical(&row.name);
        let members = match (self.reg.structs.get(name), self.reg.commands.get(name)) {
            (Some(s), _) if self.inputs.contains(name) => &s.members,
            (_, Some(c)) if self.wire_commands().any(|w| w.1 == name) => &c.params,
            _ => bail!("ignored.tsv: {name} doesn't travel"),
        };
        match row.members.iter().find(|n| !members.iter().any(|m| m.name == **n)) {
            Some(n) => bail!("ignored.tsv: {name} has no member {n}"),
            None => Ok(()),
        }
    }

    /// (number, canonical name) of each command that has a wire form here.
    pub fn wire_commands(&self) -> impl Iterator<Item = (u32, String)> + '_ {
        let known = self.tables.commands.iter().filter(|c| c.wire);
        known.map(|c| (c.number, self.reg.canonical(&c.name).to_string()))
    }

    fn reach(&mut self, shape: &Shape, input: bool) -> Result<()> {
        match shape {
            Shape::Struct(name) | Shape::Union(name) => {
                let set = if input { &mut self.inputs } else { &mut self.outputs };
                if !set.insert(name.clone()) {
                    return Ok(());
                }
                let s = self.reg.structs[name].clone();
                for m in s.body() {
                    let shape = self.shape(m, &s.members)?;
                    self.reach(&shape, input)?;
                }
                for next in self.chain(name) {
                    self.reach(&Shape::Struct(next), input)?;
                }
                Ok(())
            }
            Shape::Fixed(of, _) => self.reach(of, input),
            Shape::Pointer { to, .. } | Shape::Pointers { to, .. } => self.reach(to, input),
            _ => Ok(()),
        }
    }

    /// Canonical names of the structs that the protocol knows in a head's chain.
    pub fn chain(&self, head: &str) -> Vec<String> {
        let mut out: Vec<String> = Vec::new();
        for (h, s) in &self.tables.chains {
            let s = self.reg.canonical(s);
            if self.reg.canonical(h) == head && self.reg.structs.contains_key(s) && !out.iter().any(|o| o == s) {
                out.push(s.to_string());
            }
        }
        out
    }

    pub fn shape(&self, m: &Member, siblings: &[Member]) -> Result<Shape> {
        let base = if m.ty == "void" {
            Shape::Scalar(1)
        } else if m.ty == "VkAllocationCallbacks" || m.ty.starts_with("PFN_") {
            return Ok(Shape::Null);
        } else {
            match self.reg.basic(&m.ty) {
                Some(Basic::Scalar(n)) => Shape::Scalar(n),
                Some(Basic::Dispatchable) => Shape::Dispatchable,
                Some(Basic::NonDispatchable) => Shape::NonDispatchable,
                None => match self.reg.find_struct(&m.ty) {
                    Some(s) if s.is_union => Shape::Union(s.name.clone()),
                    Some(s) => Shape::Struct(s.name.clone()),
                    None => bail!("{} {}: a type that can't travel", m.ty, m.name),
                },
            }
        };
        if !m.array.is_empty() {
            return Ok(Shape::Fixed(Box::new(base), m.array.iter().product()));
        }
        let len = |i: usize| m.len.get(i).map(|l| self.len_expr(l, siblings));
        Ok(match m.pointers {
            0 => base,
            1 if m.len.first().is_some_and(|l| l == "null-terminated") => Shape::String,
            1 if m.ty == "void" && m.len.is_empty() => Shape::Null,
            1 => {
                let len = len(0).filter(|l| l != "1");
                Shape::Pointer { to: Box::new(base), len, constant: m.is_const }
            }
            _ => {
                let outer = m.len.first().map(|l| self.len_expr(l, siblings)).unwrap_or_default();
                // vk.xml tells only the outer length of these; the specification says the inner one.
                let told = m.len.get(1).map(String::as_str);
                let by_geometry = matches!(m.name.as_str(), "ppBuildRangeInfos" | "ppMaxPrimitiveCounts");
                match told.or(by_geometry.then_some("pInfos[].geometryCount")) {
                    Some("null-terminated") => Shape::Pointers { to: Box::new(Shape::String), len: outer, inner: None },
                    Some("1") => Shape::Pointers { to: Box::new(base), len: outer, inner: None },
                    // A count in the struct of the same index.
                    Some(inner) if inner.starts_with("pInfos[].") => Shape::Pointers {
                        to: Box::new(base),
                        len: outer,
                        inner: Some(format!("(*p_infos.add(i)).{} as usize", snake(&inner["pInfos[].".len()..]))),
                    },
                    _ => bail!("{}: pointers to pointers with length {:?}", m.name, m.len),
                }
            }
        })
    }

    /// A length expression as Rust; members appear as `$name`, to be filled in by [`Model::bind`].
    fn len_expr(&self, len: &str, siblings: &[Member]) -> String {
        match len {
            "codeSize / 4" => return "($code_size / 4)".into(),
            "(rasterizationSamples + 31) / 32" => {
                return "((bits32($rasterization_samples) as usize + 31) / 32)".into();
            }
            "(samples + 31) / 32" => return "((bits32($samples) as usize + 31) / 32)".into(),
            "2*VK_UUID_SIZE" => return "32".into(),
            _ => {}
        }
        if len.chars().all(|c| c.is_ascii_digit()) {
            return len.into();
        }
        if let Some((p, member)) = len.split_once("->") {
            return format!("((*${}).{} as usize)", snake(p), snake(member));
        }
        if let Some(n) = self.reg.constants.get(len) {
            return n.to_string();
        }
        let pointer = siblings.iter().any(|s| s.name == len && s.pointers > 0);
        let name = snake(len);
        if pointer { format!("count_at(${name})") } else { format!("(${name} as usize)") }
    }

    /// Fills members into a length expression: `of("count")` says how a member is reached.
    pub fn bind(expr: &str, of: &dyn Fn(&str) -> String) -> String {
        let mut out = String::new();
        let mut rest = expr;
        while let Some(at) = rest.find('$') {
            out += &rest[..at];
            rest = &rest[at + 1..];
            let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
            out += &of(&rest[..end]);
            rest = &rest[end..];
        }
        out + rest
    }

    /// The name under which Rust knows a type: ash's where ash has it, ours otherwise.
    pub fn rust_name(&self, c_name: &str) -> (String, bool) {
        let canonical = self.reg.canonical(c_name);
        let aliases = self.reg.names.get(canonical);
        for n in std::iter::once(canonical).chain(aliases.into_iter().flatten().map(String::as_str)) {
            let n = bare(n);
            let candidates = [n.to_string(), n.replace("FlagBits", "Flags")];
            if let Some(hit) = candidates.iter().find(|c| self.ash.types.contains(*c)) {
                return (hit.clone(), true);
            }
        }
        (bare(canonical).replace("FlagBits", "Flags"), false)
    }

    pub fn borrowed(&self, c_name: &str) -> bool {
        let (name, ash) = self.rust_name(c_name);
        ash && self.ash.borrowed.contains(&name)
    }

    /// The Rust type of one C base type.
    pub fn rust_type(&self, ty: &str) -> String {
        match ty {
            "void" => "c_void".into(),
            "char" => "c_char".into(),
            "int" | "int32_t" => "i32".into(),
            "float" => "f32".into(),
            "double" => "f64".into(),
            "size_t" => "usize".into(),
            "uint8_t" => "u8".into(),
            "int8_t" => "i8".into(),
            "uint16_t" => "u16".into(),
            "int16_t" => "i16".into(),
            "uint32_t" => "u32".into(),
            "uint64_t" => "u64".into(),
            "int64_t" => "i64".into(),
            _ if ty.starts_with("PFN_") => format!("vk::{ty}"),
            _ => {
                let (name, ash) = self.rust_name(ty);
                if ash { format!("vk::{name}") } else { format!("types::{name}") }
            }
        }
    }

    /// The Rust type of a parameter.
    pub fn param_type(&self, m: &Member) -> String {
        let mut t = self.rust_type(&m.ty);
        if !m.array.is_empty() {
            let n: usize = m.array.iter().product();
            return format!("*const [{t}; {n}]");
        }
        for _ in 0..m.pointers {
            // Only the innermost const matters for us; pointers to pointers are const all through.
            t = format!("*{} {t}", if m.is_const { "const" } else { "mut" });
        }
        t
    }

    /// Wire command name -> aliases, for the tables of entry points.
    pub fn all_names(&self, canonical: &str) -> Vec<String> {
        let mut names = vec![canonical.to_string()];
        names.extend(self.reg.names.get(canonical).into_iter().flatten().cloned());
        names
    }

    /// How Rust code names the `i`-th member of a struct.
    pub fn field(&self, s: &Struct, i: usize) -> Result<String> {
        let (name, ash) = self.rust_name(&s.name);
        if !ash {
            return Ok(snake(&s.members[i].name));
        }
        let fields = self.ash.fields.get(&name);
        match fields.filter(|f| f.len() == s.members.len()).and_then(|f| f.get(i)) {
            Some(f) => Ok(f.clone()),
            None => bail!("{name}: ash's fields {fields:?} are not those of vk.xml"),
        }
    }

    /// Structs, enums and flags that the protocol or the entry points need and ash lacks.
    pub fn newer_types(&self, entry_params: &[Member]) -> BTreeMap<String, bool> {
        let mut out = BTreeMap::new();
        let mut work: Vec<String> = self.inputs.iter().chain(&self.outputs).cloned().collect();
        work.extend(entry_params.iter().map(|p| p.ty.clone()));
        while let Some(t) = work.pop() {
            let canonical = self.reg.canonical(&t).to_string();
            let known = self.reg.structs.contains_key(&canonical) || self.reg.basics.contains_key(&canonical);
            if !canonical.starts_with("Vk") || !known || self.rust_name(&canonical).1 {
                continue;
            }
            let is_struct = self.reg.structs.contains_key(&canonical);
            if out.insert(canonical.clone(), is_struct).is_none()
                && let Some(s) = self.reg.structs.get(&canonical)
            {
                work.extend(s.members.iter().map(|m| m.ty.clone()));
            }
        }
        out
    }
}
