//! Commands, as a guest writes them.

use crate::piece::Piece;
use crate::schema::Schema;

/// A decoded command: its name, and what was found where, such as `pSubmits[0].commandBufferInfoCount`.
#[derive(Clone, Debug)]
pub struct Decoded {
    pub number: u32,
    pub name: &'static str,
    /// What the command returns: `scalar4`, `scalar8`, or nothing.
    pub(crate) returned: &'static str,
    /// Whether a reply is asked for.
    pub replies: bool,
    /// Numbers, handles, and how many elements arrays have, with `.len` behind their places.
    pub values: Vec<(String, u64)>,
    pub texts: Vec<(String, String)>,
    /// Ids of objects that have to be there, and of those that the command makes, in their order.
    pub named: Vec<u64>,
    pub made: Vec<u64>,
    /// Bytes of the command.
    pub size: usize,
    pub(crate) reply: Vec<Piece>,
}

impl Decoded {
    /// The value at a path.
    ///
    /// # Panics
    /// Where there is none.
    pub fn get(&self, path: &str) -> u64 {
        let found = self.find(path);
        found.unwrap_or_else(|| panic!("{} has no {path}; it has {:#?}", self.name, self.values))
    }

    /// The value at a path, if there is one.
    pub fn find(&self, path: &str) -> Option<u64> {
        self.values.iter().find(|(p, _)| p == path).map(|(_, value)| *value)
    }

    /// The text at a path, if there is one.
    pub fn text(&self, path: &str) -> Option<&str> {
        self.texts.iter().find(|(p, _)| p == path).map(|(_, text)| text.as_str())
    }

    /// The texts of an array of them.
    pub fn list(&self, path: &str) -> Vec<&str> {
        let inside = |p: &str| p.strip_prefix(path).is_some_and(|rest| rest.starts_with('['));
        self.texts.iter().filter(|(p, _)| inside(p)).map(|(_, text)| text.as_str()).collect()
    }
}

impl Schema {
    /// Decodes one command; all bytes must be its own.
    ///
    /// # Panics
    /// Where the bytes break a rule of the wire.
    pub fn decode(&self, bytes: &[u8]) -> Decoded {
        let decoded = self.next(bytes).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(decoded.size, bytes.len(), "{} has more bytes than members", decoded.name);
        decoded
    }

    /// Decodes the command that stands first in some bytes.
    ///
    /// # Errors
    /// The rule of the wire that the bytes break.
    pub fn next(&self, bytes: &[u8]) -> Result<Decoded, String> {
        if !bytes.len().is_multiple_of(4) {
            return Err(format!("{} bytes", bytes.len()));
        }
        let mut reader = Reader { schema: self, bytes, decoded: Decoded::none() };
        let number = reader.u32()?;
        let command = self.commands.get(&number).ok_or_else(|| format!("no command {number}"))?;
        let flags = reader.u32()?;
        if flags > 1 {
            return Err(format!("{}: flags {flags:#x}", command.name));
        }
        let of = &mut reader.decoded;
        (of.number, of.name, of.returned, of.replies) = (number, command.name, command.returned, flags == 1);
        for m in &command.members {
            let read = match m.shape.split_once(' ') {
                Some(("out", shape)) => reader.output(shape, m.name, false),
                Some(("both", shape)) => reader.output(shape, m.name, true),
                _ => reader.shape(m.shape, m.name),
            };
            read.map_err(|why| format!("{}: {why}; so far {:#?}", command.name, reader.decoded.values))?;
        }
        Ok(reader.decoded)
    }
}

impl Decoded {
    fn none() -> Self {
        Self {
            number: 0,
            name: "",
            returned: "",
            replies: false,
            values: Vec::new(),
            texts: Vec::new(),
            named: Vec::new(),
            made: Vec::new(),
            size: 0,
            reply: Vec::new(),
        }
    }
}

/// Reads one command.
pub struct Reader<'a> {
    pub schema: &'a Schema,
    bytes: &'a [u8],
    pub decoded: Decoded,
}

