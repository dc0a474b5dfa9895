//! The variables of this process.

use std::sync::OnceLock;

/// What a variable says, unless the process has more rights than whoever set it.
///
/// A setuid program, or one with capabilities of its file's, is started with variables of a user who has fewer rights: they could have it write files with its own (getauxval(3), AT_SECURE).
pub fn variable(name: &str) -> Option<String> {
    if is_secure() { None } else { std::env::var(name).ok() }
}

fn is_secure() -> bool {
    static SECURE: OnceLock<bool> = OnceLock::new();
    // SAFETY: getauxval takes a number, and reads what the kernel gave this process at its start.
    *SECURE.get_or_init(|| unsafe { libc::getauxval(libc::AT_SECURE) } != 0)
}
