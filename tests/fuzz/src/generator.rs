//! The generator: draws programs from a seed with proptest, whose value trees shrink them.
//!
//! A program is drawn from one mix, which says how often each kind of wish comes: programs that do one thing often, with everything else
//! around it, find more than programs that do everything evenly.

use proptest::collection::vec;
use proptest::prelude::RngExt;
use proptest::prelude::any;
use proptest::strategy::{BoxedStrategy, Strategy, Union, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::program::{Cmd, Machine, Op, Piece, Program};

/// How often each kind of wish comes: the names of [`Op`] and [`Cmd`] with weights; those not named have the weight 1.
#[derive(Clone, Copy, Debug)]
pub struct Mix {
    pub name: &'static str,
    ops: &'static [(&'static str, u32)],
    cmds: &'static [(&'static str, u32)],
    /// Whether lists of wishes are drawn for threads, which hold no further threads.
    threads: bool,
    /// Kinds that don't come at all.
    without: &'static [String],
}

/// All mixes; each program is of one of them, in turn.
pub const MIXES: &[Mix] = &[
    Mix {
        name: "all",
        ops: &[("Upload", 6), ("Record", 8), ("Submit", 8), ("SubmitBlocked", 2), ("ReadBack", 2), ("HostWrite", 2)],
        cmds: &[("Copy", 4), ("Dispatch", 4), ("Update", 2), ("Fill", 2)],
        threads: true,
        without: &[],
    },
    Mix {
        name: "uploads",
        ops: &[
            ("Upload", 30),
            ("Burst", 14),
            ("SubmitBlocked", 5),
            ("Map", 4),
            ("Unmap", 4),
            ("DestroyBuffer", 4),
            ("Renew", 2),
            ("ReadBack", 4),
            ("Submit", 4),
            ("Record", 3),
            ("SetEvent", 3),
            ("MapRace", 1),
            ("HostRead", 3),
        ],
        cmds: &[("Copy", 8), ("Draws", 0), ("ImageToBuffer", 0), ("BufferToImage", 0), ("ClearImage", 0)],
        threads: true,
        without: &[],
    },
    Mix {
        name: "pipelines",
        ops: &[("MakePipelines", 12), ("DestroyPipeline", 6), ("Record", 12), ("Submit", 6), ("Upload", 2)],
        cmds: &[("Dispatch", 20)],
        threads: true,
        without: &[],
    },
    Mix {
        name: "queries",
        ops: &[("Results", 14), ("ResetQueries", 6), ("Record", 12), ("Submit", 12), ("DestroyQueries", 2)],
        cmds: &[("Count", 10), ("Timestamp", 10), ("ResetQueries", 8), ("CopyResults", 6)],
        threads: false,
        without: &[],
    },
    Mix {
        name: "draws",
        ops: &[("Record", 12), ("Submit", 10), ("ReadBack", 3), ("DestroyImage", 1), ("Upload", 2)],
        cmds: &[("Draws", 16), ("ImageToBuffer", 8), ("BufferToImage", 4), ("ClearImage", 3)],
        threads: false,
        without: &[],
    },
    Mix {
        name: "sync",
        ops: &[
            ("SubmitBlocked", 10),
            ("Submit", 16),
            ("Record", 10),
            ("SetEvent", 6),
            ("HostSignal", 8),
            ("HostWait", 4),
            ("FenceStatus", 4),
            ("WaitFences", 6),
            ("Upload", 6),
            ("Counter", 3),
        ],
        cmds: &[("SetEvent", 4), ("WaitEvent", 4), ("ResetEvent", 3), ("Barrier", 3), ("Copy", 4)],
        threads: true,
        without: &[],
    },
    Mix {
        name: "threads",
        ops: &[("Parallel", 12), ("MapRace", 6), ("Upload", 6), ("Record", 6), ("Submit", 6), ("Map", 3), ("Unmap", 3)],
        cmds: &[("Copy", 6), ("Dispatch", 3)],
        threads: true,
        without: &[],
    },
];

