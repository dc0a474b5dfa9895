//! Display servers inside of a guest: pieces of shell for its jobs. The servers' trees are where the rig has them.

use anyhow::Result;

use crate::{weston, xvfb};

/// How long a server may take to start, in tenths of a second.
const PATIENCE: u32 = 600;

/// Starts Xvfb, which stays, and waits until programs can connect. `DISPLAY` names it then, here and in later jobs after [`X_DISPLAY`].
///
/// # Errors
/// When its tree can't be made.
pub fn xvfb([width, height]: [u32; 2]) -> Result<String> {
    let tree = xvfb::tree()?;
    let tree = tree.path().display();
    let arguments = xvfb::ARGUMENTS.join(" ");
    // Its socket is where programs outside of its tree look for it.
    Ok(format!(
        "{}
         mkdir -p {tree}/tmp/.X11-unix /tmp/.X11-unix && mount --bind {tree}/tmp/.X11-unix /tmp/.X11-unix || exit 1
         chroot {tree} /usr/bin/Xvfb {arguments} {width}x{height}x24 >/run/xvfb 2>/run/xvfb.log &
         {}
         {X_DISPLAY}",
        shares(&tree.to_string()),
        until("[ -s /run/xvfb ]", "/run/xvfb.log"),
    ))
}

/// Names the guest's Xvfb to programs.
pub const X_DISPLAY: &str = "export DISPLAY=:$(cat /run/xvfb)";

/// Starts Weston, which stays, and waits until programs can connect, by `WAYLAND_DISPLAY` after [`WAYLAND_DISPLAY`].
///
/// # Errors
/// When its tree can't be made.
pub fn weston([width, height]: [u32; 2]) -> Result<String> {
    let tree = weston::tree()?;
    let tree = tree.path().display();
    let arguments = weston::ARGUMENTS.join(" ");
    Ok(format!(
        "{}
         chroot {tree} /usr/bin/weston {arguments} --width={width} --height={height} --socket=weston >/run/weston.log 2>&1 &
         {}
         {WAYLAND_DISPLAY}",
        shares(&tree.to_string()),
        until("[ -e /run/weston ]", "/run/weston.log"),
    ))
}

/// Names the guest's Weston to programs.
pub const WAYLAND_DISPLAY: &str = "export WAYLAND_DISPLAY=weston";

/// Puts the picture of the guest's Weston, a PNG file, into the job's folder.
///
/// # Errors
/// When its tree can't be made.
pub fn weston_picture() -> Result<String> {
    let tree = weston::tree()?;
    let tree = tree.path().display();
    Ok(format!("chroot {tree} /bin/sh -c 'cd /run/pictures && {}' && mv /run/pictures/* .", weston::SCREENSHOT))
}

/// Gives a tree what programs need of the guest: /run is where Weston listens.
fn shares(tree: &str) -> String {
    format!(
        "mkdir -p /run/pictures
         for folder in proc sys dev run; do
             mkdir -p {tree}/$folder && mount --rbind /$folder {tree}/$folder || exit 1
         done"
    )
}

/// Waits for a condition, and gives up with what the server said.
fn until(condition: &str, log: &str) -> String {
    format!(
        "left={PATIENCE}
         until {condition}; do
             left=$((left - 1)); [ $left -gt 0 ] && kill -0 $! || {{ cat {log}; exit 1; }}; sleep 0.1
         done"
    )
}
