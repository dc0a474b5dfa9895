#version 450
// to[i] = to[i] * 31 + from[i] + add, for i below count.
layout(local_size_x = 64) in;
layout(push_constant) uniform Push { uint count; uint add; };
layout(binding = 0) readonly buffer From { uint from[]; };
layout(binding = 1) buffer To { uint to[]; };

void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i < count) to[i] = to[i] * 31 + from[i] + add;
}
