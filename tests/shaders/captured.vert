#version 450
// As dots.vert, and transform feedback captures the colour.
layout(location = 0, xfb_buffer = 0, xfb_offset = 0, xfb_stride = 16) flat out vec4 colour;

void main() {
    uint v = uint(gl_VertexIndex);
    gl_Position = vec4((vec2(v % 16u, v / 16u % 16u) + 0.5) / 8.0 - 1.0, 0.0, 1.0);
    gl_PointSize = 1.0;
    colour = vec4(uvec4(v % 256u, v / 256u % 256u, uint(gl_InstanceIndex) % 256u, 255u)) / 255.0;
}
