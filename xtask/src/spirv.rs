//! SPIR-V as instructions, for shaders that Debian 13's glslang can't make and which are made of others.

use anyhow::{Context, Result, ensure};

/// Opcodes (SPIR-V specification).
pub const OP_EXTENSION: u32 = 10;
pub const OP_CAPABILITY: u32 = 17;
pub const OP_TYPE_FLOAT: u32 = 22;

/// Words before the first instruction.
const HEAD: usize = 5;

/// A module's words before its first instruction, and its instructions.
pub struct Module {
    head: Vec<u32>,
    pub instructions: Vec<Vec<u32>>,
}

impl Module {
    /// # Errors
    /// When it is no SPIR-V.
    pub fn parse(spirv: &[u8]) -> Result<Self> {
        ensure!(spirv.len().is_multiple_of(4), "SPIR-V has whole words");
        let words = words(spirv);
        let (head, mut rest) = words.split_at_checked(HEAD).context("SPIR-V has a head")?;
        let mut instructions = Vec::new();
        while let Some(first) = rest.first() {
            let len = (first >> 16) as usize;
            let (instruction, after) =
                rest.split_at_checked(len).filter(|_| len > 0).context("an instruction is cut")?;
            instructions.push(instruction.to_vec());
            rest = after;
        }
        Ok(Self { head: head.to_vec(), instructions })
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.head.iter().chain(self.instructions.iter().flatten()).flat_map(|w| w.to_le_bytes()).collect()
    }

    /// Puts `capabilities` and an extension in front of the module's other extensions, which stand behind its capabilities.
    ///
    /// # Errors
    /// When the module has no extension.
    pub fn declare(&mut self, capabilities: &[u32], name: &str) -> Result<()> {
        let at = self.instructions.iter().position(|i| opcode(i) == OP_EXTENSION).context("no extension")?;
        let mut declared: Vec<_> = capabilities.iter().map(|c| instruction(OP_CAPABILITY, &[*c])).collect();
        // A string ends in a zero, and is filled up with zeros to a whole word.
        let mut bytes = name.as_bytes().to_vec();
        bytes.resize((bytes.len() + 1).next_multiple_of(4), 0);
        declared.push(instruction(OP_EXTENSION, &words(&bytes)));
        self.instructions.splice(at..at, declared);
        Ok(())
    }
}

/// An instruction with its length.
pub fn instruction(opcode: u32, operands: &[u32]) -> Vec<u32> {
    let len = operands.len() as u32 + 1;
    [&[len << 16 | opcode], operands].concat()
}

pub fn opcode(instruction: &[u32]) -> u32 {
    instruction.first().map_or(0, |w| w & 0xffff)
}

fn words(bytes: &[u8]) -> Vec<u32> {
    bytes.chunks(4).map(|w| w.iter().rev().fold(0, |a, b| a << 8 | u32::from(*b))).collect()
}

/// A module of these instructions, for tests.
#[cfg(test)]
pub fn module(instructions: &[Vec<u32>]) -> Vec<u8> {
    Module { head: vec![0x0723_0203, 0x0001_0600, 0, 9, 0], instructions: instructions.to_vec() }.bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_is_its_instructions() {
        let other = instruction(OP_CAPABILITY, &[1]);
        let extension = instruction(OP_EXTENSION, &[u32::from_le_bytes(*b"SPV_"), 0]);
        let ty = instruction(OP_TYPE_FLOAT, &[7, 16]);
        let bytes = module(&[other.clone(), extension.clone(), ty.clone()]);
        let mut parsed = Module::parse(&bytes).unwrap();
        assert_eq!(parsed.bytes(), bytes);
        parsed.declare(&[5, 6], "SPV_abc").unwrap();
        let named = instruction(OP_EXTENSION, &[u32::from_le_bytes(*b"SPV_"), u32::from_le_bytes(*b"abc\0")]);
        let capabilities = [5, 6].map(|c| instruction(OP_CAPABILITY, &[c]));
        let [first, second] = capabilities;
        assert_eq!(parsed.bytes(), module(&[other, first, second, named, extension, ty]));
        // Whole words, whose last one would end the string where it is full.
        parsed.declare(&[], "SPV_").unwrap();
        assert!(parsed.instructions.contains(&instruction(OP_EXTENSION, &[u32::from_le_bytes(*b"SPV_"), 0])));
    }

    #[test]
    fn what_is_cut_is_no_module() {
        let bytes = module(&[instruction(OP_TYPE_FLOAT, &[7, 16])]);
        for end in [0, 19, 24, bytes.len() - 4] {
            assert!(Module::parse(&bytes[..end]).is_err(), "{end} bytes");
        }
        assert!(Module::parse(&module(&[vec![0]])).is_err(), "an instruction without a length");
        assert!(Module::parse(&module(&[])).unwrap().declare(&[], "SPV_").is_err());
    }
}
