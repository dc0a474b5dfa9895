//! What can be tried out: one row for each extension, in the order in which they are: what fails costs nothing that came before.

use crate::physical::probe::extension::Extension;
use crate::physical::probe::{cooperative_matrix2, decode_vector, multiprocessors};

/// Rows of the table.
pub const COUNT: usize = 3;

pub static TABLE: [Extension; COUNT] =
    [multiprocessors::EXTENSION, cooperative_matrix2::EXTENSION, decode_vector::EXTENSION];
