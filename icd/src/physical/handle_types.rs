//! Handle types of memory that is shared: what the program names, and what the host is told.
//!
//! A descriptor that leaves this driver is a dma-buf of the guest's kernel, whatever the program calls it. Its memory is a dma-buf at the host,
//! too (WIRE.md 12.4). So opaque descriptors and dma-bufs are the same thing, and the host hears of the latter alone.

use std::ffi::c_void;

use ash::vk;

use crate::base::chain::find_tagged;

/// What the host shares memory by.
pub const HOST: vk::ExternalMemoryHandleTypeFlags = vk::ExternalMemoryHandleTypeFlags::DMA_BUF_EXT;

/// What programs may share memory by.
pub const OFFERED: vk::ExternalMemoryHandleTypeFlags = vk::ExternalMemoryHandleTypeFlags::from_raw(
    vk::ExternalMemoryHandleTypeFlags::OPAQUE_FD.as_raw() | vk::ExternalMemoryHandleTypeFlags::DMA_BUF_EXT.as_raw(),
);

/// Whether the host's virglrenderer lets memory leave that its driver says this of: one that it can export, also once it was imported.
pub fn leaves(host: &vk::ExternalMemoryProperties) -> bool {
    host.external_memory_features.contains(vk::ExternalMemoryFeatureFlags::EXPORTABLE)
        && host.export_from_imported_handle_types.contains(HOST)
}

/// The host's answer as the program sees it; `imports` says whether there is a way to import.
pub fn shown(host: vk::ExternalMemoryProperties, imports: bool) -> vk::ExternalMemoryProperties {
    let all =
        |types: vk::ExternalMemoryHandleTypeFlags| if types.contains(HOST) { OFFERED } else { Default::default() };
    let mut features = host.external_memory_features;
    let mut exported_again = all(host.export_from_imported_handle_types);
    if !imports {
        features &= !vk::ExternalMemoryFeatureFlags::IMPORTABLE;
        exported_again = Default::default();
    }
    vk::ExternalMemoryProperties {
        external_memory_features: features,
        export_from_imported_handle_types: exported_again,
        compatible_handle_types: all(host.compatible_handle_types),
    }
}

/// The structs of chains in which handle types stand, with what may stand beside them there (`encoder/protocol/chains.tsv`): sType and bytes.
const LINKS: [(vk::StructureType, usize); 16] = {
    const fn link<T: vk::TaggedStructure>() -> (vk::StructureType, usize) {
        (T::STRUCTURE_TYPE, size_of::<T>())
    }
    [
        link::<vk::BufferDeviceAddressCreateInfoEXT>(),
        link::<vk::BufferOpaqueCaptureAddressCreateInfo>(),
        link::<vk::BufferUsageFlags2CreateInfoKHR>(),
        link::<vk::ExternalMemoryBufferCreateInfo>(),
        link::<vk::ExternalMemoryImageCreateInfo>(),
        link::<vk::ImageDrmFormatModifierExplicitCreateInfoEXT>(),
        link::<vk::ImageDrmFormatModifierListCreateInfoEXT>(),
        link::<vk::ImageFormatListCreateInfo>(),
        link::<vk::ImageStencilUsageCreateInfo>(),
        link::<vk::ExportMemoryAllocateInfo>(),
        link::<vk::MemoryAllocateFlagsInfo>(),
        link::<vk::MemoryDedicatedAllocateInfo>(),
        link::<vk::MemoryOpaqueCaptureAddressAllocateInfo>(),
        link::<vk::PhysicalDeviceExternalImageFormatInfo>(),
        link::<vk::PhysicalDeviceImageDrmFormatModifierInfoEXT>(),
        link::<vk::PhysicalDeviceImageViewImageFormatInfoEXT>(),
    ]
};

/// The structs whose third member names handle types.
const NAMING: [vk::StructureType; 4] = [
    vk::StructureType::EXTERNAL_MEMORY_BUFFER_CREATE_INFO,
    vk::StructureType::EXTERNAL_MEMORY_IMAGE_CREATE_INFO,
    vk::StructureType::EXPORT_MEMORY_ALLOCATE_INFO,
    vk::StructureType::PHYSICAL_DEVICE_EXTERNAL_IMAGE_FORMAT_INFO,
];

/// Bytes in front of them: sType, padding, pNext.
const HEAD: usize = 16;

/// A copy of a chain, with the host's handle types in it.
pub struct HostChain(Vec<Vec<u64>>);

impl HostChain {
    /// The copy of a chain; `None` where the chain itself will do. What the copy leaves out isn't sent in such chains.
    ///
    /// # Safety
    /// Null or a valid chain.
    pub unsafe fn of(next: *const c_void) -> Option<Self> {
        let differs = |tag| {
            // SAFETY: valid by contract; a struct of this kind has its handle types there.
            unsafe { find_tagged(next, tag).is_some_and(|p| !HOST.contains(handle_types(p.cast()).read())) }
        };
        if !NAMING.into_iter().any(differs) {
            return None;
        }
        let mut copies = Vec::new();
        let mut p = next.cast::<vk::BaseInStructure<'static>>();
        while !p.is_null() {
            // SAFETY: a struct of a valid chain.
            let tag = unsafe { (*p).s_type };
            if let Some((_, size)) = LINKS.iter().find(|(t, _)| *t == tag) {
                let mut copy = vec![0u64; size.div_ceil(8)];
                // SAFETY: the struct has the size of its kind, and the copy is no smaller.
                unsafe { p.cast::<u8>().copy_to_nonoverlapping(copy.as_mut_ptr().cast(), *size) };
                if NAMING.contains(&tag) {
                    let types = handle_types(copy.as_mut_ptr().cast());
                    // SAFETY: inside of the copy.
                    unsafe { types.write(for_host(types.read())) };
                }
                copies.push(copy);
            }
            // SAFETY: as above.
            p = unsafe { (*p).p_next };
        }
        let mut next = std::ptr::null();
        for copy in copies.iter_mut().rev() {
            let link: *mut vk::BaseInStructure<'static> = copy.as_mut_ptr().cast();
            // SAFETY: each copy begins with these two members.
            unsafe { (*link).p_next = next };
            next = link;
        }
        Some(Self(copies))
    }

