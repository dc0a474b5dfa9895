// cooperativeMatrixDecodeVector: elements that a function takes out of blocks of a scale and 32 numbers of four bits, one at a time, or another
// function four at a time. That one adds something to each, so that the elements tell who has decoded them. GLSL can't name it in the load:
// xtask/src/decode_vector.rs does.
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_EXT_buffer_reference : require
#extension GL_NV_cooperative_matrix2 : require
layout(local_size_x = 128) in;
struct Block { float16_t scale; uint16_t fours[8]; };
layout(set = 0, binding = 0) readonly buffer Given { Block given[]; };
layout(set = 0, binding = 1) writeonly buffer Told { float16_t told[]; };
layout(buffer_reference, std430, buffer_reference_align = 2) buffer Reference { Block block; };
const uint M = 64, K = 64;
const float16_t ADDED = float16_t(64);
float16_t number(const in Reference at, const in uint blockAt[2], const in uint inside[2]) {
    const uint four = uint(at.block.fours[inside[1] / 4]);
    const uint bits = (four >> (4 * (inside[1] % 4))) & 15;
    return at.block.scale * (float16_t(bits) - float16_t(8));
}
f16vec4 numbers(const in Reference at, const in uint blockAt[2], const in uint inside[2]) {
    const uint four = uint(at.block.fours[inside[1] / 4]);
    const uvec4 bits = (uvec4(four) >> uvec4(0, 4, 8, 12)) & uvec4(15);
    return at.block.scale * (f16vec4(bits) - f16vec4(8)) + f16vec4(ADDED);
}
void main() {
    tensorLayoutNV<2> tensor = createTensorLayoutNV(2);
    tensor = setTensorLayoutBlockSizeNV(tensor, 1, 32);
    tensor = setTensorLayoutDimensionNV(tensor, M, K);
    tensor = setTensorLayoutStrideNV(tensor, K / 32, 1);
    coopmat<float16_t, gl_ScopeWorkgroup, M, K, gl_MatrixUseA> a;
    coopMatLoadTensorNV(a, given, 0, sliceTensorLayoutNV(tensor, 0, M, 0, K), number);
    coopMatStore(a, told, 0, K, gl_CooperativeMatrixLayoutRowMajor);
}
