//! Hosts that know more than virglrenderer 1.3.0: what the driver can do besides is switched on by the mask of the capset, and by nothing else; what has
//! no settled form stays off, whatever the mask says.

use std::process::Command;

use hesper_decoder::Decoded;
use hesper_rig::build_driver;
use hesper_rig_open::VARIABLE;
use hesper_tests::newer_host::{Capabilities, NewerHost};
use hesper_tests::{both, output};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
/// Vulkan 1.4.357.
const VERSION: u32 = 1 << 22 | 4 << 12 | 357;
/// The last number of a command that virglrenderer 1.3.0 has.
const LAST_COMMAND: u32 = 345;
/// Extensions for whose commands the protocol has no numbers yet, or that bring a struct which not every codec has that knows them (docs/STATUS.md).
const UNSETTLED: [&str; 6] = [
    "VK_EXT_device_generated_commands",
    "VK_EXT_primitive_restart_index",
    "VK_KHR_copy_memory_indirect",
    "VK_KHR_maintenance10",
    "VK_KHR_unified_image_layouts",
    "VK_NV_framebuffer_mixed_samples",
];

/// The rows of a table of the protocol, in columns.
fn rows(table: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    table.lines().filter(|l| !l.starts_with('#')).skip(1).map(|l| l.split('\t').collect())
}

/// Rows of the table of extensions: name, number, whether virglrenderer 1.3.0 knows it.
fn extensions() -> Vec<(&'static str, u32, bool)> {
    let row = |c: Vec<&'static str>| (c[0], c[1].parse().unwrap(), !c[3].contains("unknown to 1.3.0"));
    rows(include_str!("../../docs/venus/extensions.tsv")).map(row).collect()
}

/// The extensions that are newer than virglrenderer 1.3.0.
fn newer() -> Vec<&'static str> {
    extensions().into_iter().filter(|(_, _, known)| !known).map(|(name, ..)| name).collect()
}

/// Those of them that a host may switch on.
fn settled() -> Vec<&'static str> {
    newer().into_iter().filter(|name| !UNSETTLED.contains(name)).collect()
}

/// The commands that have been seen with numbers which virglrenderer 1.3.0 doesn't have.
fn newer_commands() -> Vec<&'static str> {
    let table = rows(include_str!("../../docs/venus/command-types.tsv"));
    table.filter(|c| c[0].parse::<u32>().is_ok_and(|n| n > LAST_COMMAND)).map(|c| c[1]).collect()
}

/// The mask of virglrenderer 1.3.0.
fn todays_mask() -> [u32; 32] {
    let mut mask = [0; 32];
    mask[0] = 1;
    for (_, number, _) in extensions().into_iter().filter(|(_, _, known)| *known) {
        mask[number as usize / 32] |= 1 << (number % 32);
    }
    mask
}

/// What the client printed, and what came to its host.
struct Seen {
    lines: Vec<String>,
    commands: Vec<Decoded>,
}

impl Seen {
    /// The rest of the lines that begin with a word.
    fn told(&self, word: &str) -> Vec<&str> {
        self.lines.iter().filter_map(|l| l.strip_prefix(word)?.strip_prefix(' ')).collect()
    }

    /// The commands of one name that came.
    fn came(&self, name: &str) -> Vec<&Decoded> {
        self.commands.iter().filter(|c| c.name == name).collect()
    }

    /// The last command of one name.
    fn last(&self, name: &str) -> &Decoded {
        self.came(name).last().unwrap_or_else(|| panic!("{name} never came"))
    }
}

/// Runs the client on a host whose device has everything, and whose codec knows what `mask` says.
fn run(mask: [u32; 32]) -> Seen {
    let extensions = extensions().into_iter().map(|(name, ..)| (name.to_owned(), 99)).collect();
    let host = NewerHost::start(Capabilities { vk_xml_version: VERSION, mask, extensions }).unwrap();
    let mut client = Command::new(CLIENT);
    client.arg("newer").args(newer().iter().flat_map(|name| ["--extension", name]));
    client.args(newer_commands().iter().flat_map(|name| ["--command", name]));
    client.env(VARIABLE, build_driver().unwrap().library);
    client.env("HESPER_DEBUG", "vtest").env("HESPER_VTEST_SOCKET", host.socket());
    let out = output("the client", &mut client);
    assert!(host.complaints().is_empty(), "{:#?}\n{}", host.complaints(), both(&out));
    assert!(out.status.success(), "{}:\n{}", out.status, both(&out));
    let lines = String::from_utf8_lossy(&out.stdout).lines().map(str::to_owned).collect();
    Seen { lines, commands: host.commands() }
}

/// The structs of features of extensions that are newer, as the host sees them: their names behind those of their owners.
fn feature_structs(command: &Decoded, head: &str) -> Vec<String> {
    let newer = newer().into_iter().map(|n| n.split('_').skip(2).collect::<String>()).collect::<Vec<_>>();
    let is_newer = |s: &str| {
        let name = s.trim_start_matches("VkPhysicalDevice").split("Features").next().unwrap_or_default().to_lowercase();
        newer.contains(&name)
    };
    let structs = command.values.iter().filter_map(|(p, _)| p.strip_prefix(head)?.strip_prefix('.')?.split('.').next());
    let mut found: Vec<String> = structs.filter(|s| is_newer(s)).map(str::to_owned).collect();
    found.dedup();
    found
}

