"""taichi: kernels on fields, atomics, a reduction, and particles that fall, compiled by taichi for Vulkan."""

import numpy
import taichi as ti
from report import DeviceInLog, expect, result

with DeviceInLog(r"Found Vulkan Device 0 \((.*)\)"):
    ti.init(arch=ti.vulkan, offline_cache=False, log_level=ti.TRACE)
ti.set_logging_level(ti.WARN)
expect(ti.lang.impl.current_cfg().arch == ti.vulkan, "taichi has taken another backend than Vulkan")

N = 1 << 16
numbers = ti.field(ti.i32, N)
histogram = ti.field(ti.i32, 64)
pixels = ti.Vector.field(3, ti.f32, (256, 192))
places = ti.Vector.field(2, ti.f32, 4096)
speeds = ti.Vector.field(2, ti.f32, 4096)


@ti.kernel
def fill():
    for i in numbers:
        x = i * 1103515245 + 12345
        numbers[i] = x ^ (x >> 13)


@ti.kernel
def count():
    for i in numbers:
        histogram[numbers[i] & 63] += 1


@ti.kernel
def total() -> ti.i32:
    sum = 0
    for i in numbers:
        sum += numbers[i] & 0xFF
    return sum


@ti.kernel
def julia():
    for i, j in pixels:
        z = ti.Vector([i / 128.0 - 1.0, j / 96.0 - 1.0])
        steps = 0
        while z.norm() < 2 and steps < 50:
            z = ti.Vector([z[0] * z[0] - z[1] * z[1] - 0.8, 2 * z[0] * z[1] + 0.156])
            steps += 1
        pixels[i, j] = ti.Vector([steps / 50.0, z[0], z[1]])


@ti.kernel
def scatter():
    for i in places:
        places[i] = ti.Vector([(i % 64) / 64.0, (i // 64) / 64.0])
        speeds[i] = ti.Vector([ti.sin(i * 0.1), ti.cos(i * 0.2)])


@ti.kernel
def fall():
    for i in places:
        speeds[i][1] -= 0.01
        places[i] += speeds[i] * 0.01
        for k in ti.static(range(2)):
            if places[i][k] < 0 or places[i][k] > 1:
                speeds[i][k] *= -0.5
                places[i][k] = ti.math.clamp(places[i][k], 0.0, 1.0)


fill()
x = (numpy.arange(N, dtype=numpy.int64) * 1103515245 + 12345).astype(numpy.int32)
expected = x ^ (x >> 13)
expect((numbers.to_numpy() == expected).all(), "numbers")
count()
expect((histogram.to_numpy() == numpy.bincount(expected & 63, minlength=64)).all(), "the histogram")
expect(total() == int((expected & 0xFF).sum()), "the sum")
result("numbers", numbers.to_numpy().tobytes())
julia()
expect(float(pixels.to_numpy().std()) > 0.1, "the picture is empty")
result("julia", pixels.to_numpy().tobytes())
scatter()
for _ in range(200):
    fall()
fallen = places.to_numpy()
expect(bool(numpy.isfinite(fallen).all()) and fallen.min() >= 0 and fallen.max() <= 1, "particles have left the box")
result("particles", fallen.tobytes())
