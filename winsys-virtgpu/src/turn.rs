//! The length of a thread's turn on its processor.
//!
//! Linux lets the thread run next whose turn would end first, so a thread that asks for short turns waits for nobody's long one when it wakes, and gets no more of
//! the processor than before (sched_setattr(2): `sched_runtime` of ordinary threads, from Linux 6.12 on; older kernels take no notice).

use std::cell::Cell;

/// What the kernel takes and gives, in its first form (include/uapi/linux/sched/types.h, `SCHED_ATTR_SIZE_VER0`).
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Attributes {
    size: u32,
    policy: u32,
    flags: u64,
    nice: i32,
    priority: u32,
    /// Nanoseconds of a turn.
    runtime: u64,
    deadline: u64,
    period: u64,
}

/// The shortest turn that the kernel gives, in nanoseconds.
const SHORT: u64 = 100_000;

thread_local! {
    /// The turn that this thread had before it asked for short ones.
    static BEFORE: Cell<Option<u64>> = const { Cell::new(None) };
}

/// Has this thread take short turns, or its own again. What the kernel refuses is left as it is.
pub fn shorten(short: bool) {
    // A thread that is ending asks for nothing more.
    let _ = BEFORE.try_with(|before| {
        if short == before.get().is_some() {
            return;
        }
        let Some(mut now) = read() else { return };
        let turn = now.runtime;
        match before.take() {
            Some(own) => now.runtime = own,
            // Whoever takes short turns already, or has another policy, knows why.
            None if turn <= SHORT || now.policy != libc::SCHED_OTHER as u32 => {
                before.set(Some(turn));
                return;
            }
            None => {
                before.set(Some(turn));
                now.runtime = SHORT;
            }
        }
        if now.runtime != turn {
            write(&now);
        }
    });
}

fn read() -> Option<Attributes> {
    let mut attributes = Attributes::default();
    let size = size_of::<Attributes>();
    // SAFETY: this thread's attributes, into a struct of that size.
    let told = unsafe { libc::syscall(libc::SYS_sched_getattr, 0, &raw mut attributes, size, 0) };
    (told == 0).then_some(attributes)
}

fn write(attributes: &Attributes) {
    let attributes = Attributes { size: size_of::<Attributes>() as u32, ..*attributes };
    // SAFETY: this thread's attributes, out of a struct whose size it tells. A sandbox may refuse, which costs nothing but time later.
    unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg_attr(miri, ignore = "Miri schedules by itself")]
    fn turns_are_shortened_and_given_back() {
        std::thread::spawn(|| {
            let Some(own) = read() else { return };
            shorten(true);
            shorten(true);
            let short = read().unwrap();
            // Kernels that know of turns tell of them.
            assert_eq!(short.runtime, if own.runtime == 0 { 0 } else { own.runtime.min(SHORT) });
            assert_eq!((short.policy, short.nice), (own.policy, own.nice), "nothing else");
            shorten(false);
            assert_eq!(read().unwrap().runtime, own.runtime);
        })
        .join()
        .unwrap();
    }
}
