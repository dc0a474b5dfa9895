//! The capset: any bytes are one that can be worked with, or an error that says why not.

use hesper_winsys::{Capset, Error};

/// The number of VK_EXT_host_image_copy.
const HOST_IMAGE_COPY: u32 = 271;

pub fn run(input: &[u8]) {
    match Capset::parse(input) {
        Err(e) => assert!(matches!(e, Error::NoDevice(_)) && !e.to_string().is_empty()),
        Ok(capset) => {
            let codec = &capset.codec;
            assert!(codec.version >> 16 <= 0x7f && codec.version & 0xffff <= 0x3ff, "{:#x}", codec.version);
            // Without bit 0 the mask says nothing, and nothing may be sent.
            assert!(input.get(20).is_some_and(|b| b & 1 != 0), "a host without a mask");
            // Whatever else it says, a host whose protocol is older than version 3 copies no texels (WIRE.md 8.4).
            let copies = capset.venus_version >= 3;
            assert!(copies || codec.version < 1 << 16 | 4, "{:#x}", codec.version);
            for number in (0..1200).chain([u32::MAX]) {
                let bit = input
                    .get(20 + number as usize / 8)
                    .filter(|_| number < 1024)
                    .is_some_and(|b| b >> (number % 8) & 1 != 0);
                let bit = bit && (copies || number != HOST_IMAGE_COPY);
                assert_eq!(codec.has(number), bit, "extension {number}");
                assert!(codec.knows(codec.version, &[number]) && codec.knows(0, &[]));
            }
        }
    }
}

/// A host of today, one that copies no texels, with a mask and without, one of an older layout, and one that is none.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut today = vec![0u8; hesper_winsys::capset::SIZE];
    for (at, value) in [(0, 1), (4, 4_211_031), (8, 0x40_0000), (12, 4), (16, 1), (20, u32::MAX), (148, 1), (152, 1)] {
        today[at..at + 4].copy_from_slice(&u32::to_le_bytes(value));
    }
    let mut no_copies = today.clone();
    no_copies[12] = 2;
    let mut no_mask = no_copies.clone();
    no_mask[20] = 0;
    vec![today.clone(), no_copies, no_mask, today[..148].to_vec(), Vec::new()]
}
