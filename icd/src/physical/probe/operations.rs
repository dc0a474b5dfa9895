//! What VK_NV_cooperative_matrix2 does with matrices beside products: shaders of icd/shaders/matrices, what they are given, and what they must write.

use crate::physical::probe::halves;
use crate::physical::probe::multiplication::{F16_F32, Product, first, second};
use crate::physical::probe::trial::Run;

macro_rules! run {
    ($shader:literal, $constants:expr, $given:expr, $right:expr) => {{
        let (given, right): (Vec<u8>, Vec<u8>) = ($given, $right);
        let shader = include_bytes!(concat!("../../../shaders/matrices/generated/", $shader, ".comp.spv"));
        Run { shader, constants: $constants, given, room: right.len(), right }
    }};
}

/// Numbers of 32 bits in their rows.
fn floats(rows: u32, columns: u32, number: impl Fn(u32, u32) -> i32) -> Vec<u8> {
    let places = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
    places.flat_map(|(i, j)| (number(i, j) as f32).to_le_bytes()).collect()
}

/// The same of 16 bits.
fn short_floats(rows: u32, columns: u32, number: impl Fn(u32, u32) -> f32) -> Vec<u8> {
    let places = (0..rows).flat_map(|i| (0..columns).map(move |j| (i, j)));
    places.flat_map(|(i, j)| halves::bits(number(i, j)).to_le_bytes()).collect()
}

/// A number from -21 to 21 for each place.
fn number(i: u32, j: u32) -> i32 {
    first(i, j, true) * 10 + second(j, i, true)
}

pub fn reductions() -> Run {
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
    run!("reductions", Vec::new(), floats(m, n, number), right.concat())
}

pub fn conversions() -> Run {
    let (m, n, k) = (32, 32, 64);
    // Of another pattern for each matrix.
    let (a, b, c) = (
        |i: u32, l: u32| first(i, l, true),
        |j: u32, l: u32| second(j, l, true),
        |l: u32, j: u32| second(l + 500, j, true),
    );
    let given = [floats(m, k, a), floats(n, k, b), floats(k, n, c)];
    let right = floats(m, n, |i, j| (0..k).map(|l| a(i, l) * (b(j, l) + c(l, j))).sum());
    run!("conversions", Vec::new(), given.concat(), right)
}

pub fn per_element() -> Run {
    let (m, n) = (64, 32);
    let right = floats(m, n, |i, j| number(i, j) * 2 + (i * 64 + j) as i32 + 3);
    run!("per_element", Vec::new(), floats(m, n, number), right)
}

/// The shader knows these sizes, too: rows and columns of the matrix, those of the tensor, and numbers from row to row of it.
pub fn tensor_addressing() -> Run {
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
    run!("tensor_addressing", Vec::new(), floats(rows, stride, number), right.concat())
}

pub fn block_loads() -> Run {
    let (m, k) = (32, 64);
    let scale =
        |i: u32, block: u32| [0.5, 1.0, 2.0, 4.0].into_iter().cycle().nth((i + block * 2) as usize).unwrap_or(1.0);
    let bits = |i: u32, l: u32| (i * 7 + l * 5 + i * l) % 16;
    let mut given = Vec::new();
    for i in 0..m {
        for block in 0..k / 32 {
            given.extend(halves::bits(scale(i, block)).to_le_bytes());
            for four in 0..8 {
                let at = block * 32 + four * 4;
                let word = (0..4).fold(0, |word, l| word | bits(i, at + l) << (4 * l));
                given.extend((word as u16).to_le_bytes());
            }
        }
    }
    let right = short_floats(m, k, |i, l| scale(i, l / 32) * (bits(i, l) as f32 - 8.0));
    run!("block_loads", Vec::new(), given, right)
}

/// A product whose rows are summed up, beside as many bytes of shared memory of the shader's own.
pub fn shared_memory(own: u32) -> Run {
    let product = Product { types: F16_F32, scope: 0, invocations: 256, m: 128, n: 128, k: 32 };
    let sums: Vec<i32> = product.sums().chunks(product.n as usize).map(|row| row.iter().sum()).collect();
    let right = floats(product.m, product.n, |i, _| sums.get(i as usize).copied().unwrap_or_default());
    // No word is damaged.
    run!("shared_memory", vec![own / 4], product.run().given, [vec![0; 16], right].concat())
}
