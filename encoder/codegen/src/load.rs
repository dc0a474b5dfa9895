//! Reads vk.xml into the registry's tables. The project's own `venus.xml` has the same schema and joins the same tables.

use anyhow::{Context, Result, bail};
use roxmltree::Node;

use crate::formats::Format;
use crate::registry::{Basic, Command, Extension, Member, Registry, Required, Struct};

fn applies(n: &Node) -> bool {
    n.attribute("api").is_none_or(|a| a.split(',').any(|a| a == "vulkan"))
        && n.attribute("supported").is_none_or(|a| a.split(',').any(|a| a == "vulkan"))
}

/// The parts of a list with commas.
fn split(list: Option<&str>) -> Vec<String> {
    list.map(|s| s.split(',').map(str::to_string).collect()).unwrap_or_default()
}

fn text(n: &Node) -> String {
    n.descendants().filter(|d| d.is_text()).filter_map(|d| d.text()).collect()
}

fn child<'a>(n: &Node<'a, 'a>, tag: &str) -> Option<String> {
    n.children().find(|c| c.has_tag_name(tag)).map(|c| text(&c))
}

impl Registry {
    pub fn load(&mut self, xml: &str) -> Result<()> {
        let doc = roxmltree::Document::parse(xml)?;
        let root = doc.root_element();
        for e in root.children().filter(|n| n.has_tag_name("enums")) {
            self.load_enums(&e);
        }
        for t in root.children().filter(|n| n.has_tag_name("types")).flat_map(|n| n.children()) {
            if t.has_tag_name("type") && applies(&t) {
                self.load_type(&t)?;
            }
        }
        for c in root.children().filter(|n| n.has_tag_name("commands")).flat_map(|n| n.children()) {
            if c.has_tag_name("command") && applies(&c) {
                self.load_command(&c)?;
            }
        }
        for f in root.children().filter(|n| n.has_tag_name("formats")).flat_map(|n| n.children()) {
            if f.has_tag_name("format") {
                self.formats.push(Format::load(&f)?);
            }
        }
        for f in root.children().filter(|n| n.has_tag_name("feature") && applies(n)) {
            let number = f.attribute("number").unwrap_or("0.0");
            let (major, minor) = number.split_once('.').context("feature number")?;
            let version = major.parse::<u32>()? << 16 | minor.parse::<u32>()?;
            self.load_requires(&f, Some(version), None);
        }
        for x in root.children().filter(|n| n.has_tag_name("extensions")).flat_map(|n| n.children()) {
            if !x.has_tag_name("extension") || !applies(&x) {
                continue;
            }
            let (Some(name), Some(number)) = (x.attribute("name"), x.attribute("number")) else { continue };
            let number: u32 = number.parse()?;
            self.load_requires(&x, None, Some(number));
            let spec = x
                .descendants()
                .find(|e| e.attribute("name").is_some_and(|n| n.ends_with("_SPEC_VERSION")))
                .and_then(|e| e.attribute("value"))
                .and_then(|v| v.parse().ok())
                .unwrap_or(1);
            let of_device = x.attribute("type") == Some("device");
            self.extensions.insert(name.into(), Extension { spec_version: spec, number, of_device });
        }
        Ok(())
    }

    fn alias(&mut self, name: &str, of: &str) {
        self.aliases.insert(name.into(), of.into());
        let canonical = self.canonical(name).to_string();
        self.names.entry(canonical).or_default().push(name.into());
    }

    fn load_enums(&mut self, e: &Node) {
        let Some(name) = e.attribute("name") else { return };
        if e.attribute("type") == Some("constants") {
            for c in e.children().filter(|c| c.has_tag_name("enum")) {
                if let (Some(n), Some(v)) = (c.attribute("name"), c.attribute("value"))
                    && let Ok(v) = v.trim_end_matches('U').parse()
                {
                    self.constants.insert(n.into(), v);
                }
            }
            return;
        }
        let wide = e.attribute("bitwidth") == Some("64");
        self.basics.insert(name.into(), Basic::Scalar(if wide { 8 } else { 4 }));
        for v in e.children().filter(|c| c.has_tag_name("enum") && applies(c)) {
            self.load_value(&v, name, None);
        }
    }

