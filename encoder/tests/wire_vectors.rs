//! The encoders against recorded bytes of another encoder (docs/venus/wire-vectors.tsv): equal, byte for byte.

#![expect(
    clippy::undocumented_unsafe_blocks,
    reason = "all encode valid structs and handles, as the commands want them"
)]

use std::cell::UnsafeCell;
use std::collections::BTreeMap;
use std::ptr;

use ash::vk::{self, Handle};
use hesper_encoder::bits::ObjectHeader;
use hesper_encoder::generated::{request, types};
use hesper_encoder::{Codec, Scratch, Writer};

/// Recorded commands by name, as words.
fn recorded() -> BTreeMap<&'static str, Vec<u32>> {
    let table = include_str!("../../docs/venus/wire-vectors.tsv");
    let rows = table.lines().filter(|l| !l.starts_with('#')).skip(1);
    let row = |line: &'static str| {
        let columns: Vec<&str> = line.split('\t').collect();
        let [what, bytes, words] = columns[..] else { panic!("{line}") };
        let words: Vec<u32> = words.split(' ').map(|w| u32::from_str_radix(w, 16).unwrap()).collect();
        assert_eq!(words.len() * 4, bytes.parse::<usize>().unwrap(), "{line}");
        (what.split(' ').next().unwrap(), words)
    };
    rows.map(row).collect()
}

