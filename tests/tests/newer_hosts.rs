//! Hosts that know more than virglrenderer 1.3.0: what the driver can do besides is switched on by the mask of the capset, and by nothing else.

use std::process::Command;

use hesper_decoder::Decoded;
use hesper_rig::build_driver;
use hesper_rig_open::VARIABLE;
use hesper_tests::newer_host::{Capabilities, NewerHost};
use hesper_tests::{both, output};

const CLIENT: &str = env!("CARGO_BIN_EXE_hesper-client");
/// The extension that brings commands together with VK_NV_framebuffer_mixed_samples.
const STATES: &str = "VK_EXT_extended_dynamic_state3";
/// Vulkan 1.4.357.
const VERSION: u32 = 1 << 22 | 4 << 12 | 357;
/// VK_SHADER_STAGE_COMPUTE_BIT.
const COMPUTE: u64 = 0x20;

/// Rows of the table of extensions: name, number, whether virglrenderer 1.3.0 knows it.
fn extensions() -> Vec<(&'static str, u32, bool)> {
    let table = include_str!("../../docs/venus/extensions.tsv").lines().filter(|l| l.starts_with("VK_"));
    let row = |line: &'static str| {
        let columns: Vec<&str> = line.split('\t').collect();
        (columns[0], columns[1].parse().unwrap(), !columns[3].contains("unknown to 1.3.0"))
    };
    table.map(row).collect()
}

/// The extensions that are newer than virglrenderer 1.3.0.
fn newer() -> Vec<&'static str> {
    extensions().into_iter().filter(|(_, _, known)| !known).map(|(name, ..)| name).collect()
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

    /// The last command of its name must have these values in this order, and no others.
    fn expect(&self, name: &str, expected: &[(&str, u64)]) {
        let came = self.came(name);
        let command = came.last().unwrap_or_else(|| panic!("{name} never came"));
        let values: Vec<(&str, u64)> = command.values.iter().map(|(path, v)| (path.as_str(), *v)).collect();
        assert_eq!(values, expected, "{name}");
    }
}

/// Runs the client on a host whose device has everything, and whose codec knows what `mask` says.
fn run(mask: [u32; 32]) -> Seen {
    let extensions = extensions().into_iter().map(|(name, ..)| (name.to_owned(), 99)).collect();
    let host = NewerHost::start(Capabilities { vk_xml_version: VERSION, mask, extensions }).unwrap();
    let mut client = Command::new(CLIENT);
    client.arg("newer").args(newer()).arg(STATES);
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
        newer.iter().any(|n| *n == name)
    };
    let structs = command.values.iter().filter_map(|(p, _)| p.strip_prefix(head)?.strip_prefix('.')?.split('.').next());
    let mut found: Vec<String> = structs.filter(|s| is_newer(s)).map(str::to_owned).collect();
    found.dedup();
    found
}

#[test]
fn the_mask_alone_switches_on_what_newer_hosts_know() {
    let seen = run([u32::MAX; 32]);
    let mut offered = newer();
    offered.push(STATES);
    assert_eq!(seen.told("extension"), offered);
    // Each has a struct of features but VK_NV_framebuffer_mixed_samples. A last word may be padding.
    let features = seen.told("feature");
    assert_eq!(features.len(), offered.len() - 1);
    for told in &features {
        let (s_type, words) = told.split_once(' ').unwrap();
        let words: Vec<&str> = words.trim_matches(['[', ']']).split(", ").collect();
        let (last, others) = words.split_last().unwrap();
        assert!(others.iter().all(|w| *w == "1") && ["0", "1"].contains(last), "sType {s_type}: {words:?}");
    }
    let asked = seen.came("vkGetPhysicalDeviceFeatures2");
    assert_eq!(feature_structs(asked[0], "pFeatures").len(), offered.len() - 2, "{:#?}", asked[0].values);
    let device = *seen.came("vkCreateDevice").last().unwrap();
    assert_eq!(device.list("pCreateInfo.ppEnabledExtensionNames"), offered);
    let enabled = feature_structs(device, "pCreateInfo");
    assert_eq!(enabled.len(), offered.len() - 2);
    for (path, value) in &device.values {
        if enabled.iter().any(|s| path.starts_with(&format!("pCreateInfo.{s}."))) {
            assert_eq!(*value, 1, "{path}");
        }
    }
    assert_eq!(seen.told("command").len(), 16, "{:?}", seen.told("command"));
    assert_eq!(seen.told("requirements"), ["65536 256 1"]);
}

