"""wgpu: compute, storage textures, drawing with indirect draws and several samples, queries, on the only Vulkan adapter."""

import pathlib
import struct

import numpy
import wgpu
from report import device as report_device, expect, result

SHADERS = pathlib.Path(__file__).with_name("webgpu.wgsl").read_text()
SIZE = (256, 192)
COUNT = 100_000

adapters = [a for a in wgpu.gpu.enumerate_adapters_sync() if a.info["backend_type"] == "Vulkan"]
expect(len(adapters) == 1, f"{len(adapters)} Vulkan adapters")
adapter = adapters[0]
report_device(adapter.info["device"])
for feature in sorted(adapter.features):
    result("feature", feature)
for name, limit in sorted(adapter.limits.items()):
    result(f"limit {name}", limit)

device = adapter.request_device_sync(required_features=["timestamp-query"])
module = device.create_shader_module(code=SHADERS)
B, T = wgpu.BufferUsage, wgpu.TextureUsage


def run(record):
    """Records commands and submits them."""
    encoder = device.create_command_encoder()
    record(encoder)
    device.queue.submit([encoder.finish()])


def mapped(buffer):
    """The bytes of a buffer that can be mapped for reading."""
    buffer.map_sync(wgpu.MapMode.READ)
    data = bytes(buffer.read_mapped())
    buffer.unmap()
    return data


def bind(pipeline, *resources):
    """A bind group of a pipeline's first group."""
    entries = [{"binding": i, "resource": r} for i, r in enumerate(resources)]
    return device.create_bind_group(layout=pipeline.get_bind_group_layout(0), entries=entries)


def texture(texture_format, usage, **more):
    return device.create_texture(size=(*SIZE, 1), format=texture_format, usage=usage | T.COPY_SRC, **more)


def texels(source, size=4):
    """A texture's texels, by way of a buffer."""
    row = SIZE[0] * size
    buffer = device.create_buffer(size=row * SIZE[1], usage=B.COPY_DST | B.MAP_READ)
    to = {"buffer": buffer, "bytes_per_row": row, "rows_per_image": SIZE[1]}
    run(lambda e: e.copy_texture_to_buffer({"texture": source}, to, (*SIZE, 1)))
    return mapped(buffer)


def compute():
    words = numpy.arange(COUNT, dtype=numpy.uint32) * numpy.uint32(2654435761)
    job = device.create_buffer_with_data(data=struct.pack("II", COUNT, 12345), usage=B.UNIFORM)
    source = device.create_buffer_with_data(data=words, usage=B.STORAGE)
    mixed = device.create_buffer(size=words.nbytes, usage=B.STORAGE | B.COPY_SRC)
    sums = device.create_buffer(size=16, usage=B.STORAGE | B.COPY_SRC | B.COPY_DST)
    groups = (COUNT + 63) // 64
    counts = device.create_buffer_with_data(data=struct.pack("4I", 9, groups, 1, 1), usage=B.INDIRECT)
    times = device.create_query_set(type="timestamp", count=2)
    ticks = device.create_buffer(size=16, usage=B.QUERY_RESOLVE | B.COPY_SRC)
    pipeline = device.create_compute_pipeline(layout="auto", compute={"module": module, "entry_point": "mix_words"})
    group = bind(pipeline, *({"buffer": b} for b in (job, source, mixed, sums)))
    expected = words * numpy.uint32(1664525) + numpy.uint32(12345)
    expected ^= expected >> numpy.uint32(15)
    parts = numpy.add.reduceat(expected, numpy.arange(0, COUNT, 64), dtype=numpy.uint32)
    expected_sums = [int(parts.sum(dtype=numpy.uint32)), int(parts.max()), int(numpy.bitwise_xor.reduce(parts)), groups]

    def record(encoder, indirect):
        encoder.clear_buffer(sums)
        writes = {"query_set": times, "beginning_of_pass_write_index": 0, "end_of_pass_write_index": 1}
        work = encoder.begin_compute_pass(timestamp_writes=writes)
        work.set_pipeline(pipeline)
        work.set_bind_group(0, group)
        if indirect:
            work.dispatch_workgroups_indirect(counts, 4)
        else:
            work.dispatch_workgroups(groups)
        work.end()
        encoder.resolve_query_set(times, 0, 2, ticks, 0)

    for indirect in (False, True):
        run(lambda e: record(e, indirect))
        found = bytes(device.queue.read_buffer(mixed))
        expect(found == expected.tobytes(), f"mixed words, indirect: {indirect}")
        found = list(struct.unpack("4I", device.queue.read_buffer(sums)))
        expect(found == expected_sums, f"sums, indirect: {indirect}: {found}, not {expected_sums}")
        result("sums", " ".join(map(str, found)))
        begin, end = struct.unpack("2Q", device.queue.read_buffer(ticks))
        expect(0 < begin < end, f"timestamps: {begin}, then {end}")
        # More than an hour would be no time of this pass.
        expect(end - begin < 3600 * 10**9, f"{end - begin} ns between two timestamps")


