//! Images and packages of files that stand for a build: whole, readable by others' readers, and the same each time.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::Command;

use hesper_packaging::digest::sha256;
use hesper_packaging::oci::{self, Tag};
use hesper_packaging::release::{self, VERSION};
use hesper_packaging::{Contents, Places, archive, deb, rpm};
use hesper_rig::Guest;
use hesper_rig::cross::CrossBuild;
use serde_json::Value;

const PAPERS: [&str; 3] = ["copyright", "rust-standard-library.html", "sbom.cdx.json"];

/// A folder for one test, removed in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hesper-packaging-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn contents(guest: Guest, folder: &Path) -> Contents {
    let file = |name: &str| {
        let file = folder.join(format!("{name}-{}", guest.name()));
        fs::write(&file, format!("\x7fELF {name} for {}", guest.name())).unwrap();
        file
    };
    let built =
        CrossBuild { library: file("library"), program: file("program"), manifest: file("m"), opener: file("o") };
    Contents::collect(guest, &built).unwrap()
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap()
}

/// The files of a tar archive, and the folders, which end in a slash.
fn untar(tar: &[u8]) -> BTreeMap<String, Vec<u8>> {
    let mut all = BTreeMap::new();
    for entry in tar::Archive::new(tar).entries().unwrap() {
        let mut entry = entry.unwrap();
        let name = String::from_utf8(entry.path_bytes().into_owned()).unwrap();
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).unwrap();
        assert!(all.insert(name, bytes).is_none());
    }
    all
}

fn unpacked(gzip: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(gzip).read_to_end(&mut bytes).unwrap();
    bytes
}

/// The files of a folder, with what is in them.
fn read(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                folders.push(entry.path());
            } else {
                all.insert(entry.path().strip_prefix(folder).unwrap().to_owned(), fs::read(entry.path()).unwrap());
            }
        }
    }
    all
}

#[test]
fn the_layout_is_whole_and_the_same_each_time() {
    let folder = Folder::new("layout");
    let write = |name: &str| {
        let tag = |name: &str, guests: [Guest; 2]| Tag {
            name: name.to_owned(),
            images: guests.map(|g| contents(g, &folder.0)).into(),
        };
        let tags = [tag("t", [Guest::Amd64, Guest::Arm64]), tag("t-musl", [Guest::Amd64Musl, Guest::Arm64Musl])];
        let layout = folder.0.join(name);
        let digests = oci::write(&layout, &tags, Some("abc")).unwrap();
        (digests, read(&layout))
    };
    let (digests, files) = write("a");
    assert!((&digests, &files) == (&write("b").0, &write("b").1), "another time, other bytes");

    // Each blob is what its name says, and is named.
    let mut named = 0;
    let mut blob = |descriptor: &Value| {
        let name = descriptor["digest"].as_str().unwrap();
        let bytes = &files[&PathBuf::from("blobs").join(name.replace(':', "/"))];
        assert_eq!(format!("sha256:{}", sha256(bytes)), name);
        assert_eq!(descriptor["size"], bytes.len());
        named += 1;
        bytes.clone()
    };
    let index = json(&files[Path::new("index.json")]);
    assert_eq!(json(&files[Path::new("oci-layout")])["imageLayoutVersion"], "1.0.0");
    let tags = index["manifests"].as_array().unwrap();
    assert_eq!(tags.len(), 2);
    for ((tag, digest), (name, suffix)) in tags.iter().zip(digests).zip([("t", ""), ("t-musl", "-musl")]) {
        assert_eq!(
            (tag["annotations"]["org.opencontainers.image.ref.name"].as_str(), &tag["digest"]),
            (Some(name), &digest.into())
        );
        let images = json(&blob(tag));
        assert_eq!(images["annotations"]["org.opencontainers.image.revision"], "abc");
        let images = images["manifests"].as_array().unwrap().clone();
        for (image, processor) in images.iter().zip(["amd64", "arm64"]) {
            assert_eq!(
                (&image["platform"]["architecture"], &image["platform"]["os"]),
                (&processor.into(), &"linux".into())
            );
            let manifest = json(&blob(image));
            let config = json(&blob(&manifest["config"]));
            assert_eq!(config["architecture"], processor);
            assert_eq!(config["config"]["Labels"], manifest["annotations"]);
            let layers = manifest["layers"].as_array().unwrap();
            assert_eq!(layers.len(), 1);
            let layer = unpacked(&blob(&layers[0]));
            assert_eq!(config["rootfs"]["diff_ids"][0], format!("sha256:{}", sha256(&layer)));
            let layer = untar(&layer);
            let inside = |path: &str| String::from_utf8(layer[path.trim_start_matches('/')].clone()).unwrap();
            let whole = format!("\x7fELF library for {processor}{suffix}");
            // From the variable to the library, as the Vulkan loader goes.
            let variable = config["config"]["Env"][0].as_str().unwrap().strip_prefix("VK_DRIVER_FILES=").unwrap();
            let icd = json(inside(variable).as_bytes());
            assert_eq!(inside(icd["ICD"]["library_path"].as_str().unwrap()), whole);
            assert_eq!(inside("usr/bin/hesper"), whole.replace("library", "program"));
            let bill = json(inside(manifest["annotations"]["hesper.sbom"].as_str().unwrap()).as_bytes());
            assert_eq!((&bill["bomFormat"], &bill["specVersion"]), (&"CycloneDX".into(), &"1.5".into()));
            let hashes: Vec<_> =
                bill["components"].as_array().unwrap().iter().map(|c| &c["hashes"][0]["content"]).collect();
            assert!(hashes.contains(&&sha256(whole.as_bytes()).into()));
            for paper in PAPERS {
                assert!(!inside(&format!("usr/share/doc/hesper/{paper}")).is_empty());
            }
            assert_eq!(layer.keys().filter(|k| !k.ends_with('/')).count(), 6);
        }
    }
    assert_eq!(named + 2, files.len(), "a file that nothing names");
}