impl Reader<'_> {
    fn take(&mut self, n: usize) -> Result<&[u8], String> {
        let from = self.decoded.size;
        let end = n.checked_next_multiple_of(4).and_then(|n| from.checked_add(n));
        let end = end.filter(|end| *end <= self.bytes.len()).ok_or("the command ends in the middle of something")?;
        self.decoded.size = end;
        Ok(&self.bytes[from..from + n])
    }

    pub fn u32(&mut self) -> Result<u32, String> {
        Ok(self.take(4)?.iter().rev().fold(0, |v, b| v << 8 | u32::from(*b)))
    }

    pub fn u64(&mut self) -> Result<u64, String> {
        Ok(self.take(8)?.iter().rev().fold(0, |v, b| v << 8 | u64::from(*b)))
    }

    pub fn put(&mut self, path: &str, value: u64) {
        self.decoded.values.push((path.to_owned(), value));
    }

    /// Whether a pointer to one value is there.
    pub fn is_there(&mut self, path: &str) -> Result<bool, String> {
        match self.u64()? {
            0 => self.put(path, 0),
            1 => return Ok(true),
            n => return Err(format!("{path} is a pointer of {n}")),
        }
        Ok(false)
    }

    /// Decodes what `shape` says.
    pub fn shape(&mut self, shape: &str, path: &str) -> Result<(), String> {
        let (word, rest) = shape.split_once(' ').unwrap_or((shape, ""));
        match word {
            "both" => return self.shape(rest, path),
            "scalar1" | "scalar2" | "scalar4" => {
                let v = self.u32()?;
                self.put(path, v.into());
            }
            "scalar8" => {
                let v = self.u64()?;
                self.put(path, v);
            }
            "handle" => {
                let id = self.u64()?;
                self.put(path, id);
                self.decoded.named.extend(Some(id).filter(|id| *id != 0));
            }
            "null" => {
                if self.u64()? != 0 {
                    return Err(format!("{path} never travels"));
                }
            }
            "string" => self.string(path)?,
            "one" => {
                if self.is_there(path)? {
                    self.shape(rest, path)?;
                }
            }
            "many" => {
                let n = self.u64()?;
                self.put(&format!("{path}.len"), n);
                self.elements(rest, path, n)?;
            }
            "fixed" => {
                let (n, of) = rest.split_once(' ').unwrap_or_default();
                let told = self.u64()?;
                if told.to_string() != n {
                    return Err(format!("{path} has {told} elements, not {n}"));
                }
                self.elements(of, path, told)?;
            }
            "struct" => self.structure(rest, path)?,
            "union" => self.union(rest, path)?,
            _ => return Err(format!("{path}: {shape}?")),
        }
        Ok(())
    }

    fn string(&mut self, path: &str) -> Result<(), String> {
        let n = self.u64()?;
        if n > 0 {
            let bytes = self.take(n as usize)?;
            let (0, text) = bytes.split_last().map_or((1, &[][..]), |(last, text)| (*last, text)) else {
                return Err(format!("{path} doesn't end with a NUL"));
            };
            let text = String::from_utf8_lossy(text).into_owned();
            self.decoded.texts.push((path.to_owned(), text));
        }
        self.put(&format!("{path}.len"), n);
        Ok(())
    }

    fn elements(&mut self, of: &str, path: &str, n: u64) -> Result<(), String> {
        let bytes = of.strip_prefix("scalar").and_then(|n| n.parse::<usize>().ok()).filter(|n| *n < 4);
        if let Some(size) = bytes {
            // Small ones are dense, and padded together.
            let all = self.take(n as usize * size)?.to_vec();
            for (i, chunk) in all.chunks(size).enumerate() {
                let v = chunk.iter().rev().fold(0, |v, b| v << 8 | u64::from(*b));
                self.put(&format!("{path}[{i}]"), v);
            }
            return Ok(());
        }
        (0..n).try_for_each(|i| self.shape(of, &format!("{path}[{i}]")))
    }

    fn structure(&mut self, name: &str, path: &str) -> Result<(), String> {
        let item = self.schema.members(name)?;
        if let Ok(s_type) = item.key.parse::<i32>() {
            let told = self.u32()? as i32;
            if told != s_type {
                return Err(format!("{path} is no {name}, but has the sType {told}"));
            }
            self.chain(path)?;
        }
        self.members(name, path)
    }

    /// The chain: each link's sType, then the rest of the chain, then the link's members (WIRE.md 1.7).
    fn chain(&mut self, path: &str) -> Result<(), String> {
        if self.u64()? == 0 {
            return Ok(());
        }
        let name = self.link(path)?;
        self.chain(path)?;
        self.members(name, &format!("{path}.{name}"))
    }

    /// The name of a link.
    pub fn link(&mut self, path: &str) -> Result<&'static str, String> {
        let s_type = self.u32()? as i32;
        let name = self.schema.by_s_type.get(&s_type).copied();
        name.ok_or_else(|| format!("{path} has an unknown link {s_type}"))
    }

    fn members(&mut self, name: &str, path: &str) -> Result<(), String> {
        let schema = self.schema;
        schema.members(name)?.members.iter().try_for_each(|m| self.shape(m.shape, &format!("{path}.{}", m.name)))
    }

    fn union(&mut self, name: &str, path: &str) -> Result<(), String> {
        let tag = self.u32()?;
        self.put(&format!("{path}.tag"), tag.into());
        let schema = self.schema;
        let members = &schema.members(name)?.members;
        let by_value = members.iter().find(|m| m.selected_by.contains(&tag));
        let selects = members.iter().any(|m| !m.selected_by.is_empty());
        match if selects { by_value } else { members.get(tag as usize) } {
            Some(m) => self.shape(m.shape, &format!("{path}.{}", m.name)),
            None => Err(format!("{path}: no member of {name} has the tag {tag}")),
        }
    }
}
