//! Displays that were handed over to an instance, which may set their modes until it gives them back or ends (Vulkan specification, vkAcquireDrmDisplayEXT).

use std::sync::Arc;

use ash::vk;
use parking_lot::Mutex;

use crate::base::connection::Connection;
use crate::wsi::display::Display;
use crate::wsi::display_master::Master;

/// The displays that were handed over to one instance, each with what may set its modes.
#[derive(Default)]
pub struct Lent(Mutex<Vec<(Arc<Display>, Arc<Master>)>>);

impl Lent {
    /// Those of the instance with this connection.
    pub fn of(connection: &Connection) -> Arc<Self> {
        let kept = connection.displays.get_or_init(|| Arc::<Self>::default());
        // Nothing else is ever kept there.
        kept.clone().downcast().unwrap_or_default()
    }

    /// A display is handed over, in place of what was handed over for it before.
    pub fn take(&self, display: &Arc<Display>, master: Master) {
        let mut lent = self.0.lock();
        lent.retain(|(d, _)| !Arc::ptr_eq(d, display));
        lent.push((display.clone(), Arc::new(master)));
    }

    /// A display is given back.
    pub fn give_back(&self, display: &Arc<Display>) {
        self.0.lock().retain(|(d, _)| !Arc::ptr_eq(d, display));
    }

    /// What may set a display's modes: what was handed over for it, or else this process as DRM master of the card.
    ///
    /// # Errors
    /// As [`Master::of_card`].
    pub fn master(&self, display: &Arc<Display>) -> Result<Arc<Master>, vk::Result> {
        let lent = self.0.lock().iter().find(|(d, _)| Arc::ptr_eq(d, display)).map(|(_, master)| master.clone());
        lent.map_or_else(|| Master::of_card(display.card), Ok)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use drm::control::from_u32;

    use super::*;
    use crate::wsi::display;
    use crate::wsi::display_card::{Card, Output};

    #[test]
    #[cfg_attr(miri, ignore = "Miri knows no devices")]
    fn a_display_is_lent_to_one_instance_until_it_ends() {
        // No card has the number of /dev/null, so nobody becomes DRM master of it.
        let number = (1, 3);
        let [first, second] = [71, 72].map(|connector| {
            let (connector, name) = (from_u32(connector).unwrap(), String::new());
            let output =
                Output { connector, name, millimeters: (0, 0), modes: Vec::new(), crtcs: Vec::new(), crtc: None };
            display::get(display::of_output(number, &output).unwrap()).unwrap()
        });
        let master = || Master::lent(Card::of_another(File::open("/dev/null").unwrap().into()), number);
        let (lent, other) = (Lent::default(), Lent::default());
        lent.take(&first, master());
        let before = Arc::downgrade(&lent.master(&first).unwrap());
        lent.take(&first, master());
        assert!(before.upgrade().is_none(), "the file of before is still open");
        let now = Arc::downgrade(&lent.master(&first).unwrap());
        let lost = Some(vk::Result::ERROR_SURFACE_LOST_KHR);
        assert_eq!([lent.master(&second).err(), other.master(&first).err()], [lost; 2]);
        lent.give_back(&second);
        assert!(lent.master(&first).is_ok());
        lent.give_back(&first);
        assert_eq!(lent.master(&first).err(), lost);
        assert!(now.upgrade().is_none());
        lent.take(&first, master());
        let last = Arc::downgrade(&lent.master(&first).unwrap());
        drop(lent);
        assert!(last.upgrade().is_none(), "the instance has ended");
    }
}
