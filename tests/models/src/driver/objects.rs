//! Objects behind handles, made and ended by several threads.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use ash::vk;
use ash::vk::Handle;
use loom::cell::UnsafeCell;
use loom::thread;

use crate::base::shared::AtomicU64;
use crate::base::slab::{Kind, Slab};

/// A value of which the checker finds out whether a thread looks at it before it is there.
struct Value(UnsafeCell<u32>);

// SAFETY: loom runs one thread at a time, and finds out whether two of them touch a value unordered.
unsafe impl Send for Value {}
// SAFETY: as above.
unsafe impl Sync for Value {}

fn value(n: u32) -> Value {
    let value = Value(UnsafeCell::new(0));
    // SAFETY: as above.
    value.0.with_mut(|v| unsafe { *v = n });
    value
}

fn number(slab: &Slab<Value>, handle: vk::Fence) -> Option<u32> {
    // SAFETY: as above.
    slab.get(handle).map(|v| v.0.with(|v| unsafe { *v }))
}

fn insert(slab: &Slab<Value>, n: u32) -> vk::Fence {
    vk::Fence::from_raw(slab.insert(value(n)).unwrap())
}

/// Two threads make and end objects in the same slots, while a stale handle of one of these is looked at: it never finds anything.
pub fn stale_handles() {
    let slab = Arc::new(Slab::<Value>::new(Kind::Fence));
    let stale = insert(&slab, 0);
    assert!(slab.remove(stale).is_some());
    let other = slab.clone();
    let making = thread::spawn(move || {
        let first = insert(&other, 1);
        assert_eq!(number(&other, first), Some(1));
        assert!(other.remove(first).is_some() && other.get(first).is_none());
        (first, insert(&other, 2))
    });
    assert!(number(&slab, stale).is_none() && slab.remove(stale).is_none());
    let mine = insert(&slab, 3);
    assert_eq!(number(&slab, mine), Some(3));
    let (gone, theirs) = making.join().unwrap();
    assert!(slab.get(gone).is_none() && slab.get(stale).is_none());
    assert_eq!((number(&slab, theirs), number(&slab, mine)), (Some(2), Some(3)));
    let mut all = [stale, gone, theirs, mine].map(|h| h.as_raw());
    all.sort_unstable();
    assert!(all.windows(2).all(|w| w[0] != w[1]), "a handle that comes again");
}

/// Whoever knows a handle finds the object whole, or nothing where the program hasn't seen to it that making it comes before.
pub fn new_handles() {
    let (slab, known) = (Arc::new(Slab::<Value>::new(Kind::Fence)), Arc::new(AtomicU64::new(0)));
    // The slots are there.
    insert(&slab, 0);
    let (their_slab, told) = (slab.clone(), known.clone());
    let making = thread::spawn(move || told.store(insert(&their_slab, 5).as_raw(), Ordering::Relaxed));
    let handle = vk::Fence::from_raw(known.load(Ordering::Relaxed));
    assert!(matches!(number(&slab, handle), None | Some(5)));
    making.join().unwrap();
}
