//! How the elements of arrays lie in memory and on the wire: what is the same in both travels as one block.

use anyhow::{Result, bail};

use crate::model::{Model, Shape};
use crate::registry::Struct;

/// Bytes that one element takes where arrays of it are dense, or `None` for what is written one by one.
pub fn dense(shape: &Shape) -> Option<usize> {
    match shape {
        Shape::Scalar(n) => Some(*n),
        Shape::NonDispatchable => Some(8),
        _ => None,
    }
}

/// Members that are bytes of texels, whose rows may lie apart in the program's memory: `Texels` and not a pointer.
const TEXELS: [(&str, &str); 1] = [("VkMemoryToImageCopyMESA", "pData")];

/// Whether a member is one of [`TEXELS`].
pub fn lies_in_rows(of: &str, member: &str) -> bool {
    TEXELS.contains(&(of, member))
}

impl Model {
    /// Whether a struct always has the same items: no chain, no pointers, no unions, nothing that may be ignored.
    pub fn flat(&self, s: &Struct) -> Result<bool> {
        Ok(!s.chained() && self.fixed(s)?)
    }

    /// Whether a struct always has the same items behind its chain.
    pub fn fixed(&self, s: &Struct) -> Result<bool> {
        let bitfields = s.members.iter().any(|m| m.bitfield);
        if s.is_union || bitfields || self.ignored(&s.name).next().is_some() {
            return Ok(false);
        }
        for m in s.body() {
            let ok = match self.shape(m, &s.members)? {
                Shape::Scalar(_) | Shape::Dispatchable | Shape::NonDispatchable => true,
                Shape::Struct(n) => self.flat(&self.reg.structs[&n])?,
                _ => false,
            };
            if !ok {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// (size in memory, alignment) if memory and wire layouts are the same bytes.
    pub fn same_layout(&self, s: &Struct) -> Result<Option<(usize, usize)>> {
        if !self.flat(s)? {
            return Ok(None);
        }
        let (mut at, mut align) = (0, 1);
        for m in s.body() {
            let (size, a) = match self.shape(m, &s.members)? {
                Shape::Scalar(n) if n >= 4 => (n, n),
                Shape::NonDispatchable => (8, 8),
                Shape::Struct(n) => match self.same_layout(&self.reg.structs[&n])? {
                    Some(l) => l,
                    None => return Ok(None),
                },
                _ => return Ok(None),
            };
            if at % a != 0 {
                return Ok(None);
            }
            at += size;
            align = align.max(a);
        }
        Ok((at % align == 0).then_some((at, align)))
    }

    pub fn rust_of(&self, shape: &Shape) -> Result<String> {
        Ok(match shape {
            Shape::Struct(n) | Shape::Union(n) => self.rust_type(n),
            Shape::Scalar(1) => "u8".into(),
            Shape::Scalar(2) => "u16".into(),
            Shape::Scalar(4) => "u32".into(),
            Shape::Scalar(_) | Shape::NonDispatchable | Shape::Dispatchable => "u64".into(),
            _ => bail!("no element type for {shape:?}"),
        })
    }
}
