"""OpenGL by zink, Mesa's driver for it on Vulkan: shaders, textures, several samples, transform feedback and queries, without a window."""

import struct

import moderngl
import numpy
from report import device, expect, result

SIZE = (256, 192)
context = moderngl.create_standalone_context(backend="egl", require=430)
renderer = context.info["GL_RENDERER"]
expect(renderer.startswith("zink"), f"OpenGL is {renderer}")
device(renderer)
result("version", context.info["GL_VERSION"])


def colors(data):
    return len(numpy.unique(numpy.frombuffer(data, "u4")))


def compute():
    words = numpy.arange(100_000, dtype="u4")
    source, target = context.buffer(words.tobytes()), context.buffer(reserve=words.nbytes)
    source.bind_to_storage_buffer(0)
    target.bind_to_storage_buffer(1)
    shader = context.compute_shader("""
        #version 430
        layout(local_size_x = 64) in;
        layout(std430, binding = 0) readonly buffer Source { uint source[]; };
        layout(std430, binding = 1) writeonly buffer Target { uint target[]; };
        uniform uint seed;
        void main() {
            uint i = gl_GlobalInvocationID.x;
            if (i < source.length()) {
                uint x = source[i] * 747796405u + seed;
                target[i] = x ^ (x >> 16);
            }
        }
    """)
    shader["seed"] = 2891336453
    shader.run(group_x=(len(words) + 63) // 64)
    context.memory_barrier()
    expected = words * numpy.uint32(747796405) + numpy.uint32(2891336453)
    expect(target.read() == (expected ^ (expected >> numpy.uint32(16))).tobytes(), "mixed words")


def feedback():
    """What a vertex shader says, without a picture."""
    shader = context.program(
        vertex_shader="""
            #version 330
            in float x;
            out float square;
            void main() { square = x * x + 1.0; }
        """,
        varyings=["square"],
    )
    numbers = numpy.arange(1000, dtype="f4")
    target = context.buffer(reserve=numbers.nbytes)
    context.vertex_array(shader, [(context.buffer(numbers.tobytes()), "f", "x")]).transform(target, moderngl.POINTS)
    expect(target.read() == (numbers * numbers + 1).tobytes(), "transform feedback")


def picture():
    """A picture with mipmaps, drawn on cards that turn."""
    y, x = numpy.mgrid[0:64, 0:64]
    texels = numpy.stack([x * 4, y * 4, x ^ y, numpy.full_like(x, 255)], axis=-1).astype("u1")
    texture = context.texture((64, 64), 4, texels.tobytes())
    texture.build_mipmaps()
    texture.filter = (moderngl.LINEAR_MIPMAP_LINEAR, moderngl.LINEAR)
    shader = context.program(
        vertex_shader="""
            #version 330
            in vec2 corner;
            out vec2 in_picture;
            flat out vec4 tint;
            void main() {
                float angle = float(gl_InstanceID) * 0.7;
                mat2 turn = mat2(cos(angle), sin(angle), -sin(angle), cos(angle));
                vec2 middle = vec2(gl_InstanceID % 5, gl_InstanceID / 5) * 0.4 - 0.8;
                gl_Position = vec4(turn * corner * 0.35 + middle, float(gl_InstanceID * 7 % 25) / 25.0, 1.0);
                in_picture = corner * 2.0;
                tint = vec4(fract(vec3(gl_InstanceID) * vec3(0.31, 0.57, 0.83)), 0.75);
            }
        """,
        fragment_shader="""
            #version 330
            uniform sampler2D picture;
            in vec2 in_picture;
            flat in vec4 tint;
            out vec4 color;
            void main() { color = texture(picture, in_picture) * tint; }
        """,
    )
    corners = context.buffer(struct.pack("8f", -1, -1, 1, -1, -1, 1, 1, 1))
    cards = context.vertex_array(shader, [(corners, "2f", "corner")])
    context.enable(moderngl.DEPTH_TEST | moderngl.BLEND)
    for samples in (0, 4):
        color, depth = context.renderbuffer(SIZE, 4, samples=samples), context.depth_renderbuffer(SIZE, samples=samples)
        target = context.framebuffer(color, depth)
        plain = context.simple_framebuffer(SIZE)
        target.use()
        target.clear(0.1, 0.2, 0.3, 1.0)
        texture.use()
        with (query := context.query(samples=True, time=True, primitives=True)):
            cards.render(moderngl.TRIANGLE_STRIP, instances=25)
        context.copy_framebuffer(plain, target)
        data = plain.read(components=4)
        expect(colors(data) > 100, "the cards have few colors")
        expect(query.samples > 0 and query.primitives == 50, f"{query.samples} samples, {query.primitives} primitives")
        result(f"cards, {samples} samples", data)


# Without a window there is nothing to draw to otherwise.
context.simple_framebuffer(SIZE).use()
compute()
feedback()
picture()
error = context.error
expect(error == "GL_NO_ERROR", error)
