// The weight gradient of convolution for CPU adapters, first of two stages.
//
//   partial[s, o, channel + c, i, j] = Σ over the lines (n, p) of slab s, Σ_q
//       dy[n, o, p, q] · x[n, c, p·stride − padding + i·dilation, q·stride − padding + j·dilation]
//   x [N, C, H, W] is 0 outside H × W; dy [N, O, P, Q]; partial [slabs, O, channels, KH, KW]. A slab is `depth` successive
//   lines. The second stage adds the slabs in order, so that a rerun gives the same bits.
// A workgroup is one subgroup of 8 threads or more. Thread t has the input channels t, t + 8, … of its group (CHANNELS of
// them), TAPS neighbouring taps of one kernel row, and 16 output channels: all these sums stay in registers. Along a line
// it walks by 8 pixels: each thread loads one of the 8 values of dy and hands it on by broadcast, while its own pixels of
// x serve all taps and outputs. TAPS is 3 for kernel rows of 3 with steps of 1, else 1.
// Cost: 2·N·O·P·Q·C·KH·KW FLOP; 16 + CHANNELS·(7 + TAPS) loads for 128·CHANNELS·TAPS products.

enable subgroups;

const TAPS = 3u;
const CHANNELS = 2u;

struct Params {
  lines: u32,  // N·P
  depth: u32,
  C: u32, H: u32, W: u32,
  channels: u32, channel: u32,
  O: u32, P: u32, Q: u32,
  KH: u32, KW: u32,
  stride: i32, padding: i32, dilation: i32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> partial: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

const WIDTH = 7u + TAPS;
alias Strips = array<f32, CHANNELS * WIDTH>;
alias Sums = array<f32, CHANNELS * TAPS>;

// Adds the products of 8 pixels of one output channel: thread m holds the value of dy of pixel m.
fn multiply(sums: ptr<function, Sums>, strips: ptr<function, Strips>, held: f32) {
  let d0 = subgroupBroadcast(held, 0u);
  let d1 = subgroupBroadcast(held, 1u);
  let d2 = subgroupBroadcast(held, 2u);
  let d3 = subgroupBroadcast(held, 3u);
  let d4 = subgroupBroadcast(held, 4u);
  let d5 = subgroupBroadcast(held, 5u);
  let d6 = subgroupBroadcast(held, 6u);
  let d7 = subgroupBroadcast(held, 7u);
  for (var k = 0u; k < CHANNELS * TAPS; k++) {
    let s = k / TAPS * WIDTH + k % TAPS;
    (*sums)[k] += (*strips)[s] * d0 + (*strips)[s + 1u] * d1 + (*strips)[s + 2u] * d2 + (*strips)[s + 3u] * d3
      + (*strips)[s + 4u] * d4 + (*strips)[s + 5u] * d5 + (*strips)[s + 6u] * d6 + (*strips)[s + 7u] * d7;
  }
}

@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(subgroup_invocation_id) lane: u32) {
  let thread = lane % 8u;
  let blocks = (params.O + 15u) / 16u;
  let c0 = group.x / blocks * 8u * CHANNELS + thread;
  let o0 = group.x % blocks * 16u;
  let i = group.y * TAPS / params.KW;
  let j = group.y * TAPS % params.KW;

  var a0: Sums; var a1: Sums; var a2: Sums; var a3: Sums; var a4: Sums; var a5: Sums; var a6: Sums; var a7: Sums;
  var a8: Sums; var a9: Sums; var a10: Sums; var a11: Sums; var a12: Sums; var a13: Sums; var a14: Sums; var a15: Sums;
  let first = group.z * params.depth;
  let last = min(first + params.depth, params.lines);
  let plane = params.P * params.Q;
  var q = 0u;
  // One loop over lines and pixels: every level of nesting would carry all sums around once more.
  for (var line = first; line < last;) {
    let n = line / params.P;
    let p = line % params.P;
    let row = i32(p) * params.stride - params.padding + i32(i) * params.dilation;
    let inside = row >= 0 && row < i32(params.H);
    let column = i32(q) * params.stride - params.padding + i32(j) * params.dilation;
    var strips: Strips;
    for (var k = 0u; k < CHANNELS * WIDTH; k++) {
      let c = c0 + k / WIDTH * 8u;
      let at = column + i32(k % WIDTH) * params.stride;
      let valid = inside && c < params.C && at >= 0 && at < i32(params.W);
      let start = ((n * params.C + c) * params.H + u32(max(row, 0))) * params.W;
      strips[k] = select(0.0, x[select(0u, start + u32(at), valid)], valid);
    }
    var held: array<f32, 16>;
    let at0 = ((n * params.O + o0) * params.P + p) * params.Q + q + thread;
    for (var o = 0u; o < 16u; o++) {
      let valid = q + thread < params.Q && o0 + o < params.O;
      held[o] = select(0.0, dy[select(0u, at0 + o * plane, valid)], valid);
    }
    multiply(&a0, &strips, held[0]);
    multiply(&a1, &strips, held[1]);
    multiply(&a2, &strips, held[2]);
    multiply(&a3, &strips, held[3]);
    multiply(&a4, &strips, held[4]);
    multiply(&a5, &strips, held[5]);
    multiply(&a6, &strips, held[6]);
    multiply(&a7, &strips, held[7]);
    multiply(&a8, &strips, held[8]);
    multiply(&a9, &strips, held[9]);
    multiply(&a10, &strips, held[10]);
    multiply(&a11, &strips, held[11]);
    multiply(&a12, &strips, held[12]);
    multiply(&a13, &strips, held[13]);
    multiply(&a14, &strips, held[14]);
    multiply(&a15, &strips, held[15]);
    let done = q + 8u >= params.Q;
    q = select(q + 8u, 0u, done);
    line = select(line, line + 1u, done);
  }
  var sums = array<Sums, 16>(a0, a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15);
  for (var o = 0u; o < min(16u, params.O - o0); o++) {
    for (var k = 0u; k < CHANNELS * TAPS; k++) {
      let c = c0 + k / TAPS * 8u;
      if (c < params.C) {
        let at = (group.z * params.O + o0 + o) * params.channels + params.channel + c;
        partial[(at * params.KH + i) * params.KW + j + k % TAPS] = sums[o][k];
      }
    }
  }
}
