// Convolution as implicit GEMM, for GPUs: a workgroup makes CHANNELS output channels of PIXELS pixels, a thread 8 of 8.
//
//   y[n, o, p·out_step + out_row, q·out_step + out_column] = f(bias[o] + residual[same] + Σ_c Σ_i Σ_j
//       w[o, channel + c, i, j] · x[n, first + c, p·in_step + in_row + i·tap_step, q·in_step + in_column + j·tap_step])
//   as conv2d_subgroup.wgsl, which names the operands. It is the product of a matrix of weights [O, K] and one of pixels
//   [K, N·GH·GW], K = taken·KH·KW, which is never written out: slices of DEPTH of its rows pass through workgroup memory.
//   Few output channels want narrow tiles of many pixels: what a tile has above O is computed for nothing.
// Cost: 2·N·O·GH·GW·K FLOP; a thread reads 16 values from workgroup memory for 64 products, a workgroup PIXELS + CHANNELS
// values from the buffers for PIXELS·CHANNELS.

const PIXELS = 64u;    // PIXELS·CHANNELS is 64·64 or 256·64
const CHANNELS = 64u;
const THREADS = PIXELS * CHANNELS / 64u;
const DEPTH = 8u;
const PIXEL_QUADS = PIXELS / 4u;
const CHANNEL_QUADS = CHANNELS / 4u;

struct Params {
  pixels: u32,  // N·GH·GW
  GH: u32, GW: u32,
  C: u32, H: u32, W: u32,
  first: u32, taken: u32,  // channels of x that this dispatch sums over
  channels: u32, channel: u32,
  KH: u32, KW: u32,
  in_step: i32, in_row: i32, in_column: i32, tap_step: i32,
  O: u32, P: u32, Q: u32,
  out_step: u32, out_row: u32, out_column: u32,
  adds: u32,  // to what y holds; not where it holds halves
  has_bias: u32, has_residual: u32,
  slope: f32,
}

alias StoredX = f32;
alias StoredResidual = f32;
alias StoredY = f32;

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read> packed: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<StoredResidual>;
@group(0) @binding(4) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(5) var<uniform> params: Params;

var<workgroup> pixels: array<array<vec4f, PIXEL_QUADS>, DEPTH>;     // by rows of the slice
var<workgroup> weights: array<array<vec4f, CHANNEL_QUADS>, DEPTH>;

// Image, row and column at which the window of pixel m begins.
fn locate(m: u32) -> vec3i {
  let valid = min(m, params.pixels - 1u);
  let row = i32(valid / params.GW % params.GH) * params.in_step + params.in_row;
  let column = i32(valid % params.GW) * params.in_step + params.in_column;
  return vec3i(i32(valid / (params.GW * params.GH)), row, column);
}

// The input under one tap of a window, 0 outside the image.
fn load(window: vec3i, channel: u32, row: i32, column: i32) -> f32 {
  let at = vec2i(window.y + row, window.z + column);
  if (any(at < vec2i()) || at.x >= i32(params.H) || at.y >= i32(params.W) || channel >= params.taken) { return 0.0; }
  return f32(x[((u32(window.x) * params.C + params.first + channel) * params.H + u32(at.x)) * params.W + u32(at.y)]);
}

