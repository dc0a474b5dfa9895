//! Rings with a host that the tests play themselves.

use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use super::*;
use crate::contention::{Contention, Mode};
use crate::testing::Host;

pub(crate) fn ring(host: &Arc<Host>, id: u64) -> Ring {
    ring_with(host, id, RingOptions { buffer_size: 4096, ..RingOptions::default() })
}

pub(crate) fn ring_with(host: &Arc<Host>, id: u64, options: RingOptions) -> Ring {
    let streams = Arc::new(StreamPool::new(host.clone()));
    Ring::create(host.clone(), Arc::default(), id, streams, options).unwrap()
}

/// The host runs everything that it was shown.
pub(crate) fn run(ring: &Ring) {
    let memory = &ring.thread.memory;
    memory.head().store(memory.tail().load(Ordering::Acquire), Ordering::Release);
}

/// The ring as if `position` bytes had gone through it.
fn moved_to(ring: &Ring, position: u64) {
    *ring.write.lock() = Write::at(position);
    ring.thread.memory.tail().store(position as u32, Ordering::Release);
    // The guest reads the head at least once for each time around.
    while ring.thread.known_head() < position {
        let next = (ring.thread.known_head() + (1 << 30)).min(position);
        ring.thread.memory.head().store(next as u32, Ordering::Release);
        ring.thread.read_head(next).unwrap();
    }
}

#[test]
fn a_seqno_is_done_however_old_it_is() {
    let host = Host::new();
    let ring = ring(&host, 1);
    let mut old = vec![ring.submit(&[1; 192]).unwrap()];
    assert!(!ring.done(old[0]));
    run(&ring);
    for position in [1 << 31, (1 << 31) + 200, (1 << 32) - 96, 3 << 31, (5 << 32) - 100, 6 << 32] {
        moved_to(&ring, position);
        assert!(ring.is_idle() && old.iter().all(|s| ring.done(*s)), "at {position}: {old:?}");
        let new = ring.submit(&[2; 192]).unwrap();
        assert!(!ring.done(new) && !ring.is_idle() && old.iter().all(|s| ring.done(*s)), "at {position}: {old:?}");
        assert_eq!(new.get(), (position + 192) as u32);
        run(&ring);
        assert!(ring.done(new) && ring.wait(new).is_ok());
        old.push(new);
    }
}

/// The host keeps the number that it was told last, and a ring that waits for a higher one would wait forever.
#[test]
fn roundtrips_of_several_threads_are_told_in_their_order() {
    let host = Host::new();
    let ring = ring(&host, 1);
    std::thread::scope(|s| {
        for _ in 0..4 {
            s.spawn(|| (0..32).for_each(|_| ring.roundtrip().unwrap()));
        }
    });
    let told = host.roundtrips.lock();
    assert!(told.iter().copied().eq(1..=4 * 32), "{told:?}");
}

#[test]
fn commands_go_round_and_round() {
    let host = Host::new();
    let ring = ring(&host, 1);
    moved_to(&ring, (1 << 32) - 2000);
    for n in 0..200u8 {
        let before = ring.submit(&[n; 700]).unwrap();
        assert_eq!(ring.post(&[n; 324]).unwrap().position(), before.position() + 324);
        let asked = ring.submit(&[]).unwrap();
        run(&ring);
        assert!(ring.done(asked));
    }
    assert_eq!(ring.thread.memory.head().load(Ordering::Relaxed), 200 * 1024 - 2000);
}

