//! VK_NV_cooperative_matrix2: matrices of work groups, of sizes that the program picks, and operations on them. llama.cpp reads
//! prompts with it up to half as fast again, and wants all of its features.

use ash::vk;

use crate::base::log::debug;
use crate::physical::probe::extension::Extension;
use crate::physical::probe::features::Features;
use crate::physical::probe::multiplication::{BF16_F32, F16_F16, F16_F32, Product, S8_S32, Types, U8_U32};
use crate::physical::probe::operations::{self, Operation};
use crate::physical::probe::planned::Planned;
use crate::physical::probe::subject::Subject;
use crate::physical::probe::trial::{Run, Told};

/// Its numbers are a bit for each feature, a bit for each shape of [`SHAPES`], the largest dimension, and the bytes of shared memory
/// that the implementation takes for itself.
pub const EXTENSION: Extension = Extension {
    name: c"VK_NV_cooperative_matrix2",
    needs: Features::has_matrices,
    extends: None,
    // VkPhysicalDeviceCooperativeMatrix2FeaturesNV.
    features: vk::StructureType::from_raw(1_000_593_000),
    members: &FEATURES,
    // VkPhysicalDeviceCooperativeMatrix2PropertiesNV.
    properties: Some(vk::StructureType::from_raw(1_000_593_002)),
    runs: |subject| plan(subject).into_iter().map(|(_, planned)| planned).collect(),
    judge: |subject, runs, told| {
        let found = judged(subject, runs, told);
        is_enough(&found).then_some(found.to_vec())
    },
    possible: |numbers| <&[u32; 4]>::try_from(numbers).is_ok_and(is_enough),
    has: |numbers, place| numbers.first().is_some_and(|bits| bits >> place & 1 == 1),
    limits: |numbers| {
        let largest_group = shapes(numbers).map(|s| s.invocations).max().unwrap_or_default();
        [largest_group].into_iter().chain(numbers.iter().skip(2).copied()).collect()
    },
};

/// The features, in the order of their struct.
const FEATURES: [&str; 7] = [
    "cooperativeMatrixWorkgroupScope",
    "cooperativeMatrixFlexibleDimensions",
    "cooperativeMatrixReductions",
    "cooperativeMatrixConversions",
    "cooperativeMatrixPerElementOperations",
    "cooperativeMatrixTensorAddressing",
    "cooperativeMatrixBlockLoads",
];

const SUBGROUP: u32 = vk::ScopeKHR::SUBGROUP.as_raw() as u32;
const WORKGROUP: u32 = vk::ScopeKHR::WORKGROUP.as_raw() as u32;

/// Sizes of which those of matrices are multiples, as NVIDIA's driver is known to have them.
pub static SHAPES: [Product; 15] = [
    shape(F16_F16, SUBGROUP, 16, 8, 16, 0),
    shape(F16_F32, SUBGROUP, 16, 8, 16, 0),
    shape(U8_U32, SUBGROUP, 16, 8, 32, 0),
    shape(S8_S32, SUBGROUP, 16, 8, 32, 0),
    shape(BF16_F32, SUBGROUP, 16, 8, 16, 0),
    shape(F16_F16, WORKGROUP, 32, 16, 16, 128),
    shape(F16_F32, WORKGROUP, 32, 16, 16, 128),
    shape(U8_U32, WORKGROUP, 32, 16, 32, 128),
    shape(S8_S32, WORKGROUP, 32, 16, 32, 128),
    shape(BF16_F32, WORKGROUP, 32, 16, 16, 128),
    shape(F16_F16, WORKGROUP, 32, 32, 16, 256),
    shape(F16_F32, WORKGROUP, 32, 32, 16, 256),
    shape(U8_U32, WORKGROUP, 32, 32, 32, 256),
    shape(S8_S32, WORKGROUP, 32, 32, 32, 256),
    shape(BF16_F32, WORKGROUP, 32, 32, 16, 256),
];

const fn shape(types: Types, scope: u32, m: u32, n: u32, k: u32, invocations: u32) -> Product {
    Product { types, scope, invocations, m, n, k }
}

/// The largest dimension that is offered, tried for each side of a matrix. llama.cpp's flash attention has matrices of 512 columns. NVIDIA's driver has
/// 1024, too, but its compiler takes 0.22 s for the longest of these three products with it, and eight threads of it 0.11 s for all other shaders together.
const DIMENSION: u32 = 512;

/// Shared memory in bytes that the implementation may need for itself: the program's is tried with all but this.
const RESERVED: u32 = 16384;

/// What a run proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Proof {
    /// One of several runs that a feature needs, by its place.
    Feature(usize),
    /// A shape, by its place.
    Shape(usize),
    /// A part of what the largest dimension needs.
    Dimension,
    /// That this is all that the implementation takes.
    Reserved(u32),
}