def rings():
    """The picture of rings, made by a shader."""
    picture = texture("rgba8unorm", T.STORAGE_BINDING | T.TEXTURE_BINDING)
    heights = texture("r32float", T.STORAGE_BINDING)
    pipeline = device.create_compute_pipeline(layout="auto", compute={"module": module, "entry_point": "draw_rings"})
    group = bind(pipeline, picture.create_view(), heights.create_view())

    def record(encoder):
        work = encoder.begin_compute_pass()
        work.set_pipeline(pipeline)
        work.set_bind_group(0, group)
        work.dispatch_workgroups(SIZE[0] // 8, SIZE[1] // 8)
        work.end()

    run(record)
    colors = texels(picture)
    expect(len(set(zip(*[iter(colors)] * 4))) > 100, "the rings have few colors")
    result("rings", colors)
    result("heights", texels(heights))
    return picture


def draw(picture, samples, bundled):
    """Cards with a picture, blended over each other where the depth lets them."""
    corners = struct.pack("16f", -1, -1, 0, 0, 1, -1, 1, 0, -1, 1, 0, 1, 1, 1, 1, 1)
    vertices = device.create_buffer_with_data(data=corners, usage=B.VERTEX)
    indices = device.create_buffer_with_data(data=struct.pack("6H", 0, 1, 2, 2, 1, 3), usage=B.INDEX)
    # Vertices, instances, first vertex, first instance; then indices, instances, first index, base vertex, first instance.
    arguments = device.create_buffer_with_data(data=struct.pack("9I", 3, 10, 1, 0, 6, 15, 0, 0, 0), usage=B.INDIRECT)
    attributes = [{"format": "float32x2", "offset": 8 * i, "shader_location": i} for i in range(2)]
    blend = {"src_factor": "src-alpha", "dst_factor": "one-minus-src-alpha", "operation": "add"}
    pipeline = device.create_render_pipeline(
        layout="auto",
        vertex={
            "module": module,
            "entry_point": "place_card",
            "buffers": [{"array_stride": 16, "step_mode": "vertex", "attributes": attributes}],
        },
        primitive={"topology": "triangle-list"},
        depth_stencil={"format": "depth32float", "depth_write_enabled": True, "depth_compare": "less"},
        multisample={"count": samples},
        fragment={
            "module": module,
            "entry_point": "paint_card",
            "targets": [{"format": "rgba8unorm", "blend": {"color": blend, "alpha": blend}}],
        },
    )
    smooth = device.create_sampler(mag_filter="linear", min_filter="linear", address_mode_u="repeat")
    group = bind(pipeline, picture.create_view(), smooth)
    target = texture("rgba8unorm", T.RENDER_ATTACHMENT)
    color = {"view": target.create_view(), "clear_value": (0.1, 0.2, 0.3, 1), "load_op": "clear", "store_op": "store"}
    if samples > 1:
        color["resolve_target"] = color["view"]
        color["view"] = texture("rgba8unorm", T.RENDER_ATTACHMENT, sample_count=samples).create_view()
    depth = texture("depth32float", T.RENDER_ATTACHMENT, sample_count=samples)
    seen = device.create_query_set(type="occlusion", count=2)
    counts = device.create_buffer(size=16, usage=B.QUERY_RESOLVE | B.COPY_SRC)

    def cards(commands):
        commands.set_pipeline(pipeline)
        commands.set_bind_group(0, group)
        commands.set_vertex_buffer(0, vertices)
        commands.set_index_buffer(indices, "uint16")
        commands.draw_indexed_indirect(arguments, 16)
        commands.draw_indirect(arguments, 0)
        commands.draw_indexed(6, 3, 0, 0, 0)

    def record(encoder):
        work = encoder.begin_render_pass(
            color_attachments=[color],
            depth_stencil_attachment={
                "view": depth.create_view(),
                "depth_clear_value": 1.0,
                "depth_load_op": "clear",
                "depth_store_op": "store",
            },
            occlusion_query_set=seen,
        )
        work.begin_occlusion_query(0)
        if bundled:
            form = {"color_formats": ["rgba8unorm"], "depth_stencil_format": "depth32float", "sample_count": samples}
            bundle = device.create_render_bundle_encoder(**form)
            cards(bundle)
            work.execute_bundles([bundle.finish()])
        else:
            cards(work)
        work.end_occlusion_query()
        work.begin_occlusion_query(1)
        work.end_occlusion_query()
        work.end()
        encoder.resolve_query_set(seen, 0, 2, counts, 0)

    run(record)
    colors = texels(target)
    expect(len(set(zip(*[iter(colors)] * 4))) > 100, "the cards have few colors")
    some, none = struct.unpack("2Q", device.queue.read_buffer(counts))
    expect(some > 0 and none == 0, f"samples that were seen: {some} and {none}")
    result(f"cards, {samples} samples", colors)
    return colors


compute()
picture = rings()
for samples in (1, 4):
    plain = draw(picture, samples, False)
    expect(plain == draw(picture, samples, True), "a bundle draws something else than its commands")