#[test]
fn commands_arrive_with_what_the_program_gave() {
    let seen = run([u32::MAX; 32]);
    let allocated = seen.came("vkAllocateCommandBuffers")[0];
    let (cmd, state) = (allocated.made[0], allocated.made[1]);
    let made = |name: &str, i: usize| seen.came(name)[i].made[0];
    let (device, image) = (made("vkCreateDevice", 0), made("vkCreateImage", 0));
    let pipeline = |i| made("vkCreateComputePipelines", i);
    let (layout, set) = (made("vkCreateIndirectCommandsLayoutEXT", 0), made("vkCreateIndirectExecutionSetEXT", 0));

    let ends: Vec<Vec<(String, u64)>> =
        seen.came("vkCmdEndRendering2KHR").into_iter().map(|c| c.values.clone()).collect();
    let end = |rest: Option<u64>| {
        let rest = rest.map(|v| ("pRenderingEndInfo".to_owned(), v));
        [("commandBuffer".to_owned(), cmd)].into_iter().chain(rest).collect::<Vec<_>>()
    };
    assert_eq!(ends, [end(None), end(Some(0))]);
    let range = |p: &str| {
        [("address", 0x1_0000_0100), ("size", 0x60), ("stride", 0x20)]
            .map(|(m, v)| (format!("{p}.copyAddressRange.{m}"), v))
    };
    let [address, size, stride] = range("pCopyMemoryIndirectInfo");
    seen.expect(
        "vkCmdCopyMemoryIndirectKHR",
        &[
            ("commandBuffer", cmd),
            ("pCopyMemoryIndirectInfo.srcCopyFlags", 1),
            ("pCopyMemoryIndirectInfo.dstCopyFlags", 2),
            ("pCopyMemoryIndirectInfo.copyCount", 3),
            (address.0.as_str(), address.1),
            (size.0.as_str(), size.1),
            (stride.0.as_str(), stride.1),
        ],
    );
    let info = "pCopyMemoryToImageIndirectInfo";
    let [address, size, stride] = range(info);
    let head = [("srcCopyFlags", 1), ("copyCount", 2)].map(|(m, v)| (format!("{info}.{m}"), v));
    let image = [("dstImage", image), ("dstImageLayout", 7), ("pImageSubresources.len", 2)];
    let layers = |i: u64| {
        [("aspectMask", 1), ("mipLevel", 0), ("baseArrayLayer", i), ("layerCount", 1)]
            .map(|(m, v)| (format!("{info}.pImageSubresources[{i}].{m}"), v))
    };
    let mut expected = vec![("commandBuffer".to_owned(), cmd)];
    expected.extend(head.into_iter().chain([address, size, stride]));
    expected.extend(image.map(|(m, v)| (format!("{info}.{m}"), v)).into_iter().chain(layers(0)).chain(layers(1)));
    let expected: Vec<(&str, u64)> = expected.iter().map(|(p, v)| (p.as_str(), *v)).collect();
    seen.expect("vkCmdCopyMemoryToImageIndirectKHR", &expected);

    seen.expect("vkCmdSetCoverageModulationModeNV", &[("commandBuffer", cmd), ("coverageModulationMode", 3)]);
    let enable = ("coverageModulationTableEnable", 1);
    seen.expect("vkCmdSetCoverageModulationTableEnableNV", &[("commandBuffer", cmd), enable]);
    let table = [0.25f32, 0.5, 1.0].map(|f| u64::from(f.to_bits()));
    seen.expect(
        "vkCmdSetCoverageModulationTableNV",
        &[
            ("commandBuffer", cmd),
            ("coverageModulationTableCount", 3),
            ("pCoverageModulationTable.len", 3),
            ("pCoverageModulationTable[0]", table[0]),
            ("pCoverageModulationTable[1]", table[1]),
            ("pCoverageModulationTable[2]", table[2]),
        ],
    );
    seen.expect(
        "vkCreateIndirectExecutionSetEXT",
        &[
            ("device", device),
            ("pCreateInfo.type", 0),
            ("pCreateInfo.info.tag", 0),
            ("pCreateInfo.info.pPipelineInfo.initialPipeline", pipeline(0)),
            ("pCreateInfo.info.pPipelineInfo.maxPipelineCount", 4),
            ("pIndirectExecutionSet", set),
        ],
    );
    seen.expect(
        "vkUpdateIndirectExecutionSetPipelineEXT",
        &[
            ("device", device),
            ("indirectExecutionSet", set),
            ("executionSetWriteCount", 2),
            ("pExecutionSetWrites.len", 2),
            ("pExecutionSetWrites[0].index", 1),
            ("pExecutionSetWrites[0].pipeline", pipeline(1)),
            ("pExecutionSetWrites[1].index", 2),
            ("pExecutionSetWrites[1].pipeline", pipeline(2)),
        ],
    );
    seen.expect(
        "vkUpdateIndirectExecutionSetShaderEXT",
        &[
            ("device", device),
            ("indirectExecutionSet", set),
            ("executionSetWriteCount", 1),
            ("pExecutionSetWrites.len", 1),
            ("pExecutionSetWrites[0].index", 3),
            ("pExecutionSetWrites[0].shader", made("vkCreateImage", 0)),
        ],
    );
    seen.expect(
        "vkGetGeneratedCommandsMemoryRequirementsEXT",
        &[
            ("device", device),
            ("pInfo.VkGeneratedCommandsPipelineInfoEXT.pipeline", pipeline(1)),
            ("pInfo.indirectExecutionSet", set),
            ("pInfo.indirectCommandsLayout", layout),
            ("pInfo.maxSequenceCount", 5),
            ("pInfo.maxDrawCount", 6),
        ],
    );
    let info = |front: &[(&'static str, u64)], back: &[(&'static str, u64)]| {
        let info = [
            ("pGeneratedCommandsInfo.VkGeneratedCommandsPipelineInfoEXT.pipeline", pipeline(1)),
            ("pGeneratedCommandsInfo.shaderStages", COMPUTE),
            ("pGeneratedCommandsInfo.indirectExecutionSet", set),
            ("pGeneratedCommandsInfo.indirectCommandsLayout", layout),
            ("pGeneratedCommandsInfo.indirectAddress", 0x2_0000_0000),
            ("pGeneratedCommandsInfo.indirectAddressSize", 0x300),
            ("pGeneratedCommandsInfo.preprocessAddress", 0x3_0000_0000),
            ("pGeneratedCommandsInfo.preprocessSize", 0x400),
            ("pGeneratedCommandsInfo.maxSequenceCount", 7),
            ("pGeneratedCommandsInfo.sequenceCountAddress", 0x4_0000_0000),
            ("pGeneratedCommandsInfo.maxDrawCount", 8),
        ];
        [front, &info[..], back].concat()
    };
    seen.expect(
        "vkCmdPreprocessGeneratedCommandsEXT",
        &info(&[("commandBuffer", cmd)], &[("stateCommandBuffer", state)]),
    );
    seen.expect("vkCmdExecuteGeneratedCommandsEXT", &info(&[("commandBuffer", cmd), ("isPreprocessed", 1)], &[]));
    seen.expect("vkDestroyIndirectExecutionSetEXT", &[("device", device), ("indirectExecutionSet", set)]);
    seen.expect("vkDestroyIndirectCommandsLayoutEXT", &[("device", device), ("indirectCommandsLayout", layout)]);
}