@compute @workgroup_size(THREADS)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let first = (group.x + group.y * groups.x) * PIXELS;
  let taps = params.KH * params.KW;
  let K = params.taken * taps;
  // This thread loads four neighbouring pixels of some rows of a slice.
  let quad = thread % PIXEL_QUADS;
  let pixel0 = locate(first + 4u * quad);
  let pixel1 = locate(first + 4u * quad + 1u);
  let pixel2 = locate(first + 4u * quad + 2u);
  let pixel3 = locate(first + 4u * quad + 3u);

  var a0 = vec4f(); var a1 = vec4f(); var a2 = vec4f(); var a3 = vec4f();
  var a4 = vec4f(); var a5 = vec4f(); var a6 = vec4f(); var a7 = vec4f();
  var b0 = vec4f(); var b1 = vec4f(); var b2 = vec4f(); var b3 = vec4f();
  var b4 = vec4f(); var b5 = vec4f(); var b6 = vec4f(); var b7 = vec4f();
  let o = thread % (CHANNELS / 8u);
  let p = thread / (CHANNELS / 8u);
  for (var k0 = 0u; k0 < K; k0 += DEPTH) {
    for (var d = thread / PIXEL_QUADS; d < DEPTH; d += THREADS / PIXEL_QUADS) {
      let k = k0 + d;
      let channel = k / taps;
      let row = i32(k % taps / params.KW) * params.tap_step;
      let column = i32(k % params.KW) * params.tap_step;
      // Past the last row of K the channel does not exist, which load() sees.
      pixels[d][quad] = vec4f(
        load(pixel0, channel, row, column), load(pixel1, channel, row, column),
        load(pixel2, channel, row, column), load(pixel3, channel, row, column),
      );
    }
    for (var e = thread; e < CHANNEL_QUADS * DEPTH; e += THREADS) {
      let d = e / CHANNEL_QUADS;
      let block = (group.z * CHANNEL_QUADS + e % CHANNEL_QUADS) / 4u;
      var value = vec4f();
      if (k0 + d < K && block * 16u < params.O) {
        value = packed[((block * params.channels + params.channel) * taps + k0 + d) * 4u + e % 4u];
      }
      weights[d][e % CHANNEL_QUADS] = value;
    }
    workgroupBarrier();
    // A slice is summed for itself and then added: short sums lose fewer digits than one of all K products.
    var c0 = vec4f(); var c1 = vec4f(); var c2 = vec4f(); var c3 = vec4f();
    var c4 = vec4f(); var c5 = vec4f(); var c6 = vec4f(); var c7 = vec4f();
    var d0 = vec4f(); var d1 = vec4f(); var d2 = vec4f(); var d3 = vec4f();
    var d4 = vec4f(); var d5 = vec4f(); var d6 = vec4f(); var d7 = vec4f();
    for (var d = 0u; d < DEPTH; d++) {
      let v = weights[d][2u * o];
      let w = weights[d][2u * o + 1u];
      let s = pixels[d][2u * p];
      c0 += s.x * v; c1 += s.y * v; c2 += s.z * v; c3 += s.w * v;
      d0 += s.x * w; d1 += s.y * w; d2 += s.z * w; d3 += s.w * w;
      let t = pixels[d][2u * p + 1u];
      c4 += t.x * v; c5 += t.y * v; c6 += t.z * v; c7 += t.w * v;
      d4 += t.x * w; d5 += t.y * w; d6 += t.z * w; d7 += t.w * w;
    }
    a0 += c0; a1 += c1; a2 += c2; a3 += c3; a4 += c4; a5 += c5; a6 += c6; a7 += c7;
    b0 += d0; b1 += d1; b2 += d2; b3 += d3; b4 += d4; b5 += d5; b6 += d6; b7 += d7;
    workgroupBarrier();
  }

  var sums = array<vec4f, 16>(a0, b0, a1, b1, a2, b2, a3, b3, a4, b4, a5, b5, a6, b6, a7, b7);
  let o0 = group.z * CHANNELS + o * 8u;
  for (var e = 0u; e < 64u; e++) {
    let m = first + p * 8u + e / 8u;
    if (m < params.pixels && o0 + e % 8u < params.O) { store(m, o0 + e % 8u, sums[e / 4u][e % 4u]); }
  }
}

fn store(m: u32, o: u32, sums: f32) {
  let row = m / params.GW % params.GH * params.out_step + params.out_row;
  let column = m % params.GW * params.out_step + params.out_column;
  let index = ((m / (params.GW * params.GH) * params.O + o) * params.P + row) * params.Q + column;
  var sum = sums;
  if (params.adds != 0u) { sum += f32(y[index]); }
  if (params.has_bias != 0u) { sum += bias[o]; }
  if (params.has_residual != 0u) { sum += f32(residual[index]); }
  y[index] = StoredY(select(params.slope * sum, sum, sum > 0.0));
}
