#version 450
// seen[] gets what lies behind three arrays of descriptors, of which the first two are storage or uniform buffers: bits of `uniform_*` tell.
layout(local_size_x = 1) in;
layout(push_constant) uniform Push { uint uniform_first; uint uniform_second; };
layout(binding = 0) readonly buffer FirstStorage { uint word; } first_storage[4];
layout(binding = 0) uniform FirstUniform { uint word; } first_uniform[4];
layout(binding = 1) buffer Seen { uint seen[]; };
layout(binding = 2) uniform SecondUniform { uint word; } second_uniform[3];
layout(binding = 2) readonly buffer SecondStorage { uint word; } second_storage[3];
layout(binding = 3) uniform Third { uint word; } third[2];

void main() {
    for (uint i = 0; i < 4; i++) {
        if ((uniform_first >> i & 1u) != 0u) seen[i] = first_uniform[i].word;
        else seen[i] = first_storage[i].word;
    }
    for (uint i = 0; i < 3; i++) {
        if ((uniform_second >> i & 1u) != 0u) seen[4 + i] = second_uniform[i].word;
        else seen[4 + i] = second_storage[i].word;
    }
    for (uint i = 0; i < 2; i++) seen[7 + i] = third[i].word;
}
