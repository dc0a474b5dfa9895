// A product of matrices and one more: the scope and the sizes are specialization constants, the rows of the first factor come before those of the second.
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_16bit_storage : require
#extension GL_EXT_shader_8bit_storage : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
layout(local_size_x_id = 0) in;
layout(constant_id = 1) const uint SCOPE = gl_ScopeWorkgroup;
layout(constant_id = 2) const uint M = 32;
layout(constant_id = 3) const uint N = 32;
layout(constant_id = 4) const uint K = 16;
layout(set = 0, binding = 0) readonly buffer Given { FACTOR given[]; };
layout(set = 0, binding = 1) writeonly buffer Told { SUM told[]; };
void main() {
    coopmat<FACTOR, SCOPE, M, K, gl_MatrixUseA> a;
    coopmat<FACTOR, SCOPE, K, N, gl_MatrixUseB> b;
    coopMatLoad(a, given, 0, K, gl_CooperativeMatrixLayoutRowMajor);
    coopMatLoad(b, given, M * K, N, gl_CooperativeMatrixLayoutRowMajor);
    coopmat<SUM, SCOPE, M, N, gl_MatrixUseAccumulator> c = coopmat<SUM, SCOPE, M, N, gl_MatrixUseAccumulator>(SUM(1));
    coopMatStore(coopMatMulAdd(a, b, c), told, 0, N, gl_CooperativeMatrixLayoutRowMajor);
}
