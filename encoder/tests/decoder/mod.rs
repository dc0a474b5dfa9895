//! A decoder of requests for the tests: reads bytes by the rules of WIRE.md, section 1, and a list of what there is
//! (generated/schema.tsv). It shares nothing with the encoders but that list.

use std::collections::HashMap;
use std::sync::LazyLock;

struct Member {
    name: &'static str,
    shape: &'static str,
    /// Of a union's member: the values that select it.
    selected_by: Vec<u32>,
}

struct Item {
    name: &'static str,
    members: Vec<Member>,
}

/// Commands by number, structs and unions by name, structs by sType.
pub struct Schema {
    commands: HashMap<u32, Item>,
    structs: HashMap<&'static str, (Option<i32>, Item)>,
    by_s_type: HashMap<i32, &'static str>,
}

/// A decoded command: its name, and what was found where, such as `pSubmits[0].commandBufferInfoCount`.
#[derive(Debug)]
pub struct Decoded {
    pub name: &'static str,
    pub values: Vec<(String, u64)>,
}

impl Decoded {
    /// The value at a path.
    pub fn get(&self, path: &str) -> u64 {
        let found = self.values.iter().find(|(p, _)| p == path);
        found.unwrap_or_else(|| panic!("{} has no {path}; it has {:#?}", self.name, self.values)).1
    }
}

impl Schema {
    /// The list, read once for all tests of a program.
    pub fn load() -> &'static Self {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::parse);
        &SCHEMA
    }

    fn parse() -> Self {
        let mut schema = Self { commands: HashMap::new(), structs: HashMap::new(), by_s_type: HashMap::new() };
        let mut items: Vec<(&str, &str, Item)> = Vec::new();
        for line in include_str!("../generated/schema.tsv").lines().filter(|l| !l.starts_with('#')) {
            // Each line is memory of its own: Miri's rules take the longer the more parts of the same memory are in use.
            let line: &'static str = line.to_owned().leak();
            let columns: Vec<&'static str> = line.split('\t').collect();
            let [kind, key, what, values] = columns[..] else { panic!("{line}") };
            if kind == "-" {
                let selected_by = values.split(',').filter(|v| !v.is_empty()).map(|v| v.parse().unwrap()).collect();
                items.last_mut().unwrap().2.members.push(Member { name: key, shape: what, selected_by });
            } else {
                items.push((kind, key, Item { name: what, members: Vec::new() }));
            }
        }
        for (kind, key, item) in items {
            if kind == "command" {
                schema.commands.insert(key.parse().unwrap(), item);
            } else {
                let s_type = key.parse().ok();
                if let Some(s_type) = s_type {
                    schema.by_s_type.insert(s_type, item.name);
                }
                schema.structs.insert(item.name, (s_type, item));
            }
        }
        schema
    }

    /// Decodes one command; all bytes must be its own.
    pub fn decode(&self, bytes: &[u8]) -> Decoded {
        assert!(bytes.len().is_multiple_of(4), "{} bytes", bytes.len());
        let mut reader = Reader { schema: self, bytes, at: 0, values: Vec::new() };
        let number = reader.u32();
        let command = self.commands.get(&number).unwrap_or_else(|| panic!("no command {number}"));
        assert!(reader.u32() <= 1, "flags");
        for m in &command.members {
            match m.shape.strip_prefix("out ") {
                // New handles travel with their ids.
                Some(shape @ ("one handle" | "many handle")) => reader.shape(shape, m.name),
                Some(shape) => panic!("{}: {} {shape} is for reply decoders", command.name, m.name),
                None => reader.shape(m.shape, m.name),
            }
        }
        assert_eq!(reader.at, bytes.len(), "{} has more bytes than members", command.name);
        Decoded { name: command.name, values: reader.values }
    }
}

struct Reader<'a> {
    schema: &'a Schema,
    bytes: &'a [u8],
    at: usize,
    values: Vec<(String, u64)>,
}

