// cooperativeMatrixTensorAddressing: matrices that reach over the edge of a tensor, loaded and stored as they lie and transposed.
#version 450
#extension GL_KHR_cooperative_matrix : require
#extension GL_KHR_memory_scope_semantics : require
#extension GL_EXT_shader_explicit_arithmetic_types : require
#extension GL_NV_cooperative_matrix2 : require
layout(local_size_x = 128) in;
layout(set = 0, binding = 0) readonly buffer Given { float given[]; };
layout(set = 0, binding = 1) buffer Told { float told[]; };
const uint M = 32, N = 16, ROWS = 48, COLUMNS = 40, STRIDE = 44;
void main() {
    tensorLayoutNV<2, gl_CooperativeMatrixClampModeConstantNV> tensor =
        createTensorLayoutNV(2, gl_CooperativeMatrixClampModeConstantNV);
    tensor = setTensorLayoutDimensionNV(tensor, ROWS, COLUMNS);
    tensor = setTensorLayoutStrideNV(tensor, STRIDE, 1);
    tensorViewNV<2, false, 1, 0> transposed = createTensorViewNV(2, false, 1, 0);
    coopmat<float, gl_ScopeWorkgroup, M, N, gl_MatrixUseAccumulator> m;
    coopMatLoadTensorNV(m, given, 0, sliceTensorLayoutNV(tensor, 24, M, 32, N));
    coopMatStore(m, told, 0, N, gl_CooperativeMatrixLayoutRowMajor);
    coopMatLoadTensorNV(m, given, 0, sliceTensorLayoutNV(tensor, 40, N, 16, M), transposed);
    coopMatStore(m, told, M * N, N, gl_CooperativeMatrixLayoutRowMajor);
    coopMatLoad(m, given, 0, N, gl_CooperativeMatrixLayoutRowMajor);
    coopMatStoreTensorNV(m, told, 2 * M * N, sliceTensorLayoutNV(tensor, 24, M, 32, N));
    coopMatStoreTensorNV(m, told, 2 * M * N + ROWS * STRIDE, sliceTensorLayoutNV(tensor, 40, N, 16, M), transposed);
}
