#version 450
// As marks.vert, but no size of the points is written.
layout(location = 0) flat out float shade;

void main() {
    vec2 pixel = vec2(gl_VertexIndex % 16, gl_VertexIndex / 16 % 16);
    gl_Position = vec4((pixel + 0.5) / 8.0 - 1.0, 0.0, 1.0);
    shade = float(gl_InstanceIndex + 1) / 255.0;
}