fn encoded(encode: impl FnOnce(&mut Writer)) -> Vec<u32> {
    let mut scratch = Scratch::default();
    let bytes = scratch.encode(&Codec::ALL, encode).unwrap();
    bytes.chunks(4).map(|b| u32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// A dispatchable handle with an id, which lives as long as the test.
fn object<T: Handle>(id: u64) -> T {
    let header = Box::leak(Box::new(ObjectHeader { loader: UnsafeCell::new(0), id }));
    T::from_raw(ptr::from_ref(header) as u64)
}

const REPLY: u32 = 1;

/// Each recorded command, encoded anew.
fn commands() -> BTreeMap<&'static str, Vec<u32>> {
    let mut all = BTreeMap::new();
    let mut command = |name, encode: &dyn Fn(&mut Writer)| assert!(all.insert(name, encoded(encode)).is_none());
    let none = ptr::null();
    let device: vk::Device = object(4);
    let cmd: vk::CommandBuffer = object(11);
    let stream = types::CommandStreamDescriptionMESA { resource_id: 5, offset: 0x1000, size: 0x40 };
    command("vkSetReplyCommandStreamMESA", &|w| unsafe { request::set_reply_command_stream_mesa(w, 0, &stream) });
    command("vkSeekReplyCommandStreamMESA", &|w| unsafe { request::seek_reply_command_stream_mesa(w, 0, 16) });
    let stream = types::CommandStreamDescriptionMESA { resource_id: 7, offset: 0, size: 0x200 };
    command("vkExecuteCommandStreamsMESA", &|w| unsafe {
        request::execute_command_streams_mesa(w, 0, 1, &stream, ptr::null(), 0, ptr::null(), Default::default());
    });
    let monitor = types::RingMonitorInfoMESA { max_reporting_period_microseconds: 3_000_000, ..Default::default() };
    let ring = types::RingCreateInfoMESA {
        p_next: (&raw const monitor).cast(),
        resource_id: 1,
        size: 0x200c4,
        idle_timeout: 1_000_000,
        tail_offset: 0x40,
        status_offset: 0x80,
        buffer_offset: 0xc0,
        buffer_size: 0x20000,
        extra_offset: 0x200c0,
        extra_size: 4,
        ..Default::default()
    };
    command("vkCreateRingMESA", &|w| unsafe { request::create_ring_mesa(w, 0, 0xabc, &ring) });
    command("vkNotifyRingMESA", &|w| unsafe { request::notify_ring_mesa(w, 0, 0xabc, 0x100, Default::default()) });
    command("vkSubmitVirtqueueSeqnoMESA", &|w| unsafe { request::submit_virtqueue_seqno_mesa(w, 0, 0xabc, 1) });
    command("vkWaitVirtqueueSeqnoMESA", &|w| unsafe { request::wait_virtqueue_seqno_mesa(w, 0, 1) });
    command("vkWaitRingSeqnoMESA", &|w| unsafe { request::wait_ring_seqno_mesa(w, 0, 0xabc, 0x100) });

    command("vkEnumerateInstanceVersion", &|w| unsafe { request::enumerate_instance_version(w, REPLY, &mut 0) });
    let application =
        vk::ApplicationInfo::default().application_name(c"app").application_version(1).api_version(vk::API_VERSION_1_3);
    let info = vk::InstanceCreateInfo::default().application_info(&application);
    let instance: vk::Instance = object(1);
    command("vkCreateInstance", &|w| unsafe { request::create_instance(w, REPLY, &info, none, &mut { instance }) });
    let physical: [vk::PhysicalDevice; 2] = [object(2), object(3)];
    command("vkEnumeratePhysicalDevices", &|w| unsafe {
        request::enumerate_physical_devices(w, REPLY, instance, &mut 2, { physical }.as_mut_ptr());
    });
    command("vkGetPhysicalDeviceProperties2", &|w| unsafe {
        let mut more = vk::PhysicalDeviceVulkan11Properties::default();
        let mut properties = vk::PhysicalDeviceProperties2::default().push_next(&mut more);
        request::get_physical_device_properties2(w, REPLY, physical[0], &mut properties);
    });
    command("vkGetPhysicalDeviceMemoryProperties", &|w| unsafe {
        request::get_physical_device_memory_properties(w, REPLY, physical[0], &mut Default::default());
    });
    let timeline = types::DeviceQueueTimelineInfoMESA { ring_idx: 1, ..Default::default() };
    let which = vk::DeviceQueueInfo2 { p_next: (&raw const timeline).cast(), ..Default::default() };
    let queue: vk::Queue = object(5);
    command("vkGetDeviceQueue2", &|w| unsafe { request::get_device_queue2(w, 0, device, &which, &mut { queue }) });
    let info = vk::MemoryAllocateInfo::default().allocation_size(65536).memory_type_index(1);
    command("vkAllocateMemory", &|w| unsafe {
        request::allocate_memory(w, 0, device, &info, none, &mut vk::DeviceMemory::from_raw(9))
    });
    let code = [0x0723_0203, 0x0001_0000];
    let info = vk::ShaderModuleCreateInfo::default().code(&code);
    command("vkCreateShaderModule", &|w| unsafe {
        request::create_shader_module(w, 0, device, &info, none, &mut vk::ShaderModule::from_raw(10));
    });
    let bytes = [1u8, 2, 3, 4, 5];
    command("vkCmdPushConstants", &|w| unsafe {
        let layout = vk::PipelineLayout::from_raw(12);
        request::cmd_push_constants(w, 0, cmd, layout, vk::ShaderStageFlags::VERTEX, 0, 5, bytes.as_ptr().cast());
    });
    let range = vk::ImageSubresourceRange {
        aspect_mask: vk::ImageAspectFlags::COLOR,
        level_count: 1,
        layer_count: 1,
        ..Default::default()
    };
    let color = vk::ClearColorValue { uint32: [1, 2, 3, 4] };
    command("vkCmdClearColorImage", &|w| unsafe {
        request::cmd_clear_color_image(
            w,
            0,
            cmd,
            vk::Image::from_raw(13),
            vk::ImageLayout::TRANSFER_DST_OPTIMAL,
            &color,
            1,
            &range,
        );
    });
    command("vkGetQueryPoolResults", &|w| unsafe {
        let pool = vk::QueryPool::from_raw(14);
        let mut data = [0u8; 16];
        request::get_query_pool_results(
            w,
            REPLY,
            device,
            pool,
            0,
            2,
            16,
            data.as_mut_ptr().cast(),
            8,
            vk::QueryResultFlags::TYPE_64,
        );
    });
    command("vkGetMemoryResourcePropertiesMESA", &|w| unsafe {
        request::get_memory_resource_properties_mesa(w, REPLY, device, 6, &mut Default::default());
    });
    let info = types::ImportSemaphoreResourceInfoMESA { semaphore: vk::Semaphore::from_raw(15), ..Default::default() };
    command("vkImportSemaphoreResourceMESA", &|w| unsafe {
        request::import_semaphore_resource_mesa(w, 0, device, &info)
    });
    let image = [vk::DescriptorImageInfo {
        image_view: vk::ImageView::from_raw(17),
        image_layout: vk::ImageLayout::SHADER_READ_ONLY_OPTIMAL,
        ..Default::default()
    }];
    let write = vk::WriteDescriptorSet::default()
        .dst_set(vk::DescriptorSet::from_raw(16))
        .descriptor_type(vk::DescriptorType::SAMPLED_IMAGE)
        .image_info(&image);
    command("vkUpdateDescriptorSets", &|w| unsafe {
        request::update_descriptor_sets(w, 0, device, 1, &write, 0, ptr::null())
    });
    let (values, signals, buffers) = ([3], [vk::Semaphore::from_raw(15)], [cmd]);
    let mut values = vk::TimelineSemaphoreSubmitInfo::default().signal_semaphore_values(&values);
    let submit = vk::SubmitInfo::default().command_buffers(&buffers).signal_semaphores(&signals).push_next(&mut values);
    command("vkQueueSubmit", &|w| unsafe { request::queue_submit(w, 0, queue, 1, &submit, vk::Fence::from_raw(18)) });
    all
}

#[test]
fn every_recorded_command_is_encoded_the_same() {
    let (recorded, ours) = (recorded(), commands());
    assert_eq!(recorded.len(), 23);
    for (name, words) in &recorded {
        let mine = ours.get(name).unwrap_or_else(|| panic!("{name} is recorded, and not tried here"));
        let hex = |w: &[u32]| w.iter().map(|w| format!("{w:08x}")).collect::<Vec<_>>().join(" ");
        assert_eq!(hex(mine), hex(words), "{name}");
    }
}
