//! `encoder/tests/generated/ignored.rs`: a test for each row of `ignored.tsv` and each of its conditions. It fills the members
//! with what nobody may follow, and expects the bytes that null and 0 give.

use anyhow::{Context as _, Result, bail};

use crate::code::Code;
use crate::condition::{Literal, Place, Test};
use crate::context::GRAPHICS;
use crate::model::{Model, Shape};
use crate::names::{command, function, snake};
use crate::registry::Member;

/// How a struct stands in the one before it, or in a command.
enum Via {
    Member(usize),
    Chain,
}

/// From the outermost struct to the one that the row is of.
struct Nest {
    command: Option<(String, usize)>,
    structs: Vec<(String, Via)>,
}

/// The tests of the `n`-th condition, and the opposite of one test of each other condition, so that this one alone holds.
fn alone(any: &[Vec<Literal>], n: usize) -> Vec<Literal> {
    let mut out: Vec<Literal> = Vec::new();
    for (i, other) in any.iter().enumerate().filter(|(i, _)| *i != n) {
        let free = other.iter().find(|l| !any[n].iter().any(|own| own.test == l.test));
        debug_assert!(free.is_some(), "condition {i} is part of condition {n}");
        out.extend(free.map(|l| Literal { not: !l.not, test: l.test.clone() }));
    }
    out.extend(any[n].iter().cloned());
    out
}

impl Model {
    pub fn emit_ignored_tests(&self) -> Result<String> {
        let mut c = Code::default();
        let mut names: Vec<String> =
            self.tables.ignored.iter().map(|r| self.reg.canonical(&r.name).to_string()).collect();
        names.sort();
        names.dedup();
        for name in &names {
            for (members, any) in self.ignored(name) {
                for n in 0..any.len() {
                    let all = &alone(any, n);
                    let test = format!(
                        "{}_{}_{}",
                        function(name),
                        members.iter().map(|m| snake(m)).collect::<Vec<_>>().join("_"),
                        n + 1
                    );
                    self.emit_ignored_test(&mut c, &test, name, members, all).with_context(|| test.clone())?;
                }
            }
        }
        Ok(c.text)
    }

    fn emit_ignored_test(
        &self,
        c: &mut Code,
        test: &str,
        name: &str,
        members: &[String],
        all: &[Literal],
    ) -> Result<()> {
        c.line("#[test]");
        c.line(format!("fn {test}() {{"));
        c.line("same(|poisoned, w| unsafe {");
        if let Some(of) = self.reg.commands.get(name) {
            let of = of.clone();
            for p in &of.params {
                c.line(format!("let mut {}: {} = zeroed();", snake(&p.name), self.param_type(p)));
            }
            for l in all {
                let Some((place, value)) = self.satisfied(l)? else { continue };
                c.line(format!("put(&raw mut {}, {value});", snake(&place.member)));
            }
            for m in members {
                c.line(format!("if poisoned {{ poison(&raw mut {}) }}", snake(m)));
            }
            c.line(format!("request::{}(w, 0, {});", command(name), self.arguments(&of)));
        } else {
            self.emit_nested(c, name, members, all)?;
        }
        c.line("});");
        c.line("}");
        Ok(())
    }