/// Whether these are the authors in Cargo.toml, and none that stand for others: domains that lead nowhere (RFC 2606), and words for what is still to be filled in.
fn is_meant(maintainer: &str) -> bool {
    let small = maintainer.to_lowercase();
    let stands_for_others = ["example", "invalid", "localhost", ".test", "noreply", "todo", "your name"];
    let are_authors = !maintainer.is_empty() && env!("CARGO_PKG_AUTHORS").split(':').eq(maintainer.split(", "));
    are_authors && !stands_for_others.iter().any(|w| small.contains(w))
}

#[test]
fn a_deb_is_read_back() {
    let folder = Folder::new("deb");
    let contents = contents(Guest::Arm64, &folder.0);
    let package = deb::package(&contents).unwrap();
    assert_eq!(package, deb::package(&contents).unwrap());
    assert!(deb::name(&contents).ends_with("_arm64.deb"));
    let mut ar = ar::Archive::new(&package[..]);
    let mut members = Vec::new();
    while let Some(member) = ar.next_entry() {
        let mut member = member.unwrap();
        let mut bytes = Vec::new();
        member.read_to_end(&mut bytes).unwrap();
        members.push((String::from_utf8(member.header().identifier().to_vec()).unwrap(), bytes));
    }
    let [(version, two), (control, described), (data, files)] = &members[..] else {
        panic!("{} members", members.len())
    };
    assert_eq!([version, control, data], ["debian-binary", "control.tar.gz", "data.tar.gz"]);
    assert_eq!(two, b"2.0\n");
    let control = String::from_utf8(untar(&unpacked(described))["./control"].clone()).unwrap();
    for line in ["Package: hesper", "Architecture: arm64", "Depends: libc6 (>= 2.28)", "Recommends: libvulkan1"] {
        assert!(control.lines().any(|l| l == line), "{control}");
    }
    let maintainer = control.lines().find_map(|l| l.strip_prefix("Maintainer: ")).unwrap();
    assert!(is_meant(maintainer), "{maintainer} maintains nothing");
    let files = untar(&unpacked(files));
    assert_eq!(files["./usr/lib/aarch64-linux-gnu/libvulkan_hesper.so"], b"\x7fELF library for arm64");
    assert_eq!(files.keys().filter(|k| !k.ends_with('/')).count(), 6);
}

#[test]
fn an_rpm_is_read_back() {
    let folder = Folder::new("rpm");
    let contents = contents(Guest::Arm64, &folder.0);
    let bytes = rpm::package(&contents).unwrap();
    assert_eq!(bytes, rpm::package(&contents).unwrap());
    let package = ::rpm::Package::parse(&mut &bytes[..]).unwrap();
    package.verify_digests().unwrap();
    let about = &package.metadata;
    assert_eq!(rpm::name(&contents), package.canonical_filename().unwrap());
    assert_eq!((about.get_name().unwrap(), about.get_arch().unwrap()), ("hesper", "aarch64"));
    let licence = about.get_license().unwrap();
    assert!(licence.contains("ISC AND MIT AND") && licence.contains("(MIT OR Apache-2.0)"), "{licence}");
    assert!(is_meant(about.get_packager().unwrap()));
    assert!(about.get_requires().unwrap().iter().any(|d| d.name == "libc.so.6(GLIBC_2.28)(64bit)"));
    let mut found = BTreeMap::new();
    for file in package.files().unwrap() {
        let file = file.unwrap();
        found.insert(file.metadata.path().to_string_lossy().into_owned(), file.content().unwrap_or_default().to_vec());
    }
    for file in contents.files(Places::Fedora) {
        assert_eq!(found[&format!("/{}", file.path)], file.bytes, "{}", file.path);
    }
    assert!(found.contains_key("/usr/lib64/libvulkan_hesper.so"));
    // What would stay when the files are removed is the package's, too.
    for folder in ["/usr/share/doc/hesper", "/usr/share/vulkan", "/usr/share/vulkan/icd.d"] {
        assert!(found.contains_key(folder), "{folder}");
    }
    assert!(!found.contains_key("/usr/bin"));
}

