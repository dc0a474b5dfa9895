//! The list of commands, structs and unions.

use std::collections::HashMap;
use std::sync::LazyLock;

/// A line for each command, struct and union, each followed by its members (`encoder/codegen/src/emit_schema.rs`).
const LIST: &str = include_str!("generated/schema.tsv");

/// A member of a struct or union, or a parameter of a command.
pub struct Member {
    pub name: &'static str,
    /// What it is, in words: `many struct VkRect2D`.
    pub shape: &'static str,
    /// Of a union's member: the values that select it.
    pub selected_by: Vec<u32>,
}

/// A command, with what it returns, or a struct or union, with its sType.
pub struct Item {
    pub name: &'static str,
    pub key: &'static str,
    pub returned: &'static str,
    pub members: Vec<Member>,
}

/// Commands by number, structs and unions by name, structs by sType.
pub struct Schema {
    pub(crate) commands: HashMap<u32, Item>,
    pub(crate) structs: HashMap<&'static str, Item>,
    pub(crate) by_s_type: HashMap<i32, &'static str>,
}

impl Schema {
    /// The list, read once for all tests of a program.
    pub fn load() -> &'static Self {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(Schema::parse);
        &SCHEMA
    }

    /// The list as text, for tests that look at other things in it.
    pub fn text() -> &'static str {
        LIST
    }

    fn parse() -> Self {
        let mut schema = Self { commands: HashMap::new(), structs: HashMap::new(), by_s_type: HashMap::new() };
        let mut items: Vec<(&str, Item)> = Vec::new();
        for line in LIST.lines().filter(|l| !l.starts_with('#')) {
            // Each line is memory of its own: Miri's rules take the longer the more parts of the same memory are in use.
            let line: &'static str = line.to_owned().leak();
            let columns: Vec<&'static str> = line.split('\t').collect();
            let [kind, key, what, last] = columns[..] else { panic!("the list has other columns: {line}") };
            match items.last_mut().filter(|_| kind == "-") {
                Some((_, item)) => {
                    let selected_by = last.split(',').filter_map(|v| v.parse().ok()).collect();
                    item.members.push(Member { name: key, shape: what, selected_by });
                }
                None => items.push((kind, Item { name: what, key, returned: last, members: Vec::new() })),
            }
        }
        for (kind, item) in items {
            if kind == "command" {
                schema.commands.extend(item.key.parse().ok().map(|number| (number, item)));
            } else {
                schema.by_s_type.extend(item.key.parse().ok().map(|s_type: i32| (s_type, item.name)));
                schema.structs.insert(item.name, item);
            }
        }
        schema
    }

    /// The members of a struct or union that the list has.
    pub(crate) fn members(&self, name: &str) -> Result<&Item, String> {
        self.structs.get(name).ok_or_else(|| format!("the list has no {name}"))
    }
}
