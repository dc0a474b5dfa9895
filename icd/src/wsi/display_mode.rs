//! A display's modes in Vulkan's terms, from the kernel's (`drm_mode_modeinfo`, include/uapi/drm/drm_mode.h).

use std::time::Duration;

use ash::vk;
use drm::control::{Mode, ModeFlags, ModeTypeFlags};

/// Longest side of a mode that is taken for one, in pixels: no screen has more, and a picture's rows stay far below the 32 bits that the kernel counts them in.
const LONGEST: u16 = 1 << 14;

/// What the rate of a mode is computed from.
#[derive(Clone, Copy)]
struct Timing {
    /// Pixels a millisecond.
    clock: u32,
    /// Pixels of a line and lines of a picture, with those that aren't seen.
    total: (u16, u16),
    /// How often each line is sent; 0 for once.
    scan: u16,
    /// Whether a picture has every other line.
    interlaced: bool,
    /// Whether each line is sent twice.
    doubled: bool,
    /// The rate as the kernel has rounded it, in Hz.
    rounded: u32,
}

impl Timing {
    fn of(mode: &Mode) -> Self {
        Self {
            clock: mode.clock(),
            total: (mode.hsync().2, mode.vsync().2),
            scan: mode.vscan(),
            interlaced: mode.flags().contains(ModeFlags::INTERLACE),
            doubled: mode.flags().contains(ModeFlags::DBLSCAN),
            rounded: mode.vrefresh(),
        }
    }

    /// Pictures in 1000 seconds; `None` where there are none, or more than Vulkan can tell.
    fn rate(&self) -> Option<u32> {
        let pixels = u64::from(self.total.0) * u64::from(self.total.1);
        let rate = if pixels == 0 || self.clock == 0 {
            u64::from(self.rounded) * 1000
        } else {
            let sent = pixels * u64::from(self.scan.max(1)) * if self.doubled { 2 } else { 1 };
            let clock = u64::from(self.clock) * 1_000_000 * if self.interlaced { 2 } else { 1 };
            (clock + sent / 2) / sent
        };
        u32::try_from(rate).ok().filter(|r| *r > 0)
    }
}

/// A size, if pictures can have it.
fn size(sides: (u16, u16)) -> Option<vk::Extent2D> {
    let can = |n: u16| (1..=LONGEST).contains(&n);
    (can(sides.0) && can(sides.1)).then(|| vk::Extent2D { width: sides.0.into(), height: sides.1.into() })
}

/// Size and rate of a mode; `None` for one in which nothing could be shown.
pub fn parameters(mode: &Mode) -> Option<vk::DisplayModeParametersKHR> {
    let (visible_region, refresh_rate) = (size(mode.size())?, Timing::of(mode).rate()?);
    Some(vk::DisplayModeParametersKHR { visible_region, refresh_rate })
}

/// From one picture of a mode to the next.
pub fn period(parameters: &vk::DisplayModeParametersKHR) -> Duration {
    Duration::from_nanos(1_000_000_000_000 / u64::from(parameters.refresh_rate.max(1)))
}

/// The mode that a display had rather have than others.
pub fn preferred(modes: &[Mode]) -> Option<&Mode> {
    modes.iter().find(|m| m.mode_type().contains(ModeTypeFlags::PREFERRED)).or_else(|| modes.first())
}

/// What a plane can show in a mode: all of a picture that fills the screen, and nothing else.
pub fn plane_capabilities(parameters: &vk::DisplayModeParametersKHR) -> vk::DisplayPlaneCapabilitiesKHR {
    let (whole, corner) = (parameters.visible_region, vk::Offset2D::default());
    vk::DisplayPlaneCapabilitiesKHR {
        supported_alpha: vk::DisplayPlaneAlphaFlagsKHR::OPAQUE,
        min_src_position: corner,
        max_src_position: corner,
        min_src_extent: whole,
        max_src_extent: whole,
        min_dst_position: corner,
        max_dst_position: corner,
        min_dst_extent: whole,
        max_dst_extent: whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 1920x1080 at 60 Hz, as CEA-861 has it.
    const FULL_HD: Timing =
        Timing { clock: 148_500, total: (2200, 1125), scan: 0, interlaced: false, doubled: false, rounded: 60 };

    #[test]
    fn the_rate_comes_from_the_clock() {
        assert_eq!(FULL_HD.rate(), Some(60_000));
        assert_eq!(Timing { clock: 148_352, ..FULL_HD }.rate(), Some(59_940));
        let fields = Timing { clock: 74_250, interlaced: true, ..FULL_HD };
        assert_eq!(fields.rate(), Some(60_000), "two halves a picture");
        assert_eq!(Timing { doubled: true, ..FULL_HD }.rate(), Some(30_000));
        assert_eq!(Timing { scan: 2, ..FULL_HD }.rate(), Some(30_000));
        assert_eq!(Timing { scan: 1, ..FULL_HD }.rate(), Some(60_000));
    }

    #[test]
    fn modes_without_a_clock_have_the_rounded_rate_or_none() {
        assert_eq!(Timing { clock: 0, rounded: 75, ..FULL_HD }.rate(), Some(75_000));
        assert_eq!(Timing { total: (0, 1125), ..FULL_HD }.rate(), Some(60_000));
        assert_eq!(Timing { clock: 0, rounded: 0, ..FULL_HD }.rate(), None);
        assert_eq!(Timing { total: (1, 1), clock: u32::MAX, ..FULL_HD }.rate(), None, "more than 32 bits");
        assert_eq!(Timing { clock: 1, total: (u16::MAX, u16::MAX), scan: u16::MAX, ..FULL_HD }.rate(), None);
    }

    #[test]
    fn no_picture_has_a_side_of_nothing_or_of_too_much() {
        // Vulkan's structs have no Debug here.
        assert!(size((1280, 800)) == Some(vk::Extent2D { width: 1280, height: 800 }));
        for sides in [(0, 0), (0, 800), (1280, 0), (u16::MAX, 1), (1, LONGEST + 1)] {
            assert!(size(sides).is_none(), "{sides:?}");
        }
    }

    #[test]
    fn a_plane_shows_what_fills_the_screen() {
        let whole = vk::Extent2D { width: 1280, height: 800 };
        let mode = vk::DisplayModeParametersKHR { visible_region: whole, refresh_rate: 59_940 };
        let can = plane_capabilities(&mode);
        // Vulkan's structs have no Debug here.
        assert!([can.min_src_extent, can.max_src_extent, can.min_dst_extent, can.max_dst_extent] == [whole; 4]);
        assert!([can.max_src_position, can.max_dst_position] == [vk::Offset2D::default(); 2]);
        assert!(can.supported_alpha == vk::DisplayPlaneAlphaFlagsKHR::OPAQUE);
        assert_eq!(period(&mode), Duration::from_nanos(16_683_350));
        let none = vk::DisplayModeParametersKHR { refresh_rate: 0, ..mode };
        assert_eq!(period(&none), Duration::from_secs(1000));
    }
}
