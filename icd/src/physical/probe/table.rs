//! What can be tried out: one row for each extension.

use crate::physical::probe::extension::Extension;
use crate::physical::probe::{cooperative_matrix2, multiprocessors};

/// Rows of the table.
pub const COUNT: usize = 2;

pub static TABLE: [Extension; COUNT] = [cooperative_matrix2::EXTENSION, multiprocessors::EXTENSION];
