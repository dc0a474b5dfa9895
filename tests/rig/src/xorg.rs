//! Xorg, an X server that shows its screen on a card (KMS), in a tree of its own. It runs in guests, whose cards are virtio-gpu's.

use anyhow::Result;

use crate::{Root, display};

/// No keyboard, no mouse and no OpenGL, which would need another driver than the card's of this kind.
pub(crate) const CONFIGURATION: &str = r#"
Section "ServerFlags"
    Option "AutoAddDevices" "false"
    Option "AutoAddGPU" "false"
EndSection
Section "Device"
    Identifier "card"
    Driver "modesetting"
    Option "kmsdev" "/dev/dri/card0"
    Option "AccelMethod" "none"
EndSection
"#;

/// It picks a number that no other server has, and says which on stdout. It takes no terminal over.
pub(crate) const ARGUMENTS: &str = "-displayfd 1 -nolisten tcp -noreset -ac -nocursor -novtswitch -sharevts vt1";

/// The tree that it is in.
///
/// # Errors
/// When it can't be made.
pub(crate) fn tree() -> Result<Root> {
    display::tree("xserver-xorg-core", "an X server that shows its screen on a card (80 MB from Debian's archive)")
}
