// Convolution, one thread an output: the text to read first, and the check on the fast variants.
//
//   y[n, o, p, q] = f(bias[o] + residual[n, o, p, q]
//                     + Σ_c Σ_i Σ_j weight[o, c, i, j] · x[n, c, p·stride − padding + i·dilation, q·stride − padding + j·dilation])
//   f(v) = v > 0 ? v : slope·v, so slope 1 is no activation and slope 0 is ReLU (a NaN stays a NaN).
//   x is the virtual concatenation of x [N, split, H, W] and concat [N, C − split, H, W]; outside H × W it is 0.
//   weight [O, C, KH, KW], bias [O], residual and y [N, O, P, Q]. An absent operand is bound to any other and not read.
// Cost: 2·N·O·P·Q·C·KH·KW FLOP; every product loads both its factors.

struct Params {
  count: u32,  // N·O·P·Q
  C: u32, split: u32, H: u32, W: u32,
  O: u32, P: u32, Q: u32,
  KH: u32, KW: u32,
  stride: i32, padding: i32, dilation: i32,
  has_bias: u32, has_residual: u32,
  slope: f32,
}

alias StoredX = f32;
alias StoredConcat = f32;
alias StoredResidual = f32;
alias StoredY = f32;

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read> concat: array<StoredConcat>;
@group(0) @binding(2) var<storage, read> weight: array<f32>;
@group(0) @binding(3) var<storage, read> bias: array<f32>;
@group(0) @binding(4) var<storage, read> residual: array<StoredResidual>;
@group(0) @binding(5) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(6) var<uniform> params: Params;

fn source(n: u32, c: u32, row: i32, column: i32) -> f32 {
  if (row < 0 || row >= i32(params.H) || column < 0 || column >= i32(params.W)) { return 0.0; }
  let pixel = u32(row) * params.W + u32(column);
  let plane = params.H * params.W;
  if (c < params.split) { return f32(x[(n * params.split + c) * plane + pixel]); }
  return f32(concat[(n * (params.C - params.split) + c - params.split) * plane + pixel]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  let q = index % params.Q;
  let p = index / params.Q % params.P;
  let o = index / (params.Q * params.P) % params.O;
  let n = index / (params.Q * params.P * params.O);
  var sum = 0.0;
  for (var c = 0u; c < params.C; c++) {
    for (var i = 0u; i < params.KH; i++) {
      let row = i32(p) * params.stride - params.padding + i32(i) * params.dilation;
      for (var j = 0u; j < params.KW; j++) {
        let column = i32(q) * params.stride - params.padding + i32(j) * params.dilation;
        sum += weight[((o * params.C + c) * params.KH + i) * params.KW + j] * source(n, c, row, column);
      }
    }
  }
  if (params.has_bias != 0u) { sum += bias[o]; }
  if (params.has_residual != 0u) { sum += f32(residual[index]); }
  y[index] = StoredY(select(params.slope * sum, sum, sum > 0.0));
}
