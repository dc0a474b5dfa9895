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

/// What a call writes to.
pub struct Output {
    at: *const u8,
    before: Vec<u8>,
}

impl Output {
    /// The value at `p`, which was kept, without its first `head` bytes.
    pub fn new<T>(p: *const T, head: usize) -> Self {
        // SAFETY: inside of a value that stays until the process ends.
        let at = unsafe { p.cast::<u8>().add(head) };
        let mut output = Self { at, before: vec![0; size_of::<T>() - head] };
        output.before = output.bytes().to_vec();
        output
    }

    fn bytes(&self) -> &[u8] {
        // SAFETY: a value that stays, without padding in what commands write to, and with no call in progress.
        unsafe { std::slice::from_raw_parts(self.at, self.before.len()) }
    }

    /// Whether it is as it was when the arguments were made.
    pub fn is_untouched(&self) -> bool {
        self.bytes() == self.before
    }
}