#[test]
fn a_layout_arrives_with_its_tokens() {
    let seen = run([u32::MAX; 32]);
    let made = |name: &str| seen.came(name)[0].made[0];
    let (own, chained) = ("pCreateInfo", "pCreateInfo.VkPipelineLayoutCreateInfo");
    let mut expected: Vec<(String, u64)> = vec![("device".into(), made("vkCreateDevice"))];
    let mut add = |owner: &str, members: &[(&str, u64)]| {
        expected.extend(members.iter().map(|(m, v)| (format!("{owner}.{m}"), *v)));
    };
    add(chained, &[("flags", 0), ("setLayoutCount", 0), ("pSetLayouts.len", 0), ("pushConstantRangeCount", 1)]);
    add(chained, &[("pPushConstantRanges.len", 1)]);
    add(&format!("{chained}.pPushConstantRanges[0]"), &[("stageFlags", COMPUTE), ("offset", 4), ("size", 8)]);
    add(own, &[("flags", 1), ("shaderStages", COMPUTE), ("indirectStride", 96)]);
    add(own, &[("pipelineLayout", made("vkCreatePipelineLayout")), ("tokenCount", 5), ("pTokens.len", 5)]);
    let constants = "pPushConstant.updateRange";
    let data: [(u64, Vec<(String, u64)>); 5] = [
        (0, vec![("pExecutionSet.type".into(), 0), ("pExecutionSet.shaderStages".into(), COMPUTE)]),
        (
            1,
            [("stageFlags", COMPUTE), ("offset", 4), ("size", 8)]
                .map(|(m, v)| (format!("{constants}.{m}"), v))
                .to_vec(),
        ),
        (4, vec![("pVertexBuffer.vertexBindingUnit".into(), 9)]),
        (3, vec![("pIndexBuffer.mode".into(), 2)]),
        (9, Vec::new()),
    ];
    for (i, (kind, data)) in data.iter().enumerate() {
        let token = format!("{own}.pTokens[{i}]");
        add(&token, &[("type", *kind), ("data.tag", *kind)]);
        data.iter().for_each(|(m, v)| add(&format!("{token}.data"), &[(m.as_str(), *v)]));
        add(&token, &[("offset", 16 * (i as u64 + 1))]);
    }
    let layout = made("vkCreateIndirectCommandsLayoutEXT");
    expected.push(("pIndirectCommandsLayout".into(), layout));
    let expected: Vec<(&str, u64)> = expected.iter().map(|(p, v)| (p.as_str(), *v)).collect();
    seen.expect("vkCreateIndirectCommandsLayoutEXT", &expected);
}

