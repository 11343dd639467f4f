// The adjoint of a 3×3 convolution with stride 2 and padding 1 for CPU adapters: a thread makes 8
// channels of 2 × 16 pixels out of 9 × 2 pixels of x.
//
//   y[n, o, u, v] = f(bias[o] + Σ_c Σ_(i, p) Σ_(j, q) w[o, c, i, j] · x[n, c, p, q])
//   over the taps with 2p − 1 + i = u and 2q − 1 + j = v;  f(v) = v > 0 ? v : slope·v
//   x comes as quads [N, quads, rows, columns], one row and column of zeros behind the map (nc4hw4.wgsl), the weights as
//   [⌈O/8⌉, quads, 9, 8, 4] (conv2d_subgroup_pack.wgsl), y [N, O, P, Q].
// Even rows meet tap 1 of x[p], odd ones tap 2 of x[p] and tap 0 of x[p + 1], and so do columns: the 9 taps of a 2 × 2 cell
// of y need 2 × 2 pixels of x. The rest is as in conv2d_subgroup.wgsl.
// Cost: 2·9·N·O·C·pixels of x FLOP; 27 loads of vectors for 2,304 products.

enable subgroups;

struct Params {
  strips: u32,  // in a row of x
  lines: u32,   // N·GH
  GH: u32,      // rows of x
  quads: u32, rows: u32, columns: u32,
  block: u32,   // steps of the loop that are summed for themselves
  O: u32, P: u32, Q: u32,
  has_bias: u32,
  slope: f32,
}

alias StoredX = vec4f;
alias StoredY = f32;

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read> packed: array<vec4f>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(4) var<uniform> params: Params;

alias Sums = array<vec4f, 64>;    // [output][row of the cell][column of the cell][half of the strip]
alias Pixels = array<vec4f, 32>;  // [row][column][channel][half of the strip]
alias Held = array<vec4f, 9>;
struct Strip { low: vec4f, high: vec4f }

// sum + the products of four channels, with the pixels of one corner of the cell.
fn add(sum: Strip, pixels: ptr<function, Pixels>, corner: u32, w: vec4f) -> Strip {
  var low = sum.low + (*pixels)[8u * corner] * w.x;
  var high = sum.high + (*pixels)[8u * corner + 1u] * w.x;
  low += (*pixels)[8u * corner + 2u] * w.y;
  high += (*pixels)[8u * corner + 3u] * w.y;
  low += (*pixels)[8u * corner + 4u] * w.z;
  high += (*pixels)[8u * corner + 5u] * w.z;
  low += (*pixels)[8u * corner + 6u] * w.w;
  high += (*pixels)[8u * corner + 7u] * w.w;
  return Strip(low, high);
}

// Adds the products of output channel o, whose weights thread o holds. They are summed before they meet the long sum: that
// keeps its rounding errors small.
fn multiply(sums: ptr<function, Sums>, o: u32, pixels: ptr<function, Pixels>, held: ptr<function, Held>) {
  var sum = add(Strip(), pixels, 0u, subgroupShuffle((*held)[4], o));
  (*sums)[8u * o] += sum.low;
  (*sums)[8u * o + 1u] += sum.high;
  sum = add(Strip(), pixels, 0u, subgroupShuffle((*held)[5], o));
  sum = add(sum, pixels, 1u, subgroupShuffle((*held)[3], o));
  (*sums)[8u * o + 2u] += sum.low;
  (*sums)[8u * o + 3u] += sum.high;
  sum = add(Strip(), pixels, 0u, subgroupShuffle((*held)[7], o));
  sum = add(sum, pixels, 2u, subgroupShuffle((*held)[1], o));
  (*sums)[8u * o + 4u] += sum.low;
  (*sums)[8u * o + 5u] += sum.high;
  sum = add(Strip(), pixels, 0u, subgroupShuffle((*held)[8], o));
  sum = add(sum, pixels, 1u, subgroupShuffle((*held)[6], o));
  sum = add(sum, pixels, 2u, subgroupShuffle((*held)[2], o));
  sum = add(sum, pixels, 3u, subgroupShuffle((*held)[0], o));
  (*sums)[8u * o + 6u] += sum.low;
  (*sums)[8u * o + 7u] += sum.high;
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
  var at = (n * params.quads * params.rows + p) * params.columns + q;
  var weight = group.x * params.quads * 72u + lane % 8u;
  var sums: Sums;
  for (var left = params.quads; left > 0u;) {
    var a = Sums();
    let block = min(left, params.block);
    for (var step = 0u; step < block; step++) {
      var strips: array<vec4f, 18>;
      for (var k = 0u; k < 9u; k++) {
        strips[k] = vec4f(x[at + k]);
        strips[k + 9u] = vec4f(x[at + params.columns + k]);
      }
      var held: Held;
      for (var k = 0u; k < 9u; k++) { held[k] = packed[weight + 8u * k]; }
      var pixels: Pixels;
      for (var corner = 0u; corner < 4u; corner++) {
        let k = corner / 2u * 9u + corner % 2u;
        let low = transpose(mat4x4f(strips[k], strips[k + 1u], strips[k + 2u], strips[k + 3u]));
        let high = transpose(mat4x4f(strips[k + 4u], strips[k + 5u], strips[k + 6u], strips[k + 7u]));
        for (var c = 0u; c < 4u; c++) {
          pixels[8u * corner + 2u * c] = low[c];
          pixels[8u * corner + 2u * c + 1u] = high[c];
        }
      }
      multiply(&a, 0u, &pixels, &held);
      multiply(&a, 1u, &pixels, &held);
      multiply(&a, 2u, &pixels, &held);
      multiply(&a, 3u, &pixels, &held);
      multiply(&a, 4u, &pixels, &held);
      multiply(&a, 5u, &pixels, &held);
      multiply(&a, 6u, &pixels, &held);
      multiply(&a, 7u, &pixels, &held);
      at += params.rows * params.columns;
      weight += 72u;
    }
    for (var k = 0u; k < 64u; k++) { sums[k] += a[k]; }
    left -= block;
  }

  if (strip / params.strips >= params.lines) { return; }
  for (var row = 0u; row < 16u; row++) {  // of the 8 outputs' 2
    let o = group.x * 8u + row / 2u;
    let u = 2u * p + row % 2u;
    if (o < params.O && u < params.P) {
      var even = array<vec4f, 2>(sums[4u * row], sums[4u * row + 1u]);
      var odd = array<vec4f, 2>(sums[4u * row + 2u], sums[4u * row + 3u]);
      var start = 0.0;
      if (params.has_bias != 0u) { start = bias[o]; }
      let index = ((n * params.O + o) * params.P + u) * params.Q;
      for (var k = 0u; k < 8u; k++) {
        let v = 2u * (q + k);
        var sum = even[k / 4u][k % 4u] + start;
        if (v < params.Q) { y[index + v] = StoredY(select(params.slope * sum, sum, sum > 0.0)); }
        sum = odd[k / 4u][k % 4u] + start;
        if (v + 1u < params.Q) { y[index + v + 1u] = StoredY(select(params.slope * sum, sum, sum > 0.0)); }
      }
    }
  }
}
