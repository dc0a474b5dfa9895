//! The generator: draws programs from a seed with proptest, whose value trees shrink them.
//!
//! A program is drawn from one mix, which says how often each kind of wish comes: programs that do one thing often, with everything else
//! around it, find more than programs that do everything evenly.

use proptest::collection::vec;
use proptest::prelude::RngExt;
use proptest::prelude::any;
use proptest::strategy::{BoxedStrategy, Strategy, Union, ValueTree};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use crate::mix::{Drawn, MIXES, Mix};
use crate::program::{Cmd, Machine, Op, Piece, Program, Spot, Stroke};

fn op(mix: &Mix) -> BoxedStrategy<Op> {
    let kinds = Op::KINDS.iter().filter(|k| mix.threads || !matches!(**k, "Parallel" | "MapRace"));
    let weighted = kinds.map(|k| (mix.weight(mix.ops, k), *k)).filter(|(w, _)| *w > 0);
    Union::new_weighted(weighted.map(|(w, k)| (w, Op::of_kind(k, mix))).collect()).boxed()
}

fn cmd(mix: &Mix) -> BoxedStrategy<Cmd> {
    let weighted = Cmd::KINDS.iter().map(|k| (mix.weight(mix.cmds, k), *k)).filter(|(w, _)| *w > 0);
    Union::new_weighted(weighted.map(|(w, k)| (w, Cmd::of_kind(k, mix))).collect()).boxed()
}

impl Drawn for Vec<Piece> {
    fn drawn(mix: &Mix) -> BoxedStrategy<Self> {
        let number = || u16::drawn(mix);
        let piece = (number(), number(), number(), any::<u8>());
        vec(piece.prop_map(|(from, to, size, grain)| Piece { from, to, size, grain }), 1..5).boxed()
    }
}

impl Drawn for Spot {
    fn drawn(_: &Mix) -> BoxedStrategy<Self> {
        let numbers = (any::<u8>(), any::<u8>(), any::<u16>(), any::<u16>(), any::<u8>());
        numbers.prop_map(|(mip, layer, at, size, rows)| Self { mip, layer, at, size, rows }).boxed()
    }
}

impl Drawn for Vec<Stroke> {
    fn drawn(_: &Mix) -> BoxedStrategy<Self> {
        let stroke = (any::<u8>(), any::<u8>(), any::<u8>());
        vec(stroke.prop_map(|(first, count, style)| Stroke { first, count, style }), 0..6).boxed()
    }
}

impl Drawn for Vec<Cmd> {
    fn drawn(mix: &Mix) -> BoxedStrategy<Self> {
        vec(cmd(mix), 0..7).boxed()
    }
}

impl Drawn for Vec<u8> {
    fn drawn(_: &Mix) -> BoxedStrategy<Self> {
        vec(any::<u8>(), 0..4).boxed()
    }
}

impl Drawn for Vec<Op> {
    fn drawn(mix: &Mix) -> BoxedStrategy<Self> {
        vec(op(&Mix { threads: false, ..*mix }), 1..8).boxed()
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
        Self { mix, op: op(&mix) }
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
