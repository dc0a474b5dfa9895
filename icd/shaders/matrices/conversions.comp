// cooperativeMatrixConversions: sums become the factors of another product, one as it is and one transposed.
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_NV_cooperative_matrix2 : require
layout(local_size_x = 128) in;
layout(set = 0, binding = 0) readonly buffer Given { float given[]; };
layout(set = 0, binding = 1) writeonly buffer Told { float told[]; };
const uint M = 32, N = 32, K = 64;
void main() {
    coopmat<float, gl_ScopeWorkgroup, M, K, gl_MatrixUseAccumulator> first;
    coopmat<float, gl_ScopeWorkgroup, N, K, gl_MatrixUseAccumulator> transposed;
    coopmat<float, gl_ScopeWorkgroup, K, N, gl_MatrixUseAccumulator> straight;
    coopMatLoad(first, given, 0, K, gl_CooperativeMatrixLayoutRowMajor);
    coopMatLoad(transposed, given, M * K, K, gl_CooperativeMatrixLayoutRowMajor);
    coopMatLoad(straight, given, (M + N) * K, N, gl_CooperativeMatrixLayoutRowMajor);
    coopmat<float16_t, gl_ScopeWorkgroup, M, K, gl_MatrixUseA> a =
        coopmat<float16_t, gl_ScopeWorkgroup, M, K, gl_MatrixUseA>(first);
    coopmat<float16_t, gl_ScopeWorkgroup, N, K, gl_MatrixUseAccumulator> narrow =
        coopmat<float16_t, gl_ScopeWorkgroup, N, K, gl_MatrixUseAccumulator>(transposed);
    coopmat<float16_t, gl_ScopeWorkgroup, K, N, gl_MatrixUseB> b;
    coopMatTransposeNV(b, narrow);
    coopmat<float, gl_ScopeWorkgroup, M, N, gl_MatrixUseAccumulator> c =
        coopmat<float, gl_ScopeWorkgroup, M, N, gl_MatrixUseAccumulator>(0.0);
    c = coopMatMulAdd(a, b, c);
    b = coopmat<float16_t, gl_ScopeWorkgroup, K, N, gl_MatrixUseB>(straight);
    coopMatStore(coopMatMulAdd(a, b, c), told, 0, N, gl_CooperativeMatrixLayoutRowMajor);
}
