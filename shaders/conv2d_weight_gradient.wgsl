// The weight gradient of convolution, first of two stages; one thread a weight of a slab.
//
//   partial[s, o, c, i, j] = Σ_(n, p) in slab s Σ_q dy[n, o, p, q] · x[n, c, p·stride − padding + i·dilation, q·stride − padding + j·dilation]
//   A slab is `rows` successive rows (n, p) of dy. The second stage adds the slabs in order, so that a rerun gives the
//   same bits. x is the virtual concatenation of x [N, split, H, W] and concat [N, C − split, H, W]; outside it is 0.
//   dy [N, O, P, Q], partial [slabs, O, C, KH, KW].
// Cost: 2·N·O·P·Q·C·KH·KW FLOP; every product loads both its factors.

struct Params {
  count: u32,  // slabs·O·C·KH·KW
  N: u32, C: u32, split: u32, H: u32, W: u32,
  O: u32, P: u32, Q: u32,
  KH: u32, KW: u32,
  stride: i32, padding: i32, dilation: i32,
  rows: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> concat: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> partial: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

fn source(n: u32, c: u32, row: i32, column: i32) -> f32 {
  if (row < 0 || row >= i32(params.H) || column < 0 || column >= i32(params.W)) { return 0.0; }
  let pixel = u32(row) * params.W + u32(column);
  let plane = params.H * params.W;
  if (c < params.split) { return x[(n * params.split + c) * plane + pixel]; }
  return concat[(n * (params.C - params.split) + c - params.split) * plane + pixel];
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  let j = index % params.KW;
  let i = index / params.KW % params.KH;
  let c = index / (params.KW * params.KH) % params.C;
  let o = index / (params.KW * params.KH * params.C) % params.O;
  let slab = index / (params.KW * params.KH * params.C * params.O);
  let end = min((slab + 1u) * params.rows, params.N * params.P);
  var sum = 0.0;
  for (var line = slab * params.rows; line < end; line++) {
    let n = line / params.P;
    let p = line % params.P;
    let row = i32(p) * params.stride - params.padding + i32(i) * params.dilation;
    for (var q = 0u; q < params.Q; q++) {
      let column = i32(q) * params.stride - params.padding + i32(j) * params.dilation;
      sum += dy[((n * params.O + o) * params.P + p) * params.Q + q] * source(n, c, row, column);
    }
  }
  partial[index] = sum;
}