#[test]
fn a_head_that_cannot_be_loses_the_host() {
    for head in [4100, 10_000, 1 << 30, 1 << 31, u32::MAX - 5000, u32::MAX] {
        let host = Host::new();
        let ring = ring(&host, 1);
        let seqno = ring.submit(&[0; 192]).unwrap();
        ring.thread.memory.head().store(head, Ordering::Relaxed);
        // Filling the ring makes the guest read the head.
        let lost = (0..30).find_map(|_| ring.submit(&[0; 192]).err());
        assert!(matches!(lost, Some(Error::Lost(_))), "a head of {head}: {lost:?}");
        assert!(ring.check().is_err() && ring.submit(&[]).is_err(), "{seqno:?}");

        let ring = self::ring(&host, 2);
        ring.thread.memory.head().store(u32::MAX, Ordering::Relaxed);
        let seqno = ring.submit(&[0; 192]).unwrap();
        assert!(matches!(ring.wait(seqno), Err(Error::Lost(_))));
    }
}

#[test]
fn a_silent_host_is_asked_by_another_way_before_it_is_given_up() {
    const CREATE: u32 = 188;
    const DESTROY: u32 = 189;
    const NUMBER: u32 = 251;
    const OTHER: u64 = 7 | 1 << 63;
    let host = Host::new();
    let ring = ring(&host, 7);
    ring.submit(&[0; 64]).unwrap();
    assert_eq!(host.take(), [(CREATE, 7)]);
    let (thread, start) = (&ring.thread, Instant::now());
    let mut asked = Vec::new();
    let mut lost = None;
    for t in (0..400_000).step_by(5) {
        lost = thread.look(start + Duration::from_millis(t)).err().map(|e| (t, e));
        if lost.is_some() {
            break;
        }
        for command in host.take() {
            asked.push((t, command));
            // A host whose monitor is dead and whose ring is busy answers, until it dies altogether.
            if command == (NUMBER, OTHER) && t < 40_000 {
                let memory = &thread.memory;
                let tail = memory.question_tail().load(Ordering::Acquire);
                memory.question_head().store(tail, Ordering::Release);
            }
        }
    }
    let (t, e) = lost.unwrap();
    assert!((337_000..343_000).contains(&t) && matches!(e, Error::Lost(_)), "{e} at {t} ms");
    assert_eq!(asked.iter().filter(|(_, c)| *c == (CREATE, OTHER)).count(), 1);
    let numbers = asked.iter().filter(|(_, c)| *c == (NUMBER, OTHER)).count();
    assert_eq!((numbers, asked.len()), (32, 33), "{asked:?}");

    let ring = self::ring(&host, 8);
    for t in (0..5000).step_by(5) {
        ring.thread.look(start + Duration::from_millis(t)).unwrap();
    }
    host.take();
    drop(ring);
    assert_eq!(host.take(), [(DESTROY, 8 | 1 << 63), (DESTROY, 8)]);
}

#[test]
fn a_kernel_without_memory_ends_no_wait_for_a_silent_host() {
    let host = Host::new();
    let ring = ring(&host, 7);
    let (thread, start) = (&ring.thread, Instant::now());
    ring.submit(&[0; 64]).unwrap();
    host.take();
    thread.memory.status().store(memory::STATUS_IDLE, Ordering::Relaxed);
    let mut sent = Vec::new();
    for t in (0..20_000).step_by(5) {
        // Each second way out is shut, whatever goes there.
        host.refusals.store((t / 5 % 2) as u32, Ordering::Relaxed);
        thread.look(start + Duration::from_millis(t)).unwrap();
        sent.extend(host.take());
    }
    let count = |command: u32| sent.iter().filter(|(c, _)| *c == command).count();
    assert!(count(190) > 3, "calls to the thread that sleeps: {sent:?}");
    assert_eq!((count(188), count(251)), (1, 1), "one question, which isn't answered: {sent:?}");
    let memory = &thread.memory;
    memory.question_head().store(memory.question_tail().load(Ordering::Acquire), Ordering::Release);
    assert_eq!(memory.question_tail().load(Ordering::Relaxed), parking::WAIT as u32, "one command");
    for t in (20_000..40_000).step_by(5) {
        thread.look(start + Duration::from_millis(t)).unwrap();
    }
    assert!(host.take().iter().filter(|(c, _)| *c == 251).count() == 1, "the next question");
}

