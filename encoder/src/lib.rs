//! The Venus wire format: the command stream, generated encoders and reply decoders.
//!
//! `generated::request` has one encoder for each command, `generated::reply` one decoder for each command that returns
//! something. Both take the command's own parameters. No I/O, no locks, no system calls.

#![cfg_attr(not(test), deny(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing))]

pub mod bits;
pub mod codec;
pub mod fetch;
pub mod graphics_state;
pub mod reader;
pub mod scratch;
pub mod texels;
pub mod writer;

/// Written by `encoder/codegen`; never edited.
#[rustfmt::skip]
pub mod generated {
    pub mod flags;
    pub mod input;
    pub mod output;
    pub mod reply;
    pub mod request;
    pub mod types;
}

pub use codec::Codec;
pub use reader::Reader;
pub use scratch::Scratch;
pub use texels::Texels;
pub use writer::{ChunkSource, NoMore, Window, Writer};
