//! A host like Apple's computers: all memory is one, nothing leaves it by file descriptor, features are few and compiling is slow
//! (docs/macos.md).

use std::collections::BTreeSet;

use hesper_rig::llama::{self, Server};
use hesper_rig::models::{self, Weights};
use hesper_rig::vulkaninfo::{Facts, VULKANINFO, facts_of, is_feature, last};
use hesper_rig::{Apple, Driver, Host, HostVersion, Root, build_driver, target_folder};
use hesper_tests::{OWN_FEATURES, good, quick, root};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");

/// What a driver shows over such a host.
fn facts(root: &Root, apple: Apple, driver: Driver) -> Facts {
    let host = apple.start(root).unwrap();
    let facts = facts_of(root.client(driver, Some(&host), VULKANINFO).unwrap());
    facts.unwrap_or_else(|e| panic!("{driver} over {apple}: {e:?}\n{}", host.log()))
}

/// What the host's own driver shows.
fn native(root: &Root, apple: Apple) -> Facts {
    facts_of(root.native_with_layer(&[apple.setting()], VULKANINFO).unwrap()).unwrap()
}

fn extensions(facts: &Facts) -> BTreeSet<&str> {
    facts.keys().filter_map(|k| k.strip_prefix("Device Extensions/")).collect()
}

/// Features that are on.
fn all_features(facts: &Facts) -> BTreeSet<&str> {
    facts.iter().filter(|(k, v)| is_feature(k) && *v == "true").map(|(k, _)| last(k)).collect()
}

/// The same without those that Vulkan 1.4 alone tells of.
fn features(facts: &Facts) -> BTreeSet<&str> {
    let on = |(k, v): &(&String, &String)| is_feature(k) && !k.contains("Vulkan14") && *v == "true";
    facts.iter().filter(on).map(|(k, _)| last(k)).collect()
}

/// 3 of `1.3.280 (4206872)`.
fn minor(facts: &Facts) -> u32 {
    facts["VkPhysicalDeviceProperties/apiVersion"].split('.').nth(1).unwrap().parse().unwrap()
}

/// Facts of a section; its own name is left out of theirs.
fn section<'a>(facts: &'a Facts, name: &str) -> Vec<(&'a str, &'a str)> {
    facts.iter().filter_map(|(k, v)| Some((k.strip_prefix(name)?, v.as_str()))).collect()
}

/// What Apple's device has, but for what docs/STATUS.md says and what the protocol doesn't carry. Mesa's driver, over the same host, leaves
/// out more.
#[test]
fn the_device_is_shown_with_all_that_it_can_do() {
    let (status, protocol) =
        (include_str!("../../docs/STATUS.md"), include_str!("../../encoder/protocol/extensions.tsv"));
    let root = root();
    for apple in Apple::ALL {
        let [hesper, mesa] = [Driver::Hesper, Driver::Mesa].map(|driver| facts(&root, apple, driver));
        let native = native(&root, apple);
        for (name, f) in [("hesper", &hesper), ("mesa", &mesa), ("native", &native)] {
            let (extensions, features) = (extensions(f).len(), features(f).len());
            println!("{apple}, {name}: Vulkan 1.{}, {extensions} extensions, {features} features", minor(f));
        }
        assert_eq!(minor(&hesper), minor(&native), "{apple}");
        let have = features(&hesper);
        for name in ["synchronization2", "timelineSemaphore", "bufferDeviceAddress", "maintenance4"] {
            assert!(have.contains(name), "{apple}: {name}");
        }
        let mut missing: Vec<&str> = features(&native).difference(&have).copied().collect();
        let carried = |name: &&&str| protocol.lines().any(|l| l.split('\t').next() == Some(**name));
        missing.extend(extensions(&native).difference(&extensions(&hesper)).filter(carried));
        missing.retain(|name| !status.contains(name));
        // Older codecs carry less; the tests of vulkaninfo hold what is left against Mesa's driver.
        let older = !HostVersion::chosen().unwrap().carries_everything();
        assert!(older || missing.is_empty(), "{apple}: Hesper lacks {missing:?}, and docs/STATUS.md doesn't say why");
        assert!(minor(&mesa) < 3 && !features(&mesa).contains("synchronization2"), "the peer offers as much");

        // And no more than that, but for features and extensions that are the driver's own.
        let mut more: Vec<&str> = have.difference(&all_features(&native)).copied().collect();
        more.retain(|name| !OWN_FEATURES.contains(name));
        let own = |name: &str| protocol.lines().any(|l| l.split('\t').next() == Some(name) && l.ends_with("\tlocal"));
        more.extend(extensions(&hesper).difference(&extensions(&native)).filter(|name| !own(name)));
        assert!(more.is_empty(), "{apple} doesn't have {more:?}");
        for name in ["geometryShader", "shaderFloat64", "sparseBinding"] {
            assert!(!have.contains(name), "{apple}: {name}");
        }
        for (name, value) in section(&hesper, "VkPhysicalDeviceLimits/") {
            if name != "minMemoryMapAlignment" {
                assert_eq!(value, native[&format!("VkPhysicalDeviceLimits/{name}")], "{apple}: {name}");
            }
        }
        for name in ["memoryHeaps/", "memoryTypes/"] {
            let lasting = |(name, _): &(&str, &str)| !name.ends_with("/usage") && !name.ends_with("/budget");
            let [ours, theirs] =
                [&hesper, &native].map(|f| section(f, name).into_iter().filter(lasting).collect::<Vec<_>>());
            assert_eq!(ours, theirs, "{apple}: {name}");
        }
        let subgroup = "VkPhysicalDeviceVulkan11Properties/subgroupSize";
        assert_eq!((hesper[subgroup].as_str(), &hesper[subgroup]), ("32", &native[subgroup]), "{apple}");
    }
}

