"""ncnn: a small network with random weights, on the processor and on the device."""

import pathlib
import tempfile

import ncnn
import numpy
from report import device, expect, result

random = numpy.random.default_rng(7)
layers = ["Input data 0 1 data 0=64 1=64 2=3"]
weights = []
last, channels = "data", 3


def add(kind, name, settings, fan_in=0, count=0, outputs=0):
    """A layer behind the last one, with that many random weights and outputs."""
    global last
    layers.append(f"{kind} {name} 1 1 {last} {name} {settings}")
    last = name
    if count:
        # Zero says that 32-bit floats follow; the bias has no such word.
        weights.append(b"\0\0\0\0" + (random.standard_normal(count) / numpy.sqrt(fan_in)).astype("f4").tobytes())
        weights.append((random.standard_normal(outputs) * 0.1).astype("f4").tobytes())


def convolution(name, outputs, kernel, stride=1):
    global channels
    count = outputs * channels * kernel * kernel
    settings = f"0={outputs} 1={kernel} 3={stride} 4={kernel // 2} 5=1 6={count} 9=1"
    add("Convolution", name, settings, channels * kernel * kernel, count, outputs)
    channels = outputs


convolution("wide", 16, 3)
convolution("strided", 32, 3, stride=2)
add("ConvolutionDepthWise", "by_channel", f"0=32 1=3 4=1 5=1 6={32 * 9} 7=32 9=1", 9, 32 * 9, 32)
convolution("points", 64, 1)
add("Pooling", "smaller", "0=0 1=2 2=2")
convolution("winograd", 64, 3)
add("Pooling", "mean", "0=1 4=1")
add("InnerProduct", "classes", f"0=10 1=1 2={64 * 10}", 64, 64 * 10, 10)
add("Softmax", "likely", "0=0")

picture = random.random((3, 64, 64), dtype="f4")


def outputs(on_device, names):
    """What the network makes of the picture."""
    net = ncnn.Net()
    net.opt.use_vulkan_compute = on_device
    net.opt.num_threads = 1
    with tempfile.TemporaryDirectory() as folder:
        param, model = pathlib.Path(folder, "net.param"), pathlib.Path(folder, "net.bin")
        param.write_text("\n".join(["7767517", f"{len(layers)} {len(layers)}", *layers, ""]))
        model.write_bytes(b"".join(weights))
        expect(net.load_param(str(param)) == 0 and net.load_model(str(model)) == 0, "ncnn doesn't load the network")
    extractor = net.create_extractor()
    extractor.input("data", ncnn.Mat(picture))
    found = []
    for name in names:
        error, blob = extractor.extract(name)
        expect(error == 0, f"{name}: error {error}")
        found.append(numpy.array(blob))
    return found


expect(ncnn.get_gpu_count() == 1, f"{ncnn.get_gpu_count()} devices")
device(ncnn.get_gpu_info(0).device_name())
NAMES = ["points", "winograd", "likely"]
on_processor, on_device = outputs(False, NAMES), outputs(True, NAMES)
for name, expected, found in zip(NAMES, on_processor, on_device):
    expect(found.shape == expected.shape, f"{name} has the shape {found.shape}")
    far = float(numpy.abs(found - expected).max() / numpy.abs(expected).max())
    # The device computes in halves where it can.
    expect(far < 0.02, f"{name} is {far:.3f} of its largest value off the processor's")
    expect(float(found.std()) > 0, f"{name} is the same everywhere")
    result(name, found.tobytes())
ncnn.destroy_gpu_instance()
