#version 450
// Of four samples those whose bit is set get an alpha of 1, the others 0; the first three have a channel each.
layout(push_constant) uniform Push { uint opaque; };
layout(location = 0) out vec4 colour;

void main() {
    uint alpha = opaque >> gl_SampleID & 1u;
    colour = vec4(gl_SampleID == 0, gl_SampleID == 1, gl_SampleID == 2, alpha);
}
