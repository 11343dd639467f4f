// Gradient of the fine match for lr.
//
//   dlr[n, c, p] = Σ g·a·b · ref[n, c, wrap(origin + index(q) + 1 + t)] − lr[n, c, p] · Σ g·s·a²
//   over all pixels q of lr and taps t whose (clamped) q + t is p: nine inside the map; at its edge, which repeats, others
//   coefficients [3, N, H, W] = g·a·b, g·s·a², g·s·b² (fine_match_coefficients.wgsl)
// One thread computes 4 channels of a pixel: each match is looked up once, then one load a channel.

const CHANNELS = 4u;

struct Params {
  count: u32,  // N·⌈C / CHANNELS⌉·H·W
  pixels: u32, // N·H·W
  C: u32, H: i32, W: i32, Hr: i32, Wr: i32,
  px: u32, ky: u32, kx: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> lr: array<f32>;
@group(0) @binding(1) var<storage, read> ref_map: array<f32>;
@group(0) @binding(2) var<storage, read> origin_x: array<i32>;
@group(0) @binding(3) var<storage, read> origin_y: array<i32>;
@group(0) @binding(4) var<storage, read> index: array<u32>;
@group(0) @binding(5) var<storage, read> coefficients: array<f32>;
@group(0) @binding(6) var<storage, read_write> dlr: array<f32>;
@group(0) @binding(7) var<uniform> params: Params;

fn wrap(i: i32, side: i32) -> u32 { return u32(select(i, i + side, i < 0)); }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.x + id.y * groups.x * 64u;
  if (thread >= params.count) { return; }
  let plane = u32(params.H * params.W);
  let x = i32(thread) % params.W;
  let y = i32(thread) / params.W % params.H;
  let channel_groups = (params.C + CHANNELS - 1u) / CHANNELS;
  let n = thread / plane / channel_groups;
  let c = thread / plane % channel_groups * CHANNELS;
  let ref_plane = u32(params.Hr * params.Wr);
  let channels = min(vec4u(0u, 1u, 2u, 3u), vec4u(params.C - 1u - c));
  var sum = vec4f();
  var own = 0.0;
  for (var qy = max(y - 1, 0); qy <= min(y + 1, params.H - 1); qy++) {
    for (var qx = max(x - 1, 0); qx <= min(x + 1, params.W - 1); qx++) {
      let q = u32((i32(n) * params.H + qy) * params.W + qx);
      let block = q / u32(params.W) / params.ky * params.px + u32(qx) / params.kx;
      let match_at = (block * params.ky + u32(qy) % params.ky) * params.kx + u32(qx) % params.kx;
      let top = origin_y[block] + i32(index[match_at] / params.columns);
      let left = origin_x[block] + i32(index[match_at] % params.columns);
      // The tap that is p, and at the map's edge those beyond it.
      for (var ty = select(y - qy + 1, 0, y == 0); ty <= select(y - qy + 1, 2, y == params.H - 1); ty++) {
        for (var tx = select(x - qx + 1, 0, x == 0); tx <= select(x - qx + 1, 2, x == params.W - 1); tx++) {
          let source = wrap(top + ty, params.Hr) * u32(params.Wr) + wrap(left + tx, params.Wr);
          let at = (n * params.C + c) * ref_plane + source + ref_plane * channels;
          sum += coefficients[q] * vec4f(ref_map[at.x], ref_map[at.y], ref_map[at.z], ref_map[at.w]);
          own += coefficients[params.pixels + q];
        }
      }
    }
  }
  let to = (n * params.C + c) * plane + u32(y * params.W + x);
  for (var k = 0u; k < min(CHANNELS, params.C - c); k++) {
    dlr[to + k * plane] = sum[k] - own * lr[to + k * plane];
  }
}
