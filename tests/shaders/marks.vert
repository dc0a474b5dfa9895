#version 450
// A point for each vertex: the pixel of its index in a picture of 16 by 16, in a colour that tells of the instance.
layout(location = 0) flat out float shade;

void main() {
    vec2 pixel = vec2(gl_VertexIndex % 16, gl_VertexIndex / 16 % 16);
    gl_Position = vec4((pixel + 0.5) / 8.0 - 1.0, 0.0, 1.0);
    gl_PointSize = 1.0;
    shade = float(gl_InstanceIndex + 1) / 255.0;
}
