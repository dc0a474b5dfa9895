#version 450
#extension GL_GOOGLE_include_directive : require
#define FACTOR float16_t
#define SUM float
#include "multiply.glsl"
