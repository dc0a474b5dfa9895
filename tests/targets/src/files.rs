//! Files and variables that another program, another version or a person may have written.
//!
//! An input is which of them (1 byte), and its content.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::PathBuf;

use hesper_manifest::{cdi, icd};
use vulkan_hesper::readers;

pub fn run(input: &[u8]) {
    let Some((which, content)) = input.split_first() else { return };
    match which % 4 {
        0 => manifest(content),
        1 => pipelines(content),
        2 => probes(content),
        _ => settings(content),
    }
}

/// A manifest names a library, or isn't one; what is written of that library can be read again.
fn manifest(content: &[u8]) {
    let Ok(text) = std::str::from_utf8(content) else { return };
    let Ok(library) = icd::library_in(text) else { return };
    assert_eq!(icd::library_in(&icd::text(&library)).unwrap(), library);
    let library = PathBuf::from(&library);
    let is_absolute = library.is_absolute();
    let nodes = vec![PathBuf::from("/dev/dri/renderD128")];
    let spec = cdi::Spec { kind: cdi::KIND.to_owned(), nodes, library, manifest: PathBuf::from("/m.json") };
    assert_eq!(spec.json().is_ok(), is_absolute);
}

/// A cache on disk is whole, or none; what is kept is read back.
fn pipelines(content: &[u8]) {
    if let Some(data) = readers::pipelines(content.to_vec()) {
        assert!(content.ends_with(&data) && content.len() - data.len() == 16);
    }
}

/// What was tried out is read back as it was kept, or isn't known.
fn probes(content: &[u8]) {
    let Ok(text) = std::str::from_utf8(content) else { return };
    if let Some(again) = readers::probes(text) {
        assert_eq!(again, text);
    }
}

/// Lines of variables, `NAME=VALUE`.
fn settings(content: &[u8]) {
    let text = String::from_utf8_lossy(content);
    let find = |name: &str| {
        text.lines().find_map(|l| l.split_once('=').filter(|(n, _)| *n == name)).map(|(_, value)| value.to_owned())
    };
    let read = readers::settings(&find);
    assert!(read.spin.as_secs() <= 1);
    assert!(read.cache.is_none_or(|folder| folder.is_absolute()));
}

pub fn seeds() -> Vec<Vec<u8>> {
    let variables = "HESPER_DEBUG=vtest,sync,wait-poll,no-feedback\nHESPER_SPIN_US=2000\nHESPER_IDLE_US=1\nHESPER_BLOB_ALIGNMENT=65536\nHOME=/root\n\
        XDG_CACHE_HOME=/x\nHESPER_PIPELINE_CACHE=off\nHESPER_VTEST_SOCKET=/s\nVK_DRIVER_FILES=/a/hesper_icd.json:/b.json\n";
    // The checksum of no data.
    let cache = [&b"HESPERPC"[..], &0xcbf2_9ce4_8422_2325_u64.to_le_bytes()].concat();
    let mut probes = "probes 2\nVK_NV_shader_sm_builtins 00000000000002a0 found 132 64\n\
        VK_NV_cooperative_matrix2 00000000000002a1 failed 1753000000 2\nVK_NV_cooperative_matrix_decode_vector unknown\n"
        .to_owned();
    let mut checksum = DefaultHasher::new();
    probes.hash(&mut checksum);
    probes += &format!("checksum {:016x}\n", checksum.finish());
    assert!(readers::probes(&probes).is_some(), "the seed isn't such a file");
    let all = [icd::text("/usr/lib/libvulkan_hesper.so").into_bytes(), cache, probes.into(), variables.into()];
    all.into_iter().enumerate().map(|(i, content)| [&[i as u8][..], &content].concat()).collect()
}
