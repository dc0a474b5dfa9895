#version 450
// to[i] = from[i] * FACTOR + add, for i below count.
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint FACTOR = 1;
layout(push_constant) uniform Push { uint count; uint add; };
layout(binding = 0) readonly buffer From { uint from[]; };
layout(binding = 1) writeonly buffer To { uint to[]; };

void main() {
    uint i = gl_GlobalInvocationID.x;
    if (i < count) to[i] = from[i] * FACTOR + add;
}
