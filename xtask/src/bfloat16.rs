//! SPIR-V with bfloat16, which Debian 13's glslang doesn't know: that of a shader with 16-bit floats of IEEE 754, whose type is made another.

use anyhow::{Context, Result, ensure};

/// Numbers of SPIR-V (its specification, and SPV_KHR_bfloat16).
const OP_EXTENSION: u32 = 10;
const OP_CAPABILITY: u32 = 17;
const OP_TYPE_FLOAT: u32 = 22;
const FLOAT16: u32 = 9;
const BFLOAT16_TYPE_KHR: u32 = 5116;
const BFLOAT16_COOPERATIVE_MATRIX_KHR: u32 = 5118;
/// BFloat16KHR, an FP Encoding.
const ENCODING: u32 = 0;
const NAME: &[u8; 16] = b"SPV_KHR_bfloat16";

/// Words before the first instruction.
const HEAD: usize = 5;

/// The same module with bfloat16 in the place of 16-bit floats, which its shader must neither compute with nor have constants of.
///
/// # Errors
/// When it is no SPIR-V, or has no such type.
pub fn of(spirv: &[u8]) -> Result<Vec<u8>> {
    let words: Vec<u32> = spirv.chunks(4).map(|w| w.iter().rev().fold(0, |a, b| a << 8 | u32::from(*b))).collect();
    let (head, mut rest) = words.split_at_checked(HEAD).context("SPIR-V has a head")?;
    let mut made = head.to_vec();
    let (mut named, mut types) = (false, 0);
    while let Some(first) = rest.first() {
        let (opcode, len) = (first & 0xffff, (first >> 16) as usize);
        let (instruction, after) = rest.split_at_checked(len).filter(|_| len > 0).context("an instruction is cut")?;
        rest = after;
        match (opcode, instruction) {
            (OP_CAPABILITY, [_, FLOAT16]) => {
                for capability in [BFLOAT16_TYPE_KHR, BFLOAT16_COOPERATIVE_MATRIX_KHR] {
                    made.extend([2 << 16 | OP_CAPABILITY, capability]);
                }
            }
            (OP_TYPE_FLOAT, [_, id, 16]) => {
                made.extend([4 << 16 | OP_TYPE_FLOAT, *id, 16, ENCODING]);
                types += 1;
            }
            (OP_EXTENSION, _) if !named => {
                named = true;
                // A string ends in a zero, and so in a word of zeros after sixteen bytes.
                made.push(6 << 16 | OP_EXTENSION);
                made.extend(NAME.chunks(4).map(|w| w.iter().rev().fold(0, |a, b| a << 8 | u32::from(*b))));
                made.push(0);
                made.extend(instruction);
            }
            _ => made.extend(instruction),
        }
    }
    ensure!(
        named && types == 1,
        "{types} types of 16-bit floats, and {}",
        if named { "extensions" } else { "no extension" }
    );
    Ok(made.iter().flat_map(|w| w.to_le_bytes()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_type_alone_becomes_another() {
        let bytes = |words: &[u32]| -> Vec<u8> { words.iter().flat_map(|w| w.to_le_bytes()).collect() };
        let head = [0x0723_0203, 0x0001_0600, 0, 9, 0];
        let other = [2 << 16 | OP_CAPABILITY, 1];
        let extension = [3 << 16 | OP_EXTENSION, u32::from_le_bytes(*b"SPV_"), 0];
        let module = |parts: &[&[u32]]| bytes(&parts.concat());
        let from = module(&[
            &head,
            &other,
            &[2 << 16 | OP_CAPABILITY, FLOAT16],
            &extension,
            &[3 << 16 | OP_TYPE_FLOAT, 7, 16, 3 << 16 | OP_TYPE_FLOAT, 8, 32],
        ]);
        let name = NAME.chunks(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())).collect::<Vec<_>>();
        let wanted = module(&[
            &head,
            &other,
            &[2 << 16 | OP_CAPABILITY, 5116, 2 << 16 | OP_CAPABILITY, 5118],
            &[6 << 16 | OP_EXTENSION],
            &name,
            &[0],
            &extension,
            &[4 << 16 | OP_TYPE_FLOAT, 7, 16, 0, 3 << 16 | OP_TYPE_FLOAT, 8, 32],
        ]);
        assert_eq!(of(&from).unwrap(), wanted);
        for end in [0, 19, 24, from.len() - 4] {
            assert!(of(&from[..end]).is_err(), "{end} bytes");
        }
    }
}
