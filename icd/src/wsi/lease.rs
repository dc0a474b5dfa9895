//! Who has which of the buffers that pictures travel in, images' own memory among them. Free of Vulkan objects, so that tests can go through it.
//!
//! A buffer has one picture in it at a time, and one [`Lease`] goes with that picture: to the copy that writes the buffer, to the thread that waits for the
//! copy's end, and to the window system, where its server reads the buffer itself, until the server gives it back. Whoever has the lease may read the buffer;
//! when nobody has it any more, nobody reads the buffer, no copy writes it, and only then it is leased again.

use std::sync::Arc;

use parking_lot::Mutex;

/// Some buffers, by number: which of them are leased.
#[derive(Clone)]
pub struct Leases(Arc<Mutex<Vec<bool>>>);

/// The right to one buffer; copies of it are the same right.
#[derive(Clone)]
pub struct Lease(Arc<Right>);

struct Right {
    leases: Leases,
    number: usize,
}

impl Leases {
    /// Buffers that nobody has.
    pub fn new(count: usize) -> Self {
        Self(Arc::new(Mutex::new(vec![false; count])))
    }

    /// A lease of the first buffer that nobody has, if there is one: as few as possible take turns, and the others aren't touched.
    pub fn lease(&self) -> Option<Lease> {
        let mut leased = self.0.lock();
        let number = leased.iter().position(|leased| !*leased)?;
        self.take(&mut leased, number)
    }

    /// A lease of the buffer with this number, if nobody has it.
    pub fn lease_of(&self, number: usize) -> Option<Lease> {
        self.take(&mut self.0.lock(), number)
    }

    fn take(&self, leased: &mut [bool], number: usize) -> Option<Lease> {
        let is_leased = leased.get_mut(number).filter(|leased| !**leased)?;
        *is_leased = true;
        Some(Lease(Arc::new(Right { leases: self.clone(), number })))
    }
}

impl Lease {
    /// The buffer's number.
    pub fn number(&self) -> usize {
        self.0.number
    }
}

impl Drop for Right {
    fn drop(&mut self) {
        if let Some(leased) = self.leases.0.lock().get_mut(self.number) {
            *leased = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_leased_again_when_nobody_has_it() {
        let leases = Leases::new(2);
        let (first, second) = (leases.lease().unwrap(), leases.lease().unwrap());
        assert_eq!((first.number(), second.number()), (0, 1));
        assert!(leases.lease().is_none());
        let held = first.clone();
        drop(first);
        assert!(leases.lease().is_none(), "the window system still has it");
        drop(held);
        assert_eq!(leases.lease().map(|l| l.number()), Some(0));
        assert!(leases.lease_of(1).is_none() && leases.lease_of(2).is_none());
        assert_eq!(leases.lease_of(0).map(|l| l.number()), Some(0));
        drop((leases, second));
        assert!(Leases::new(0).lease().is_none());
    }
}
