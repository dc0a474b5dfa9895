//! The way to the host without a driver on top.

use std::num::NonZeroUsize;

use hesper_rig::Host;
use hesper_tests::root;
use hesper_winsys::{BlobFlags, Config, Error, Mapping};
use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What fails for want of open files can be repeated. The blob is there, and its file is asked for again; a server that sends files once isn't
/// asked for a blob before there is room for the file.
#[test]
fn a_blob_is_mapped_when_there_is_room_again() {
    let host = Host::start(&root()).unwrap();
    let config = Config { vtest: true, vtest_socket: Some(host.socket().to_path_buf()), ..Config::default() };
    let winsys = hesper_winsys::open(&config).unwrap();
    let (usual, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    // Descriptors are given out from the lowest that is free: no more than those that are open now.
    let next = std::fs::File::open("/dev/null").unwrap();
    let full = u64::try_from(std::os::fd::AsRawFd::as_raw_fd(&next)).unwrap();
    drop(next);

    setrlimit(Resource::RLIMIT_NOFILE, full, most).unwrap();
    let made = winsys.create_blob(0, 10_000, BlobFlags::MAPPABLE, &[]);
    let mapped = made.as_ref().map(|blob| winsys.map(blob).map(drop));
    let exported = made.as_ref().map(|blob| winsys.export(blob).map(drop));
    setrlimit(Resource::RLIMIT_NOFILE, usual, most).unwrap();

    if host.version().sends_files_again() {
        assert!(matches!(mapped, Ok(Err(Error::Refused(_)))), "{mapped:?}");
        assert!(matches!(exported, Ok(Err(Error::Refused(_)))), "{exported:?}");
        let blob = made.unwrap();
        let (one, two) = (winsys.map(&blob).unwrap(), winsys.map(&blob).unwrap());
        assert!(one.base() != two.base());
        shared(&one, &two);
        assert!(winsys.export(&blob).is_ok());
        // In the place of one of them.
        let at = NonZeroUsize::new(two.base().addr()).unwrap();
        two.reserve().unwrap();
        // SAFETY: the range was reserved for this.
        let two = unsafe { winsys.map_at(&blob, at) }.unwrap();
        assert!(winsys.maps_again() && two.base().addr() == at.get());
        shared(&one, &two);
    } else {
        assert!(!winsys.maps_again());
        assert!(matches!(made, Err(Error::Refused(_))), "{:?}", made.err());
        let blob = winsys.create_blob(0, 10_000, BlobFlags::MAPPABLE, &[]).unwrap();
        assert!(winsys.export(&blob).is_ok());
        let mapping = winsys.map(&blob).unwrap();
        shared(&mapping, &mapping);
        assert!(matches!(winsys.export(&blob), Err(Error::Unsupported(_))));
    }
    assert!(winsys.check().is_ok());
}

/// What is written through one mapping of ten thousand bytes is read through another.
fn shared(one: &Mapping, two: &Mapping) {
    assert!(one.write(9_990, b"hello"));
    let mut read = [0; 5];
    assert!(two.read(9_990, &mut read) && &read == b"hello");
}
