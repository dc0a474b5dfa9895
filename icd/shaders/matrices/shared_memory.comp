// cooperativeMatrixWorkgroupScopeReservedSharedMemory: how many words of the shader's own shared memory a product and a reduction damage.
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_NV_cooperative_matrix2 : require
layout(local_size_x = 256) in;
layout(constant_id = 0) const uint WORDS = 1024;
layout(set = 0, binding = 0) readonly buffer Given { float16_t given[]; };
layout(set = 0, binding = 1) buffer Told { uint damaged; uint unused[3]; float told[]; };
shared uint own[WORDS];
const uint M = 128, N = 128, K = 32;
float sum(const in float a, const in float b) { return a + b; }
void main() {
    for (uint i = gl_LocalInvocationIndex; i < WORDS; i += 256) {
        own[i] = i * 0x9e3779b9;
    }
    barrier();
    coopmat<float16_t, gl_ScopeWorkgroup, M, K, gl_MatrixUseA> a;
    coopmat<float16_t, gl_ScopeWorkgroup, K, N, gl_MatrixUseB> b;
    coopMatLoad(a, given, 0, K, gl_CooperativeMatrixLayoutRowMajor);
    coopMatLoad(b, given, M * K, N, gl_CooperativeMatrixLayoutRowMajor);
    coopmat<float, gl_ScopeWorkgroup, M, N, gl_MatrixUseAccumulator> c =
        coopmat<float, gl_ScopeWorkgroup, M, N, gl_MatrixUseAccumulator>(1.0);
    c = coopMatMulAdd(a, b, c);
    coopMatReduceNV(c, c, gl_CooperativeMatrixReduceRowNV, sum);
    coopMatStore(c, told, 0, N, gl_CooperativeMatrixLayoutRowMajor);
    barrier();
    uint wrong = 0;
    for (uint i = gl_LocalInvocationIndex; i < WORDS; i += 256) {
        wrong += own[i] == i * 0x9e3779b9 ? 0 : 1;
    }
    if (wrong != 0) {
        atomicAdd(damaged, wrong);
    }
}