    /// The first struct; the copies live as long as this does.
    pub fn first(&self) -> *const c_void {
        self.0.first().map_or(std::ptr::null(), |copy| copy.as_ptr().cast())
    }
}

/// Where one of the structs above has its handle types.
fn handle_types(p: *mut u8) -> *mut vk::ExternalMemoryHandleTypeFlags {
    p.wrapping_add(HEAD).cast()
}

/// What the host is told.
pub fn for_host(types: vk::ExternalMemoryHandleTypeFlags) -> vk::ExternalMemoryHandleTypeFlags {
    if types.intersects(OFFERED) { HOST } else { vk::ExternalMemoryHandleTypeFlags::empty() }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// Every struct that the encoders send behind these heads has a size here.
    #[test]
    fn no_struct_is_lost_in_a_copy() {
        let heads =
            ["VkBufferCreateInfo", "VkImageCreateInfo", "VkMemoryAllocateInfo", "VkPhysicalDeviceImageFormatInfo2"];
        let table = include_str!("../../../encoder/protocol/chains.tsv");
        let rows = table.lines().filter_map(|l| l.split_once('\t')).filter(|(head, _)| heads.contains(head));
        let sent: BTreeSet<&str> = rows.map(|(_, link)| link).collect();
        // The driver adds the one itself, and offers no descriptor heaps.
        let without = ["VkImportMemoryResourceInfoMESA", "VkOpaqueCaptureDataCreateInfoEXT"];
        assert_eq!(sent.len() - without.iter().filter(|w| sent.contains(*w)).count(), LINKS.len(), "{sent:?}");
    }

    #[test]
    fn the_host_hears_of_dma_bufs_alone() {
        use vk::ExternalMemoryHandleTypeFlags as T;
        let mut dedicated = vk::MemoryDedicatedAllocateInfo::default();
        let mut same = vk::ExportMemoryAllocateInfo::default().handle_types(T::DMA_BUF_EXT);
        let info = vk::MemoryAllocateInfo::default().push_next(&mut same).push_next(&mut dedicated);
        // SAFETY: a valid chain.
        assert!(unsafe { HostChain::of(info.p_next) }.is_none());

        let mut opaque = vk::ExportMemoryAllocateInfo::default().handle_types(T::OPAQUE_FD | T::DMA_BUF_EXT);
        let mut dedicated = vk::MemoryDedicatedAllocateInfo { buffer: vk::Handle::from_raw(7), ..Default::default() };
        let mut fd = vk::ImportMemoryFdInfoKHR::default();
        let info =
            vk::MemoryAllocateInfo::default().push_next(&mut opaque).push_next(&mut fd).push_next(&mut dedicated);
        // SAFETY: valid chains.
        unsafe {
            let copy = HostChain::of(info.p_next).unwrap();
            let first = &*copy.first().cast::<vk::MemoryDedicatedAllocateInfo>();
            let second = &*first.p_next.cast::<vk::ExportMemoryAllocateInfo>();
            assert!(first.s_type == vk::StructureType::MEMORY_DEDICATED_ALLOCATE_INFO);
            assert!(second.s_type == vk::StructureType::EXPORT_MEMORY_ALLOCATE_INFO && second.p_next.is_null());
            assert!(first.buffer == dedicated.buffer && second.handle_types == T::DMA_BUF_EXT);
        }
        assert!(opaque.handle_types.contains(T::OPAQUE_FD), "the program's own struct stays");
    }

    #[test]
    fn without_a_way_to_import_nothing_is_importable() {
        use vk::ExternalMemoryFeatureFlags as F;
        let host = vk::ExternalMemoryProperties {
            external_memory_features: F::EXPORTABLE | F::IMPORTABLE | F::DEDICATED_ONLY,
            export_from_imported_handle_types: HOST,
            compatible_handle_types: HOST,
        };
        let both = shown(host, true);
        assert!(both.compatible_handle_types == OFFERED && both.export_from_imported_handle_types == OFFERED);
        let only = shown(host, false);
        assert!(only.external_memory_features == F::EXPORTABLE | F::DEDICATED_ONLY);
        assert!(only.export_from_imported_handle_types.is_empty() && only.compatible_handle_types == OFFERED);
    }
    #[test]
    fn a_host_that_only_takes_memory_in_lets_none_leave() {
        use vk::ExternalMemoryFeatureFlags as F;
        let host = |features, again| vk::ExternalMemoryProperties {
            external_memory_features: features,
            export_from_imported_handle_types: again,
            compatible_handle_types: HOST,
        };
        let none = vk::ExternalMemoryHandleTypeFlags::empty();
        assert!(leaves(&host(F::EXPORTABLE | F::IMPORTABLE, HOST)));
        assert!(
            !leaves(&host(F::IMPORTABLE, HOST)) && !leaves(&host(F::EXPORTABLE, none)) && !leaves(&Default::default())
        );
    }
}