/// All runs, and what each proves.
fn plan(subject: &Subject<'_>) -> Vec<(Proof, Planned)> {
    // A matrix of a subgroup works in a group of one.
    let group = |p: Product| if p.invocations == 0 { 32 } else { p.invocations };
    let product = |proof, p: Product| (proof, Product { invocations: group(p), ..p }.planned());
    let operation = |proof, o: Operation| (proof, o.planned(Vec::new()));
    let own = subject.limits.max_compute_shared_memory_size.saturating_sub(RESERVED);
    let mut plan = vec![
        product(Proof::Feature(0), shape(F16_F32, WORKGROUP, 64, 64, 32, 128)),
        product(Proof::Feature(0), shape(F16_F32, WORKGROUP, 128, 128, 64, 256)),
        // No powers of two, and no sizes that VK_KHR_cooperative_matrix lists.
        product(Proof::Feature(1), shape(F16_F32, SUBGROUP, 48, 24, 48, 0)),
        product(Proof::Feature(1), shape(F16_F32, WORKGROUP, 96, 96, 48, 256)),
        operation(Proof::Feature(2), operations::REDUCTIONS),
        operation(Proof::Feature(3), operations::CONVERSIONS),
        operation(Proof::Feature(4), operations::PER_ELEMENT),
        operation(Proof::Feature(5), operations::TENSOR_ADDRESSING),
        operation(Proof::Feature(6), operations::BLOCK_LOADS),
        (Proof::Reserved(RESERVED), operations::SHARED_MEMORY.planned(vec![own / 4])),
    ];
    // In front of the shapes, since they take longer to compile.
    let sides = [[DIMENSION, 32, 16], [32, DIMENSION, 16], [32, 32, DIMENSION]];
    plan.extend(sides.map(|[m, n, k]| product(Proof::Dimension, shape(F16_F32, WORKGROUP, m, n, k, 256))));
    // A type that programs can't use otherwise is no type of matrices.
    let has_type = |s: &Product| s.types != BF16_F32 || subject.features.has_bfloat16_matrices();
    let shapes = SHAPES.iter().enumerate().filter(|(_, s)| has_type(s));
    plan.extend(shapes.map(|(i, s)| product(Proof::Shape(i), *s)));
    plan
}

/// The numbers that the results prove.
fn judged(subject: &Subject<'_>, runs: &[Run], told: &[Told]) -> [u32; 4] {
    let results: Vec<(Proof, bool)> = plan(subject)
        .iter()
        .zip(runs.iter().zip(told))
        .map(|((proof, _), (run, told))| (*proof, run.came_out_right(told)))
        .collect();
    for ((proof, _), told) in results.iter().zip(told).filter(|((_, right), _)| !right) {
        let what = if *told == Told::Refused { "the host refuses its shader" } else { "wrong numbers" };
        debug!("{proof:?} of cooperative matrices: {what}");
    }
    // Whether there are runs for it, and all of them came out right.
    let proved = |what: Proof| {
        let mut its = results.iter().filter(|(proof, _)| *proof == what).peekable();
        its.peek().is_some() && its.all(|(_, right)| *right)
    };
    let bits = |n: usize, what: &dyn Fn(usize) -> Proof| (0..n).fold(0, |all, i| all | u32::from(proved(what(i))) << i);
    let dimension = if proved(Proof::Dimension) { DIMENSION } else { 0 };
    // Where nothing is known to be free, a program had better use none.
    let all = subject.limits.max_compute_shared_memory_size;
    let reserved = if proved(Proof::Reserved(RESERVED)) { RESERVED } else { all };
    [bits(FEATURES.len(), &Proof::Feature), bits(SHAPES.len(), &Proof::Shape), dimension, reserved]
}

/// Whether these numbers are worth an extension: all features, and the sizes without which llama.cpp makes nothing of them.
fn is_enough(numbers: &[u32; 4]) -> bool {
    let [features, shape_bits, dimension, _] = *numbers;
    let groups = |types: Types, invocations| {
        shapes(numbers).any(|s| s.types == types && s.scope == WORKGROUP && s.invocations == invocations)
    };
    features == (1 << FEATURES.len()) - 1
        && shape_bits >> SHAPES.len() == 0
        && dimension == DIMENSION
        && [128, 256].into_iter().all(|n| groups(F16_F16, n) && groups(F16_F32, n))
}

/// The shapes that these numbers tell of.
pub fn shapes(numbers: &[u32]) -> impl Iterator<Item = &'static Product> {
    let bits = numbers.get(1).copied().unwrap_or_default();
    SHAPES.iter().enumerate().filter(move |(i, _)| bits >> i & 1 == 1).map(|(_, s)| s)
}