impl Mix {
    /// The mix of a name.
    pub fn named(name: &str) -> Option<&'static Self> {
        MIXES.iter().find(|m| m.name == name)
    }

    fn weight(&self, list: &[(&str, u32)], kind: &str) -> u32 {
        if self.without.iter().any(|w| w == kind) {
            return 0;
        }
        list.iter().find(|(k, _)| *k == kind).map_or(1, |(_, w)| *w)
    }

    fn op(&self) -> BoxedStrategy<Op> {
        let kinds = Op::KINDS.iter().filter(|k| self.threads || !matches!(**k, "Parallel" | "MapRace"));
        let weighted = kinds.map(|k| (self.weight(self.ops, k), *k)).filter(|(w, _)| *w > 0);
        Union::new_weighted(weighted.map(|(w, k)| (w, Op::of_kind(k, self))).collect()).boxed()
    }

    fn cmd(&self) -> BoxedStrategy<Cmd> {
        let weighted = Cmd::KINDS.iter().map(|k| (self.weight(self.cmds, k), *k)).filter(|(w, _)| *w > 0);
        Union::new_weighted(weighted.map(|(w, k)| (w, Cmd::of_kind(k, self))).collect()).boxed()
    }
}

/// What a wish's numbers and lists are drawn from.
pub trait Drawn: Sized {
    fn drawn(mix: &Mix) -> BoxedStrategy<Self>;
}

impl Drawn for u8 {
    fn drawn(_: &Mix) -> BoxedStrategy<Self> {
        any::<Self>().boxed()
    }
}

impl Drawn for u16 {
    /// Small ones are as frequent as large ones, so that places meet.
    fn drawn(_: &Mix) -> BoxedStrategy<Self> {
        Union::new([(0..64u16).boxed(), (0..512u16).boxed(), any::<Self>().boxed()]).boxed()
    }
}

impl Drawn for bool {
    fn drawn(_: &Mix) -> BoxedStrategy<Self> {
        any::<Self>().boxed()
    }
}

impl Drawn for Vec<Piece> {
    fn drawn(mix: &Mix) -> BoxedStrategy<Self> {
        let number = || u16::drawn(mix);
        let piece = (number(), number(), number(), any::<u8>());
        vec(piece.prop_map(|(from, to, size, grain)| Piece { from, to, size, grain }), 1..5).boxed()
    }
}

impl Drawn for Vec<Cmd> {
    fn drawn(mix: &Mix) -> BoxedStrategy<Self> {
        vec(mix.cmd(), 0..7).boxed()
    }
}

impl Drawn for Vec<u8> {
    fn drawn(_: &Mix) -> BoxedStrategy<Self> {
        vec(any::<u8>(), 0..4).boxed()
    }
}

impl Drawn for Vec<Op> {
    fn drawn(mix: &Mix) -> BoxedStrategy<Self> {
        vec(Mix { threads: false, ..*mix }.op(), 1..8).boxed()
    }
}

/// A drawn program, whose wishes can be taken away or made simpler one by one.
pub struct Tree {
    pub machine: Machine,
    pub poison: bool,
    pub fresh_instance: bool,
    pub ops: Vec<Box<dyn ValueTree<Value = Op>>>,
}

impl Tree {
    /// The program as it is now.
    pub fn current(&self) -> Program {
        let Self { machine, poison, fresh_instance, ops } = self;
        let ops = ops.iter().map(|op| op.current()).collect();
        Program { machine: *machine, poison: *poison, fresh_instance: *fresh_instance, ops }
    }

    pub fn no_poison(&mut self) {
        self.poison = false;
    }

    pub fn no_fresh_instance(&mut self) {
        self.fresh_instance = false;
    }
}

/// Draws programs of a mix.
pub struct Generator {
    pub mix: Mix,
    op: BoxedStrategy<Op>,
}

impl Generator {
    /// For a mix without some kinds.
    pub fn new(mix: &Mix, without: &'static [String]) -> Self {
        let mix = Mix { without, ..*mix };
        Self { mix, op: mix.op() }
    }

    /// One for each mix.
    pub fn all(without: &'static [String]) -> Vec<Self> {
        MIXES.iter().map(|m| Self::new(m, without)).collect()
    }

    /// The `number`-th program of a seed.
    pub fn draw(&self, seed: u64, number: u64) -> Tree {
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_le_bytes());
        bytes[8..16].copy_from_slice(&number.to_le_bytes());
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let mut runner = TestRunner::new_with_rng(Config { failure_persistence: None, ..Config::default() }, rng);
        let length = runner.rng().random_range(4..48);
        let machine = Machine { discrete: runner.rng().random(), queues: runner.rng().random() };
        let (poison, fresh_instance) = (runner.rng().random_bool(0.6), runner.rng().random_bool(0.1));
        // Nothing is filtered, so every draw succeeds.
        let ops = (0..length).filter_map(|_| self.op.new_tree(&mut runner).ok()).collect();
        Tree { machine, poison, fresh_instance, ops }
    }
}
