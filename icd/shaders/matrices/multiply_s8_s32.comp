#version 450
#extension GL_GOOGLE_include_directive : require
#define FACTOR int8_t
#define SUM int
#include "multiply.glsl"