/// The host's driver looks at another command buffer's state when the command comes.
#[test]
fn a_state_is_looked_at_when_the_program_says() {
    let seen = run([u32::MAX; 32]);
    let allocated = seen.came("vkAllocateCommandBuffers")[0];
    let (state, once) = (allocated.made[1], allocated.made[2]);
    let order = |of: u64| -> Vec<(&str, u64)> {
        let commands = seen.commands.iter();
        let step = commands.filter_map(|c| match c.name {
            "vkBeginCommandBuffer" if c.get("commandBuffer") == of => Some(("begin", 0)),
            "vkCmdSetPrimitiveRestartIndexEXT" if c.get("commandBuffer") == of => {
                Some(("restart", c.get("primitiveRestartIndex")))
            }
            "vkCmdPreprocessGeneratedCommandsEXT" if c.get("stateCommandBuffer") == of => Some(("preprocess", 0)),
            "vkEndCommandBuffer" if c.get("commandBuffer") == of => Some(("end", 0)),
            _ => None,
        });
        step.collect()
    };
    let steps = [("begin", 0), ("restart", 0x1111), ("preprocess", 0), ("restart", 0x2222), ("end", 0)];
    assert_eq!(order(state), steps);
    assert_eq!(order(once), [("begin", 0), ("preprocess", 0), ("end", 0)]);
}

/// The same device behind the codec of virglrenderer 1.3.0.
#[test]
fn behind_the_mask_of_today_there_is_none_of_it() {
    let mut mask = [0; 32];
    mask[0] = 1;
    for (_, number, _) in extensions().into_iter().filter(|(_, _, known)| *known) {
        mask[number as usize / 32] |= 1 << (number % 32);
    }
    let seen = run(mask);
    assert_eq!(seen.told("extension"), [STATES]);
    assert_eq!(seen.told("command"), [""; 0]);
    // Those of the states are on, but for what the codec can't carry; structs that it doesn't know stay as the program left them.
    let features = seen.told("feature");
    let (on, off): (Vec<&str>, Vec<&str>) = features.iter().copied().partition(|f| f.contains(" [1"));
    assert_eq!((on.len(), off.len()), (1, newer().len() - 1), "{features:#?}");
    for command in seen.came("vkGetPhysicalDeviceFeatures2") {
        assert_eq!(feature_structs(command, "pFeatures"), [""; 0]);
    }
    let device = *seen.came("vkCreateDevice").last().unwrap();
    assert_eq!(device.list("pCreateInfo.ppEnabledExtensionNames"), [STATES]);
    let states = |member: &str| {
        let owner = "pCreateInfo.VkPhysicalDeviceExtendedDynamicState3FeaturesEXT.extendedDynamicState3";
        device.get(&format!("{owner}{member}"))
    };
    assert_eq!((states("PolygonMode"), states("SampleLocationsEnable")), (1, 1));
    for member in ["CoverageModulationMode", "CoverageModulationTableEnable", "CoverageModulationTable"] {
        assert_eq!(states(member), 0, "{member}");
    }
}
