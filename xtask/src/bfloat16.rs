//! SPIR-V with bfloat16, which Debian 13's glslang doesn't know: that of a shader with 16-bit floats of IEEE 754, whose type is made another.

use anyhow::{Result, ensure};

use crate::spirv::{Module, OP_CAPABILITY, OP_TYPE_FLOAT, instruction};

/// Numbers of SPIR-V (its specification, and SPV_KHR_bfloat16).
const FLOAT16: u32 = 9;
const BFLOAT16_TYPE_KHR: u32 = 5116;
const BFLOAT16_COOPERATIVE_MATRIX_KHR: u32 = 5118;
/// BFloat16KHR, an FP Encoding.
const ENCODING: u32 = 0;

/// The same module with bfloat16 in the place of 16-bit floats, which its shader must neither compute with nor have constants of.
///
/// # Errors
/// When it is no SPIR-V, or has no such type.
pub fn of(spirv: &[u8]) -> Result<Vec<u8>> {
    let mut module = Module::parse(spirv)?;
    module.instructions.retain(|i| i[..] != instruction(OP_CAPABILITY, &[FLOAT16]));
    let mut types = 0;
    for i in &mut module.instructions {
        if let [first, id, 16] = i[..]
            && first == 3 << 16 | OP_TYPE_FLOAT
        {
            *i = instruction(OP_TYPE_FLOAT, &[id, 16, ENCODING]);
            types += 1;
        }
    }
    ensure!(types == 1, "{types} types of 16-bit floats");
    module.declare(&[BFLOAT16_TYPE_KHR, BFLOAT16_COOPERATIVE_MATRIX_KHR], "SPV_KHR_bfloat16")?;
    Ok(module.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spirv::{OP_EXTENSION, module};

    #[test]
    fn the_type_alone_becomes_another() {
        let other = instruction(OP_CAPABILITY, &[1]);
        let extension = instruction(OP_EXTENSION, &[u32::from_le_bytes(*b"SPV_"), 0]);
        let single = instruction(OP_TYPE_FLOAT, &[8, 32]);
        let half = instruction(OP_TYPE_FLOAT, &[7, 16]);
        let from = [other.clone(), instruction(OP_CAPABILITY, &[FLOAT16]), extension.clone(), half, single.clone()];
        let name: Vec<u32> =
            b"SPV_KHR_bfloat16\0\0\0\0".chunks(4).map(|w| u32::from_le_bytes(w.try_into().unwrap())).collect();
        let wanted = module(&[
            other.clone(),
            instruction(OP_CAPABILITY, &[5116]),
            instruction(OP_CAPABILITY, &[5118]),
            instruction(OP_EXTENSION, &name),
            extension.clone(),
            instruction(OP_TYPE_FLOAT, &[7, 16, 0]),
            single.clone(),
        ]);
        assert_eq!(of(&module(&from)).unwrap(), wanted);
        assert!(of(&module(&[other, extension, single])).is_err(), "no such type");
    }
}
