//! Pipelines and descriptor sets.

use super::state::{Object, Pipeline, Set, SetView};
use super::world::World;
use crate::command::{Id, View};
use crate::step::{Kin, Make, Shader, Step};

const PIPELINES: u32 = 8;
/// Sets, half of them in each of two pools.
const SETS: u32 = 8;

impl World<'_> {
    fn shader(pipeline: Id) -> Shader {
        match pipeline / 2 % 2 {
            0 => Shader::Stir,
            _ => Shader::Scale(pipeline + 3),
        }
    }

    /// A pipeline to use.
    pub fn pipeline(&mut self, wish: u8) -> Option<Id> {
        let pipeline = self.slot(wish, PIPELINES);
        if !self.pipelines.contains_key(&pipeline) {
            if !self.calm() {
                return None;
            }
            let make = Make {
                pipeline,
                shader: Self::shader(pipeline),
                pushed: wish & 16 != 0,
                kin: Kin::None,
                only_cached: false,
                early_return: false,
                flags2: false,
            };
            self.make_pipelines(vec![make], false, false);
        }
        Some(pipeline)
    }

    fn make_pipelines(&mut self, makes: Vec<Make>, cached: bool, layout_goes: bool) {
        // What needs a compiler isn't made, and ends the call where that was asked for.
        let mut ended = false;
        for m in &makes {
            if !m.only_cached && !ended {
                let derivable = m.kin == Kin::AllowDerivatives;
                self.pipelines.insert(m.pipeline, Pipeline { pushed: m.pushed, derivable, bound: false });
            }
            ended |= m.only_cached && m.early_return;
        }
        self.say(Step::CreatePipelines { makes, cached, layout_goes });
    }

    pub fn wish_make_pipelines(&mut self, wish: u8, count: u8, flavour: u8, style: u8) {
        let slots: Vec<Id> = (0..=count % 4).map(|i| self.slot(wish.wrapping_add(2 * i), PIPELINES)).collect();
        if !self.calm() || !slots.iter().all(|s| self.destroy_pipeline(*s)) {
            return;
        }
        let flags2 = style & 1 == 1;
        let mut makes = Vec::new();
        for (i, slot) in slots.iter().enumerate() {
            let first_derivable =
                makes.first().is_some_and(|m: &Make| m.kin == Kin::AllowDerivatives && !m.only_cached);
            let earlier = self.pipelines.iter().find(|(id, p)| p.derivable && self.lane.is_none_or(|l| **id % 2 == l));
            let kin = match (flavour >> (2 * i)) & 3 {
                1 => Kin::AllowDerivatives,
                2 if first_derivable => Kin::OfIndex,
                3 if earlier.is_some() => Kin::Of(earlier.map_or(0, |(id, _)| *id)),
                _ => Kin::None,
            };
            // A derived one needs its parent made.
            let only_cached = style & 6 == 6 && (style >> (i + 3)) & 1 == 1;
            let early_return = only_cached && style & 128 != 0;
            let pushed = slot % 4 < 2 && style & 8 != 0;
            makes.push(Make {
                pipeline: *slot,
                shader: Self::shader(*slot),
                pushed,
                kin,
                only_cached,
                early_return,
                flags2,
            });
        }
        self.make_pipelines(makes, style & 16 != 0, style & 32 != 0);
    }

    /// Destroys the pipeline of a slot, if there is one; false where it is in use.
    fn destroy_pipeline(&mut self, pipeline: Id) -> bool {
        if self.pipelines.contains_key(&pipeline) {
            if !self.calm() || !self.release(Object::Pipeline(pipeline)) {
                return false;
            }
            self.say(Step::DestroyPipeline { pipeline });
            self.pipelines.remove(&pipeline);
            self.invalidate(Object::Pipeline(pipeline));
        }
        true
    }

    pub fn wish_destroy_pipeline(&mut self, wish: u8) {
        let pipeline = self.slot(wish, PIPELINES);
        self.destroy_pipeline(pipeline);
    }

    fn sets_of(pool: Id) -> Vec<Id> {
        (0..SETS).filter(|s| s % 2 == pool).collect()
    }

    /// Whether sets of a pool can be freed by themselves.
    fn frees(pool: Id) -> bool {
        pool == 1
    }

    /// A set that has been written; by `other` where it hasn't.
    pub fn set(&mut self, wish: u8, other: u8) -> Option<Id> {
        let set = self.slot(wish, SETS);
        if self.sets.get(&set).is_none_or(|s| s.views.is_none()) {
            self.wish_write_set(wish, wish, other, 0, 0);
        }
        self.sets.get(&set).is_some_and(|s| s.views.is_some()).then_some(set)
    }

    pub fn wish_write_set(&mut self, wish: u8, from: u8, to: u8, at: u8, style: u8) {
        let set = self.slot(wish, SETS);
        if !self.release(Object::Set(set)) {
            return;
        }
        let (Some(from), Some(to)) = (self.buffer(from), self.buffer(to)) else { return };
        // What the buffers needed may have been submitted, but not with this set.
        if !self.sets.contains_key(&set) {
            let (pool, sets) = (set % 2, Self::sets_of(set % 2));
            self.sets.extend(sets.iter().map(|s| (*s, Set { views: None })));
            self.say(Step::CreateSets { pool, sets, frees: Self::frees(pool) });
        }
        let view = |b: Id, at: u8| {
            let size = self.buffers[&b].size;
            let at = u64::from(at) * 256 % size;
            let whole = style & 1 == 0;
            (View { buffer: b, at, size: (!whole).then_some(size - at) }, SetView { buffer: b, at, size: size - at })
        };
        let ((from, read), (to, write)) = (view(from, at), view(to, at / 16));
        self.invalidate(Object::Set(set));
        self.sets.insert(set, Set { views: Some([read, write]) });
        self.say(Step::WriteSet { set, from, to, template: style & 2 == 2 });
    }

    pub fn wish_reset_sets(&mut self, wish: u8) {
        let pool = self.slot(wish, 2);
        let sets = Self::sets_of(pool);
        if self.end_sets(&sets) {
            self.say(Step::ResetSets { pool, sets, frees: Self::frees(pool) });
        }
    }

    pub fn wish_free_sets(&mut self, wish: u8, which: u8, at_once: bool) {
        let pool = self.slot(wish, 2);
        let sets: Vec<Id> = Self::sets_of(pool).into_iter().filter(|s| which >> (s / 2) & 1 == 1).collect();
        if Self::frees(pool) && self.end_sets(&sets) {
            self.say(Step::FreeSets { pool, sets, at_once });
        }
    }

    /// Has sets come anew, with nothing written to them; false where there are none, or they are in use.
    fn end_sets(&mut self, sets: &[Id]) -> bool {
        let there = sets.first().is_some_and(|s| self.sets.contains_key(s));
        if !there || !sets.iter().all(|s| self.release(Object::Set(*s))) {
            return false;
        }
        for s in sets {
            self.invalidate(Object::Set(*s));
            self.sets.insert(*s, Set { views: None });
        }
        true
    }
}
