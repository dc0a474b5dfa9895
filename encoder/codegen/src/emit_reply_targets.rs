//! `tests/targets/src/generated/replies.rs`: for each reply decoder a function that makes the parameters of a caller, as a fuzz target chooses
//! them, and decodes a reply into them. The lengths are those that the specification names, so an array has as much room as its caller says.

use anyhow::{Context as _, Result, bail};

use crate::code::Code;
use crate::layout::dense;
use crate::model::{Model, Shape};
use crate::names::{command, function, snake};
use crate::registry::{Basic, Command, Member, Struct};

impl Model {
    pub fn emit_reply_targets(&self) -> Result<String> {
        let mut c = Code::default();
        for name in &self.outputs {
            self.emit_filler(&mut c, &self.reg.structs[name]).with_context(|| name.clone())?;
        }
        let mut all = Vec::new();
        for (number, name) in self.wire_commands() {
            let of = &self.reg.commands[&name];
            if of.ret != "void" || of.params.iter().any(Self::is_output) {
                self.emit_reply_target(&mut c, of).with_context(|| name.clone())?;
                all.push((number, name));
            }
        }
        c.line("/// What decodes a command's reply, and the words of a reply with empty arrays and no chains.");
        c.line("pub const REPLIES: &[(Target, &[u32])] = &[");
        for (number, name) in all {
            let words = self.example(number, &self.reg.commands[&name]).with_context(|| name.clone())?;
            c.line(format!("({}, &{words:?}),", command(&name)));
        }
        c.line("];");
        Ok(c.text)
    }

    /// A function that makes a zeroed struct one that a caller may pass; for the head of a chain, another one that adds the chain.
    fn emit_filler(&self, c: &mut Code, s: &Struct) -> Result<()> {
        let (fun, ty) = (function(&s.name), self.rust_type(&s.name));
        c.line(format!("unsafe fn {fun}(c: &mut Caller, s: *mut {ty}) {{"));
        if s.chained() {
            c.line(format!("c.tag(s.cast(), {});", self.reg.stype_value(s)?));
        }
        for m in s.body() {
            let i = s.members.iter().position(|o| o.name == m.name).context("a member of the struct")?;
            let place = format!("(*s).{}", self.field(s, i)?);
            match self.shape(m, &s.members)? {
                Shape::Struct(inner) => c.line(format!("{}(c, &raw mut {place});", function(&inner))),
                Shape::Fixed(of, n) => {
                    if let Shape::Struct(inner) = &*of {
                        c.line(format!("for i in 0..{n} {{"));
                        c.line(format!(
                            "{}(c, (&raw mut {place}).cast::<{}>().add(i));",
                            function(inner),
                            self.rust_type(inner)
                        ));
                        c.line("}");
                    }
                }
                Shape::Pointer { to, len: Some(_), constant: false } => {
                    let counter = s.members.iter().position(|o| Some(&o.name) == m.len.first());
                    let counter = self.field(s, counter.context("an array whose length stands elsewhere")?)?;
                    c.line("let room = c.room();");
                    c.line(format!("(*s).{counter} = room as _;"));
                    c.line(format!("{place} = c.many(room, {});", self.filler(&to)));
                }
                Shape::Pointer { to, len: None, constant: false } => {
                    c.line(format!("{place} = c.one({});", self.filler(&to)));
                }
                Shape::Scalar(_) | Shape::Dispatchable | Shape::NonDispatchable | Shape::Null => {}
                other => bail!("{other:?} in an output"),
            }
        }
        c.line("}");
        let chain = self.chain(&s.name);
        if s.chained() && !chain.is_empty() {
            c.line(format!("unsafe fn {fun}_head(c: &mut Caller, s: *mut {ty}) {{"));
            c.line(format!("{fun}(c, s);"));
            c.line("c.chain(s.cast(), &[");
            for link in &chain {
                c.line(format!("|c| c.link({}),", function(link)));
            }
            c.line("]);");
            c.line("}");
        }
        Ok(())
    }

