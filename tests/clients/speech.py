"""whisper.cpp: a model with random weights listens to a chirp; its tokens and their probabilities are results."""

import struct

import numpy
from report import GGML, DeviceInLog, expect, result

from cyllama import whisper

random = numpy.random.default_rng(11)
WIDTH, HEADS, LAYERS, VOCABULARY, MELS = 128, 2, 4, 51864, 80
# Context and width of the encoder, heads, layers; the same of the decoder; bands; 16-bit weights.
shape = (VOCABULARY, 1500, WIDTH, HEADS, LAYERS, 448, WIDTH, HEADS, LAYERS, MELS, 1)


def tensor(name, dimensions, half=True, scale=None):
    """A tensor with random numbers; the dimension that changes fastest comes first."""
    fan_in = int(numpy.prod(dimensions[:-1])) or 1
    numbers = random.standard_normal(int(numpy.prod(dimensions))) * (scale or fan_in**-0.5)
    head = struct.pack(f"<3i{len(dimensions)}i", len(dimensions), len(name), int(half), *dimensions)
    return head + name.encode() + numbers.astype("f2" if half else "f4").tobytes()


def norm(name):
    return tensor(f"{name}.weight", [WIDTH], half=False, scale=1.0) + tensor(f"{name}.bias", [WIDTH], half=False, scale=0.1)


def linear(name, inputs=WIDTH, outputs=WIDTH, bias=True):
    weight = tensor(f"{name}.weight", [inputs, outputs])
    return weight + (tensor(f"{name}.bias", [outputs], half=False, scale=0.1) if bias else b"")


def attention(name):
    parts = [linear(f"{name}.{part}", bias=part != "key") for part in ("query", "key", "value", "out")]
    return b"".join(parts) + norm(f"{name}_ln")


def block(name, decoder):
    parts = [attention(f"{name}.attn"), norm(f"{name}.mlp_ln")]
    parts += [linear(f"{name}.mlp.0", WIDTH, 4 * WIDTH), linear(f"{name}.mlp.2", 4 * WIDTH, WIDTH)]
    return b"".join(parts) + (attention(f"{name}.cross_attn") if decoder else b"")


def model():
    """A model file as whisper.cpp reads it: sizes, bands of the spectrum, words, tensors."""
    bands = numpy.zeros((MELS, 201), "f4")
    for i in range(MELS):
        bands[i, 2 * i : 2 * i + 4] = 0.01
    yield struct.pack("<I11i", 0x67676D6C, *shape) + struct.pack("<2i", MELS, 201) + bands.tobytes()
    words = [f" w{i}".encode() for i in range(50256)]
    yield struct.pack("<i", len(words)) + b"".join(struct.pack("<I", len(w)) + w for w in words)
    yield tensor("encoder.positional_embedding", [WIDTH, 1500], half=False, scale=0.1)
    yield tensor("encoder.conv1.weight", [3, MELS, WIDTH]) + tensor("encoder.conv1.bias", [1, WIDTH], half=False, scale=0.1)
    yield tensor("encoder.conv2.weight", [3, WIDTH, WIDTH]) + tensor("encoder.conv2.bias", [1, WIDTH], half=False, scale=0.1)
    yield norm("encoder.ln_post")
    yield tensor("decoder.positional_embedding", [WIDTH, 448], half=False, scale=0.1)
    yield tensor("decoder.token_embedding.weight", [WIDTH, VOCABULARY], scale=0.3) + norm("decoder.ln")
    for i in range(LAYERS):
        yield block(f"encoder.blocks.{i}", False) + block(f"decoder.blocks.{i}", True)


with open("model.bin", "wb") as file:
    file.writelines(model())
time = numpy.arange(16000 * 3) / 16000
chirp = (0.5 * numpy.sin(2 * numpy.pi * (200 + 300 * time) * time)).astype("f4")
with DeviceInLog(GGML):
    whisper.ggml_backend_load_all()
    context = whisper.WhisperContext("model.bin")
    parameters = whisper.WhisperFullParams()
    # A model of noise would be asked again and again otherwise.
    parameters.temperature_inc = 0.0
    parameters.no_timestamps = True
    parameters.single_segment = True
    expect(context.full(chirp, parameters) == 0, "whisper.cpp fails")
tokens = 0
for segment in range(context.full_n_segments()):
    for i in range(context.full_n_tokens(segment)):
        tokens += 1
        result(f"token {context.full_get_token_id(segment, i)}", f"{context.full_get_token_p(segment, i):.6e}")
expect(tokens > 10, f"{tokens} tokens")
