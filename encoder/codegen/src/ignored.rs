//! Members that Vulkan says are ignored: encoders hold nothing in place of them where the condition of `ignored.tsv` holds.
//!
//! A condition may look at a struct that this one stands in. The encoder of such a struct takes that one, its *context*, as
//! one more argument, and so do all encoders on the way to it.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};

use crate::code::Code;
use crate::condition::{Literal, Place, Test, When};
use crate::context::{Context, Contexts, GRAPHICS};
use crate::model::{Model, Shape};
use crate::names::{function, snake};
use crate::registry::{Member, Struct};

/// What members belong to: a struct behind `s`, or a command's parameters.
pub struct Holder<'a> {
    pub name: &'a str,
    pub members: &'a [Member],
    pub command: bool,
}

impl<'a> Holder<'a> {
    pub fn of(s: &'a Struct) -> Self {
        Self { name: &s.name, members: &s.members, command: false }
    }
}

impl Model {
    /// The conditions under which members of a struct or command are ignored: one for each row that the encoder can decide.
    pub fn ignored(&self, name: &str) -> impl Iterator<Item = (&[String], &[Vec<Literal>])> {
        let rows = self.tables.ignored.iter().filter(move |r| self.reg.canonical(&r.name) == name);
        rows.filter_map(|r| match &r.when {
            When::Told(any) => Some((r.members.as_slice(), any.as_slice())),
            When::Driver => None,
        })
    }

    /// Structs that a struct or command holds, with the member, and those in its chain.
    pub fn children(&self, name: &str) -> Result<Vec<(String, Option<usize>)>> {
        let members = match self.reg.structs.get(name) {
            Some(s) => &s.members,
            None => {
                &self.reg.commands.get(name).with_context(|| format!("{name} is neither struct nor command"))?.params
            }
        };
        let mut out = Vec::new();
        for (i, m) in members.iter().enumerate() {
            let mut shape =
                if matches!(m.name.as_str(), "sType" | "pNext") { continue } else { self.shape(m, members)? };
            while let Shape::Fixed(to, _) | Shape::Pointer { to, .. } | Shape::Pointers { to, .. } = shape {
                shape = *to;
            }
            if let Shape::Struct(n) | Shape::Union(n) = shape {
                out.push((n, Some(i)));
            }
        }
        out.extend(self.chain(name).into_iter().map(|n| (n, None)));
        Ok(out)
    }

    /// What the encoder of each struct is told.
    pub fn find_contexts(&self) -> Result<Contexts> {
        let mut all = Contexts::new();
        for name in &self.inputs {
            let mut set = BTreeSet::new();
            for literal in self.ignored(name).flat_map(|(_, any)| any).flatten() {
                match &literal.test {
                    Test::Set(p) | Test::Is(p, _) | Test::Has(p, _) => {
                        let owner = p.of.iter().map(|o| self.reg.canonical(o));
                        set.extend(
                            owner
                                .filter(|o| !self.chain(name).iter().any(|l| l == o))
                                .map(|o| Context::Owner(o.into())),
                        );
                    }
                    Test::Graphics(..) if name != GRAPHICS => drop(set.insert(Context::Graphics)),
                    Test::Within(parents) => drop(set.insert(Context::Within(parents.clone()))),
                    Test::Graphics(..) | Test::Always => {}
                }
            }
            all.insert(name.clone(), set);
        }
        loop {
            let mut grown = false;
            for name in &self.inputs {
                for (child, _) in self.children(name)? {
                    let passed: Vec<Context> = all[&child].iter().filter(|c| self.passes(name, c)).cloned().collect();
                    for c in passed {
                        grown |= all.get_mut(name).is_some_and(|set| set.insert(c));
                    }
                }
            }
            if !grown {
                return Ok(all);
            }
        }
    }

    /// Whether a struct must be told this in order to tell it those that stand in it.
    fn passes(&self, name: &str, c: &Context) -> bool {
        match c {
            Context::Owner(o) => o != name,
            Context::Graphics => name != GRAPHICS,
            Context::Within(_) => false,
        }
    }

    /// What the encoder of a struct's chain is told: whatever the links are.
    pub fn chain_contexts(&self, head: &str) -> BTreeSet<Context> {
        let links = self.chain(head);
        links
            .iter()
            .filter_map(|l| self.contexts.get(l))
            .flatten()
            .filter(|c| !matches!(c, Context::Within(_)))
            .cloned()
            .collect()
    }

    /// Contexts as parameters.
    pub fn context_params(&self, contexts: &BTreeSet<Context>) -> String {
        let param = |c: &Context| match c {
            Context::Owner(o) => format!(", {}: *const {}", function(o), self.rust_type(o)),
            Context::Graphics => ", graphics: &GraphicsState".into(),
            Context::Within(_) => ", within: bool".into(),
        };
        contexts.iter().map(param).collect()
    }

    /// The parameters' names as arguments, to hand them on.
    pub fn context_names(&self, contexts: &BTreeSet<Context>) -> String {
        let name = |c: &Context| match c {
            Context::Owner(o) => format!(", {}", function(o)),
            Context::Graphics => ", graphics".into(),
            Context::Within(_) => ", within".into(),
        };
        contexts.iter().map(name).collect()
    }

    /// Contexts as arguments, in the encoder of `caller`; `itself` is how that names its own struct.
    pub fn context_arguments(&self, contexts: &BTreeSet<Context>, caller: &str, itself: &str) -> Result<String> {
        let mut out = String::new();
        for c in contexts {
            out += ", ";
            match c {
                Context::Owner(o) if o == caller => out += itself,
                Context::Within(parents) => {
                    out += if parents.iter().any(|p| self.reg.canonical(p) == caller) { "true" } else { "false" };
                }
                _ if self.reg.commands.contains_key(caller) => bail!("{caller} has no {c:?}"),
                Context::Owner(o) => out += &function(o),
                Context::Graphics => out += "graphics",
            }
        }
        Ok(out)
    }

