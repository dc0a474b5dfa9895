//! Threads that use a ring.

use std::sync::Arc;

use loom::thread;

use crate::contention::{Contention, Mode};
use crate::host::Host;
use crate::ring::{Ring, RingOptions};
use crate::stream::StreamPool;

fn ring(host: &Arc<Host>) -> Arc<Ring> {
    ring_under(host, Mode::Never)
}

fn ring_under(host: &Arc<Host>, contention: Mode) -> Arc<Ring> {
    let contention = Arc::new(Contention::new(contention));
    let options = RingOptions { buffer_size: 4096, contention, ..RingOptions::default() };
    let streams = Arc::new(StreamPool::new(host.clone()));
    Arc::new(Ring::create(host.clone(), Arc::default(), 1, streams, options).unwrap())
}

/// The host's thread; the ring's commands have this size.
fn running(host: &Arc<Host>, size: u32) -> thread::JoinHandle<()> {
    let host = host.clone();
    thread::spawn(move || host.run(size))
}

fn end(host: &Host, running: thread::JoinHandle<()>) {
    host.end();
    running.join().unwrap();
}

/// Two threads submit; the host never sleeps over a command.
pub fn wake_up() {
    let host = Host::new();
    let ring = ring(&host);
    let running = running(&host, 8);
    let other = ring.clone();
    let submitting = thread::spawn(move || other.submit(&[1; 8]).map(drop).unwrap());
    ring.submit(&[2; 8]).unwrap();
    submitting.join().unwrap();
    end(&host, running);
}

/// What was posted is run when it is waited for.
pub fn posted() {
    let host = Host::new();
    let ring = ring(&host);
    let running = running(&host, 8);
    ring.post(&[1; 8]).unwrap();
    let seqno = ring.post(&[2; 8]).unwrap();
    ring.wait(seqno).unwrap();
    assert!(host.has_run(0) && host.has_run(1));
    end(&host, running);
}

/// Who is told that a command is done finds what it did, whoever notes heads meanwhile.
pub fn done() {
    let host = Host::new();
    let ring = ring(&host);
    let seqno = ring.submit(&[1; 8]).unwrap();
    let running = running(&host, 8);
    let other = ring.clone();
    let submitting = thread::spawn(move || other.submit(&[2; 8]).map(drop).unwrap());
    if ring.done(seqno) {
        assert!(host.has_run(0));
    }
    submitting.join().unwrap();
    end(&host, running);
}

/// A full ring: one thread needs room and notes heads, another asks how far the host has come.
pub fn full() {
    const SIZE: u32 = 1024;
    let host = Host::new();
    let ring = ring(&host);
    let seqnos: Vec<_> = (0..4).map(|n| ring.submit(&[n; SIZE as usize]).unwrap()).collect();
    let running = running(&host, SIZE);
    let other = ring.clone();
    // Over the first one, which must have run.
    let submitting = thread::spawn(move || other.submit(&[4; SIZE as usize]).unwrap());
    let first = seqnos[0];
    if ring.done(first) {
        assert!(host.has_run(0));
    }
    let last = submitting.join().unwrap();
    assert!(ring.done(first), "who has seen the room that a command left sees that it is done");
    ring.wait(last).unwrap();
    assert!(host.has_run(4));
    end(&host, running);
}

/// A thread asks how far the host has come, while another one notes that.
pub fn noted() {
    const SIZE: u32 = 2048;
    let host = Host::new();
    let ring = ring(&host);
    let commands = [[1; SIZE as usize / 2], [2; SIZE as usize / 2]];
    let first = commands.map(|c| ring.submit(&c).unwrap())[0];
    let (host_too, other) = (host.clone(), ring.clone());
    let asking = thread::spawn(move || {
        if other.done(first) {
            assert!(host_too.has_run(0));
        }
    });
    // By the same thread, so that nothing but what is noted orders the two.
    host.run_what_is_shown(0, SIZE / 2).unwrap();
    (0..3).for_each(|n| assert!(ring.post(&[n; SIZE as usize / 2]).is_ok()));
    asking.join().unwrap();
}

/// Under contention the host's thread waits behind what it was shown, and never in front of it.
pub fn parked() {
    let host = Host::new();
    let ring = ring_under(&host, Mode::Always);
    let running = running(&host, 8);
    let other = ring.clone();
    let submitting = thread::spawn(move || other.submit(&[1; 8]).map(drop).unwrap());
    let seqno = ring.submit(&[2; 8]).unwrap();
    submitting.join().unwrap();
    end(&host, running);
    assert!(ring.done(seqno) && host.has_run(0) && host.has_run(1));
}
