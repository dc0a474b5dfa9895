//! Commands in the background: what they name is there as long as they run, whoever goes on with them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use loom::thread;

use crate::base::background::Background;
use crate::base::backlog::Request;
use crate::base::shared::AtomicBool;
use crate::host::{END, Host, MAKE, USE};
use crate::ring::Ring;

/// The device that everything belongs to.
const DEVICE: u64 = 1;

#[derive(Default)]
struct World {
    host: Host,
    main: Ring,
    sides: [Ring; 2],
    background: Background,
    over: AtomicBool,
}

impl World {
    /// The host's threads, which go on with one ring before the other wherever they can.
    fn run(&self, rings: [&Ring; 3]) {
        while !self.over.load(Ordering::Acquire) {
            if !rings.iter().any(|ring| ring.run(|commands| self.host.run(commands))) {
                thread::yield_now();
            }
        }
    }

    /// A program makes an object, has two commands in the background use it, and ends it.
    fn program(&self) {
        let Self { main, sides, background, .. } = self;
        main.submit(&[MAKE, 1]).unwrap();
        let tickets = sides.each_ref().map(|side| {
            let request = Request { bytes: &[USE, 1], reply_size: 4 };
            background.begin(main, DEVICE, request, || Ok(side.clone())).unwrap().unwrap()
        });
        if background.end(main, DEVICE, |to| to.extend([END, 1])).unwrap() {
            main.submit(&[END, 1]).unwrap();
        }
        // The later one first: the other may still use the object.
        for ticket in tickets.iter().rev() {
            background.finish(main, ticket, |_| ()).unwrap();
        }
        assert!(!background.any());
        main.wait(main.position()).unwrap();
    }
}

fn with_a_host(order: fn(&World) -> [&Ring; 3]) {
    let world = Arc::new(World::default());
    let host = world.clone();
    let running = thread::spawn(move || host.run(order(&host)));
    let other = world.clone();
    let helping = thread::spawn(move || other.background.go_on(&other.main));
    world.program();
    helping.join().unwrap();
    world.over.store(true, Ordering::Release);
    running.join().unwrap();
    assert!(world.host.is_empty(), "an object that nobody has ended");
}

pub fn sides_first() {
    with_a_host(|w| [&w.sides[0], &w.sides[1], &w.main]);
}

pub fn main_first() {
    with_a_host(|w| [&w.main, &w.sides[0], &w.sides[1]]);
}

pub fn second_side_first() {
    with_a_host(|w| [&w.sides[1], &w.main, &w.sides[0]]);
}
