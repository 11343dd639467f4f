// Convolution by subgroup broadcast, for CPU adapters: a thread makes OUTPUTS channels of a strip of 8 pixels.
//
//   y[n, o, p·out_step + out_row, q·out_step + out_column] = f(bias[o] + residual[same] + Σ_c Σ_i Σ_j
//       w[o, c, i, j] · x[n, c, p·in_step + in_row + i·tap_step, q·in_step + in_column + j·tap_step])
//   for p < GH, q < GW; f(v) = v > 0 ? v : slope·v. x comes as quads [N, quads, rows, columns] with a margin of zeros
//   (nc4hw4.wgsl), of which in_row and in_column count from the corner, the weights packed by conv2d_subgroup_pack.wgsl; y,
//   residual [N, O, P, Q]. An absent operand is bound to any other and not read.
//   With out_step > 1 this is one phase of a transposed convolution. Inputs that are too large together come one after
//   the other, the later ones adding to the y that they find.
// A workgroup is one subgroup of 8 threads or more: thread t takes strip t of the workgroup. There a load costs as much
// as twenty multiply-adds whatever its address, of a vector little more, and a broadcast or a register next to nothing. So
// pixels are loaded as vectors of four channels, once for TAPS neighbouring taps and all outputs, and 8 threads load the
// weights, 8 outputs at once, and hand them on. A sum in a register that a loop carries costs a load and a store each time:
// so a step of the loop has 4·TAPS products for each.
// Cost: 2·N·O·GH·GW·C·KH·KW FLOP; 7·STEP + TAPS + TAPS·OUTPUTS/8 loads of vectors for 32·TAPS·OUTPUTS products.

enable subgroups;

const TAPS = 3u;  // 1 to 3; more than 1 where tap_step is 1 and in_step is STEP
const STEP = 1u;
const OUTPUTS = 32u;  // 4, 8, 16 or 32
const EIGHTS = (OUTPUTS + 7u) / 8u;
const WIDTH = 7u * STEP + TAPS;

struct Params {
  strips: u32,  // in a row of GW
  lines: u32,   // N·GH
  GH: u32, GW: u32,
  quads: u32, rows: u32, columns: u32,
  KH: u32, KW: u32,
  in_step: u32, in_row: u32, in_column: u32, tap_step: u32,
  spacing: u32,  // of the loaded pixels: 1 with several TAPS, else in_step
  block: u32,    // steps of the loop that are summed for themselves
  O: u32, P: u32, Q: u32,
  out_step: u32, out_row: u32, out_column: u32,
  adds: u32,  // to what y holds; not where it holds halves
  has_bias: u32, has_residual: u32,
  slope: f32,
}

alias StoredX = vec4f;
alias StoredResidual = f32;
alias StoredY = f32;

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read> packed: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read> residual: array<StoredResidual>;
@group(0) @binding(4) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(5) var<uniform> params: Params;

alias Sums = array<vec4f, 2u * OUTPUTS>;  // [output][half of the strip]
alias Pixels = array<vec4f, 8u * TAPS>;   // [tap][channel][half of the strip]
alias Held = array<vec4f, EIGHTS * TAPS>; // [eighth output][tap]
struct Strip { low: vec4f, high: vec4f }

// sum + the products of four channels, with the pixels of tap t.
fn add(sum: Strip, pixels: ptr<function, Pixels>, t: u32, w: vec4f) -> Strip {
  var low = sum.low + (*pixels)[8u * t] * w.x;
  var high = sum.high + (*pixels)[8u * t + 1u] * w.x;
  low += (*pixels)[8u * t + 2u] * w.y;
  high += (*pixels)[8u * t + 3u] * w.y;
  low += (*pixels)[8u * t + 4u] * w.z;
  high += (*pixels)[8u * t + 5u] * w.z;
  low += (*pixels)[8u * t + 6u] * w.w;
  high += (*pixels)[8u * t + 7u] * w.w;
  return Strip(low, high);
}

