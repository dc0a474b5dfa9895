//! VK_NV_cooperative_matrix_decode_vector: a load of blocks may call a function that decodes several elements at once. llama.cpp reads prompts
//! of quantized models 5 to 13 % faster with it (RTX 5060 Ti).

use ash::vk;

use crate::physical::probe::blocks::Blocks;
use crate::physical::probe::cooperative_matrix2;
use crate::physical::probe::extension::Extension;
use crate::physical::probe::features::Features;
use crate::physical::probe::planned::{Data, Planned};
use crate::physical::probe::trial::Told;

const SHADER: &[u8] = include_bytes!("../../../shaders/matrices/generated/vector_loads.comp.spv");

/// What the function for four elements adds to each. By that it is seen to be called: a compiler that knows nothing of it calls the one for a
/// single element, whose results are as right as a program's would be.
const ADDED: f32 = 64.0;

/// Its only number is the length of the vector that was seen.
pub const EXTENSION: Extension = Extension {
    name: c"VK_NV_cooperative_matrix_decode_vector",
    needs: Features::has_matrices,
    extends: Some(cooperative_matrix2::EXTENSION.name),
    // VkPhysicalDeviceCooperativeMatrixDecodeVectorFeaturesNV.
    features: vk::StructureType::from_raw(1_000_689_000),
    members: &["cooperativeMatrixDecodeVector"],
    properties: None,
    runs: |_| vec![Planned::new(SHADER, Vec::new(), data)],
    judge: |_, _, told| match told {
        [Told::Wrote(bytes)] => calls_both(bytes).then(|| vec![4]),
        _ => None,
    },
    possible: |numbers| numbers == [4],
    has: |_, _| true,
    limits: |_| Vec::new(),
};

/// The shader knows this size, too.
const BLOCKS: Blocks = Blocks { rows: 64, columns: 64 };

fn data() -> Data {
    Data { given: BLOCKS.bytes(), room: BLOCKS.halves(0.0).len(), right: Vec::new() }
}

/// Whether each element is what one of the functions makes of it, which the implementation may choose for each call, and some are the
/// vector's.
fn calls_both(bytes: &[u8]) -> bool {
    let (single, vector) = (BLOCKS.halves(0.0), BLOCKS.halves(ADDED));
    let elements = || bytes.chunks_exact(2).zip(single.chunks_exact(2).zip(vector.chunks_exact(2)));
    bytes.len() == single.len()
        && elements().all(|(told, (single, vector))| told == single || told == vector)
        && elements().any(|(told, (_, vector))| told == vector)
}
