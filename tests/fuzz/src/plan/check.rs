//! Tests of the planner: its plans are valid, certain, and hold what they shall.

use std::sync::LazyLock;

use super::plan;
use super::reading::Reader;
use crate::facts::{Abilities, Facts};
use crate::generator::{Generator, Tree};
use crate::program::Program;
use crate::texels::{Class, Texels};

fn check(program: &Program) {
    let steps = plan(program, facts(program));
    let mut reader = Reader::default();
    let mut at = 0;
    let done = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for step in &steps {
            reader.step(step);
            at += 1;
        }
        assert_eq!(reader.open().count(), 0, "work in flight at the end");
    }));
    assert!(done.is_ok(), "{}at step {at}", crate::report::steps(&steps));
}

/// Draws of all mixes in turn.
fn draws(seed: u64, count: u64) -> impl Iterator<Item = Tree> {
    let all = Generator::all(&[]);
    (0..count).map(move |n| all[n as usize % all.len()].draw(seed, n))
}

/// What software drivers can do.
fn abilities(texels: Texels, linear: bool) -> Abilities {
    let class = texels.class();
    let (colour, blocks) = (texels.is_colour(), class == Class::Blocks);
    let made = colour || !linear;
    let drawn = made && !blocks && !matches!(class, Class::Wide | Class::Planes) && texels != Texels::Ebgr5999Float;
    Abilities {
        made: [made, made, made],
        samples: drawn && !linear,
        blit_from: made && !matches!(class, Class::Wide | Class::Planes),
        blit_to: drawn,
        smooth: matches!(class, Class::Float | Class::Blocks | Class::Depth),
        attachment: drawn,
        host: colour,
    }
}

/// Of the machine that a program is for.
fn facts(program: &Program) -> &'static Facts {
    static MACHINES: LazyLock<[Facts; 2]> = LazyLock::new(|| {
        let formats: Vec<_> = Texels::ALL.iter().map(|t| [false, true].map(|linear| abilities(*t, linear))).collect();
        let machine = |queues: &[(u32, u32)], families: &[(bool, bool)]| Facts {
            queues: queues.to_vec(),
            families: families.to_vec(),
            second_binds: true,
            primitives: true,
            captures: true,
            formats: formats.clone(),
        };
        let several = machine(&[(0, 0), (0, 1), (1, 0), (1, 1)], &[(true, true), (false, true)]);
        [machine(&[(0, 0)], &[(true, true)]), several]
    });
    &MACHINES[usize::from(program.machine.queues)]
}

#[test]
fn every_plan_is_valid_and_certain() {
    for tree in draws(7, 1000) {
        check(&tree.current());
    }
}

/// Whatever is taken away or made simpler.
#[test]
fn what_is_left_of_a_program_is_valid() {
    for (number, mut tree) in (0u64..).zip(draws(8, 350)) {
        let mut i = 0;
        tree.ops.retain_mut(|op| {
            i += 1;
            op.simplify();
            (number.wrapping_mul(0x9e37_79b9) >> (i % 30)) & 3 != 0
        });
        check(&tree.current());
    }
}

#[test]
fn the_same_seed_is_the_same_program() {
    let all = |seed| draws(seed, 20).map(|t| t.current()).collect::<Vec<_>>();
    assert_eq!(all(5), all(5));
    assert_ne!(all(5), all(6));
}

/// The planner uses what there is: nothing that programs shall contain is left out every time.
#[test]
fn everything_comes_up() {
    let planned = |tree: Tree| plan(&tree.current(), facts(&tree.current()));
    let all: String = draws(9, 700).map(|tree| crate::report::steps(&planned(tree))).collect();
    for texels in Texels::ALL {
        assert!(all.contains(&format!("texels: {texels:?},")), "{texels:?} never come");
    }
    for word in [
        "DeviceIdle",
        "DestroyPool",
        "TrimPool",
        "Execute {",
        "passing_layout: true",
        "host: true",
        "kin: Of(",
        "OfIndex",
        "only_cached: true",
        "early_return: true",
        "flags2: true",
        "layout_goes: true",
        "template: true",
        "Together)",
        "Apart)",
        ", Template)",
        "SecondForm)",
        "SecondTemplate)",
        "Across)",
        "AcrossTemplate)",
        "aspect: Plane2",
        "Set(",
        "all: false, patience: Forever",
        "SpinFence",
        "patience: Short",
        "CopyResults",
        "partial: true",
        "wait: true",
        "indexed: true",
        "simultaneous: true",
        "once: true",
        "second_form: true",
        "frees: true",
        "frees: false",
        "FreeSets",
        "ResetSets",
        "Counter",
        "Signal {",
        "DestroySemaphore",
        "DestroyEvent",
        "GetPrivate",
        "Parallel",
        "ResetBuffer",
        "SetEvent { event: 4",
        "host: false",
        "counts: Samples",
        "counts: Geometry",
        "counts: Primitives",
        "counts: Captured",
        "captured: Some(",
        "linear: true",
        "dimensions: One",
        "dimensions: Three",
        "passing: true",
        "Clear {",
        "ToBuffer {",
        "FromBuffer {",
        "Copy {",
        "Blit {",
        "smooth: true",
        "Resolve {",
        "ReadRows {",
        "TransitionImage {",
        "new: true",
        "CopyToImage {",
        "CopyFromImage {",
        "CopyImages {",
        "CarryImage {",
        "how: Dynamic",
        "how: RenderPass { second_form: false }",
        "how: RenderPass { second_form: true }",
        "load: DontCare",
        "stored: false",
        "resolved: Some(",
        "samples: 4",
        "triangles: true",
        "Next",
    ] {
        assert!(all.contains(word), "{word} never comes");
    }
}
