//! The model checker's primitives with the interface of those that the driver uses. Those of which the driver has constants are made when
//! they are first touched, since the checker's can't be constants.

use std::cell::UnsafeCell;
use std::ops::{Deref, DerefMut};
use std::sync::OnceLock as Once;

use loom::sync::atomic as checked;
use loom::sync::atomic::Ordering;

use crate::run::{Weak, is_weak};

/// A fence; full ones can be left out.
pub fn fence(order: Ordering) {
    checked::fence(if is_weak(Weak::Fences) { Ordering::AcqRel } else { order });
}

fn load_order(order: Ordering) -> Ordering {
    if is_weak(Weak::Loads) { Ordering::Relaxed } else { order }
}

macro_rules! number {
    ($name:ident, $value:ty) => {
        pub struct $name(checked::$name);

        impl $name {
            pub fn new(start: $value) -> Self {
                Self(checked::$name::new(start))
            }

            pub fn load(&self, order: Ordering) -> $value {
                self.0.load(load_order(order))
            }

            pub fn store(&self, value: $value, order: Ordering) {
                self.0.store(value, order);
            }

            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                self.0.swap(value, order)
            }

            pub fn fetch_and(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_and(value, order)
            }

            pub fn fetch_or(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_or(value, order)
            }
        }

        impl Default for $name {
            fn default() -> Self {
                Self::new(<$value>::default())
            }
        }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(stringify!($name))
            }
        }
    };
}

macro_rules! sums {
    ($name:ident, $value:ty) => {
        impl $name {
            pub fn fetch_add(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_add(value, order)
            }

            pub fn fetch_max(&self, value: $value, order: Ordering) -> $value {
                self.0.fetch_max(value, order)
            }
        }
    };
}

number!(AtomicBool, bool);
number!(AtomicU32, u32);
number!(AtomicU64, u64);
number!(AtomicUsize, usize);
sums!(AtomicU32, u32);
sums!(AtomicU64, u64);
sums!(AtomicUsize, usize);

/// parking_lot's.
#[derive(Default)]
pub struct Mutex<T> {
    lock: Once<loom::sync::Mutex<()>>,
    value: UnsafeCell<T>,
}

// SAFETY: whoever holds the lock has the value alone.
unsafe impl<T: Send> Sync for Mutex<T> {}

pub struct MutexGuard<'a, T> {
    _held: loom::sync::MutexGuard<'a, ()>,
    value: &'a mut T,
}

impl<T> Mutex<T> {
    pub const fn new(value: T) -> Self {
        Self { lock: Once::new(), value: UnsafeCell::new(value) }
    }

    fn guard<'a>(&'a self, held: loom::sync::MutexGuard<'a, ()>) -> MutexGuard<'a, T> {
        // SAFETY: the lock is held as long as the guard lives.
        MutexGuard { _held: held, value: unsafe { &mut *self.value.get() } }
    }

    fn checked(&self) -> &loom::sync::Mutex<()> {
        self.lock.get_or_init(|| loom::sync::Mutex::new(()))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.guard(self.checked().lock().unwrap())
    }

    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        Some(self.guard(self.checked().try_lock().ok()?))
    }

    pub fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T> Deref for MutexGuard<'_, T> {
    type Target = T;
    fn deref(&self) -> &T {
        self.value
    }
}

impl<T> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.value
    }
}

/// A value that is set once; the standard library's, and once_cell's.
#[derive(Default)]
pub struct OnceLock<T> {
    lock: Mutex<()>,
    value: Once<T>,
}

pub use OnceLock as OnceCell;

impl<T> OnceLock<T> {
    pub const fn new() -> Self {
        Self { lock: Mutex::new(()), value: Once::new() }
    }

    pub fn get(&self) -> Option<&T> {
        // Orders less than the real one: a model that holds with this one holds.
        self.value.get()
    }

    pub fn get_or_init(&self, make: impl FnOnce() -> T) -> &T {
        match self.get_or_try_init(|| Ok::<_, std::convert::Infallible>(make())) {
            Ok(value) => value,
        }
    }

    pub fn get_or_try_init<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        let _setting = self.lock.lock();
        match self.value.get() {
            Some(value) => Ok(value),
            None => make().map(|value| self.value.get_or_init(|| value)),
        }
    }
}
