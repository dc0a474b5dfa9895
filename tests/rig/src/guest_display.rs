//! Display servers inside of a guest: pieces of shell for its jobs. The servers' trees are where the rig has them.

use std::path::Path;

use anyhow::Result;

use crate::{Renderer, weston, xorg, xvfb};

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
         mkdir -p {tree}/tmp/.X11-unix /tmp/.X11-unix && mount --bind /tmp/.X11-unix {tree}/tmp/.X11-unix || exit 1
         chroot {tree} /usr/bin/Xvfb {arguments} {width}x{height}x24 >/run/xvfb 2>/run/xvfb.log &
         {}
         {X_DISPLAY}",
        shares(&tree.to_string()),
        until("[ -s /run/xvfb ]", "/run/xvfb.log"),
    ))
}

/// Names the guest's Xvfb to programs.
pub const X_DISPLAY: &str = "export DISPLAY=:$(cat /run/xvfb)";

/// Starts Xorg on the guest's card, which stays, and waits until programs can connect, by `DISPLAY` after [`XORG_DISPLAY`]. `Xorg`'s log is /run/xorg.log.
///
/// # Errors
/// When its tree can't be made.
pub fn xorg() -> Result<String> {
    let tree = xorg::tree()?;
    let tree = tree.path().display();
    Ok(format!(
        "{}
         mkdir -p {tree}/tmp/.X11-unix /tmp/.X11-unix && mount --bind /tmp/.X11-unix {tree}/tmp/.X11-unix || exit 1
         echo '{}' >/run/xorg.conf
         chroot {tree} /usr/lib/xorg/Xorg {} -config /run/xorg.conf -logfile /run/xorg.log >/run/xorg 2>/run/xorg.err &
         {}
         {XORG_DISPLAY}",
        shares(&tree.to_string()),
        xorg::CONFIGURATION,
        xorg::ARGUMENTS,
        until("[ -s /run/xorg ]", "/run/xorg.err /run/xorg.log"),
    ))
}

/// Names the guest's Xorg to programs.
pub const XORG_DISPLAY: &str = "export DISPLAY=:$(cat /run/xorg)";

/// Starts a Weston that draws with `renderer`, which stays, and waits until programs can connect, by `WAYLAND_DISPLAY` after [`wayland_display`].
///
/// # Errors
/// When its tree can't be made.
pub fn weston(renderer: Renderer, [width, height]: [u32; 2]) -> Result<String> {
    let tree = weston::tree()?;
    let tree = tree.path().display();
    let arguments = weston::ARGUMENTS.join(" ");
    let name = renderer.name();
    // The guest's own tree is the rig's root.
    let libraries = Path::new("/mnt").join(weston::LIBRARIES);
    let set: String =
        renderer.environment(&libraries).iter().map(|(name, value)| format!("{name}={} ", value.display())).collect();
    Ok(format!(
        "{}
         mkdir -p {tree}/mnt && mount --bind / {tree}/mnt || exit 1
         {set} chroot {tree} /usr/bin/weston {arguments} --renderer={name} --width={width} --height={height} --socket=weston-{name} \
             >/run/weston-{name}.log 2>&1 &
         {}
         {}",
        shares(&tree.to_string()),
        until(&format!("[ -e /run/weston-{name} ]"), &format!("/run/weston-{name}.log")),
        wayland_display(renderer),
    ))
}

/// Names the guest's Weston that draws with `renderer` to programs.
pub fn wayland_display(renderer: Renderer) -> String {
    format!("export WAYLAND_DISPLAY=weston-{}", renderer.name())
}

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
