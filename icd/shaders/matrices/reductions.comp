// cooperativeMatrixReductions: sums of rows, largest of columns, the sum of all, the largest of each two by two.
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_NV_cooperative_matrix2 : require
layout(local_size_x = 128) in;
layout(set = 0, binding = 0) readonly buffer Given { float given[]; };
layout(set = 0, binding = 1) writeonly buffer Told { float told[]; };
const uint M = 64, N = 32, HALF_M = 32, HALF_N = 16;
float sum(const in float a, const in float b) { return a + b; }
float larger(const in float a, const in float b) { return max(a, b); }
void main() {
    coopmat<float, gl_ScopeWorkgroup, M, N, gl_MatrixUseAccumulator> m, reduced;
    coopmat<float, gl_ScopeWorkgroup, HALF_M, HALF_N, gl_MatrixUseAccumulator> quarter;
    coopMatLoad(m, given, 0, N, gl_CooperativeMatrixLayoutRowMajor);
    coopMatReduceNV(reduced, m, gl_CooperativeMatrixReduceRowNV, sum);
    coopMatStore(reduced, told, 0, N, gl_CooperativeMatrixLayoutRowMajor);
    coopMatReduceNV(reduced, m, gl_CooperativeMatrixReduceColumnNV, larger);
    coopMatStore(reduced, told, M * N, N, gl_CooperativeMatrixLayoutRowMajor);
    coopMatReduceNV(reduced, m, gl_CooperativeMatrixReduceRowAndColumnNV, sum);
    coopMatStore(reduced, told, 2 * M * N, N, gl_CooperativeMatrixLayoutRowMajor);
    coopMatReduceNV(quarter, m, gl_CooperativeMatrixReduce2x2NV, larger);
    coopMatStore(quarter, told, 3 * M * N, HALF_N, gl_CooperativeMatrixLayoutRowMajor);
}
