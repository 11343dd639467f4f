// Gradient of the fine match for the reference.
//
//   dref[n, c, r] = Σ g·a·b · lr[n, c, clamp(q + t)] − ref[n, c, r] · Σ g·s·b²   over the list of r (match_lists.wgsl)
//   coefficients [3, N, H, W] = g·a·b, g·s·a², g·s·b² (fine_match_coefficients.wgsl)
// One thread computes 4 channels of a pixel r.

const CHANNELS = 4u;

struct Params {
  count: u32,    // N·⌈C / CHANNELS⌉·Hr·Wr
  pixels: u32,   // N·H·W
  targets: u32,  // N·Hr·Wr
  entries: u32,  // of all lists
  C: u32, H: i32, W: i32, Hr: u32, Wr: u32,
}

@group(0) @binding(0) var<storage, read> lr: array<f32>;
@group(0) @binding(1) var<storage, read> ref_map: array<f32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read> lists: array<u32>;
@group(0) @binding(4) var<storage, read> coefficients: array<f32>;
@group(0) @binding(5) var<storage, read_write> dref: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.x + id.y * groups.x * 64u;
  if (thread >= params.count) { return; }
  let ref_plane = params.Hr * params.Wr;
  let channel_groups = (params.C + CHANNELS - 1u) / CHANNELS;
  let n = thread / ref_plane / channel_groups;
  let c = thread / ref_plane % channel_groups * CHANNELS;
  let r = n * ref_plane + thread % ref_plane;
  var end = params.entries;
  if (r + 1u < params.targets) { end = starts[r + 1u]; }
  let plane = u32(params.H * params.W);
  let channels = min(vec4u(0u, 1u, 2u, 3u), vec4u(params.C - 1u - c));
  var sum = vec4f();
  var own = 0.0;
  for (var i = starts[r]; i < end; i++) {
    let q = i32(lists[i] / 32u);
    let tap = i32(lists[i] & 15u);
    let y = clamp(q / params.W + tap / 3 - 1, 0, params.H - 1);
    let x = clamp(q % params.W + tap % 3 - 1, 0, params.W - 1);
    let at = (n * params.C + c) * plane + u32(y * params.W + x) + plane * channels;
    let coefficient = n * plane + u32(q);
    sum += coefficients[coefficient] * vec4f(lr[at.x], lr[at.y], lr[at.z], lr[at.w]);
    own += coefficients[2u * params.pixels + coefficient];
  }
  let to = (n * params.C + c) * ref_plane + thread % ref_plane;
  for (var k = 0u; k < min(CHANNELS, params.C - c); k++) {
    dref[to + k * ref_plane] = sum[k] - own * ref_map[to + k * ref_plane];
  }
}