#[test]
fn what_cant_be_handed_out_is_an_error() {
    let folder = Folder::new("wrong");
    let musl = contents(Guest::Amd64Musl, &folder.0);
    assert!(deb::package(&musl).unwrap_err().to_string().contains("musl"));
    assert!(rpm::package(&musl).unwrap_err().to_string().contains("musl"));
    let text = folder.0.join("text");
    fs::write(&text, "text").unwrap();
    let with = |library: &Path| CrossBuild {
        library: library.to_owned(),
        program: text.clone(),
        manifest: text.clone(),
        opener: text.clone(),
    };
    assert!(Contents::collect(Guest::Amd64, &with(&text)).is_err());
    assert!(Contents::collect(Guest::Amd64, &with(&folder.0.join("nothing"))).is_err());
    // What doesn't compress is too large for a layer.
    let large: Vec<u8> =
        (0..7_u32 << 18).flat_map(|i| i.wrapping_mul(2_654_435_761).rotate_left(i % 31).to_le_bytes()).collect();
    let file = folder.0.join("library-amd64");
    fs::write(&file, [b"\x7fELF", &large[..]].concat()).unwrap();
    let built = CrossBuild { library: file.clone(), program: file, manifest: text.clone(), opener: text };
    let tag = Tag { name: "t".to_owned(), images: vec![Contents::collect(Guest::Amd64, &built).unwrap()] };
    let error = format!("{:#}", oci::write(&folder.0.join("layout"), &[tag], None).unwrap_err());
    assert!(error.contains("more than 6 MiB"), "{error}");
    assert!(archive::tar(&[archive::File::data("x".repeat(200), "")], "").is_err());
}

#[test]
fn a_release_is_whole_and_the_same_each_time() {
    let folder = Folder::new("release");
    let guests = [Guest::Amd64, Guest::Arm64, Guest::Amd64Musl, Guest::Arm64Musl];
    let make = || {
        let contents = guests.map(|g| contents(g, &folder.0));
        let mut all = release::files(&contents).unwrap();
        let tags = [Tag { name: "t".to_owned(), images: contents.into() }];
        all.extend(release::images(&tags, Some("abc"), &folder.0.join("layout")).unwrap());
        assert!(!folder.0.join("layout").exists());
        all
    };
    let all = make();
    assert!(release::sums(&all) == release::sums(&make()), "another time, other bytes");
    let wanted = |name: &str| all.keys().filter(|n| n.contains(name)).count();
    assert_eq!((all.len(), wanted(".deb"), wanted(".rpm"), wanted("sbom"), wanted("copyright")), (17, 2, 2, 4, 4));
    assert!(all.keys().all(|n| n.contains(VERSION)), "{:?}", all.keys());

    // A driver's archive, unpacked anywhere, is a driver that its manifest finds.
    let archive = &all[&format!("hesper-{VERSION}-arm64-musl.tar.gz")];
    fs::write(folder.0.join("archive"), archive).unwrap();
    let tar = Command::new("tar").args(["--extract", "--file=archive"]).current_dir(&folder.0).status().unwrap();
    assert!(tar.success());
    let unpacked = folder.0.join(format!("hesper-{VERSION}-arm64-musl"));
    let names: Vec<_> = read(&unpacked).into_keys().map(|p| p.to_str().unwrap().to_owned()).collect();
    assert_eq!(
        names,
        [
            "copyright",
            "hesper",
            "hesper_icd.json",
            "libvulkan_hesper.so",
            "rust-standard-library.html",
            "sbom.cdx.json"
        ]
    );
    let manifest = json(&fs::read(unpacked.join("hesper_icd.json")).unwrap());
    let library = unpacked.join(manifest["ICD"]["library_path"].as_str().unwrap());
    assert_eq!(fs::read(library).unwrap(), b"\x7fELF library for arm64-musl");

    let images = untar(&all[&format!("hesper-{VERSION}-oci.tar")]);
    assert!(images.contains_key("oci-layout") && images.contains_key("index.json"));
    assert_eq!(json(&images["index.json"])["manifests"].as_array().unwrap().len(), 1);
}
