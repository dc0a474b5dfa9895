//! The numbers by which others find the device: its nodes' (`makedev(3)`), as the kernel shows them in sysfs.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use nix::sys::stat::{fstat, major, minor};

use super::ioctl::Node;

/// Major and minor number of a node.
pub type Number = (u64, u64);

/// A device's nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    pub render: Option<Number>,
    pub primary: Option<Number>,
}

impl Numbers {
    /// Those of the device behind an open node. The node's own number needs no sysfs, which containers may lack.
    pub fn of(node: &Node) -> Self {
        let Ok(open) = fstat(node.as_fd()) else { return Self::default() };
        let own = (major(open.st_rdev), minor(open.st_rdev));
        let told = Self::in_folder(Path::new(&format!("/sys/dev/char/{}:{}/device/drm", own.0, own.1)));
        Self { render: is_render(own).then_some(own).or(told.render), ..told }
    }

    /// Those of the device with this folder of nodes.
    fn in_folder(folder: &Path) -> Self {
        let mut numbers = Self::default();
        for node in fs::read_dir(folder).into_iter().flatten().flatten() {
            let name = node.file_name();
            let number = fs::read_to_string(node.path().join("dev")).ok().and_then(|text| parse(&text));
            match name.to_str() {
                Some(n) if n.starts_with("renderD") => numbers.render = number,
                Some(n) if n.starts_with("card") => numbers.primary = number,
                _ => {}
            }
        }
        numbers
    }
}

/// Whether a number is that of a render node (Linux, Documentation/admin-guide/devices.txt: major 226, from minor 128 on).
fn is_render((major, minor): Number) -> bool {
    major == 226 && (128..192).contains(&minor)
}

fn parse(text: &str) -> Option<Number> {
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    #[test]
    fn the_kernel_tells_both() {
        let folder = std::env::temp_dir().join(format!("hesper-drm-{}", std::process::id()));
        for (name, dev) in [("renderD129", "226:129\n"), ("card1", "226:1\n"), ("controlD65", "226:65\n")] {
            fs::create_dir_all(folder.join(name)).unwrap();
            fs::write(folder.join(name).join("dev"), dev).unwrap();
        }
        let numbers = Numbers::in_folder(&folder);
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(numbers, Numbers { render: Some((226, 129)), primary: Some((226, 1)) });
        assert_eq!(Numbers::of(&Node::new(File::open("/dev/null").unwrap())), Numbers::default());
        assert!(is_render((226, 128)) && ![(226, 0), (226, 64), (226, 192), (1, 130)].into_iter().any(is_render));
        assert!(["", "226", "226:x", "-1:2"].iter().all(|t| parse(t).is_none()));
    }
}
