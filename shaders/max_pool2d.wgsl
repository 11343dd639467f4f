// y = the maximum of every 2 × 2 square of x [planes, H, W]; y [planes, P, Q], P = ⌊H / 2⌋, Q = ⌊W / 2⌋: an odd last row
// or column takes no part. One thread an element of y. Cost: four loads and a store.

struct Params {
  planes: u32,
  H: u32,
  W: u32,
  P: u32,
  Q: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.planes * params.P * params.Q) { return; }
  let q = i % params.Q;
  let row = i / params.Q;  // of all planes' rows
  let upper = (row / params.P * params.H + row % params.P * 2u) * params.W + 2u * q;
  let lower = upper + params.W;
  y[i] = max(max(x[upper], x[upper + 1u]), max(x[lower], x[lower + 1u]));
}
