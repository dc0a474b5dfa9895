//! The Venus capset: what the host's virglrenderer and its codec can do (WIRE.md 8.4).

use hesper_encoder::Codec;

use crate::Error;

/// The capset id of Venus.
pub const VENUS: u32 = 4;
/// Bytes of the newest known layout; older hosts fill less.
pub const SIZE: usize = 160;

/// The bit of the mask's first word that tells that there is a mask; no extension has number 0.
const MASK_IS_VALID: u32 = 1;

/// The version of the wire format that this driver speaks; versions aren't compatible.
const WIRE_FORMAT: u32 = 1;

/// A checked capset.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Capset {
    /// `VK_MAKE_API_VERSION` of the vk.xml behind the host's codec.
    pub vk_xml_version: u32,
    /// Spec version of VK_MESA_venus_protocol: 2 ring priority, 3 host image copy, 4 descriptor heap.
    pub venus_version: u32,
    /// What may be encoded.
    pub codec: Codec,
}

impl Capset {
    /// Parses what the host sent; missing bytes count as zeros.
    ///
    /// # Errors
    /// [`Error::NoDevice`] if the host is too old or is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        let word = |at: usize| {
            let b = bytes.get(at..at + 4).and_then(|b| b.try_into().ok());
            b.map_or(0, u32::from_le_bytes)
        };
        let need = |ok: bool, what: &str| if ok { Ok(()) } else { Err(Error::NoDevice(what.into())) };
        let (wire, told) = (word(0), bytes.iter().any(|b| *b != 0));
        need(told, "the host's virtio-gpu offers no Venus (is venus=on, or a newer VMM, missing?)")?;
        // As in virglrenderer 0.10, which knows a command that is gone and lacks others that came (WIRE.md 4).
        let old = "the host's virglrenderer is older than 1.0: its Venus is an experiment with a wire format of its own (version 0)";
        need(wire != 0, old)?;
        let other =
            format!("the host speaks version {wire} of the Venus wire format, this driver version {WIRE_FORMAT}");
        need(wire == WIRE_FORMAT, &other)?;
        need(word(16) == 1, "the host's virglrenderer is too old (no shared-memory blobs)")?;
        need(word(148) == 1 && word(152) == 1, "the host's virglrenderer is too old (no multiple timelines)")?;
        // The mask came before version 1 of the wire format did, so every host that has that version sends one (WIRE.md 8.4). Without it nobody
        // knows which structs the host can decode, and one that it can't ends the context.
        need(word(20) & MASK_IS_VALID != 0, "the host doesn't say which extensions its Venus knows")?;
        need(word(156) == 0, "the host wants device memory from the guest's own heap, which no upstream kernel has")?;
        let vk_xml_version = word(4);
        let mut mask = [0; 32];
        for (i, m) in mask.iter_mut().enumerate() {
            *m = word(20 + i * 4);
        }
        // major in bits 22..29, minor in bits 12..22 (Vulkan specification, "Version Numbers")
        let version = (vk_xml_version >> 22 & 0x7f) << 16 | (vk_xml_version >> 12 & 0x3ff);
        let (mut codec, venus_version) = (Codec { version, mask }, word(12));
        if venus_version < HOST_IMAGE_COPY.1 {
            without_host_image_copies(&mut codec);
        }
        Ok(Self { vk_xml_version, venus_version, codec })
    }
}

/// The number of VK_EXT_host_image_copy, and the spec version of VK_MESA_venus_protocol that brought its copies to and from memory.
const HOST_IMAGE_COPY: (u32, u32) = (271, 3);
/// The version of Vulkan that demands them.
const WITH_HOST_IMAGE_COPY: u32 = 1 << 16 | 4;

