//! What VK_NV_cooperative_matrix2 does with matrices beside products: shaders of icd/shaders/matrices, what they are given, and what they must write.

use crate::physical::probe::blocks::Blocks;
use crate::physical::probe::multiplication::{F16_F32, Product, first, second};
use crate::physical::probe::planned::{Data, Planned};

/// A shader, and what it is given and must write.
#[derive(Clone, Copy)]
pub struct Operation {
    shader: &'static [u8],
    data: fn() -> Data,
}

macro_rules! operation {
    ($shader:literal, $data:ident) => {
        Operation {
            shader: include_bytes!(concat!("../../../shaders/matrices/generated/", $shader, ".comp.spv")),
            data: $data,
        }
    };
}

pub const REDUCTIONS: Operation = operation!("reductions", reductions);
pub const CONVERSIONS: Operation = operation!("conversions", conversions);
pub const PER_ELEMENT: Operation = operation!("per_element", per_element);
pub const TENSOR_ADDRESSING: Operation = operation!("tensor_addressing", tensor_addressing);
pub const BLOCK_LOADS: Operation = operation!("block_loads", block_loads);
/// A product whose rows are summed up, beside as many words of shared memory of the shader's own as its constant says.
pub const SHARED_MEMORY: Operation = operation!("shared_memory", shared_memory);

impl Operation {
    /// The run with these specialization constants.
    pub fn planned(self, constants: Vec<u32>) -> Planned {
        Planned::new(self.shader, constants, self.data)
    }
}

/// Numbers of 32 bits in their rows.
fn floats(rows: u32, columns: u32, number: impl Fn(u32, u32) -> i32) -> Vec<u8> {
    let places = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
    places.flat_map(|(i, j)| (number(i, j) as f32).to_le_bytes()).collect()
}

/// A number from -21 to 21 for each place.
fn number(i: u32, j: u32) -> i32 {
    first(i, j, true) * 10 + second(j, i, true)
}

fn reductions() -> Data {
    let (m, n) = (64, 32);
    let largest = |a: u32, b: u32, i: u32, j: u32| {
        (i * a..(i + 1) * a).flat_map(|r| (j * b..(j + 1) * b).map(move |c| number(r, c))).max().unwrap_or_default()
    };
    let row = |i: u32| (0..n).map(|j| number(i, j)).sum::<i32>();
    let all: i32 = (0..m).map(row).sum();
    let right = [
        floats(m, n, |i, _| row(i)),
        floats(m, n, |_, j| largest(m, 1, 0, j)),
        floats(m, n, |_, _| all),
        floats(m / 2, n / 2, |i, j| largest(2, 2, i, j)),
    ];
    Data::of(floats(m, n, number), right.concat())
}

fn conversions() -> Data {
    let (m, n, k) = (32, 32, 64);
    // Of another pattern for each matrix.
    let (a, b, c) = (
        |i: u32, l: u32| first(i, l, true),
        |j: u32, l: u32| second(j, l, true),
        |l: u32, j: u32| second(l + 500, j, true),
    );
    let given = [floats(m, k, a), floats(n, k, b), floats(k, n, c)];
    let right = floats(m, n, |i, j| (0..k).map(|l| a(i, l) * (b(j, l) + c(l, j))).sum());
    Data::of(given.concat(), right)
}

fn per_element() -> Data {
    let (m, n) = (64, 32);
    let right = floats(m, n, |i, j| number(i, j) * 2 + (i * 64 + j) as i32 + 3);
    Data::of(floats(m, n, number), right)
}

/// The shader knows these sizes, too: rows and columns of the matrix, those of the tensor, and numbers from row to row of it.
fn tensor_addressing() -> Data {
    let (m, n, rows, columns, stride) = (32, 16, 48, 40, 44);
    let inside = |i: u32, j: u32| i < rows && j < columns;
    let tensor = |i: u32, j: u32| if inside(i, j) { number(i, j) } else { 0 };
    // The matrix that is stored is what the first numbers are without any layout.
    let stored = |i: u32, j: u32| number((i * n + j) / stride, (i * n + j) % stride);
    // Where a slice at `from` holds a place of the tensor, the element of the matrix there.
    let put = |i: u32, j: u32, from: [u32; 2], size: [u32; 2], element: &dyn Fn(u32, u32) -> i32| {
        let [down, right] = [i.checked_sub(from[0]), j.checked_sub(from[1])];
        match (down.filter(|d| *d < size[0]), right.filter(|r| *r < size[1])) {
            (Some(d), Some(r)) if inside(i, j) => element(d, r),
            _ => 0,
        }
    };
    let right = [
        floats(m, n, |i, j| tensor(24 + i, 32 + j)),
        floats(m, n, |i, j| tensor(40 + j, 16 + i)),
        floats(rows, stride, |i, j| put(i, j, [24, 32], [m, n], &stored)),
        floats(rows, stride, |i, j| put(i, j, [40, 16], [n, m], &|d, r| stored(r, d))),
    ];
    Data::of(floats(rows, stride, number), right.concat())
}

fn block_loads() -> Data {
    // The shader knows this size, too.
    let blocks = Blocks { rows: 32, columns: 64 };
    Data::of(blocks.bytes(), blocks.halves(0.0))
}

fn shared_memory() -> Data {
    let product = Product { types: F16_F32, scope: 0, invocations: 256, m: 128, n: 128, k: 32 };
    let sums: Vec<i32> = product.sums().chunks(product.n as usize).map(|row| row.iter().sum()).collect();
    let right = floats(product.m, product.n, |i, _| sums.get(i as usize).copied().unwrap_or_default());
    // No word is damaged.
    Data::of(product.data().given, [vec![0; 16], right].concat())
}
