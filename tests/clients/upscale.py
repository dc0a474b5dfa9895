"""stable-diffusion.cpp: its ESRGAN network, with random weights, makes a picture larger."""

import json
import struct

import numpy
from report import GGML, DeviceInLog, expect, result

random = numpy.random.default_rng(13)
# Input and output channels of the convolutions that aren't repeated, and of those of a block, each of which sees what those before it made.
NAMES = {"conv_first": (3, 64), "conv_body": (64, 64), "conv_up1": (64, 64), "conv_up2": (64, 64), "conv_hr": (64, 64), "conv_last": (64, 3)}
for part in (1, 2, 3):
    for i in range(1, 6):
        NAMES[f"body.0.rdb{part}.conv{i}"] = (64 + 32 * (i - 1), 32 if i < 5 else 64)

tensors = {}
for name, (inputs, outputs) in NAMES.items():
    weights = random.standard_normal((outputs, inputs, 3, 3)) * (9 * inputs) ** -0.5
    tensors[f"{name}.weight"] = weights.astype("f4")
    tensors[f"{name}.bias"] = (random.standard_normal(outputs) * 0.1).astype("f4")
head, at = {}, 0
for name, numbers in tensors.items():
    head[name] = {"dtype": "F32", "shape": numbers.shape, "data_offsets": [at, at + numbers.nbytes]}
    at += numbers.nbytes
head = json.dumps(head).encode()
head += b" " * (-len(head) % 8)
with open("model.safetensors", "wb") as file:
    file.write(struct.pack("<Q", len(head)) + head)
    file.writelines(numbers.tobytes() for numbers in tensors.values())

y, x = numpy.mgrid[0:32, 0:32]
picture = numpy.stack([x * 8, y * 8, (x * y) % 256], axis=-1).astype("u1")
with DeviceInLog(GGML):
    from cyllama import sd

    upscaler = sd.Upscaler("model.safetensors")
    larger = upscaler.upscale(sd.SDImage.from_numpy(picture)).to_numpy()
expect(larger.shape[0] == 32 * 4 and larger.shape[1] == 32 * 4, f"a picture of {larger.shape}")
expect(len(numpy.unique(larger)) > 50, "the larger picture has few colors")
result("picture", larger.tobytes())
