//! A pipeline cache on disk for programs that bring none, such as llama.cpp: what the host compiled for one start serves the
//! next. It is for hosts that keep nothing by themselves; others only become slower by it (docs/choices.md).
//!
//! One file for each device and driver version, replaced as a whole some seconds after the last pipeline was made, as many programs
//! never destroy their device, and when it is destroyed; the last of several programs wins. A file that is damaged, foreign
//! or too large counts as none.

use std::fs;
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use ash::vk;

use crate::base::clock;
use crate::base::kept_file;
use crate::base::log::{info, warn_};
use crate::base::object::Part;
use crate::base::settings::{self, PipelineCache};
use crate::generated::forward;
use crate::physical::device::Device;
use crate::pipelines::cache as pipeline_cache;

const MAGIC: &[u8; 8] = b"HESPERPC";
/// Bytes before the cache's data: the magic and a checksum.
const HEAD: usize = 16;
/// Larger files are neither read nor written.
const LARGEST: usize = 64 << 20;
/// Host drivers that keep no compiled pipelines by themselves.
const KEEPS_NOTHING: [vk::DriverId; 1] = [vk::DriverId::MOLTENVK];
/// Files of other devices and versions that stay.
const FILES: usize = 8;

/// The cache of one device.
#[derive(Default)]
pub struct Store {
    cache: OnceLock<Option<Kept>>,
}

struct Kept {
    cache: vk::PipelineCache,
    path: PathBuf,
    /// The checksum of what was read or written last.
    known: AtomicU64,
    /// When the last pipeline was made that isn't written yet; 0 if all are.
    made: AtomicU64,
}

/// How long after a pipeline was made it is taken for the last one, in nanoseconds.
const SETTLED: u64 = 2_000_000_000;

impl Store {
    /// The cache that a program gave, or the device's own.
    ///
    /// # Safety
    /// The device whose store this is.
    pub unsafe fn instead_of(&self, device: vk::Device, given: vk::PipelineCache) -> vk::PipelineCache {
        if given != vk::PipelineCache::null() {
            return given;
        }
        // SAFETY: a valid device.
        let kept = self.cache.get_or_init(|| unsafe { open(device) });
        kept.as_ref().map_or(given, |k| {
            k.made.store(clock::now().max(1), Ordering::Relaxed);
            k.cache
        })
    }

    /// Writes the cache of a device that is about to be destroyed.
    ///
    /// # Safety
    /// The device whose store this is, which no other thread uses any more.
    pub unsafe fn close(&self, device: vk::Device) {
        let Some(Some(kept)) = self.cache.get() else { return };
        // SAFETY: a valid device and the cache that was made for it.
        unsafe {
            if kept.made.swap(0, Ordering::Relaxed) != 0 {
                save(device, kept);
            }
            forward::destroy_pipeline_cache(device, kept.cache, ptr::null());
        }
    }

    /// Writes the cache if its last pipeline was made a while ago; called at submissions.
    ///
    /// # Safety
    /// The device whose store this is.
    #[inline]
    pub unsafe fn settle(&self, device: vk::Device) {
        if let Some(Some(kept)) = self.cache.get() {
            let made = kept.made.load(Ordering::Relaxed);
            // One thread writes; others go on.
            let due = made != 0 && clock::now().saturating_sub(made) > SETTLED;
            if due && kept.made.compare_exchange(made, 0, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
                // SAFETY: a valid device.
                unsafe { save(device, kept) };
            }
        }
    }
}

unsafe fn open(device: vk::Device) -> Option<Kept> {
    // SAFETY: a valid device.
    let d = unsafe { Device::of(device) };
    let folder = match &settings::get().pipeline_cache {
        PipelineCache::Off => return None,
        PipelineCache::In(folder) => folder,
        PipelineCache::WhereOfUse(folder) if KEEPS_NOTHING.contains(&d.physical().host_driver) => folder.as_ref()?,
        PipelineCache::WhereOfUse(_) => return None,
    };
    let uuid: String = d.physical().properties.pipeline_cache_uuid.iter().map(|b| format!("{b:02x}")).collect();
    let path = folder.join(format!("pipelines-{uuid}.bin"));
    let data = read(&path).unwrap_or_default();
    info!("pipeline cache {}: {} bytes", path.display(), data.len());
    let info = vk::PipelineCacheCreateInfo {
        initial_data_size: data.len(),
        p_initial_data: data.as_ptr().cast(),
        ..Default::default()
    };
    let mut cache = vk::PipelineCache::null();
    // SAFETY: a valid device, pointers to locals.
    let made = unsafe { pipeline_cache::create_pipeline_cache(device, &info, ptr::null(), &mut cache) };
    // Without one, the host compiles anew: no reason to fail.
    (made == vk::Result::SUCCESS).then_some(Kept {
        cache,
        path,
        known: checksum(&data).into(),
        made: AtomicU64::new(0),
    })
}

