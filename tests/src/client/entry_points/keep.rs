//! Arguments that stay where they are until the process ends: calls are made long after what they take.

/// How many elements outputs have room for, and bytes those of unknown type.
pub const SEVERAL: usize = 256;

/// A value at an address of its own.
pub fn keep<T>(value: T) -> *mut T {
    Box::into_raw(Box::new(value))
}

/// Some values in a row.
pub fn several<T>(make: impl FnMut() -> T) -> *mut T {
    let mut make = make;
    let values: Vec<T> = (0..SEVERAL).map(|_| make()).collect();
    values.leak().as_mut_ptr()
}
