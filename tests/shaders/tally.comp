#version 450
// Counts invocations: tally += 1 for each, and work groups beside it.
layout(local_size_x = 32) in;
layout(binding = 0) buffer Tally { uint invocations; uint groups; };

void main() {
    atomicAdd(invocations, 1);
    if (gl_LocalInvocationIndex == 0) atomicAdd(groups, 1);
}
