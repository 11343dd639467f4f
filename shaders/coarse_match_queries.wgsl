// The patches that stand for the blocks of LR, as unit vectors, laid out for coarse_match.wgsl. One thread a value.
//
//   queries[n, d, t, c, q] = lr[n, c, clamp(centre(q) + DILATIONS[d]·t)] / max(norm, 1e-12)   [N, COUNT, 9, C, Q]
//   The norm is over the nine taps and all channels, from squares [N, H, W] (patch_squares.wgsl).
//   Q is the number of blocks rounded up to a multiple of 4; the queries too many are zeros.
//   The centre of a block of k pixels is ⌊(k + 2) / 2⌋ counted from its rim, so ⌊k / 2⌋; beyond the map its edge repeats.

const COUNT = 3;
const DILATIONS = array<i32, COUNT>(1, 2, 3);
const EPS = 1e-12;

struct Params {
  count: u32,  // N·COUNT·9·C·Q
  C: u32, H: i32, W: i32,
  blocks: u32, Q: u32, px: u32,
  ky: i32, kx: i32,
}

@group(0) @binding(0) var<storage, read> lr: array<f32>;
@group(0) @binding(1) var<storage, read> squares: array<f32>;
@group(0) @binding(2) var<storage, read_write> queries: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  let q = i % params.Q;
  if (q >= params.blocks) {
    queries[i] = 0.0;
    return;
  }
  let c = i / params.Q % params.C;
  let tap = i / (params.Q * params.C) % 9u;
  let dilation = DILATIONS[i / (params.Q * params.C * 9u) % u32(COUNT)];
  let n = i / (params.Q * params.C * 9u * u32(COUNT));
  let y = i32(q / params.px) * params.ky + params.ky / 2;
  let x = i32(q % params.px) * params.kx + params.kx / 2;
  let plane = u32(params.H * params.W);
  var value = 0.0;
  var norm2 = 0.0;
  for (var t = 0u; t < 9u; t++) {
    let row = clamp(y + dilation * (i32(t / 3u) - 1), 0, params.H - 1);
    let column = clamp(x + dilation * (i32(t % 3u) - 1), 0, params.W - 1);
    let pixel = u32(row * params.W + column);
    norm2 += squares[n * plane + pixel];
    if (t == tap) { value = lr[(n * params.C + c) * plane + pixel]; }
  }
  queries[i] = value / max(sqrt(norm2), EPS);
}
