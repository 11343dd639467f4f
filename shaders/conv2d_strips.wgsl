// Convolution for adapters that compute on the CPU: a thread makes 16 output channels of a strip of PIXELS pixels.
//
//   y[n, o, p·out_step + out_row, q·out_step + out_column] = f(bias[o] + residual[same] + Σ_c Σ_i Σ_j
//       w[o, channel + c, i, j] · x[n, c, p·in_step + in_row + i·tap_step, q·in_step + in_column + j·tap_step])
//   for p < GH, q < GW; f(v) = v > 0 ? v : slope·v. x [N, C, H, W] is 0 outside H × W; y, residual [N, O, P, Q]; w is
//   packed [⌈O/16⌉, channels, KH, KW, 16] (conv2d_pack.wgsl). An absent operand is bound to any other and not read.
//   A second input comes with a second dispatch, which adds to the y that it finds.
//   With out_step > 1 this is one phase of a transposed convolution.
// A workgroup is one subgroup of 8 threads or more: thread t takes strip t of the workgroup. There a load costs as much
// as twenty multiply-adds whatever its address, and a broadcast or a register next to nothing: so 8 threads load 8
// weights at once and pass them on, and with TAPS = 3 (a kernel row of 3, steps of 1) 10 pixels serve 24 products.
// Cost: 2·N·O·GH·GW·C·KH·KW FLOP; a thread loads PIXELS + TAPS − 1 pixels and 2·TAPS weights for 16·PIXELS·TAPS products.

enable subgroups;

const TAPS = 3u;
const PIXELS = 8u;

struct Params {
  strips: u32,  // in a row of GW
  lines: u32,   // N·GH
  block: u32,   // rows of taps that are summed for themselves
  GH: u32, GW: u32,
  C: u32, H: u32, W: u32,
  channels: u32, channel: u32,
  KH: u32, KW: u32,
  in_step: i32, in_row: i32, in_column: i32, tap_step: i32,
  O: u32, P: u32, Q: u32,
  out_step: u32, out_row: u32, out_column: u32,
  adds: u32,  // to what y holds
  has_bias: u32, has_residual: u32,
  slope: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> packed: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<f32>;
@group(0) @binding(4) var<storage, read_write> y: array<f32>;
@group(0) @binding(5) var<uniform> params: Params;

alias Sums = array<vec4f, 4u * PIXELS>;
alias Held = array<f32, 2u * TAPS>;
alias Strip = array<f32, PIXELS + TAPS - 1u>;

// Four weights out of the registers of threads 0 to 3, and of threads 4 to 7.
fn low(held: f32) -> vec4f {
  return vec4f(
    subgroupBroadcast(held, 0u), subgroupBroadcast(held, 1u), subgroupBroadcast(held, 2u), subgroupBroadcast(held, 3u),
  );
}
fn high(held: f32) -> vec4f {
  return vec4f(
    subgroupBroadcast(held, 4u), subgroupBroadcast(held, 5u), subgroupBroadcast(held, 6u), subgroupBroadcast(held, 7u),
  );
}

// The pixel of a row that starts at `start`, 0 outside the image.
fn pixel(start: u32, inside: bool, column: i32) -> f32 {
  let valid = inside && column >= 0 && column < i32(params.W);
  return select(0.0, x[select(0u, start + u32(column), valid)], valid);
}

// Adds the taps of a kernel row for four output channels. The taps are summed before they meet the long sum: that keeps
// its rounding errors small, and its registers, of which there are more than the processor has, less on the move.
fn multiply(a: ptr<function, Sums>, first: u32, pixels: ptr<function, Strip>, w: array<vec4f, TAPS>) {
  for (var k = 0u; k < PIXELS; k++) {
    var sum = (*pixels)[k] * w[0];
    for (var t = 1u; t < TAPS; t++) { sum += (*pixels)[k + t] * w[t]; }
    (*a)[first + k] += sum;
  }
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let strip = (group.x + group.y * groups.x) * 8u + thread;
  let line = min(strip / params.strips, params.lines - 1u);
  let n = line / params.GH;
  let p = line % params.GH;
  let q = strip % params.strips * PIXELS;
  let column = i32(q) * params.in_step + params.in_column;
  let step = params.in_step;

  var sums: Sums;
  var tap = (group.z * params.channels + params.channel) * params.KH * params.KW * 16u + lane % 8u;
  // One loop over channels and taps: every level of nesting would carry all sums around once more. The sums are taken in
  // blocks, whose number and length are both small against the number of products: so are their rounding errors.
  var c = 0u;
  var i = 0u;
  var j = 0u;
  for (var left = params.C * params.KH * params.KW / TAPS; left > 0u;) {
    var a = Sums();
    let block = min(left, params.block);
    for (var row_of_block = 0u; row_of_block < block; row_of_block++) {
      let row = i32(p) * params.in_step + params.in_row + i32(i) * params.tap_step;
      let inside = row >= 0 && row < i32(params.H);
      let start = ((n * params.C + c) * params.H + u32(max(row, 0))) * params.W;
      let at = column + i32(j) * params.tap_step;
      var pixels: Strip;
      for (var k = 0u; k < PIXELS + TAPS - 1u; k++) { pixels[k] = pixel(start, inside, at + i32(k) * step); }
      var held: Held;
      for (var k = 0u; k < 2u * TAPS; k++) { held[k] = packed[tap + 8u * k]; }
      var w0: array<vec4f, TAPS>;
      var w1: array<vec4f, TAPS>;
      var w2: array<vec4f, TAPS>;
      var w3: array<vec4f, TAPS>;
      for (var t = 0u; t < TAPS; t++) {
        w0[t] = low(held[2u * t]);
        w1[t] = high(held[2u * t]);
        w2[t] = low(held[2u * t + 1u]);
        w3[t] = high(held[2u * t + 1u]);
      }
      multiply(&a, 0u, &pixels, w0);
      multiply(&a, PIXELS, &pixels, w1);
      multiply(&a, 2u * PIXELS, &pixels, w2);
      multiply(&a, 3u * PIXELS, &pixels, w3);
      tap += 16u * TAPS;
      j = select(j + TAPS, 0u, j + TAPS == params.KW);
      i = select(i, select(i + 1u, 0u, i + 1u == params.KH), j == 0u);
      c = select(c, c + 1u, i == 0u && j == 0u);
    }
    for (var k = 0u; k < 4u * PIXELS; k++) { sums[k] += a[k]; }
    left -= block;
  }

  if (strip / params.strips >= params.lines) { return; }
  let row = p * params.out_step + params.out_row;
  for (var o = 0u; o < min(16u, params.O - group.z * 16u); o++) {
    let base = ((n * params.O + group.z * 16u + o) * params.P + row) * params.Q + params.out_column;
    for (var k = 0u; k < min(PIXELS, params.GW - q); k++) {
      let index = base + (q + k) * params.out_step;
      var sum = sums[o / 4u * PIXELS + k][o % 4u];
      if (params.adds != 0u) { sum += y[index]; }
      if (params.has_bias != 0u) { sum += bias[group.z * 16u + o]; }
      if (params.has_residual != 0u) { sum += residual[index]; }
      y[index] = select(params.slope * sum, sum, sum > 0.0);
    }
  }
}
