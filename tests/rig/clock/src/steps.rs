//! A clock that goes by looks: each look of the program's own code finds it a step later, however long that took, and after so many looks it stands still. So
//! what a program draws by the clock is the same in every run. Its libraries, a driver among them, see the machine's clock.

use std::ffi::{c_int, c_void};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicI64, Ordering};

use libc::timespec;

use crate::SECOND;

/// Names the length of a step in nanoseconds, and how many there are.
const VARIABLE: &str = "HESPER_TEST_CLOCK_STEPS";

/// What the variable says.
struct Steps {
    nanoseconds: i64,
    most: i64,
    /// Where the program's own code is.
    program: Range,
}

/// Addresses from the first up to the second.
type Range = (usize, usize);

fn steps() -> Option<&'static Steps> {
    static STEPS: OnceLock<Option<Steps>> = OnceLock::new();
    let read = || {
        let said = std::env::var(VARIABLE).ok()?;
        let (nanoseconds, most) = parse(&said)?;
        Some(Steps { nanoseconds, most, program: program() })
    };
    STEPS.get_or_init(read).as_ref()
}

/// Reads two numbers.
fn parse(said: &str) -> Option<(i64, i64)> {
    let (nanoseconds, most) = said.split_once(' ')?;
    Some((nanoseconds.parse().ok()?, most.parse().ok()?))
}

/// Where the program's segments lie: dl_iterate_phdr(3) tells of the program first.
fn program() -> Range {
    unsafe extern "C" fn first(info: *mut libc::dl_phdr_info, _: usize, to: *mut c_void) -> c_int {
        // SAFETY: a valid struct with its array, by dl_iterate_phdr(3), and the range below.
        unsafe {
            let info = &*info;
            let headers = std::slice::from_raw_parts(info.dlpi_phdr, info.dlpi_phnum.into());
            for h in headers.iter().filter(|h| h.p_type == libc::PT_LOAD) {
                let (start, end) = &mut *to.cast::<Range>();
                let from = info.dlpi_addr as usize + h.p_vaddr as usize;
                (*start, *end) = ((*start).min(from), (*end).max(from + h.p_memsz as usize));
            }
        }
        1
    }
    let mut range: Range = (usize::MAX, 0);
    // SAFETY: a function that fills the local.
    unsafe { libc::dl_iterate_phdr(Some(first), (&raw mut range).cast()) };
    range
}

/// What a look from this address at the clock since the start finds; `None` where that is the machine's.
pub fn look(caller: *const c_void) -> Option<timespec> {
    static LOOKS: AtomicI64 = AtomicI64::new(0);
    let steps = steps()?;
    let (start, end) = steps.program;
    if !(start..end).contains(&caller.addr()) {
        return None;
    }
    let taken = LOOKS.fetch_add(1, Ordering::Relaxed).min(steps.most);
    let passed = taken * steps.nanoseconds;
    Some(timespec { tv_sec: passed / SECOND, tv_nsec: passed % SECOND })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_programs_own_code_is_told_from_libraries() {
        let (start, end) = program();
        let is_own = |f: *const c_void| (start..end).contains(&f.addr());
        assert!(is_own(parse as *const c_void) && !is_own(libc::malloc as *const c_void));
    }

    #[test]
    fn the_variable_has_two_numbers() {
        assert_eq!(parse("250000000 7"), Some((250_000_000, 7)));
        assert_eq!([parse(""), parse("1"), parse("1 x")], [None; 3]);
    }
}
