//! The values that a program has attached to a device and its objects.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use ash::vk;
use parking_lot::Mutex;

/// An object: its type and handle.
pub type Object = (vk::ObjectType, u64);

/// Values by object and slot. They end with the slot, the object, or the device whose this is: a handle may be given out again.
#[derive(Default)]
pub struct PrivateValues {
    /// Whether there was ever a value: most programs attach none, and each object that ends is looked for here.
    used: AtomicBool,
    all: Mutex<All>,
}

#[derive(Default)]
struct All {
    slots: Vec<vk::PrivateDataSlot>,
    values: HashMap<Object, Vec<(vk::PrivateDataSlot, u64)>>,
}

impl PrivateValues {
    /// Whether any object may have a value.
    #[inline]
    pub fn used(&self) -> bool {
        self.used.load(Ordering::Relaxed)
    }

    /// Makes a slot known.
    pub fn add_slot(&self, slot: vk::PrivateDataSlot) {
        self.all.lock().slots.push(slot);
    }

    /// Ends a slot and the values in it.
    pub fn remove_slot(&self, slot: vk::PrivateDataSlot) {
        let mut all = self.all.lock();
        all.slots.retain(|s| *s != slot);
        all.values.retain(|_, values| {
            values.retain(|(s, _)| *s != slot);
            !values.is_empty()
        });
    }

    /// Attaches a value, in place of an older one; false where the device has no such slot.
    pub fn set(&self, object: Object, slot: vk::PrivateDataSlot, value: u64) -> bool {
        let mut all = self.all.lock();
        if !all.slots.contains(&slot) {
            return false;
        }
        self.used.store(true, Ordering::Relaxed);
        let values = all.values.entry(object).or_default();
        match values.iter_mut().find(|(s, _)| *s == slot) {
            Some((_, old)) => *old = value,
            None => values.push((slot, value)),
        }
        true
    }

    /// The value of an object in a slot; 0 where none was attached (Vulkan specification, "Private Data").
    pub fn get(&self, object: Object, slot: vk::PrivateDataSlot) -> u64 {
        let all = self.all.lock();
        let found = all.values.get(&object).and_then(|values| values.iter().find(|(s, _)| *s == slot));
        found.map_or(0, |(_, value)| *value)
    }

    /// Ends the values of objects that end.
    pub fn end(&self, objects: impl IntoIterator<Item = Object>) {
        let mut all = self.all.lock();
        for object in objects {
            all.values.remove(&object);
        }
    }
}

#[cfg(test)]
mod tests {
    use ash::vk::Handle;

    use super::*;

    #[test]
    fn values_end_with_their_object_and_with_their_slot() {
        let values = PrivateValues::default();
        let [a, b, foreign] = [1, 2, 3].map(vk::PrivateDataSlot::from_raw);
        let [buffer, fence] = [(vk::ObjectType::COMMAND_BUFFER, 64), (vk::ObjectType::FENCE, 64)];
        values.add_slot(a);
        values.add_slot(b);
        assert!(!values.used() && !values.set(buffer, foreign, 9));
        for (object, slot, value) in [(buffer, a, 1), (buffer, b, 2), (fence, a, 3), (buffer, a, 4)] {
            assert!(values.set(object, slot, value));
        }
        let all = || [(buffer, a), (buffer, b), (fence, a), (fence, b)].map(|(object, slot)| values.get(object, slot));
        assert!(values.used());
        assert_eq!(all(), [4, 2, 3, 0]);
        values.end([buffer]);
        assert_eq!(all(), [0, 0, 3, 0]);
        values.set(buffer, b, 5);
        values.remove_slot(a);
        assert_eq!(all(), [0, 5, 0, 0]);
        values.end([buffer, fence]);
        assert!(values.all.lock().values.is_empty(), "nothing is left of what has ended");
    }
}
