#version 450
#extension GL_GOOGLE_include_directive : require
#define FACTOR uint8_t
#define SUM uint
#include "multiply.glsl"