#[test]
fn the_two_rings_of_a_memory_do_not_overlap() {
    let host = Host::new();
    for size in [4096, 64 << 10, 256 << 10] {
        let memory = RingMemory::create(&*host, size).unwrap();
        let (a, b) = (memory.layout(1), memory.question_layout(1));
        let mut areas: Vec<(usize, usize)> = [a, b]
            .iter()
            .flat_map(|l| [(l.head, 4), (l.tail, 4), (l.status, 4), (l.buffer, l.buffer_size), (l.extra, l.extra_size)])
            .collect();
        areas.sort_unstable();
        assert!(areas.windows(2).all(|w| w[0].0 + w[0].1 <= w[1].0) && areas.iter().all(|a| a.0 % 4 == 0), "{areas:?}");
        assert!(a.size <= b.size && areas.last().unwrap().0 + areas.last().unwrap().1 <= b.size);
        memory.write(4090, &[1; 12]);
        memory.write_question(56, &[2; 16]);
        assert_eq!(memory.question_head().load(Ordering::Relaxed), 0);
    }
}

#[test]
fn what_a_ring_may_still_read_is_kept_until_the_ring_has_ended() {
    let host = Host::new();
    let side = ring(&host, 2);
    let chunk = side.streams.take(100 << 10).unwrap();
    let id = chunk.resource();
    side.submit_chunk(chunk, 100 << 10).unwrap();
    assert!(!host.released.lock().contains(&id));
    drop(side);
    assert!(host.released.lock().contains(&id));
}

#[test]
fn a_thread_that_sleeps_over_commands_is_called_again_but_not_without_end() {
    const NOTIFY: u32 = 190;
    let host = Host::new();
    let ring = ring(&host, 1);
    ring.thread.memory.status().store(memory::STATUS_IDLE, Ordering::Relaxed);
    ring.submit(&[0; 64]).unwrap();
    host.take();
    let start = Instant::now();
    let mut calls = Vec::new();
    for t in (0..9000).step_by(4) {
        ring.thread.look(start + Duration::from_millis(t)).unwrap();
        calls.extend(host.take().iter().filter(|c| **c == (NOTIFY, 1)).map(|_| t));
    }
    // Its first call, which came with the commands, is on its way at the first look.
    assert!(calls[..3] == [4, 16, 40] && (10..20).contains(&calls.len()), "{calls:?}");
    run(&ring);
    ring.thread.look(start + Duration::from_millis(9000)).unwrap();
    ring.submit(&[0; 64]).unwrap();
    host.take();
    let later = [0, 400, 600, 9000].map(|us| {
        ring.thread.look(start + Duration::from_millis(9004) + Duration::from_micros(us)).unwrap();
        host.take().len()
    });
    assert_eq!(later, [0, 0, 1, 0]);
    // It came and sleeps over what nobody has called it for: the kernel had no room for the call.
    run(&ring);
    ring.thread.look(start + Duration::from_millis(9020)).unwrap();
    ring.thread.memory.tail().fetch_add(8, Ordering::Release);
    ring.thread.look(start + Duration::from_millis(9024)).unwrap();
    assert_eq!(host.take(), [(NOTIFY, 1)]);
}

#[test]
fn a_thread_that_has_come_in_between_is_not_left_asleep_for_long() {
    const NOTIFY: u32 = 190;
    let host = Host::new();
    let ring = ring(&host, 1);
    ring.thread.memory.status().store(memory::STATUS_IDLE, Ordering::Relaxed);
    ring.submit(&[0; 64]).unwrap();
    let start = Instant::now();
    let look = |ms| {
        ring.thread.look(start + Duration::from_millis(ms)).unwrap();
        host.take().contains(&(NOTIFY, 1))
    };
    // It has slept for long, so that calls have become rare.
    assert!((0..4000).step_by(4).filter(|ms| look(*ms)).count() > 5);
    // It runs that, and nobody looks before it sleeps over the next.
    ring.submit(&[0; 64]).unwrap();
    ring.thread.memory.head().store(64, Ordering::Release);
    host.take();
    let called: Vec<_> = (4000..4100).step_by(4).filter(|ms| look(*ms)).collect();
    assert_eq!(called, [4012, 4036, 4080]);
}

