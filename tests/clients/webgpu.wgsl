// The shaders of the WebGPU clients, webgpu.py and webgpu.mjs.

struct Job { count: u32, seed: u32 }
@group(0) @binding(0) var<uniform> job: Job;
@group(0) @binding(1) var<storage, read> words: array<u32>;
@group(0) @binding(2) var<storage, read_write> mixed: array<u32>;
@group(0) @binding(3) var<storage, read_write> sums: array<atomic<u32>, 4>;
var<workgroup> part: array<u32, 64>;

// Each word is mixed; the sum, the largest and the exclusive or of what each workgroup has come to are found by atomics.
@compute @workgroup_size(64)
fn mix_words(@builtin(global_invocation_id) id: vec3u, @builtin(local_invocation_index) local: u32) {
  var x = 0u;
  if (id.x < job.count) {
    x = words[id.x] * 1664525u + job.seed;
    x = x ^ (x >> 15u);
    mixed[id.x] = x;
  }
  part[local] = x;
  workgroupBarrier();
  if (local == 0u) {
    var sum = 0u;
    for (var i = 0u; i < 64u; i++) {
      sum += part[i];
    }
    atomicAdd(&sums[0], sum);
    atomicMax(&sums[1], sum);
    atomicXor(&sums[2], sum);
    atomicAdd(&sums[3], 1u);
  }
}

@group(0) @binding(0) var rings: texture_storage_2d<rgba8unorm, write>;
@group(0) @binding(1) var heights: texture_storage_2d<r32float, write>;

// A picture of rings around the middle, and their heights.
@compute @workgroup_size(8, 8)
fn draw_rings(@builtin(global_invocation_id) id: vec3u) {
  let size = textureDimensions(rings);
  if (any(id.xy >= size)) {
    return;
  }
  let from_middle = distance(vec2f(id.xy), vec2f(size) * 0.5);
  let height = 0.5 + 0.5 * sin(from_middle * 0.4);
  textureStore(rings, id.xy, vec4f(height, fract(from_middle * 0.1), f32(id.x) / f32(size.x), 1.0));
  textureStore(heights, id.xy, vec4f(height));
}

struct Corner { @location(0) place: vec2f, @location(1) in_picture: vec2f }
struct Spot { @builtin(position) place: vec4f, @location(0) in_picture: vec2f, @location(1) tint: vec4f }
@group(0) @binding(0) var picture: texture_2d<f32>;
@group(0) @binding(1) var smooth_sampler: sampler;

// Each instance is turned, moved and tinted by its number.
@vertex
fn place_card(corner: Corner, @builtin(instance_index) n: u32) -> Spot {
  let angle = f32(n) * 0.7;
  let turn = mat2x2f(cos(angle), sin(angle), -sin(angle), cos(angle));
  let middle = vec2f(f32(n % 5u), f32(n / 5u % 5u)) * 0.4 - 0.8;
  var spot: Spot;
  spot.place = vec4f(turn * corner.place * 0.35 + middle, f32(n * 7u % 25u) / 25.0, 1.0);
  spot.in_picture = corner.in_picture;
  spot.tint = vec4f(fract(f32(n) * vec3f(0.31, 0.57, 0.83)), 0.75);
  return spot;
}

@fragment
fn paint_card(spot: Spot) -> @location(0) vec4f {
  return textureSample(picture, smooth_sampler, spot.in_picture) * spot.tint;
}
