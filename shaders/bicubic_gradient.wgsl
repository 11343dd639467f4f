// dx [planes, H, W] of the bicubic resize y [planes, OH, OW] of bicubic.wgsl: dx[i] = Σ_o weight(o, i)·dy[o].
//
// One thread a position of dx gathers the outputs that read it, row by row, for PLANES planes at once, so that the
// weights are found once for all of them. No atomics; the order of the sum is fixed.
// Cost: (4·OH/H)·(4·OW/W) loads an element.

const PLANES = 8u;

struct Params {
  planes: u32,
  H: u32, W: u32,
  OH: u32, OW: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

// How much y[o] takes from x[i]: the taps of bicubic.wgsl, of which several may be held at a border.
fn weight(o: u32, i: u32, side: u32, out_side: u32) -> f32 {
  let whole = 2u * out_side;
  let position = (2u * o + 1u) * side + out_side;
  let above = position / whole;
  let part = position - above * whole;
  let t = f32(part) / f32(whole);
  let s = f32(whole - part) / f32(whole);
  let weights = vec4f(
    -0.75 * t * s * s,
    s * (1.0 + t - 1.25 * t * t),
    t * (1.0 + s - 1.25 * s * s),
    -0.75 * t * t * s,
  );
  let indices = clamp(vec4i(i32(above)) + vec4i(-2, -1, 0, 1), vec4i(0), vec4i(i32(side) - 1));
  return dot(select(vec4f(0.0), weights, indices == vec4i(i32(i))), vec4f(1.0));
}

// The first output whose second tap, not held inside, is i or later.
fn begin(i: i32, side: u32, out_side: u32) -> u32 {
  if (i < 0) { return 0u; }
  return min((out_side * (2u * u32(i) + 1u) + side - 1u) / (2u * side), out_side);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let position = id.x + id.y * groups.x * 64u;
  let area = params.H * params.W;
  if (position >= area) { return; }
  let iy = position / params.W;
  let ix = position - iy * params.W;
  let top = begin(i32(iy) - 2, params.H, params.OH);
  let bottom = begin(i32(iy) + 2, params.H, params.OH);
  let left = begin(i32(ix) - 2, params.W, params.OW);
  let right = begin(i32(ix) + 2, params.W, params.OW);
  let plane = id.z * PLANES;
  var sums: array<f32, PLANES>;
  for (var oy = top; oy < bottom; oy++) {
    let row_weight = weight(oy, iy, params.H, params.OH);
    for (var ox = left; ox < right; ox++) {
      let product = row_weight * weight(ox, ix, params.W, params.OW);
      for (var p = 0u; p < PLANES; p++) {
        let from_plane = min(plane + p, params.planes - 1u);
        sums[p] += product * dy[(from_plane * params.OH + oy) * params.OW + ox];
      }
    }
  }
  for (var p = 0u; p < PLANES; p++) {
    if (plane + p < params.planes) { dx[(plane + p) * area + position] = sums[p]; }
  }
}