// Adds the products of output channel o, whose weights thread o % 8 holds. They are summed before they meet the long sum:
// that keeps its rounding errors small.
fn multiply(sums: ptr<function, Sums>, o: u32, pixels: ptr<function, Pixels>, held: ptr<function, Held>) {
  var sum = Strip();
  for (var t = 0u; t < TAPS; t++) {
    sum = add(sum, pixels, t, subgroupShuffle((*held)[o / 8u * TAPS + t], o % 8u));
  }
  (*sums)[2u * o] += sum.low;
  (*sums)[2u * o + 1u] += sum.high;
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let strip = (group.y + group.z * groups.y) * 8u + thread;
  let line = min(strip / params.strips, params.lines - 1u);
  let n = line / params.GH;
  let p = line % params.GH;
  let q = strip % params.strips * 8u;
  let corner = (n * params.quads * params.rows + p * params.in_step + params.in_row) * params.columns
    + q * params.in_step + params.in_column;

  var sums: Sums;
  var weight = group.x * params.quads * params.KH * params.KW * EIGHTS * 8u + lane % 8u;
  // One loop over channels and taps: every level of nesting would carry all sums around once more. The sums are taken in
  // blocks, whose number and length are both small against the number of products: so are their rounding errors.
  var c = 0u;
  var i = 0u;
  var j = 0u;
  for (var left = params.quads * params.KH * params.KW / TAPS; left > 0u;) {
    var a = Sums();
    let block = min(left, params.block);
    for (var step = 0u; step < block; step++) {
      let at = corner + (c * params.rows + i * params.tap_step) * params.columns + j * params.tap_step;
      var strips: array<vec4f, WIDTH>;
      for (var k = 0u; k < WIDTH; k++) { strips[k] = vec4f(x[at + k * params.spacing]); }
      var held: Held;
      for (var k = 0u; k < EIGHTS * TAPS; k++) { held[k] = packed[weight + 8u * k]; }
      var pixels: Pixels;
      for (var t = 0u; t < TAPS; t++) {
        let low = transpose(mat4x4f(strips[t], strips[t + STEP], strips[t + 2u * STEP], strips[t + 3u * STEP]));
        let high = transpose(
          mat4x4f(strips[t + 4u * STEP], strips[t + 5u * STEP], strips[t + 6u * STEP], strips[t + 7u * STEP]),
        );
        for (var k = 0u; k < 4u; k++) {
          pixels[8u * t + 2u * k] = low[k];
          pixels[8u * t + 2u * k + 1u] = high[k];
        }
      }
      multiply(&a, 0u, &pixels, &held);
      multiply(&a, 1u, &pixels, &held);
      multiply(&a, 2u, &pixels, &held);
      multiply(&a, 3u, &pixels, &held);
      if (OUTPUTS > 4u) {
        multiply(&a, 4u, &pixels, &held);
        multiply(&a, 5u, &pixels, &held);
        multiply(&a, 6u, &pixels, &held);
        multiply(&a, 7u, &pixels, &held);
      }
      if (OUTPUTS > 8u) {
        multiply(&a, 8u, &pixels, &held);
        multiply(&a, 9u, &pixels, &held);
        multiply(&a, 10u, &pixels, &held);
        multiply(&a, 11u, &pixels, &held);
        multiply(&a, 12u, &pixels, &held);
        multiply(&a, 13u, &pixels, &held);
        multiply(&a, 14u, &pixels, &held);
        multiply(&a, 15u, &pixels, &held);
      }
      if (OUTPUTS > 16u) {
        multiply(&a, 16u, &pixels, &held);
        multiply(&a, 17u, &pixels, &held);
        multiply(&a, 18u, &pixels, &held);
        multiply(&a, 19u, &pixels, &held);
        multiply(&a, 20u, &pixels, &held);
        multiply(&a, 21u, &pixels, &held);
        multiply(&a, 22u, &pixels, &held);
        multiply(&a, 23u, &pixels, &held);
        multiply(&a, 24u, &pixels, &held);
        multiply(&a, 25u, &pixels, &held);
        multiply(&a, 26u, &pixels, &held);
        multiply(&a, 27u, &pixels, &held);
        multiply(&a, 28u, &pixels, &held);
        multiply(&a, 29u, &pixels, &held);
        multiply(&a, 30u, &pixels, &held);
        multiply(&a, 31u, &pixels, &held);
      }
      weight += EIGHTS * TAPS * 8u;
      j = select(j + TAPS, 0u, j + TAPS == params.KW);
      i = select(i, select(i + 1u, 0u, i + 1u == params.KH), j == 0u);
      c = select(c, c + 1u, i == 0u && j == 0u);
    }
    for (var k = 0u; k < 2u * OUTPUTS; k++) { sums[k] += a[k]; }
    left -= block;
  }

  if (strip / params.strips >= params.lines) { return; }
  let row = p * params.out_step + params.out_row;
  for (var m = 0u; m < min(OUTPUTS, params.O - group.x * OUTPUTS); m++) {
    let o = group.x * OUTPUTS + m;
    let index = ((n * params.O + o) * params.P + row) * params.Q + q * params.out_step + params.out_column;
    var strip_sums = array<vec4f, 2>(sums[2u * m], sums[2u * m + 1u]);
    var start = 0.0;
    if (params.has_bias != 0u) { start = bias[o]; }
    for (var k = 0u; k < 8u; k++) {
      if (q + k < params.GW) {
        var sum = strip_sums[k / 4u][k % 4u] + start;
        if (params.adds != 0u) { sum += f32(y[index + k * params.out_step]); }
        if (params.has_residual != 0u) { sum += f32(residual[index + k * params.out_step]); }
        y[index + k * params.out_step] = StoredY(select(params.slope * sum, sum, sum > 0.0));
      }
    }
  }
}
