// Gradient of transfer for the feature.
//
//   dfeature[n, c, SCALE·r + u] = Σ weight·dy [n, c, SCALE·p + u] over the list of r (match_lists.wgsl), p = q + t in q's block
//   dfeature [N, C, SCALE·Hr, SCALE·Wr], weight [N, SCALE·H, SCALE·W], dy [N, C, SCALE·H, SCALE·W]
// One thread computes 4 channels of one row of r: SCALE pixels, whose list it walks through once.
// Cost: nine entries a pixel r on average, 5·SCALE loads each.

const SCALE = 1u;
const CHANNELS = 4u;

struct Params {
  count: u32,  // N·⌈C / CHANNELS⌉·SCALE·Hr·Wr
  C: u32, H: u32, W: u32, Hr: u32, Wr: u32,
  pixels: u32,   // N·Hr·Wr
  entries: u32,  // of all lists
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> starts: array<u32>;
@group(0) @binding(3) var<storage, read> lists: array<u32>;
@group(0) @binding(4) var<storage, read_write> dfeature: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.x + id.y * groups.x * 64u;
  if (thread >= params.count) { return; }
  let column = thread % params.Wr;
  let Yr = thread / params.Wr % (SCALE * params.Hr);
  let channel_groups = (params.C + CHANNELS - 1u) / CHANNELS;
  let n_group = thread / (params.Wr * SCALE * params.Hr);
  let n = n_group / channel_groups;
  let c = n_group % channel_groups * CHANNELS;
  let pixel = (n * params.Hr + Yr / SCALE) * params.Wr + column;
  var end = params.entries;
  if (pixel + 1u < params.pixels) { end = starts[pixel + 1u]; }

  let plane = SCALE * params.H * SCALE * params.W;
  // The last group may have fewer channels: it reads its last one again and does not store it.
  let steps = plane * min(vec4u(0u, 1u, 2u, 3u), vec4u(params.C - 1u - c));
  var sum = array<vec4f, SCALE>();
  for (var i = starts[pixel]; i < end; i++) {
    let entry = lists[i];
    if ((entry & 16u) == 0u) { continue; }
    let q = entry / 32u;
    let y = q / params.W + (entry & 15u) / 3u - 1u;
    let x = q % params.W + (entry & 15u) % 3u - 1u;
    let at = (SCALE * y + Yr % SCALE) * SCALE * params.W + SCALE * x;
    for (var u = 0u; u < SCALE; u++) {
      let w = weight[n * plane + at + u];
      let base = (n * params.C + c) * plane + at + u;
      sum[u] += w * vec4f(dy[base], dy[base + steps.y], dy[base + steps.z], dy[base + steps.w]);
    }
  }
  let out_plane = SCALE * params.Hr * SCALE * params.Wr;
  let to = (n * params.C + c) * out_plane + Yr * SCALE * params.Wr + SCALE * column;
  for (var k = 0u; k < min(CHANNELS, params.C - c); k++) {
    for (var u = 0u; u < SCALE; u++) { dfeature[to + k * out_plane + u] = sum[u][k]; }
  }
}
