// What VK_NV_shader_sm_builtins tells of the device.
#version 450
#extension GL_NV_shader_sm_builtins : require
layout(local_size_x = 1) in;
layout(set = 0, binding = 1) buffer Told { uint multiprocessors; uint warps; } told;
void main() {
    told.multiprocessors = gl_SMCountNV;
    told.warps = gl_WarpsPerSMNV;
}
