#version 450
// to[i] = a hash of from[i] and seed, in place of numbers that a device could come by otherwise: what `hesper doctor` computes again.
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint count; uint seed; };
layout(binding = 0) readonly buffer From { uint from[]; };
layout(binding = 1) writeonly buffer To { uint to[]; };

void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i >= count) return;
    uint x = from[i] ^ seed;
    for (uint round = 0; round < 16; round++) {
        x = (x ^ (x >> 15)) * 0x2c1b3c6du + round;
    }
    to[i] = x;
}
