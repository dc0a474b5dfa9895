//! Who may use a node, and who asks.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::place::Place;

/// The owner of files whose owner has no number here (user_namespaces(7)).
const NOBODY: u32 = 65534;

/// A node's owners, and this process's identities.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    pub path: PathBuf,
    /// Owner, group and permission bits; nothing where it can't be looked at.
    pub owners: Option<(u32, u32, u32)>,
    /// The group's name.
    pub group: Option<String>,
    /// The error number of opening it for reading and writing; nothing where it opens.
    pub open: Option<i32>,
    /// This process's user.
    pub user: u32,
    /// This process's groups.
    pub groups: Vec<u32>,
    /// SELinux's label of this process, where SELinux enforces.
    pub label: Option<String>,
}

impl Rights {
    /// Looks at a node.
    pub fn look(path: &Path) -> Self {
        let owners = fs::metadata(path).ok().map(|m| (m.uid(), m.gid(), m.mode() & 0o7777));
        let open = OpenOptions::new().read(true).write(true).open(path).err().and_then(|e| e.raw_os_error());
        let enforces = fs::read_to_string("/sys/fs/selinux/enforce").is_ok_and(|t| t.trim() == "1");
        let label = fs::read_to_string("/proc/self/attr/current").ok().filter(|_| enforces);
        Self {
            path: path.to_path_buf(),
            owners,
            group: owners.and_then(|(_, gid, _)| group_name(gid)),
            open,
            // SAFETY: no preconditions.
            user: unsafe { libc::geteuid() },
            groups: groups(),
            label: label.map(|l| l.trim_end_matches(['\0', '\n']).to_owned()),
        }
    }

    /// `root:render 0660`, for people.
    pub fn shown(&self) -> Option<String> {
        let (user, group, mode) = self.owners?;
        let name = self.group.clone().unwrap_or_else(|| group.to_string());
        Some(format!("it belongs to user {user} and group {name}, mode {mode:04o}"))
    }

    /// Why opening it is denied, and what to do; nothing where it isn't known better than the obstacle's own words.
    pub fn denied(&self, place: &Place) -> Option<(String, String)> {
        let (shown, me) = (self.shown()?, format!("this is user {} in groups {:?}", self.user, self.groups));
        let (_, group, mode) = self.owners?;
        let name = self.group.clone().unwrap_or_else(|| group.to_string());
        if self.open == Some(libc::EPERM) {
            let why =
                format!("{shown}; the kernel refuses with EPERM, as for devices that weren't given to a container");
            return Some((why, "run the container with --device /dev/dri".to_owned()));
        }
        if mode & 0o060 == 0 {
            return Some((
                format!("{shown}; {me}"),
                format!("give its group the right: chmod g+rw {}", self.path.display()),
            ));
        }
        let advice = match place.is_container() {
            true if group == NOBODY => {
                "the group isn't there in the container: run it with --group-add keep-groups (rootless podman), as a user who is in the group outside"
                    .to_owned()
            }
            true => format!("run the container with --group-add {group}, or --group-add keep-groups (rootless podman)"),
            false => format!("add the user to the group and log in again: usermod -aG {name} USER"),
        };
        Some((format!("{shown}; {me}"), advice))
    }
}

fn groups() -> Vec<u32> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = |name: &str| status.lines().find_map(|l| l.strip_prefix(name)).unwrap_or_default().to_owned();
    // The effective group is the second of four.
    let own = line("Gid:").split_whitespace().nth(1).and_then(|g| g.parse().ok());
    let mut all: Vec<u32> = line("Groups:").split_whitespace().filter_map(|g| g.parse().ok()).chain(own).collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// By group(5).
fn group_name(gid: u32) -> Option<String> {
    let text = fs::read_to_string("/etc/group").ok()?;
    text.lines().find_map(|line| {
        let mut columns = line.split(':');
        let name = columns.next()?;
        (columns.nth(1)?.parse() == Ok(gid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_reason_has_its_advice() {
        let node = |open, owners| Rights { owners: Some(owners), open: Some(open), ..Rights::default() };
        let container = Place { engine: Some("podman".into()), ..Place::default() };
        let advice = |r: Rights, place: &Place| r.denied(place).unwrap().1;
        assert!(advice(node(libc::EPERM, (0, 105, 0o660)), &container).contains("--device"));
        assert!(advice(node(libc::EACCES, (0, 105, 0o660)), &container).contains("--group-add 105"));
        assert!(advice(node(libc::EACCES, (NOBODY, NOBODY, 0o660)), &container).contains("keep-groups"));
        let named = Rights { group: Some("render".into()), ..node(libc::EACCES, (0, 105, 0o660)) };
        assert!(advice(named, &Place::default()).contains("usermod -aG render"));
        assert!(advice(node(libc::EACCES, (0, 0, 0o600)), &Place::default()).contains("chmod g+rw"));
        assert_eq!(Rights::default().denied(&container), None);
    }
}
