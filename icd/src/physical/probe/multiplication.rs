//! Products of matrices of small whole numbers, which every type of component holds exactly.

use ash::vk::ComponentTypeKHR as Component;

use crate::physical::probe::halves;
use crate::physical::probe::planned::{Data, Planned};

/// The types of factors and sums, and the shader that multiplies them (icd/shaders/matrices/multiply.glsl).
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Types {
    pub factors: Component,
    pub sums: Component,
    shader: &'static [u8],
}

/// A product of `m` by `k` and `k` by `n` components, in a work group of `invocations`.
#[derive(Clone, Copy)]
pub struct Product {
    pub types: Types,
    /// A VkScopeKHR.
    pub scope: u32,
    pub invocations: u32,
    pub m: u32,
    pub n: u32,
    pub k: u32,
}

macro_rules! shader {
    ($types:literal) => {
        include_bytes!(concat!("../../../shaders/matrices/generated/multiply_", $types, ".spv"))
    };
}

pub const F16_F16: Types =
    Types { factors: Component::FLOAT16, sums: Component::FLOAT16, shader: shader!("f16_f16.comp") };
pub const F16_F32: Types =
    Types { factors: Component::FLOAT16, sums: Component::FLOAT32, shader: shader!("f16_f32.comp") };
pub const U8_U32: Types = Types { factors: Component::UINT8, sums: Component::UINT32, shader: shader!("u8_u32.comp") };
pub const S8_S32: Types = Types { factors: Component::SINT8, sums: Component::SINT32, shader: shader!("s8_s32.comp") };

pub const BF16_F32: Types = Types { factors: BFLOAT16, sums: Component::FLOAT32, shader: shader!("bf16_f32") };

/// VK_COMPONENT_TYPE_BFLOAT16_KHR.
const BFLOAT16: Component = Component::from_raw(1_000_141_000);

/// A component of the first factor, from -2 to 2, or from 0 to 4 without a sign: rows and columns differ from each other.
pub fn first(i: u32, k: u32, signed: bool) -> i32 {
    (mixed(i, k) % 5) as i32 - if signed { 2 } else { 0 }
}

/// A component of the second one, from -1 to 1, or from 0 to 2.
pub fn second(k: u32, j: u32, signed: bool) -> i32 {
    (mixed(k + 1000, j) % 3) as i32 - if signed { 1 } else { 0 }
}

/// A number that looks random.
fn mixed(row: u32, column: u32) -> u32 {
    (row.wrapping_mul(0x9e37_79b9) ^ column.wrapping_mul(0x85eb_ca6b)).wrapping_mul(0xc2b2_ae35) >> 16
}

/// A number as a component.
fn push(to: &mut Vec<u8>, component: Component, number: i32) {
    match component {
        Component::FLOAT16 => to.extend(halves::bits(number as f32).to_le_bytes()),
        // The upper half of a float of 32 bits.
        BFLOAT16 => to.extend(((number as f32).to_bits() >> 16).to_le_bytes().into_iter().take(2)),
        Component::FLOAT32 => to.extend((number as f32).to_le_bytes()),
        Component::UINT8 | Component::SINT8 => to.push(number as u8),
        _ => to.extend(number.to_le_bytes()),
    }
}

impl Product {
    /// The run that computes it.
    pub fn planned(self) -> Planned {
        let constants = vec![self.invocations, self.scope, self.m, self.n, self.k];
        Planned::new(self.types.shader, constants, move || self.data())
    }

    /// Both factors in rows, and what the shader must write for them.
    pub fn data(&self) -> Data {
        let (types, [a, b]) = (self.types, self.factors());
        let (mut given, mut right) = (Vec::new(), Vec::new());
        a.iter().chain(&b).for_each(|number| push(&mut given, types.factors, *number));
        self.sums().iter().for_each(|number| push(&mut right, types.sums, *number));
        Data::of(given, right)
    }

    /// The components of both factors, in rows.
    fn factors(&self) -> [Vec<i32>; 2] {
        let (signed, n, k) = (self.types.factors != Component::UINT8, self.n, self.k);
        let a = (0..self.m).flat_map(|i| (0..k).map(move |l| first(i, l, signed))).collect();
        let b = (0..k).flat_map(|l| (0..n).map(move |j| second(l, j, signed))).collect();
        [a, b]
    }

    /// The components of the product and one more each, in rows.
    pub fn sums(&self) -> Vec<i32> {
        let [a, b] = self.factors();
        let mut sums = vec![1; (self.m * self.n) as usize];
        let rows = sums.chunks_mut(self.n as usize).zip(a.chunks(self.k as usize));
        for (sums, a) in rows {
            for (a, b) in a.iter().zip(b.chunks(self.n as usize)) {
                sums.iter_mut().zip(b).for_each(|(sum, b)| *sum += a * b);
            }
        }
        sums
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_product_is_one() {
        let p = Product { types: S8_S32, scope: 2, invocations: 128, m: 2, n: 3, k: 4 };
        let run = p.planned().run();
        let given: Vec<i32> = run.given.iter().map(|b| i32::from(*b as i8)).collect();
        let (a, b) = given.split_at(8);
        for (at, sum) in run.right.chunks(4).enumerate() {
            let (i, j) = (at / 3, at % 3);
            let wanted: i32 = (0..4).map(|k| a[i * 4 + k] * b[k * 3 + j]).sum::<i32>() + 1;
            assert_eq!(sum, wanted.to_le_bytes());
        }
        assert_eq!((run.room, run.shader.constants), (2 * 3 * 4, vec![128, 2, 2, 3, 4]));
    }

    /// A matrix that lies wrong, or has rows of another, gives another product.
    #[test]
    fn no_two_rows_and_no_two_columns_are_alike() {
        let p = Product { types: U8_U32, scope: 2, invocations: 128, m: 16, n: 16, k: 32 };
        let right = p.data().right;
        let rows: std::collections::BTreeSet<_> = right.chunks(64).collect();
        let columns: std::collections::BTreeSet<Vec<_>> =
            (0..16).map(|j| right.chunks(64).map(|row| &row[j * 4..j * 4 + 4]).collect()).collect();
        assert_eq!((rows.len(), columns.len()), (16, 16));
    }
}
