// The patches that stand for the blocks of LR, as unit vectors. One thread has four channels of one patch.
//
//   queries[n, d, t, c, q] = lr[n, c, clamp(centre(q) + DILATIONS[d]·t)] / max(norm, 1e-12)
//   laid out [N, COUNT, 9, C, Q] for coarse_match.wgsl, and for coarse_match_subgroup.wgsl (SUBGROUP)
//   [N, Q/16, COUNT, row of t, ⌈C/4⌉, q%16/8, column of t, q%8, c%4].
//   The norm is over the nine taps and all channels, from squares [N, H, W] (patch_squares.wgsl).
//   Q is the number of blocks rounded up to a multiple of 4 or 16; queries and channels too many are zeros.
//   The centre of a block of k pixels is ⌊(k + 2) / 2⌋ counted from its rim, so ⌊k / 2⌋; beyond the map its edge repeats.

const COUNT = 3u;
const DILATIONS = array<i32, COUNT>(1, 2, 3);
const SUBGROUP = false;
const EPS = 1e-12;

struct Params {
  count: u32,  // N·COUNT·⌈C/4⌉·Q
  C: u32, H: i32, W: i32,
  blocks: u32, Q: u32, px: u32,
  ky: i32, kx: i32,
}

@group(0) @binding(0) var<storage, read> lr: array<f32>;
@group(0) @binding(1) var<storage, read> squares: array<f32>;
@group(0) @binding(2) var<storage, read_write> queries: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// Of channel 4g of the first tap.
fn first(n: u32, d: u32, g: u32, q: u32) -> u32 {
  if (!SUBGROUP) { return ((n * COUNT + d) * 9u * params.C + 4u * g) * params.Q + q; }
  let groups = (params.C + 3u) / 4u;
  return (((n * params.Q / 16u + q / 16u) * COUNT + d) * 3u * groups + g) * 192u + q / 8u % 2u * 96u + q % 8u * 4u;
}

// From the first tap to tap t.
fn tap(t: u32) -> u32 {
  if (!SUBGROUP) { return t * params.C * params.Q; }
  return t / 3u * ((params.C + 3u) / 4u) * 192u + t % 3u * 32u;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) grid: vec3u) {
  let i = id.x + id.y * grid.x * 64u;
  if (i >= params.count) { return; }
  let groups = (params.C + 3u) / 4u;
  let q = i % params.Q;
  let g = i / params.Q % groups;
  let map = i / (params.Q * groups);
  let d = map % COUNT;
  let n = map / COUNT;
  let y = i32(q / params.px) * params.ky + params.ky / 2;
  let x = i32(q % params.px) * params.kx + params.kx / 2;
  var pixels: array<u32, 9>;
  var norm2 = 0.0;
  for (var t = 0; t < 9; t++) {
    let row = clamp(y + DILATIONS[d] * (t / 3 - 1), 0, params.H - 1);
    let column = clamp(x + DILATIONS[d] * (t % 3 - 1), 0, params.W - 1);
    pixels[t] = u32(row * params.W + column);
    norm2 += squares[n * u32(params.H * params.W) + pixels[t]];
  }
  let norm = max(sqrt(norm2), EPS);
  let step = select(params.Q, 1u, SUBGROUP);
  for (var c = 4u * g; c < 4u * g + 4u; c++) {
    let plane = (n * params.C + c) * u32(params.H * params.W);
    for (var t = 0u; t < 9u; t++) {
      var value = 0.0;
      if (c < params.C && q < params.blocks) { value = lr[plane + pixels[t]] / norm; }
      if (c < params.C || SUBGROUP) { queries[first(n, d, g, q) + tap(t) + c % 4u * step] = value; }
    }
  }
}
