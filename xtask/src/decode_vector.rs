//! SPIR-V of a load that may decode several elements at once (SPV_NV_cooperative_matrix_decode_vector), which Debian 13's glslang doesn't know: that
//! of a shader that names the function for a single element, and has the other one without calling it.

use anyhow::{Context, Result, ensure};

use crate::spirv::{Module, OP_TYPE_FLOAT, instruction, opcode};

/// Opcodes (SPIR-V specification, and SPV_NV_cooperative_matrix2).
const OP_TYPE_VECTOR: u32 = 23;
const OP_FUNCTION: u32 = 54;
const OP_COOPERATIVE_MATRIX_LOAD_TENSOR_NV: u32 = 5367;

const COOPERATIVE_MATRIX_DECODE_VECTOR_NV: u32 = 5447;
/// Tensor Addressing Operands.
const DECODE_FUNC: u32 = 2;
const DECODE_VECTOR_FUNC: u32 = 4;

/// The same module, whose only load from a tensor names the function that returns vectors of four 16-bit floats as well.
///
/// # Errors
/// When it is no SPIR-V, or lacks one of these.
pub fn of(spirv: &[u8]) -> Result<Vec<u8>> {
    let mut module = Module::parse(spirv)?;
    let half = one(&module, OP_TYPE_FLOAT, |i| i.get(2) == Some(&16)).context("16-bit floats")?[1];
    let vector = one(&module, OP_TYPE_VECTOR, |i| i[2..] == [half, 4]).context("vectors of four")?[1];
    let function = one(&module, OP_FUNCTION, |i| i[1] == vector).context("functions that return them")?[2];
    let is_load = |i: &[u32]| opcode(i) == OP_COOPERATIVE_MATRIX_LOAD_TENSOR_NV;
    let mut loads = module.instructions.iter_mut().filter(|i| is_load(i));
    let (load, other) = (loads.next().context("no load from a tensor")?, loads.next());
    ensure!(other.is_none(), "several loads from tensors");
    // The function comes last, and its mask before it.
    let [_, fixed @ .., DECODE_FUNC, single] = &load[..] else { anyhow::bail!("a load that calls no function") };
    let operands = [fixed, &[DECODE_FUNC | DECODE_VECTOR_FUNC, *single, function]].concat();
    *load = instruction(OP_COOPERATIVE_MATRIX_LOAD_TENSOR_NV, &operands);
    module.declare(&[COOPERATIVE_MATRIX_DECODE_VECTOR_NV], "SPV_NV_cooperative_matrix_decode_vector")?;
    Ok(module.bytes())
}

/// The only instruction of the module with this opcode of which `is_it` is true.
fn one(module: &Module, wanted: u32, is_it: impl Fn(&[u32]) -> bool) -> Result<&[u32]> {
    let mut all = module.instructions.iter().filter(|i| opcode(i) == wanted && i.len() > 2 && is_it(i));
    let (first, other) = (all.next(), all.next());
    ensure!(other.is_none(), "there are several");
    Ok(first.context("there is none")?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spirv::{OP_CAPABILITY, OP_EXTENSION, module};

    /// A load of these operands, with two functions.
    fn with(load: &[u32]) -> [Vec<u32>; 6] {
        [
            instruction(OP_EXTENSION, &[u32::from_le_bytes(*b"SPV_"), 0]),
            instruction(OP_TYPE_FLOAT, &[7, 16]),
            instruction(OP_TYPE_VECTOR, &[8, 7, 4]),
            instruction(OP_FUNCTION, &[7, 20, 0, 30]),
            instruction(OP_FUNCTION, &[8, 21, 0, 31]),
            instruction(OP_COOPERATIVE_MATRIX_LOAD_TENSOR_NV, load),
        ]
    }

    #[test]
    fn the_load_names_both_functions() {
        let fixed = [40, 41, 42, 43, 44, 0];
        let from = with(&[&fixed[..], &[2, 20]].concat());
        let name: Vec<u32> = b"SPV_NV_cooperative_matrix_decode_vector\0"
            .chunks(4)
            .map(|w| u32::from_le_bytes(w.try_into().unwrap()))
            .collect();
        let mut wanted = with(&[&fixed[..], &[6, 20, 21]].concat()).to_vec();
        wanted.insert(0, instruction(OP_EXTENSION, &name));
        wanted.insert(0, instruction(OP_CAPABILITY, &[5447]));
        assert_eq!(of(&module(&from)).unwrap(), module(&wanted));
    }

    #[test]
    fn a_shader_without_them_is_an_error() {
        let good = with(&[40, 41, 42, 43, 44, 0, 2, 20]);
        assert!(of(&module(&good)).is_ok());
        for lacking in 1..good.len() {
            let mut fewer = good.to_vec();
            fewer.remove(lacking);
            // That of single elements isn't looked for.
            assert_eq!(of(&module(&fewer)).is_ok(), lacking == 3, "without instruction {lacking}");
        }
        assert!(of(&module(&with(&[40, 41, 42, 43, 44, 0, 0]))).is_err(), "a load that calls nothing");
        let twice = [&good[..], &good[5..]].concat();
        assert!(of(&module(&twice)).is_err());
    }
}