    /// Declares a local for each member that may be ignored, which holds the member or nothing; gives the places of all members.
    pub fn places(&self, c: &mut Code, h: &Holder) -> Result<Vec<String>> {
        let mut places = Vec::new();
        for i in 0..h.members.len() {
            places.push(self.place(h, i)?);
        }
        let mut conditions: BTreeMap<usize, Vec<String>> = BTreeMap::new();
        for (n, (members, any)) in self.ignored(h.name).enumerate() {
            let name = format!("ignored_{n}");
            c.line(format!("let {name} = {};", self.any_holds(h, any)?));
            for m in members {
                let i = h.members.iter().position(|o| o.name == *m);
                let i = i.with_context(|| format!("ignored.tsv: {} has no member {m}", h.name))?;
                conditions.entry(i).or_default().push(name.clone());
            }
        }
        for (i, names) in conditions {
            let (m, place, condition) = (&h.members[i], &places[i], names.join(" || "));
            let local = snake(&m.name);
            c.line(match self.shape(m, h.members)? {
                Shape::Struct(_) => {
                    format!("let {local} = if {condition} {{ Default::default() }} else {{ {place} }};")
                }
                _ => format!("let {local} = unless({condition}, &raw const {place});"),
            });
            places[i] = local;
        }
        Ok(places)
    }

    fn place(&self, h: &Holder, i: usize) -> Result<String> {
        if h.command {
            let m = &h.members[i];
            return Ok(if m.array.is_empty() { snake(&m.name) } else { format!("(*{})", snake(&m.name)) });
        }
        Ok(format!("(*s).{}", self.field(&self.reg.structs[h.name], i)?))
    }

    fn any_holds(&self, h: &Holder, any: &[Vec<Literal>]) -> Result<String> {
        let mut lists = Vec::new();
        for all in any {
            let tests = all.iter().map(|l| self.holds(h, l)).collect::<Result<Vec<_>>>()?;
            lists.push(tests.join(" && "));
        }
        Ok(lists.join(" || "))
    }

    fn holds(&self, h: &Holder, l: &Literal) -> Result<String> {
        let not = if l.not { "!" } else { "" };
        Ok(match &l.test {
            Test::Always => format!("{not}true"),
            Test::Set(p) => match self.value(h, p)? {
                (place, None) => format!("{}{place}.is_null()", if l.not { "" } else { "!" }),
                (_, Some(bits)) => format!("{bits} {} 0", if l.not { "==" } else { "!=" }),
            },
            Test::Is(p, values) => {
                let values = values.iter().map(|v| self.number(v)).collect::<Result<Vec<_>>>()?;
                format!("{not}matches!({}, {})", self.bits(h, p)?, values.join(" | "))
            }
            Test::Has(p, bit) => {
                format!("{} & {} {} 0", self.bits(h, p)?, self.number(bit)?, if l.not { "==" } else { "!=" })
            }
            Test::Within(_) => format!("{not}within"),
            Test::Graphics(name, None) => format!("{not}graphics.{name}()"),
            Test::Graphics(name, Some(value)) => format!("{not}graphics.{name}({})", self.number(value)?),
        })
    }

    fn number(&self, constant: &str) -> Result<String> {
        Ok(self.reg.values.get(constant).with_context(|| format!("{constant} has no value"))?.to_string())
    }

    fn bits(&self, h: &Holder, p: &Place) -> Result<String> {
        self.value(h, p)?.1.with_context(|| format!("{} is a pointer", p.member))
    }

    /// The place of a member, and its value as an unsigned number, if it is no pointer.
    fn value(&self, h: &Holder, p: &Place) -> Result<(String, Option<String>)> {
        let of = p.of.as_ref().map(|o| self.reg.canonical(o));
        let (members, owner) = match of {
            None => (h.members, h.name),
            Some(o) => (self.reg.structs.get(o).with_context(|| format!("no struct {o}"))?.members.as_slice(), o),
        };
        let i = members.iter().position(|m| m.name == p.member);
        let i = i.with_context(|| format!("{owner} has no member {}", p.member))?;
        let shape = self.shape(&members[i], members)?;
        let bits = |place: &str| match &shape {
            Shape::Scalar(4) => Ok(Some(format!("bits32({place})"))),
            Shape::Scalar(8) | Shape::NonDispatchable => Ok(Some(format!("bits64({place})"))),
            Shape::Pointer { .. } | Shape::Pointers { .. } => Ok(None),
            other => bail!("{owner}.{}: no condition on {other:?}", p.member),
        };
        let Some(o) = of else {
            let place = self.place(h, i)?;
            let wide = self.wide_flags().into_iter().find(|w| w.head == h.name && w.member == p.member);
            let value = wide.map_or_else(|| bits(&place), |w| Ok(Some(format!("flags::{}(s)", w.function()))))?;
            return Ok((place, value));
        };
        let field = self.field(&self.reg.structs[o], i)?;
        if !h.command && self.chain(h.name).iter().any(|l| l == o) {
            let (head, link) = (&self.reg.structs[h.name], &self.reg.structs[o]);
            let value =
                bits(&format!("(*l.cast::<{}>()).{field}", self.rust_type(o)))?.context("a pointer in a link")?;
            let next = self.field(head, 1)?;
            let s_type = self.reg.stype_value(link)?;
            return Ok((String::new(), Some(format!("link((*s).{next}.cast(), {s_type}).map_or(0, |l| {value})"))));
        }
        let place = format!("(*{}).{field}", function(o));
        let value = bits(&place)?;
        Ok((place, value))
    }
}
