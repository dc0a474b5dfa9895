//! `features.rs` of `icd/`: features that are off because the driver lacks something that they need.

use anyhow::{Context as _, Result, bail};

use crate::code::Code;
use crate::model::{Model, Shape};

/// Members of these structs need the command that sets the state they are named for.
const DYNAMIC: (&str, &str) = ("VkPhysicalDeviceExtendedDynamicState3FeaturesEXT", "extendedDynamicState3");

struct Feature {
    of: String,
    member: String,
    needs: Vec<String>,
}

impl Model {
    pub fn emit_features(&self) -> Result<String> {
        let features = self.features()?;
        self.check_lacking(&features)?;
        let mut off = Vec::new();
        for f in &features {
            let mut has = true;
            for need in &f.needs {
                has &= self.has(need).with_context(|| format!("features.tsv: {}", f.member))?;
            }
            if has {
                continue;
            }
            let s = self.reg.find_struct(&f.of).with_context(|| f.of.clone())?;
            if !self.chain("VkPhysicalDeviceFeatures2").contains(&s.name) {
                bail!("features.tsv: {} is no struct of features that travels", s.name);
            }
            let i = s.members.iter().position(|m| m.name == f.member);
            let i = i.with_context(|| format!("features.tsv: {} has no member {}", s.name, f.member))?;
            off.push(format!(
                "Feature {{ s_type: {}, offset: core::mem::offset_of!({}, {}), name: {:?} }},",
                self.reg.stype_value(s)?,
                self.rust_type(&s.name),
                self.field(s, i)?,
                f.member,
            ));
        }
        let mut c = Code::default();
        c.line("/// Features that the driver lacks a command for, whatever the host says of them.");
        c.line(format!("pub static OFF: [Feature; {}] = [", off.len()));
        off.iter().for_each(|line| c.line(line));
        c.line("];");
        Ok(c.text)
    }

    /// For tests: the features that Vulkan demands.
    pub fn emit_demanded(&self) -> String {
        let mut c = Code::default();
        c.line("/// Features that each version of Vulkan demands of every device: the version, as major << 16 | minor, and the feature; sorted by name.");
        c.line(format!("pub static DEMANDED: [(u32, &str); {}] = [", self.reg.demanded.len()));
        self.reg.demanded.iter().for_each(|(name, version)| c.line(format!("({version:#x}, {name:?}),")));
        c.line("];");
        c.text
    }

    /// All features that are known to need something.
    fn features(&self) -> Result<Vec<Feature>> {
        let rows = self.tables.features.iter();
        let mut out: Vec<Feature> = rows
            .map(|(of, member, needs)| Feature { of: of.clone(), member: member.clone(), needs: needs.clone() })
            .collect();
        let (of, prefix) = DYNAMIC;
        for m in self.reg.find_struct(of).with_context(|| of.to_string())?.body() {
            let state = m.name.strip_prefix(prefix).with_context(|| format!("{of}.{}", m.name))?;
            let names = ["", "EXT", "NV", "KHR"].map(|vendor| format!("vkCmdSet{state}{vendor}"));
            let command = names.iter().find(|n| self.reg.commands.contains_key(self.reg.canonical(n)));
            let command = command.with_context(|| format!("no command sets {}", m.name))?;
            out.push(Feature { of: of.into(), member: m.name.clone(), needs: vec![command.clone()] });
        }
        Ok(out)
    }

    /// Whether the driver has a command, or carries a member.
    fn has(&self, need: &str) -> Result<bool> {
        let Some((of, member)) = need.split_once('.') else {
            let canonical = self.reg.canonical(need);
            if !self.reg.commands.contains_key(canonical) {
                bail!("no command is called {need}");
            }
            return Ok(self.entries().iter().any(|(t, c)| c.name == canonical && t.policy != "off"));
        };
        let s = self.reg.find_struct(of).with_context(|| format!("no struct is called {of}"))?;
        let m = s.members.iter().find(|m| m.name == member).with_context(|| format!("{of} has no {member}"))?;
        Ok(self.shape(m, &s.members)? != Shape::Null)
    }

    /// Every command that is lacking is one that some feature needs.
    fn check_lacking(&self, features: &[Feature]) -> Result<()> {
        let offered = |name: &str| self.tables.extensions.iter().any(|e| e.name == name && e.how != "codec");
        for r in &self.reg.required {
            // Commands that come only with another extension need no word, unless that one is offered.
            let alone =
                r.depends.as_deref().is_none_or(|d| d.contains(['+', ',', '(']) || !d.starts_with("VK_") || offered(d));
            let shown = r.version.map_or_else(|| offered(&r.by), |v| v <= LATEST);
            if !alone || !shown || self.has(&r.command)? {
                continue;
            }
            let canonical = self.reg.canonical(&r.command);
            if !features.iter().flat_map(|f| &f.needs).any(|n| self.reg.canonical(n) == canonical) {
                bail!("{} needs {}, which the driver lacks, and features.tsv has no feature for it", r.by, r.command);
            }
        }
        Ok(())
    }
}

/// The Vulkan version that the driver shows.
const LATEST: u32 = 1 << 16 | 4;