    fn emit_nested(&self, c: &mut Code, name: &str, members: &[String], all: &[Literal]) -> Result<()> {
        let nest = self.nest(name, all)?;
        let local = |of: &str| nest.structs.iter().position(|(n, _)| n == of).map(|i| format!("s{i}"));
        for (i, (of, _)) in nest.structs.iter().enumerate() {
            c.line(format!("let mut s{i} = {}::default();", self.rust_type(of)));
        }
        let mut state = Vec::new();
        for l in all {
            if let Test::Graphics(question, value) = &l.test {
                let value = value.as_ref().map_or(Ok(0), |v| self.reg.values.get(v).copied().context("no value"))?;
                state.push(format!("state.{}{question}({value});", if l.not { "not_" } else { "" }));
            }
            let Some((place, value)) = self.satisfied(l)? else { continue };
            let of = place.of.as_ref().map_or(name, |o| self.reg.canonical(o));
            let members = &self.reg.structs[of].members;
            let i = members.iter().position(|m| m.name == place.member).context("no such member")?;
            let field = self.field(&self.reg.structs[of], i)?;
            match local(of) {
                Some(s) => c.line(format!("put(&raw mut {s}.{field}, {value});")),
                None => bail!("{of} is in no nest"),
            }
        }
        let last = nest.structs.len() - 1;
        let s = &self.reg.structs[name];
        for m in members {
            let i = s.members.iter().position(|o| o.name == *m).context("no such member")?;
            // An array that has elements, even if its length isn't what is ignored.
            let counts = |o: &Member| {
                s.members[i].len.first().is_some_and(|l| l.contains(&o.name)) && !members.contains(&o.name)
            };
            if let Some(n) = s.members.iter().position(counts) {
                c.line(format!("put(&raw mut s{last}.{}, 1);", self.field(s, n)?));
            }
            c.line(format!("if poisoned {{ poison(&raw mut s{last}.{}) }}", self.field(s, i)?));
        }
        for (i, (_, via)) in nest.structs.iter().enumerate().skip(1).rev() {
            let outer = &self.reg.structs[&nest.structs[i - 1].0];
            match via {
                Via::Chain => c.line(format!("chain(&raw mut s{}, &raw mut s{i});", i - 1)),
                Via::Member(at) => {
                    c.line(format!("s{}.{} = &raw const s{i};", i - 1, self.field(outer, *at)?));
                    let counter = outer.members[*at].len.first();
                    if let Some(n) = outer.members.iter().position(|m| Some(&m.name) == counter) {
                        c.line(format!("put(&raw mut s{}.{}, 1);", i - 1, self.field(outer, n)?));
                    }
                }
            }
        }
        if let Some(s) = local(GRAPHICS) {
            c.line("let mut state = Graphics::default();");
            state.iter().for_each(|line| c.line(line));
            c.line(format!("state.attach(&mut {s});"));
        }
        match &nest.command {
            None => c.line(format!("input::{}(w, &raw const s0);", function(&nest.structs[0].0))),
            Some((name, at)) => {
                let of = &self.reg.commands[name];
                for (i, p) in of.params.iter().enumerate() {
                    let value = match i {
                        _ if i == *at => "&raw const s0".into(),
                        _ if of.params[*at].len.first() == Some(&p.name) => "1".into(),
                        _ => format!("zeroed::<{}>()", self.param_type(p)),
                    };
                    c.line(format!("let {} = {value};", snake(&p.name)));
                }
                c.line(format!("request::{}(w, 0, {});", command(name), self.arguments(of)));
            }
        }
        Ok(())
    }

    /// What must be where for a test to pass; nothing where zeros do.
    fn satisfied<'a>(&self, l: &'a Literal) -> Result<Option<(&'a Place, u64)>> {
        let value = |v: &String| self.reg.values.get(v).map(|v| *v as u64).with_context(|| format!("{v} has no value"));
        Ok(match &l.test {
            Test::Set(p) if !l.not => Some((p, 1)),
            Test::Has(p, bit) if !l.not => Some((p, value(bit)?)),
            Test::Is(p, values) if !l.not => Some((p, values.first().map_or(Ok(0), value)?)),
            Test::Is(p, values) => {
                let taken = values.iter().map(value).collect::<Result<Vec<_>>>()?;
                (0..).find(|v| !taken.contains(v)).map(|v| (p, v))
            }
            Test::Always if l.not => bail!("never"),
            _ => None,
        })
    }

    /// Puts a struct into others until none needs to be told of another one.
    fn nest(&self, name: &str, all: &[Literal]) -> Result<Nest> {
        let mut nest = Nest { command: None, structs: vec![(name.into(), Via::Chain)] };
        let within = all.iter().find_map(|l| match &l.test {
            Test::Within(parents) if !l.not => parents.first(),
            _ => None,
        });
        let mut wanted = within.map(|w| self.reg.canonical(w).to_string());
        while let Some((inner, _)) = nest.structs.first() {
            if self.contexts[inner].is_empty() {
                break;
            }
            let inner = inner.clone();
            let holds = |outer: &str| -> Option<Option<usize>> {
                let children = self.children(outer).ok()?;
                children.into_iter().find(|(child, _)| *child == inner).map(|(_, at)| at)
            };
            let outer = wanted.take().or_else(|| self.inputs.iter().find(|o| holds(o).is_some()).cloned());
            let outer = outer.or_else(|| self.wire_commands().map(|c| c.1).find(|o| holds(o).is_some()));
            let outer = outer.with_context(|| format!("{inner} stands nowhere"))?;
            let at = holds(&outer).with_context(|| format!("{inner} doesn't stand in {outer}"))?;
            match (self.reg.commands.contains_key(&outer), at) {
                (true, Some(at)) => {
                    nest.command = Some((outer, at));
                    break;
                }
                (_, at) => {
                    if let Some(at) = at
                        && !matches!(
                            self.shape(&self.reg.structs[&outer].members[at], &self.reg.structs[&outer].members)?,
                            Shape::Pointer { .. }
                        )
                    {
                        bail!("{inner} is no pointer in {outer}");
                    }
                    nest.structs[0].1 = at.map_or(Via::Chain, Via::Member);
                    nest.structs.insert(0, (outer, Via::Chain));
                }
            }
        }
        Ok(nest)
    }
}
