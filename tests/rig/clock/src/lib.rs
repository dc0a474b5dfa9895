//! Test equipment, no part of the driver: clocks that jump or go by steps, for a program that this library is preloaded into (`LD_PRELOAD`).
//!
//! `HESPER_TEST_CLOCKS` names a file of two numbers of nanoseconds, 64 bits each: what is added to the time of day, and what is added to the time
//! since the start. It is mapped, so whoever writes to it has the clocks jump at that moment.
//!
//! A real machine's sleeps go by the clock that jumped. So moments that a program waits for are read in its own time and handed to the kernel
//! in the kernel's; durations stay. A wait that is under way when the clocks jump goes on as if they hadn't. Moments in futex(2) itself
//! aren't looked at: Rust's standard library uses those for waits with a limit on its own locks.

mod steps;

use std::arch::naked_asm;
use std::ffi::{c_int, c_void};
use std::mem::transmute;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicI64, AtomicPtr, Ordering};

use libc::{clockid_t, pthread_cond_t, pthread_mutex_t, time_t, timespec, timeval};

const SECOND: i64 = 1_000_000_000;

/// The file, once it is mapped.
struct Offsets {
    of_day: AtomicI64,
    since_start: AtomicI64,
}

static NOTHING: Offsets = Offsets { of_day: AtomicI64::new(0), since_start: AtomicI64::new(0) };
static OFFSETS: AtomicPtr<Offsets> = AtomicPtr::new(null_mut());

fn offsets() -> &'static Offsets {
    let mut known = OFFSETS.load(Ordering::Acquire);
    if known.is_null() {
        known = map().unwrap_or((&raw const NOTHING).cast_mut());
        OFFSETS.store(known, Ordering::Release);
    }
    // SAFETY: the static above, or a mapping of that size that stays.
    unsafe { &*known }
}

/// Maps the file; with system calls alone, as anybody may ask for the time anywhere.
fn map() -> Option<*mut Offsets> {
    // SAFETY: strings that end with NUL; the mapping is checked, and its file is no shorter by the contract of the variable.
    unsafe {
        let path = libc::getenv(c"HESPER_TEST_CLOCKS".as_ptr());
        if path.is_null() {
            return None;
        }
        let file = libc::open(path, libc::O_RDONLY | libc::O_CLOEXEC);
        let map = libc::mmap(null_mut(), size_of::<Offsets>(), libc::PROT_READ, libc::MAP_SHARED, file, 0);
        libc::close(file);
        (map != libc::MAP_FAILED).then_some(map.cast())
    }
}

/// What is added to a clock.
fn offset(clock: clockid_t) -> i64 {
    let offset = match clock {
        libc::CLOCK_REALTIME | libc::CLOCK_REALTIME_COARSE | libc::CLOCK_TAI => &offsets().of_day,
        libc::CLOCK_MONOTONIC | libc::CLOCK_MONOTONIC_RAW | libc::CLOCK_MONOTONIC_COARSE | libc::CLOCK_BOOTTIME => {
            &offsets().since_start
        }
        // Processor times.
        _ => return 0,
    };
    offset.load(Ordering::Relaxed)
}

fn moved(time: timespec, by: i64) -> timespec {
    let nanoseconds = time.tv_nsec + by % SECOND;
    let seconds = time.tv_sec.saturating_add(by / SECOND).saturating_add(nanoseconds.div_euclid(SECOND));
    timespec { tv_sec: seconds, tv_nsec: nanoseconds.rem_euclid(SECOND) }
}

/// A moment of the program's as the kernel has it; one before the kernel's time began has passed.
///
/// # Safety
/// A valid struct.
unsafe fn kernels(moment: *const timespec, clock: clockid_t) -> timespec {
    // SAFETY: valid by contract.
    let moment = moved(unsafe { *moment }, -offset(clock));
    if moment.tv_sec < 0 { timespec { tv_sec: 0, tv_nsec: 0 } } else { moment }
}

/// The C library's own function of this name.
macro_rules! next {
    ($name:literal as $type:ty) => {{
        static NEXT: AtomicPtr<c_void> = AtomicPtr::new(null_mut());
        let mut next = NEXT.load(Ordering::Relaxed);
        if next.is_null() {
            // SAFETY: a string that ends with NUL.
            next = unsafe { libc::dlsym(libc::RTLD_NEXT, $name.as_ptr()) };
            NEXT.store(next, Ordering::Relaxed);
        }
        // SAFETY: the C library has a function of this name and type.
        unsafe { transmute::<*mut c_void, $type>(next) }
    }};
}

