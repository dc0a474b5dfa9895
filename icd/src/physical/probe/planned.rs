//! Runs that may be made: most starts know already what came of them.

use crate::physical::probe::trial::{Run, Shader};

/// What a run holds beside its shader and constants.
pub struct Data {
    pub given: Vec<u8>,
    pub room: usize,
    pub right: Vec<u8>,
}

impl Data {
    /// Of a run that must write this.
    pub fn of(given: Vec<u8>, right: Vec<u8>) -> Self {
        Self { given, room: right.len(), right }
    }
}

/// A run without its data, which take some milliseconds to compute.
pub struct Planned {
    pub shader: Shader,
    data: Box<dyn Fn() -> Data>,
}

impl Planned {
    pub fn new(code: &'static [u8], constants: Vec<u32>, data: impl Fn() -> Data + 'static) -> Self {
        Self { shader: Shader { code, constants }, data: Box::new(data) }
    }

    pub fn run(&self) -> Run {
        let Data { given, room, right } = (self.data)();
        Run { shader: self.shader.clone(), given, room, right }
    }
}
