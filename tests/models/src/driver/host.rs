//! The host's objects. A command is two bytes: what it does, and to which object.

use crate::base::shared::Mutex;

pub const MAKE: u8 = 1;
pub const USE: u8 = 2;
pub const END: u8 = 3;

#[derive(Default)]
pub struct Host {
    objects: Mutex<Vec<u8>>,
}

impl Host {
    pub fn run(&self, commands: &[u8]) {
        let mut objects = self.objects.lock();
        for command in commands.chunks(2) {
            let place = objects.iter().position(|o| *o == command[1]);
            match (command[0], place) {
                (MAKE, None) => objects.push(command[1]),
                (USE, Some(_)) => {}
                (END, Some(at)) => drop(objects.remove(at)),
                _ => panic!("{command:?} where there are {:?}", *objects),
            }
        }
    }

    pub fn is_empty(&self) -> bool {
        self.objects.lock().is_empty()
    }
}