/// Hands on the address that it returns to as a third argument.
///
/// # Safety
/// As clock_gettime(3).
#[unsafe(no_mangle)]
#[unsafe(naked)]
pub unsafe extern "C" fn clock_gettime(clock: clockid_t, to: *mut timespec) -> c_int {
    #[cfg(target_arch = "x86_64")]
    naked_asm!("mov rdx, [rsp]", "jmp {}", sym look);
    #[cfg(target_arch = "aarch64")]
    naked_asm!("mov x2, x30", "b {}", sym look);
}

/// # Safety
/// As clock_gettime(3); `caller` is only an address.
unsafe extern "C" fn look(clock: clockid_t, to: *mut timespec, caller: *const c_void) -> c_int {
    let stepped = if clock == libc::CLOCK_MONOTONIC { steps::look(caller) } else { None };
    // SAFETY: by contract.
    unsafe {
        if let Some(time) = stepped {
            *to = time;
            return 0;
        }
        let done = libc::syscall(libc::SYS_clock_gettime, clock, to) as c_int;
        if done == 0 {
            *to = moved(*to, offset(clock));
        }
        done
    }
}

/// # Safety
/// As gettimeofday(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn gettimeofday(to: *mut timeval, _: *mut c_void) -> c_int {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a local, and by contract.
    unsafe {
        let done = look(libc::CLOCK_REALTIME, &mut now, std::ptr::null());
        if !to.is_null() {
            *to = timeval { tv_sec: now.tv_sec, tv_usec: now.tv_nsec / 1000 };
        }
        done
    }
}

/// # Safety
/// As time(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn time(to: *mut time_t) -> time_t {
    let mut now = timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: a local, and by contract.
    unsafe {
        look(libc::CLOCK_REALTIME, &mut now, std::ptr::null());
        if !to.is_null() {
            *to = now.tv_sec;
        }
    }
    now.tv_sec
}

/// # Safety
/// As clock_nanosleep(2).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn clock_nanosleep(
    clock: clockid_t,
    flags: c_int,
    time: *const timespec,
    left: *mut timespec,
) -> c_int {
    let next =
        next!(c"clock_nanosleep" as unsafe extern "C" fn(clockid_t, c_int, *const timespec, *mut timespec) -> c_int);
    if flags & libc::TIMER_ABSTIME == 0 {
        // SAFETY: by contract.
        return unsafe { next(clock, flags, time, left) };
    }
    // SAFETY: by contract; a local.
    unsafe { next(clock, flags, &kernels(time, clock), left) }
}

/// Conditions whose attributes name another clock than the time of day are taken for such that don't.
///
/// # Safety
/// As pthread_cond_timedwait(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_cond_timedwait(
    condition: *mut pthread_cond_t,
    lock: *mut pthread_mutex_t,
    moment: *const timespec,
) -> c_int {
    type Wait = unsafe extern "C" fn(*mut pthread_cond_t, *mut pthread_mutex_t, *const timespec) -> c_int;
    let next = next!(c"pthread_cond_timedwait" as Wait);
    // SAFETY: by contract; a local.
    unsafe { next(condition, lock, &kernels(moment, libc::CLOCK_REALTIME)) }
}

/// # Safety
/// As pthread_cond_clockwait(3).
#[unsafe(no_mangle)]
pub unsafe extern "C" fn pthread_cond_clockwait(
    condition: *mut pthread_cond_t,
    lock: *mut pthread_mutex_t,
    clock: clockid_t,
    moment: *const timespec,
) -> c_int {
    type Wait = unsafe extern "C" fn(*mut pthread_cond_t, *mut pthread_mutex_t, clockid_t, *const timespec) -> c_int;
    let next = next!(c"pthread_cond_clockwait" as Wait);
    // SAFETY: by contract; a local.
    unsafe { next(condition, lock, clock, &kernels(moment, clock)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_moved_both_ways() {
        let time = |tv_sec, tv_nsec| timespec { tv_sec, tv_nsec };
        let parts = |t: timespec| (t.tv_sec, t.tv_nsec);
        assert_eq!(parts(moved(time(5, 900_000_000), 3600 * SECOND + 200_000_000)), (3606, 100_000_000));
        assert_eq!(parts(moved(time(3606, 100_000_000), -3600 * SECOND - 200_000_000)), (5, 900_000_000));
    }
}