    fn load_value(&mut self, v: &Node, of: &str, number: Option<u32>) {
        let Some(name) = v.attribute("name") else { return };
        let value = if let Some(pos) = v.attribute("bitpos").and_then(|p| p.parse::<u32>().ok()) {
            1i64.wrapping_shl(pos)
        } else if let Some(x) = v.attribute("value") {
            let parsed = match x.strip_prefix("0x") {
                Some(h) => i64::from_str_radix(h, 16).ok(),
                None => x.parse().ok(),
            };
            let Some(x) = parsed else { return };
            x
        } else if let Some(offset) = v.attribute("offset").and_then(|o| o.parse::<i64>().ok()) {
            let n = v.attribute("extnumber").and_then(|n| n.parse().ok()).or(number).unwrap_or(0);
            let x = 1_000_000_000 + (i64::from(n) - 1) * 1000 + offset;
            if v.attribute("dir") == Some("-") { -x } else { x }
        } else if let Some(alias) = v.attribute("alias") {
            match self.values.get(alias) {
                Some(x) => *x,
                None => return,
            }
        } else {
            return;
        };
        self.values.insert(name.into(), value);
        let list = self.enums.entry(of.into()).or_default();
        if !list.iter().any(|(n, x)| n == name || *x == value) {
            list.push((name.into(), value));
        }
    }

    fn load_requires(&mut self, of: &Node, version: Option<u32>, number: Option<u32>) {
        for r in of.children().filter(|r| r.has_tag_name("require") && applies(r)) {
            for item in r.children().filter(|i| i.is_element() && applies(i)) {
                let Some(name) = item.attribute("name") else { continue };
                if item.has_tag_name("enum") {
                    if let Some(extends) = item.attribute("extends") {
                        self.load_value(&item, extends, number);
                    }
                    continue;
                }
                if item.has_tag_name("feature") {
                    if let (Some(version), None) = (version, r.attribute("depends")) {
                        let first = self.demanded.entry(name.into()).or_insert(version);
                        *first = version.min(*first);
                    }
                    continue;
                }
                if item.has_tag_name("command") {
                    let by = of.attribute("name").unwrap_or_default().to_string();
                    let depends = r.attribute("depends").map(str::to_string);
                    self.required.push(Required { by, version, depends, command: name.into() });
                }
                let gate = self.gates.entry(name.into()).or_default();
                if let Some(v) = version {
                    gate.version = Some(gate.version.map_or(v, |o| o.min(v)));
                }
                gate.extensions.extend(number);
            }
        }
    }

