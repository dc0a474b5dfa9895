#version 450
layout(location = 0) flat in float shade;
layout(location = 0) out vec4 colour;

void main() {
    colour = vec4(shade, 0.0, 0.0, 1.0);
}
