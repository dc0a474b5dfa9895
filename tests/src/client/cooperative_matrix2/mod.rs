//! VK_NV_cooperative_matrix2: what a driver says that it has, and products of matrices in all shapes that it offers, compared with the
//! processor's. The last line tells it all, to be compared between drivers.

mod offer;
mod product;

use anyhow::{Result, ensure};
use ash::vk;

use crate::gpu::Gpu;
use offer::{Bfloat16, NAME, Offer};

/// How many times a shape's granularities a matrix is large; the last one for those of work groups alone.
const MULTIPLES: [[u32; 3]; 4] = [[1, 1, 1], [2, 1, 3], [3, 2, 1], [4, 4, 4]];

pub fn run() -> Result<()> {
    let offered = Offer::of(&Gpu::new()?)?;
    let Some(offer) = offered else {
        println!("cooperative-matrix2: not offered");
        return Ok(());
    };
    println!("features: {}", offer.features.told());
    let [group, dimension, reserved] = offer.limits;
    println!("properties: work group {group}, dimension {dimension}, reserved shared memory {reserved}");

    let mut storage = vk::PhysicalDevice16BitStorageFeatures::default().storage_buffer16_bit_access(true);
    let mut matrices = vk::PhysicalDeviceCooperativeMatrixFeaturesKHR::default().cooperative_matrix(true);
    let (mut features, mut bfloat16) = (offer.features, Bfloat16::matrices());
    let gpu = Gpu::with(vec![
        (ash::khr::_16bit_storage::NAME, Some(&mut storage)),
        (ash::khr::cooperative_matrix::NAME, Some(&mut matrices)),
        (Bfloat16::NAME, Some(&mut bfloat16)),
        (NAME, Some(&mut features)),
    ])?;
    let (mut right, mut wrong, mut left_out) = (0, Vec::new(), 0);
    for shape in &offer.shapes {
        let mut problems = Vec::new();
        let Some(types) = product::types(shape) else {
            println!("shape {shape}: left out, as no shader has these types");
            left_out += 1;
            continue;
        };
        let multiples = if shape.scope == vk::ScopeKHR::WORKGROUP { MULTIPLES.len() } else { MULTIPLES.len() - 1 };
        // A matrix of a subgroup works in a group of one.
        let group = if shape.invocations == 0 { offer.subgroup } else { shape.invocations };
        for [m, n, k] in MULTIPLES.into_iter().take(multiples) {
            let size = [shape.m * m, shape.n * n, shape.k * k];
            match product::run(&gpu, types, shape, group, size) {
                Ok(()) => right += 1,
                Err(e) => problems.push(format!("{size:?}: {e:#}")),
            }
        }
        println!("shape {shape}: {}", if problems.is_empty() { "right".into() } else { problems.join("; ") });
        wrong.extend(problems);
    }
    println!(
        "cooperative-matrix2: features {:#x}, {} shapes, {left_out} left out, {right} products right, {} wrong",
        offer.features.bits(),
        offer.shapes.len(),
        wrong.len()
    );
    ensure!(wrong.is_empty(), "{} products are wrong", wrong.len());
    Ok(())
}