#[test]
fn a_thread_that_was_called_is_not_called_again_before_it_has_come() {
    const NOTIFY: u32 = 190;
    let host = Host::new();
    let ring = ring(&host, 1);
    host.take();
    let idle = || ring.thread.memory.status().store(memory::STATUS_IDLE, Ordering::Relaxed);
    let submit = || {
        ring.submit(&[0; 64]).unwrap();
        host.take()
    };
    idle();
    assert_eq!(submit(), [(NOTIFY, 1)]);
    assert_eq!(submit(), [], "it is on its way");
    // It has run what it was called for, and sleeps over the rest: the call for that hadn't been made.
    ring.thread.memory.head().store(64, Ordering::Release);
    assert_eq!(submit(), [(NOTIFY, 1)]);
    run(&ring);
    assert_eq!(submit(), [(NOTIFY, 1)]);

    let always = ring_with(&host, 2, RingOptions { notify_always: true, ..RingOptions::default() });
    host.take();
    always.thread.memory.status().store(memory::STATUS_IDLE, Ordering::Relaxed);
    for _ in 0..2 {
        always.submit(&[0; 64]).unwrap();
        assert_eq!(host.take(), [(NOTIFY, 2)]);
    }
}

/// Runs commands of this size, a few whenever it looks, and waits as it is told, until all is over.
fn play(host: &Host, ring: &Ring, size: usize, over: &AtomicBool) {
    let memory = &ring.thread.memory;
    let (mut head, mut looks) = (0u32, 0u32);
    while !over.load(Ordering::Relaxed) {
        let tail = memory.tail().load(Ordering::Acquire);
        assert!(tail.wrapping_sub(head) <= 4096, "{} unread bytes", tail.wrapping_sub(head));
        looks += 1;
        for _ in 0..looks % 40 {
            let word = |at: u32| u32::from_le_bytes(memory.read(head.wrapping_add(at)));
            let waits = tail.wrapping_sub(head) >= parking::WAIT as u32 && [word(0), word(4)] == [252, 0];
            let told = host.roundtrips.lock().last().copied().unwrap_or(0);
            if head == tail || waits && told < u64::from(word(8)) {
                break;
            }
            head = head.wrapping_add(if waits { parking::WAIT as u32 } else { size as u32 });
            memory.head().store(head, Ordering::Release);
        }
        std::thread::yield_now();
    }
}

#[test]
fn a_ring_that_parks_its_thread_is_never_overfilled() {
    let contention = Arc::new(Contention::new(Mode::Always));
    // All of them are written into the ring itself.
    for size in [8, 24, 100, 168, 500, 1000, 1024] {
        let (host, over) = (Host::new(), AtomicBool::new(false));
        let options = RingOptions { buffer_size: 4096, contention: contention.clone(), ..RingOptions::default() };
        let ring = ring_with(&host, 1, options);
        std::thread::scope(|s| {
            s.spawn(|| play(&host, &ring, size, &over));
            let send =
                |i: u8| if i.is_multiple_of(5) { ring.submit(&vec![i; size]) } else { ring.post(&vec![i; size]) };
            let sent: Result<Vec<_>, _> = (0..=250).map(send).collect();
            let waited = sent.and_then(|sent| sent.into_iter().try_for_each(|seqno| ring.wait(seqno)));
            over.store(true, Ordering::Relaxed);
            assert!(waited.is_ok(), "commands of {size} bytes: {waited:?}");
        });
    }
}