/// Cuts a codec to what it can do without the commands of host image copies, whatever it says of the extension's structs.
fn without_host_image_copies(codec: &mut Codec) {
    codec.version = codec.version.min(WITH_HOST_IMAGE_COPY - 1);
    let (number, _) = HOST_IMAGE_COPY;
    if let Some(word) = codec.mask.get_mut(number as usize / 32) {
        *word &= !(1 << (number % 32));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(set: &[(usize, u32)]) -> Vec<u8> {
        let mut b = vec![0; SIZE];
        for (at, v) in set {
            b[*at..at + 4].copy_from_slice(&v.to_le_bytes());
        }
        b
    }

    const GOOD: [(usize, u32); 7] = [(0, 1), (4, 4_211_031), (12, 4), (16, 1), (20, 1 | 1 << 14), (148, 1), (152, 1)];

    #[test]
    fn a_modern_host() {
        let c = Capset::parse(&bytes(&GOOD)).unwrap();
        assert_eq!((c.codec.version, c.venus_version), (0x1_0004, 4));
        assert!(c.codec.has(14) && !c.codec.has(15));
    }

    /// Versions of codec and protocol and bits of extensions may be any that come later: what both know is used.
    #[test]
    fn a_host_of_the_future() {
        let mut b = bytes(&GOOD);
        let set = |b: &mut Vec<u8>, at: usize, v: u32| b[at..at + 4].copy_from_slice(&v.to_le_bytes());
        // Vulkan 1.7.999, with the Venus protocol of some day.
        set(&mut b, 4, 1 << 22 | 7 << 12 | 999);
        set(&mut b, 8, 0x7fff_0000);
        set(&mut b, 12, 4711);
        (20..148).step_by(4).for_each(|at| set(&mut b, at, u32::MAX));
        // And members that nobody knows yet.
        b.extend([0xa5; 200]);
        let c = Capset::parse(&b).unwrap();
        assert_eq!((c.codec.version, c.venus_version), (0x1_0007, 4711));
        assert!(c.codec.has(14) && c.codec.has(1023) && c.codec.knows(0x1_0004, &[]) && c.codec.knows(0x1_0008, &[14]));
        assert!(!c.codec.knows(0x1_0008, &[1024]), "the mask ends there");
    }

    /// Such a host may have been built from a vk.xml that has them, and yet it knows no command that carries texels.
    #[test]
    fn a_host_without_host_image_copies() {
        let word = 20 + 4 * (271 / 32);
        let mut set = GOOD.to_vec();
        set.extend([(12, 2), (word, u32::MAX)]);
        let c = Capset::parse(&bytes(&set)).unwrap().codec;
        assert!(!c.has(271) && !c.knows(0x1_0004, &[271]) && c.has(270) && c.knows(0x1_0003, &[]));
        set.push((12, 3));
        let c = Capset::parse(&bytes(&set)).unwrap().codec;
        assert!(c.has(271) && c.knows(0x1_0004, &[]));
    }

    #[test]
    fn who_is_too_old_is_told_so() {
        let said = |set: &[(usize, u32)]| Capset::parse(&bytes(set)).unwrap_err().to_string();
        assert!(said(&[]).contains("offers no Venus"));
        // What virglrenderer 0.10.4 says.
        assert!(
            said(&[(4, 4_206_820), (12, 100_000), (16, 1), (20, 0x2000_8001), (148, 1)]).contains("older than 1.0")
        );
        assert!(said(&[(0, 2), (4, 4_211_031)]).contains("version 2 of the Venus wire format, this driver version 1"));
    }

    /// Whatever else the bits say: none of them counts where the mask doesn't.
    #[test]
    fn a_host_without_a_mask_is_refused() {
        for others in [0, !1] {
            let mut set = GOOD.to_vec();
            set.extend([(20, others), (24, others)]);
            let e = Capset::parse(&bytes(&set)).unwrap_err().to_string();
            assert!(e.contains("which extensions its Venus knows"), "{e}");
        }
    }

    #[test]
    fn what_is_refused() {
        assert!(Capset::parse(&[]).is_err());
        for (at, v) in [(0, 0), (0, 2), (16, 0), (20, 1 << 14), (148, 0), (152, 0), (156, 1)] {
            let mut b = bytes(&GOOD);
            b[at..at + 4].copy_from_slice(&u32::to_le_bytes(v));
            assert!(Capset::parse(&b).is_err(), "{at} {v}");
        }
        assert!(Capset::parse(&bytes(&GOOD)[..100]).is_err());
    }
}
