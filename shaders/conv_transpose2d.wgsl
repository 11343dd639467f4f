// Transposed convolution, which is also the input gradient of convolution; one thread an output.
//
//   y[n, c, u, v] = f(bias[c] + Σ_o Σ_(i, p) Σ_(j, q) weight[o, first + c, i, j] · x[n, o, p, q])
//   over the taps with p·stride − padding + i·dilation = u and q·stride − padding + j·dilation = v.
//   f(v) = v > 0 ? v : slope·v, so slope 1 is no activation.
//   x [N, O, P, Q] (dy of the convolution), weight [O, channels, KH, KW] of which the channels from `first` on are used
//   (a gradient of one of two concatenated inputs), bias [C], y [N, C, H, W] (dx of the convolution).
// Cost: 2·N·O·P·Q·C·KH·KW FLOP; a tap that falls between two inputs (stride > 1) costs a comparison only.

struct Params {
  count: u32,  // N·C·H·W
  C: u32, H: u32, W: u32,
  channels: u32, first: u32,
  O: u32, P: u32, Q: u32,
  KH: u32, KW: u32,
  stride: i32, padding: i32, dilation: i32,
  has_bias: u32,
  slope: f32,
}

alias StoredX = f32;
alias StoredY = f32;

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(4) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  let v = index % params.W;
  let u = index / params.W % params.H;
  let c = index / (params.W * params.H) % params.C;
  let n = index / (params.W * params.H * params.C);
  var sum = 0.0;
  for (var o = 0u; o < params.O; o++) {
    for (var i = 0u; i < params.KH; i++) {
      let row = i32(u) + params.padding - i32(i) * params.dilation;  // = p · stride
      let p = u32(row / params.stride);
      if (row < 0 || row % params.stride != 0 || p >= params.P) { continue; }
      for (var j = 0u; j < params.KW; j++) {
        let column = i32(v) + params.padding - i32(j) * params.dilation;  // = q · stride
        let q = u32(column / params.stride);
        if (column < 0 || column % params.stride != 0 || q >= params.Q) { continue; }
        sum += weight[((o * params.channels + params.first + c) * params.KH + i) * params.KW + j]
          * f32(x[((n * params.O + o) * params.P + p) * params.Q + q]);
      }
    }
  }
  if (params.has_bias != 0u) { sum += bias[c]; }
  y[index] = StoredY(select(params.slope * sum, sum, sum > 0.0));
}