impl Reader<'_> {
    fn take(&mut self, n: usize) -> &[u8] {
        let from = self.at;
        self.at += n.next_multiple_of(4);
        assert!(self.at <= self.bytes.len(), "the command ends in the middle of something; so far {:#?}", self.values);
        &self.bytes[from..from + n]
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take(4).try_into().unwrap())
    }

    fn u64(&mut self) -> u64 {
        u64::from_le_bytes(self.take(8).try_into().unwrap())
    }

    fn put(&mut self, path: &str, value: u64) {
        self.values.push((path.to_owned(), value));
    }

    /// Decodes what `shape` says.
    fn shape(&mut self, shape: &str, path: &str) {
        let (word, rest) = shape.split_once(' ').unwrap_or((shape, ""));
        match word {
            "scalar1" | "scalar2" | "scalar4" => {
                let v = self.u32();
                self.put(path, v.into());
            }
            "scalar8" | "handle" => {
                let v = self.u64();
                self.put(path, v);
            }
            "null" => assert_eq!(self.u64(), 0, "{path} never travels"),
            "string" => {
                let n = self.u64();
                if n > 0 {
                    let text = self.take(n as usize);
                    assert_eq!(text.last(), Some(&0), "a string ends with a NUL");
                    let first = text[0].into();
                    self.put(path, first);
                }
                self.put(&format!("{path}.len"), n);
            }
            "one" => match self.u64() {
                0 => self.put(path, 0),
                1 => self.shape(rest, path),
                n => panic!("{path} is a pointer of {n}"),
            },
            "many" => {
                let n = self.u64();
                self.put(&format!("{path}.len"), n);
                self.elements(rest, path, n);
            }
            "fixed" => {
                let (n, of) = rest.split_once(' ').unwrap();
                assert_eq!(self.u64().to_string(), n, "{path} has a fixed length");
                self.elements(of, path, n.parse().unwrap());
            }
            "struct" => self.structure(rest, path),
            "union" => self.union(rest, path),
            _ => panic!("{path}: {shape}?"),
        }
    }

    fn elements(&mut self, of: &str, path: &str, n: u64) {
        let bytes = of.strip_prefix("scalar").and_then(|n| n.parse::<usize>().ok()).filter(|n| *n < 4);
        if let Some(size) = bytes {
            // Small ones are dense, and padded together.
            let all = self.take(n as usize * size).to_vec();
            for (i, chunk) in all.chunks(size).enumerate() {
                let v = chunk.iter().rev().fold(0, |v, b| v << 8 | u64::from(*b));
                self.put(&format!("{path}[{i}]"), v);
            }
            return;
        }
        for i in 0..n {
            self.shape(of, &format!("{path}[{i}]"));
        }
    }

    fn structure(&mut self, name: &str, path: &str) {
        let (s_type, _) = &self.schema.structs[name];
        if let Some(s_type) = s_type {
            assert_eq!(self.u32() as i32, *s_type, "{path} is no {name}");
            self.chain(path);
        }
        self.members(name, path);
    }

    /// The chain: each link's sType, then the rest of the chain, then the link's members (WIRE.md 1.7).
    fn chain(&mut self, path: &str) {
        if self.u64() == 0 {
            return;
        }
        let s_type = self.u32() as i32;
        let name = *self.schema.by_s_type.get(&s_type).unwrap_or_else(|| panic!("{path} has an unknown link {s_type}"));
        self.chain(path);
        self.members(name, &format!("{path}.{name}"));
    }

    fn members(&mut self, name: &str, path: &str) {
        let schema = self.schema;
        for m in &schema.structs[name].1.members {
            let path = format!("{path}.{}", m.name);
            self.shape(m.shape, &path);
        }
    }

    fn union(&mut self, name: &str, path: &str) {
        let tag = self.u32();
        self.put(&format!("{path}.tag"), tag.into());
        let schema = self.schema;
        let members = &schema.structs[name].1.members;
        let by_value = members.iter().find(|m| m.selected_by.contains(&tag));
        let member =
            if members.iter().any(|m| !m.selected_by.is_empty()) { by_value } else { members.get(tag as usize) };
        let member = member.unwrap_or_else(|| panic!("{path}: no member of {name} has the tag {tag}"));
        self.shape(member.shape, &format!("{path}.{}", member.name));
    }
}
