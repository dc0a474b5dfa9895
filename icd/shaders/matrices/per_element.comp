// cooperativeMatrixPerElementOperations: a function of each element, its row and its column.
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_NV_cooperative_matrix2 : require
layout(local_size_x = 128) in;
layout(set = 0, binding = 0) readonly buffer Given { float given[]; };
layout(set = 0, binding = 1) writeonly buffer Told { float told[]; };
const uint M = 64, N = 32;
float change(const in uint32_t row, const in uint32_t column, const in float element, const in float more) {
    return element * 2.0 + float(row * 64 + column) + more;
}
void main() {
    coopmat<float, gl_ScopeWorkgroup, M, N, gl_MatrixUseAccumulator> m;
    coopMatLoad(m, given, 0, N, gl_CooperativeMatrixLayoutRowMajor);
    coopMatPerElementNV(m, m, change, 3.0);
    coopMatStore(m, told, 0, N, gl_CooperativeMatrixLayoutRowMajor);
}
