//! What replies are made of.

/// A part of a reply.
#[derive(Clone, Debug)]
pub enum Piece {
    /// What the request has told already.
    Told(Vec<u8>),
    /// A scalar of `size` bytes in memory, or an array of `count`; `default` where nobody knows better.
    Asked { path: String, size: usize, count: Option<usize>, default: u64 },
}
