//! Programs inside the rig's root: a mount namespace of their own, folders of this machine bound in, and chroot.

use std::ffi::{CString, OsStr};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::ptr;

use anyhow::{Context, Result, ensure};

/// A command that runs `program` inside `root`. The folders of `shared` are there under their own paths, and in the trees of `further`, too. It is
/// killed when the thread that started it ends, and leads a process group of its own.
///
/// # Errors
/// Without the right to mount, or when a mount point can't be made.
pub fn command(root: &Path, further: &[&Path], shared: &[PathBuf], program: impl AsRef<OsStr>) -> Result<Command> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "the rig mounts into a Debian tree and needs root: run it as root, or as root of a container"
    );
    // Where /proc isn't mounted, binding it fails next.
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    ensure!(
        mounts.is_empty() || has_root(&mounts),
        "the rig can't mount here: / is no mount point, as in a bare chroot. Outside of it, `mount --bind TREE TREE` before `chroot TREE` helps"
    );
    let system = ["/proc", "/sys", "/dev"].map(Path::new);
    let shared = || shared.iter().map(PathBuf::as_path);
    // The further trees first: where one lies in a shared folder, what was mounted into the tree comes along.
    let places = further.iter().flat_map(|tree| shared().map(move |p| (*tree, p)));
    let places = places.chain(system.into_iter().chain(shared()).map(|p| (root, p)));
    let binds = places.map(|(tree, path)| bind(tree, path)).collect::<Result<Vec<_>>>()?;
    let root = c_path(root)?;
    let mut command = Command::new(program);
    command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin")
        .env("HOME", "/root")
        .env("LC_ALL", "C.UTF-8")
        .env("XDG_RUNTIME_DIR", "/tmp");
    command.process_group(0);
    // SAFETY: between fork and exec only system calls are made, on memory that was prepared before.
    unsafe { command.pre_exec(move || enter(&root, &binds)) };
    Ok(command)
}

/// Whether `/` is among the mount points (proc(5), mountinfo): what isn't can't be made private.
fn has_root(mounts: &str) -> bool {
    mounts.lines().any(|l| l.split(' ').nth(4) == Some("/"))
}

/// A folder, and where it is to be mounted in a tree.
fn bind(tree: &Path, folder: &Path) -> Result<(CString, CString)> {
    let below = folder.strip_prefix("/").with_context(|| format!("{} is no absolute path", folder.display()))?;
    let inside = tree.join(below);
    std::fs::create_dir_all(&inside).with_context(|| format!("making {}", inside.display()))?;
    Ok((c_path(folder)?, c_path(&inside)?))
}

fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).with_context(|| format!("{} has a zero byte in it", path.display()))
}

fn enter(root: &CString, binds: &[(CString, CString)]) -> io::Result<()> {
    let ok = |result: libc::c_int| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    // SAFETY: system calls with NUL-terminated paths that live through the call.
    unsafe {
        ok(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
        ok(libc::unshare(libc::CLONE_NEWNS))?;
        ok(libc::mount(ptr::null(), c"/".as_ptr(), ptr::null(), libc::MS_REC | libc::MS_PRIVATE, ptr::null()))?;
        for (from, to) in binds {
            ok(libc::mount(from.as_ptr(), to.as_ptr(), ptr::null(), libc::MS_BIND | libc::MS_REC, ptr::null()))?;
        }
        ok(libc::chroot(root.as_ptr()))?;
        ok(libc::chdir(c"/".as_ptr()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_chroot_is_known() {
        let line = |place: &str| format!("36 35 98:0 /mnt1 {place} rw,noatime master:1 - ext3 /dev/root rw\n");
        assert!(has_root(&(line("/proc") + &line("/"))));
        assert!(!has_root(&(line("/proc") + &line("/sys"))));
    }
}
