//! Output parameters: what a request carries of them, and what a reply is made of (WIRE.md 1.10).

use crate::piece::Piece;
use crate::request::Reader;

impl Reader<'_> {
    fn tell32(&mut self, value: u32) {
        self.decoded.reply.push(Piece::Told(value.to_le_bytes().to_vec()));
    }

    fn tell64(&mut self, value: u64) {
        self.decoded.reply.push(Piece::Told(value.to_le_bytes().to_vec()));
    }

    fn ask(&mut self, path: &str, size: usize, count: Option<usize>, default: u64) {
        self.decoded.reply.push(Piece::Asked { path: path.to_owned(), size, count, default });
    }

    /// Decodes what a request carries of an output parameter. A scalar that travels both ways is there.
    pub fn output(&mut self, shape: &str, path: &str, both: bool) -> Result<(), String> {
        let (word, rest) = shape.split_once(' ').unwrap_or((shape, ""));
        match word {
            "one" => {
                let there = self.is_there(path)?;
                self.tell64(there.into());
                if there { self.value(rest, path, both) } else { Ok(()) }
            }
            "many" => {
                let n = self.u64()?;
                self.put(&format!("{path}.len"), n);
                self.tell64(n);
                self.values(rest, path, n)
            }
            "null" => self.shape(shape, path),
            _ => Err(format!("{path}: {shape} is no output")),
        }
    }

    /// One value behind a pointer, or a member.
    fn value(&mut self, shape: &str, path: &str, both: bool) -> Result<(), String> {
        let (word, rest) = shape.split_once(' ').unwrap_or((shape, ""));
        if let Some(size) = scalar(word) {
            let told = match (both, size) {
                (false, _) => 0,
                (true, 8) => self.u64()?,
                (true, _) => self.u32()?.into(),
            };
            self.ask(path, size, None, told);
            return Ok(());
        }
        match word {
            "both" => self.value(rest, path, true),
            "handle" => self.new_handle(path),
            "struct" => self.partial(rest, path),
            "fixed" => {
                let (n, of) = rest.split_once(' ').unwrap_or_default();
                let n: u64 = n.parse().map_err(|_| format!("{path}: {shape}?"))?;
                let told = if scalar(of).is_some() { n } else { self.u64()? };
                if told != n {
                    return Err(format!("{path} has {told} elements, not {n}"));
                }
                self.tell64(n);
                self.values(of, path, n)
            }
            "one" | "many" => self.output(shape, path, false),
            _ => Err(format!("{path}: {shape} in an output")),
        }
    }

    fn values(&mut self, of: &str, path: &str, n: u64) -> Result<(), String> {
        if let Some(size) = scalar(of) {
            self.ask(path, size, Some(n as usize), 0);
            return Ok(());
        }
        (0..n).try_for_each(|i| self.value(of, &format!("{path}[{i}]"), false))
    }

    /// The id of a new object, which the guest has chosen.
    fn new_handle(&mut self, path: &str) -> Result<(), String> {
        let id = self.u64()?;
        self.put(path, id);
        self.tell64(id);
        self.decoded.made.extend(Some(id).filter(|id| *id != 0));
        Ok(())
    }

    fn partial(&mut self, name: &str, path: &str) -> Result<(), String> {
        let item = self.schema.members(name)?;
        if let Ok(s_type) = item.key.parse::<i32>() {
            let told = self.u32()? as i32;
            if told != s_type {
                return Err(format!("{path} is no {name}, but has the sType {told}"));
            }
            self.tell32(told as u32);
            self.partial_chain(path)?;
        }
        self.partial_members(name, path)
    }

    fn partial_chain(&mut self, path: &str) -> Result<(), String> {
        let there = self.u64()?;
        self.tell64(there);
        if there == 0 {
            return Ok(());
        }
        let name = self.link(path)?;
        let s_type = self.schema.members(name)?.key.parse::<i32>().unwrap_or_default();
        self.tell32(s_type as u32);
        self.put(&format!("{path}.{name}"), 1);
        self.partial_chain(path)?;
        self.partial_members(name, &format!("{path}.{name}"))
    }

    fn partial_members(&mut self, name: &str, path: &str) -> Result<(), String> {
        let schema = self.schema;
        let members = &schema.members(name)?.members;
        members.iter().try_for_each(|m| self.value(m.shape, &format!("{path}.{}", m.name), false))
    }
}

/// Bytes of a scalar in memory.
fn scalar(shape: &str) -> Option<usize> {
    shape.strip_prefix("scalar").and_then(|n| n.parse().ok())
}