    /// The words of a reply, all zeros but for what says what comes.
    fn example(&self, number: u32, of: &Command) -> Result<Vec<u32>> {
        let mut words = vec![number];
        if of.ret != "void" {
            let wide = self.reg.basic(&of.ret) == Some(Basic::Scalar(8));
            words.resize(if wide { 3 } else { 2 }, 0);
        }
        for p in of.params.iter().filter(|p| Self::is_output(p)) {
            self.example_of(&mut words, &self.shape(p, &of.params)?)?;
        }
        Ok(words)
    }

    fn example_of(&self, words: &mut Vec<u32>, shape: &Shape) -> Result<()> {
        match shape {
            Shape::Null => {}
            Shape::Scalar(8) | Shape::Dispatchable | Shape::NonDispatchable => words.extend([0, 0]),
            Shape::Scalar(_) => words.push(0),
            Shape::Struct(name) => {
                let s = &self.reg.structs[name];
                if s.chained() {
                    words.extend([u32::try_from(self.reg.stype_value(s)?)?, 0, 0]);
                }
                for m in s.body() {
                    self.example_of(words, &self.shape(m, &s.members)?)?;
                }
            }
            Shape::Fixed(of, n) => {
                words.extend([u32::try_from(*n)?, 0]);
                match &**of {
                    Shape::Struct(_) => (0..*n).try_for_each(|_| self.example_of(words, of))?,
                    other => words.resize(words.len() + (n * dense(other).unwrap_or(8)).div_ceil(4), 0),
                }
            }
            Shape::Pointer { len: Some(_), .. } => words.extend([0, 0]),
            Shape::Pointer { to, len: None, .. } => {
                words.extend([1, 0]);
                self.example_of(words, to)?;
            }
            other => bail!("{other:?} in a reply"),
        }
        Ok(())
    }

    /// What fills in the elements of an array.
    fn filler(&self, of: &Shape) -> String {
        match of {
            Shape::Struct(name) if self.reg.structs[name].chained() && !self.chain(name).is_empty() => {
                format!("{}_head", function(name))
            }
            Shape::Struct(name) => function(name),
            _ => "nothing".into(),
        }
    }

    fn emit_reply_target(&self, c: &mut Code, of: &Command) -> Result<()> {
        let outputs: Vec<&Member> = of.params.iter().filter(|p| Self::is_output(p)).collect();
        let lengths = || outputs.iter().filter_map(|o| o.len.first());
        let name = command(&of.name);
        c.line(format!("unsafe fn {name}(c: &mut Caller, r: &mut Reader) -> usize {{"));
        c.line("let room = c.room();");
        for p in &of.params {
            let place = snake(&p.name);
            let value = match self.shape(p, &of.params)? {
                Shape::Pointer { to, len: Some(_), constant: false } => format!("c.many(room, {})", self.filler(&to)),
                Shape::Pointer { len: None, constant: false, .. } if lengths().any(|l| *l == p.name) => {
                    "c.count(room)".into()
                }
                Shape::Pointer { to, len: None, constant: false } => format!("c.one({})", self.filler(&to)),
                _ if lengths().any(|l| *l == p.name) => "room as _".into(),
                // A count in a struct.
                Shape::Pointer { constant: true, .. } => {
                    let member = lengths().find_map(|l| l.split_once("->").filter(|(of, _)| *of == p.name));
                    match member {
                        Some((_, member)) => {
                            format!("c.input(|s: *mut {}| (*s).{} = room as _)", self.rust_type(&p.ty), snake(member))
                        }
                        None => "ptr::null()".into(),
                    }
                }
                _ if p.pointers > 0 && !p.is_const => "ptr::null_mut()".into(),
                _ if p.pointers > 0 || !p.array.is_empty() => "ptr::null()".into(),
                _ => "zeroed()".into(),
            };
            c.line(format!("let {place}: {} = {value};", self.param_type(p)));
        }
        let args = self.arguments(of);
        let size =
            if outputs.is_empty() && of.ret == "void" { "0".into() } else { format!("reply::{name}_size({args})") };
        c.line(format!("let size = {size};"));
        c.line(format!("reply::{name}(r, {args});"));
        for p in outputs.iter().filter(|p| lengths().any(|l| *l == p.name)) {
            let array = outputs.iter().find(|o| o.len.first() == Some(&p.name)).context("just seen")?;
            c.line(format!("within({}, {}.is_null(), room);", snake(&p.name), snake(&array.name)));
        }
        c.line("size");
        c.line("}");
        Ok(())
    }
}