/// A guest that isn't told of any way to share memory sees the device with all it has. Mesa's driver sees less of it.
#[test]
fn a_host_without_external_memory_is_listed() {
    let root = root();
    let bare = [("HESPER_TEST_LAYER_APPLE", "moltenvk-bare")];
    let host = Host::start_with(&root, &bare).unwrap();
    let see = |driver| facts_of(root.client(driver, Some(&host), VULKANINFO).unwrap());
    let hesper = see(Driver::Hesper).unwrap();
    let whole = facts(&root, Apple::MoltenVk, Driver::Hesper);
    assert_eq!(extensions(&hesper), extensions(&whole));
    assert_eq!(all_features(&hesper), all_features(&whole));
    assert_eq!(minor(&hesper), minor(&whole));
    assert!(see(Driver::Mesa).is_ok_and(|mesa| minor(&mesa) < 3), "the peer sees something else than it did");
}

/// On the host's own driver and over the host, which hears nothing that it doesn't understand.
#[test]
fn the_client_passes() {
    let root = root();
    for apple in Apple::ALL {
        good(&format!("the client on {apple}"), root.native_with_layer(&[apple.setting()], CLIENT).unwrap().arg("all"));
        let host = apple.start(&root).unwrap();
        for part in ["all", "ignored", "hostile", "forks"] {
            let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
            good(&format!("the client's {part} over {apple}"), command.arg(part));
        }
        assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    }
}

/// What MoltenVK has compiled is kept for the next start, without a setting: it keeps nothing itself.
#[test]
fn what_moltenvk_has_compiled_is_kept() {
    let root = root();
    for (apple, kept) in [(Apple::MoltenVk, true), (Apple::KosmicKrisp, false)] {
        let host = apple.start(&root).unwrap();
        let folder = std::env::temp_dir().join(format!("hesper-kept-{apple}-{}", std::process::id()));
        let run = || {
            let mut command = root.client(Driver::Hesper, Some(&host), CLIENT).unwrap();
            command.arg("compute").env("XDG_CACHE_HOME", &folder).env("HESPER_LOG", "info");
            good("the client's compute part", &mut command)
        };
        let texts = [run(), run()].map(|text| text.contains("pipeline cache").then(|| text.contains(": 0 bytes")));
        assert_eq!(texts, if kept { [Some(true), Some(false)] } else { [None, None] }, "{apple}");
        let _ = std::fs::remove_dir_all(&folder);
    }
}

const PROMPT: [u32; 12] = [1, 300, 7, 301, 42, 400, 9, 17, 350, 260, 511, 33];

/// llama.cpp's tokens, and the trace that the driver wrote meanwhile.
fn llama(driver: Driver, apple: Apple) -> (Vec<u64>, String) {
    let root = root();
    let logs = target_folder().unwrap().join("llama-logs");
    std::fs::create_dir_all(&logs).unwrap();
    let log = logs.join(format!("{driver}-{apple}.log"));
    let trace = std::env::temp_dir().join(format!("hesper-{apple}-{}.json", std::process::id()));
    let build = build_driver().unwrap();
    let mut environment = vec![("HESPER_TRACE", trace.to_str().unwrap()), ("HESPER_DEBUG", "vtest")];
    let host = driver.needs_host().then(|| apple.start(&root).unwrap());
    if host.is_none() {
        environment.extend(build.layer_environment().map(|(name, value)| (name, value.to_str().unwrap())));
        environment.push(apple.setting());
    }
    let (program, model) = (llama::server().unwrap(), models::tiny(Weights::Q4K).unwrap());
    let server = Server::start_on(&root, driver, host, &program, &model, &log, &environment);
    let server = server.unwrap_or_else(|e| panic!("{driver} over {apple}: {e:?}"));
    let device = server.device().unwrap();
    assert_eq!(device.starts_with("Virtio-GPU Venus (Apple"), driver.needs_host(), "{driver} runs on {device}");
    let (tokens, _) = server.tokens(&PROMPT, 64).unwrap();
    if let Some(host) = &server.host {
        assert!(!host.log().contains("fatal"), "the host complains:\n{}", host.log());
    }
    drop(server);
    let text = std::fs::read_to_string(&trace).unwrap_or_default();
    let _ = std::fs::remove_file(&trace);
    (tokens, text)
}

/// The host's own tokens, out of memory that is mapped, all of it: nothing is staged, and no upload is anything to put off.
#[test]
fn llama_cpp_computes_in_mapped_memory() {
    if quick() {
        return;
    }
    for apple in Apple::ALL {
        let (native, _) = llama(Driver::Native, apple);
        let (tokens, trace) = llama(Driver::Hesper, apple);
        let different: BTreeSet<_> = native.iter().collect();
        assert!(native.len() == 64 && different.len() > 4, "the tokens tell nothing: {native:?}");
        assert_eq!(tokens, native, "another text than the host's own over {apple}");
        let count = |name: &str| trace.matches(&format!("\"{name}\"")).count();
        let (allocated, mapped) = (count("vkAllocateMemory"), count("vkMapMemory"));
        assert!(allocated > 4 && mapped == allocated, "{apple}: {mapped} of {allocated} allocations are mapped");
        assert_eq!(count("upload put off"), 0, "{apple}: something was copied into memory that isn't mapped");
    }
}