#[cold]
unsafe fn save(device: vk::Device, kept: &Kept) {
    // SAFETY: a valid device.
    let data = unsafe { data_of(device, kept.cache) };
    if data.is_empty() || data.len() > LARGEST || kept.known.swap(checksum(&data), Ordering::Relaxed) == checksum(&data)
    {
        return;
    }
    if let Err(e) = write(&kept.path, &data) {
        // A read-only home is common in containers.
        warn_!("the pipeline cache isn't kept: {}: {e}", kept.path.display());
    }
}

unsafe fn data_of(device: vk::Device, cache: vk::PipelineCache) -> Vec<u8> {
    let mut size = 0;
    // SAFETY: a valid device and cache; the second call writes at most `size` bytes.
    unsafe {
        if pipeline_cache::data_so_far(device, cache, &mut size, ptr::null_mut()) != vk::Result::SUCCESS
            || size > LARGEST
        {
            return Vec::new();
        }
        let mut data = vec![0u8; size];
        match pipeline_cache::data_so_far(device, cache, &mut size, data.as_mut_ptr().cast()) {
            vk::Result::SUCCESS => {
                data.truncate(size);
                data
            }
            _ => Vec::new(),
        }
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let size = fs::metadata(path).ok()?.len();
    if size > (LARGEST + HEAD) as u64 {
        return None;
    }
    parse(fs::read(path).ok()?)
}

/// The data of a cache, if the file is one, and whole.
pub fn parse(mut bytes: Vec<u8>) -> Option<Vec<u8>> {
    let (head, data) = bytes.split_at_checked(HEAD)?;
    let (magic, sum) = head.split_at_checked(MAGIC.len())?;
    if magic != MAGIC || sum != checksum(data).to_le_bytes() {
        return None;
    }
    Some(bytes.split_off(HEAD))
}

fn write(path: &Path, data: &[u8]) -> std::io::Result<()> {
    kept_file::replace(path, &[MAGIC, &checksum(data).to_le_bytes(), data])?;
    if let Some(folder) = path.parent() {
        tidy(folder);
    }
    Ok(())
}

/// Removes the oldest files, of devices and versions that are gone.
fn tidy(folder: &Path) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let ours = |p: &PathBuf| p.file_name().is_some_and(|n| n.to_string_lossy().starts_with("pipelines-"));
    let aged = |p: PathBuf| Some((fs::metadata(&p).ok()?.modified().ok()?, p));
    let mut files: Vec<_> = entries.flatten().map(|e| e.path()).filter(ours).filter_map(aged).collect();
    files.sort();
    let many = files.len().saturating_sub(FILES);
    for (_, old) in files.into_iter().take(many) {
        let _ = fs::remove_file(old);
    }
}

/// FNV-1a: to notice damage, not malice.
fn checksum(data: &[u8]) -> u64 {
    data.iter().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(*b)).wrapping_mul(0x100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_damage_is_noticed() {
        let folder = std::env::temp_dir().join(format!("hesper-store-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let path = folder.join("deeper/pipelines-x.bin");
        assert_eq!(read(&path), None);
        write(&path, b"some data").unwrap();
        write(&path, b"other data").unwrap();
        assert_eq!(read(&path).unwrap(), b"other data");
        let whole = fs::read(&path).unwrap();
        for damaged in [&whole[..whole.len() - 1], &whole[..10], &[&whole[..], b"x"].concat(), b""] {
            fs::write(&path, damaged).unwrap();
            assert_eq!(read(&path), None, "{damaged:?}");
        }
        for i in 0..20 {
            write(&folder.join(format!("deeper/pipelines-{i}.bin")), b"x").unwrap();
        }
        assert_eq!(fs::read_dir(folder.join("deeper")).unwrap().count(), FILES);
        fs::remove_dir_all(&folder).unwrap();
    }
}