#[test]
fn the_mask_alone_switches_on_what_newer_hosts_know() {
    let seen = run([u32::MAX; 32]);
    let offered = settled();
    assert_eq!(offered.len() + UNSETTLED.len(), newer().len(), "the table has other extensions");
    assert_eq!(seen.told("extension"), offered);
    // Each has a struct of features. A last word may be padding.
    let features = seen.told("feature");
    assert_eq!(features.len(), offered.len());
    for told in &features {
        let (s_type, words) = told.split_once(' ').unwrap();
        let words: Vec<&str> = words.trim_matches(['[', ']']).split(", ").collect();
        let (last, others) = words.split_last().unwrap();
        assert!(others.iter().all(|w| *w == "1") && ["0", "1"].contains(last), "sType {s_type}: {words:?}");
    }
    let asked = seen.came("vkGetPhysicalDeviceFeatures2");
    assert_eq!(feature_structs(asked[0], "pFeatures").len(), offered.len(), "{:#?}", asked[0].values);
    let device = seen.last("vkCreateDevice");
    assert_eq!(device.list("pCreateInfo.ppEnabledExtensionNames"), offered);
    let enabled = feature_structs(device, "pCreateInfo");
    assert_eq!(enabled.len(), offered.len());
    for (path, value) in &device.values {
        if enabled.iter().any(|s| path.starts_with(&format!("pCreateInfo.{s}."))) {
            assert_eq!(*value, 1, "{path}");
        }
    }
    // The host says of each property how long its name is.
    assert_eq!((seen.told("properties"), seen.told("family")), (vec!["21 27 32 38"], vec!["35 5 6 5"]));
}

#[test]
fn what_the_extensions_bring_arrives() {
    let seen = run([u32::MAX; 32]);
    assert_eq!(seen.last("vkCreateQueryPool").get("pCreateInfo.flags"), 1);
    assert_eq!(seen.last("vkAllocateMemory").get("pAllocateInfo.VkMemoryAllocateFlagsInfo.flags"), 8);
    let barrier = seen.last("vkCmdPipelineBarrier2");
    assert_eq!(barrier.get("pDependencyInfo.dependencyFlags"), 0x20);
    let accesses = "pDependencyInfo.pImageMemoryBarriers[0].VkMemoryBarrierAccessFlags3KHR";
    let masks = ["srcAccessMask3", "dstAccessMask3"].map(|m| barrier.get(&format!("{accesses}.{m}")));
    assert_eq!(masks, [0x11, 0x2_0000_0000]);
}

/// Another host may give the numbers of these commands to others, and nothing in the capset tells the two apart.
#[test]
fn no_mask_switches_on_commands_without_settled_numbers() {
    let seen = run([u32::MAX; 32]);
    let commands = newer_commands();
    assert_eq!(commands.len(), 16, "{commands:?}");
    assert_eq!(seen.told("command"), [""; 0]);
    let status = include_str!("../../docs/STATUS.md");
    for name in UNSETTLED.iter().chain(&commands) {
        assert!(status.contains(name), "docs/STATUS.md doesn't say why there is no {name}");
    }
    let last = seen.commands.iter().map(|c| c.number).max();
    assert!(last.is_some_and(|n| n <= LAST_COMMAND), "command {last:?}");
}

/// The same device behind the codec of virglrenderer 1.3.0.
#[test]
fn behind_the_mask_of_today_there_is_none_of_it() {
    let seen = run(todays_mask());
    assert_eq!((seen.told("extension"), seen.told("command")), (Vec::new(), Vec::new()));
    // Structs that the host doesn't know stay as the program left them, and don't travel.
    let features = seen.told("feature");
    assert!(features.len() == settled().len() && features.iter().all(|f| f.contains(" [0")), "{features:#?}");
    assert_eq!((seen.told("properties"), seen.told("family")), (vec!["0 0 0 0"], vec!["0 0 0 0"]));
    for command in seen.came("vkGetPhysicalDeviceFeatures2") {
        assert_eq!(feature_structs(command, "pFeatures"), [""; 0]);
    }
    let device = seen.last("vkCreateDevice");
    assert_eq!(device.list("pCreateInfo.ppEnabledExtensionNames"), [""; 0]);
    assert_eq!(feature_structs(device, "pCreateInfo"), [""; 0]);
    let barrier = seen.last("vkCmdPipelineBarrier2");
    assert!(barrier.values.iter().all(|(path, _)| !path.contains("AccessFlags3")), "{:#?}", barrier.values);
}

/// A host that says nothing of its codec has none of the driver's devices: what it couldn't decode would end its context.
#[test]
fn without_a_mask_nothing_is_sent() {
    let capabilities = Capabilities { vk_xml_version: VERSION, mask: [!1; 32], extensions: Vec::new() };
    let host = NewerHost::start(capabilities).unwrap();
    let mut client = Command::new(CLIENT);
    client.arg("newer").env(VARIABLE, build_driver().unwrap().library);
    client.env("HESPER_DEBUG", "vtest").env("HESPER_VTEST_SOCKET", host.socket());
    let out = output("the client", &mut client);
    assert!(!out.status.success() && both(&out).contains("which extensions its Venus knows"), "{}", both(&out));
    assert!(host.commands().is_empty(), "{:#?}", host.commands());
}