    fn load_type(&mut self, t: &Node) -> Result<()> {
        let category = t.attribute("category").unwrap_or("");
        let name = t.attribute("name").map(str::to_string).or_else(|| child(t, "name"));
        let Some(name) = name else { return Ok(()) };
        if let Some(of) = t.attribute("alias") {
            self.alias(&name, of);
            return Ok(());
        }
        match category {
            "struct" | "union" => {
                let mut members = Vec::new();
                for m in t.children().filter(|m| m.has_tag_name("member") && applies(m)) {
                    members.push(self.member(&m).with_context(|| name.clone())?);
                }
                self.structs.insert(name.clone(), Struct { name, members, is_union: category == "union" });
            }
            "handle" => {
                let kind = text(t);
                let basic =
                    if kind.contains("NON_DISPATCHABLE") { Basic::NonDispatchable } else { Basic::Dispatchable };
                self.basics.insert(name, basic);
            }
            "bitmask" => {
                let wide = text(t).contains("VkFlags64");
                self.basics.insert(name.clone(), Basic::Scalar(if wide { 8 } else { 4 }));
                if let Some(bits) = t.attribute("requires").or(t.attribute("bitvalues")) {
                    self.flag_bits.insert(name, bits.into());
                }
            }
            "enum" => {
                self.basics.entry(name).or_insert(Basic::Scalar(4));
            }
            "basetype" => {
                let size = match name.as_str() {
                    "VkBool32" | "VkFlags" | "VkSampleMask" => 4,
                    "VkFlags64" | "VkDeviceSize" | "VkDeviceAddress" => 8,
                    _ => return Ok(()),
                };
                self.basics.insert(name, Basic::Scalar(size));
            }
            "define" if name == "VK_HEADER_VERSION" => {
                let t = text(t);
                self.header_version = t.split_whitespace().last().and_then(|v| v.parse().ok()).unwrap_or(0);
            }
            _ => {
                let size = match name.as_str() {
                    "char" | "uint8_t" | "int8_t" => 1,
                    "uint16_t" | "int16_t" => 2,
                    "uint32_t" | "int32_t" | "int" | "float" => 4,
                    "uint64_t" | "int64_t" | "double" | "size_t" => 8,
                    _ => return Ok(()),
                };
                self.basics.insert(name, Basic::Scalar(size));
            }
        }
        Ok(())
    }

    fn member(&self, m: &Node) -> Result<Member> {
        let (mut before, mut between, mut after) = (String::new(), String::new(), String::new());
        let (mut ty, mut name) = (String::new(), String::new());
        for c in m.children() {
            if c.has_tag_name("comment") {
                continue;
            }
            if c.has_tag_name("type") {
                ty = text(&c);
            } else if c.has_tag_name("name") {
                name = text(&c);
            } else {
                let t = text(&c);
                match (ty.is_empty(), name.is_empty()) {
                    (true, _) => before += &t,
                    (false, true) => between += &t,
                    _ => after += &t,
                }
            }
        }
        if ty.is_empty() || name.is_empty() {
            bail!("member without type or name: {}", text(m));
        }
        let mut array = Vec::new();
        for part in after.split('[').skip(1) {
            let n = part.split(']').next().unwrap_or("").trim();
            let n = n.parse().ok().or_else(|| self.constants.get(n).copied());
            array.push(n.with_context(|| format!("array size of {name}"))?);
        }
        let len = m.attribute("altlen").or(m.attribute("len")).unwrap_or("");
        Ok(Member {
            pointers: between.matches('*').count() as u8,
            is_const: before.contains("const"),
            array,
            len: if len.is_empty() || len.contains("latexmath") { Vec::new() } else { split(Some(len)) },
            stride: m.attribute("stride").map(str::to_string),
            bitfield: after.trim_start().starts_with(':'),
            values: m.attribute("values").map(str::to_string),
            selector: m.attribute("selector").map(str::to_string),
            selection: split(m.attribute("selection")),
            optional: m.attribute("optional").is_some_and(|o| o.starts_with("true")),
            name,
            ty,
        })
    }

    fn load_command(&mut self, c: &Node) -> Result<()> {
        if let (Some(name), Some(of)) = (c.attribute("name"), c.attribute("alias")) {
            self.alias(name, of);
            return Ok(());
        }
        let proto = c.children().find(|p| p.has_tag_name("proto")).context("command without proto")?;
        let name = child(&proto, "name").context("command name")?;
        let ret = child(&proto, "type").context("command type")?;
        let mut params = Vec::new();
        for p in c.children().filter(|p| p.has_tag_name("param") && applies(p)) {
            params.push(self.member(&p).with_context(|| name.clone())?);
        }
        let (successes, errors) = (split(c.attribute("successcodes")), split(c.attribute("errorcodes")));
        let in_render_pass = c.attribute("renderpass") == Some("inside");
        self.commands.insert(name.clone(), Command { name, ret, params, successes, errors, in_render_pass });
        Ok(())
    }
}
