// Coarse matching for CPU adapters: the best position of Ref↓ for each query, over a tile of positions.
//
//   score[n, q, r] = Σ_d (Σ_t Σ_c queries[n, q, d, t, c] · ref[n, c, r + DILATIONS[d]·t]) / norms[n, d, r]
//   quads: ref [N, C, Hr, Wr] with a margin of at least REACH zeros (nc4hw4.wgsl), REACH the largest dilation; norms [N, COUNT, Hr, Wr]
//   of the patches of ref; queries packed as [N, Q/16, COUNT, rows of taps, ⌈C/4⌉, 2, taps of a row, 8, 4]
//   (coarse_match_queries.wgsl); best_score, best_index [N, tiles, Q].
// A workgroup is one subgroup of 8 threads or more with 16 queries. A thread scores a strip of 8 neighbouring positions:
// it loads their pixels with those beside them once for the three taps of a row and all queries, and 8 threads load the
// queries, which each hands on by broadcast. Scores stay in registers; of equal ones the lowest position wins.
// coarse_match_best.wgsl finds the best tile.
// Cost: 2·N·blocks·Hr·Wr·COUNT·9·C FLOP; 14 + 2·REACH loads of vectors for 1,536 products.

enable subgroups;

const COUNT = 3u;
const DILATIONS = array<i32, COUNT>(1, 2, 3);
const REACH = 3;
const PIXELS = 8u;
const WIDTH = PIXELS + 2u * u32(REACH);
const LOWEST = -3.4e38;

struct Params {
  groups: u32,  // ⌈C/4⌉
  Hr: u32, Wr: u32,
  top: u32, bottom: u32,  // rows [top, bottom) are searched
  strips: u32,         // in a row
  rows: u32, columns: u32, left: u32,  // of quads, and columns before the map
  Q: u32,
  dilations: u32,  // COUNT; not a constant, which compilers would unroll at great length
}

@group(0) @binding(0) var<storage, read> queries: array<vec4f>;
@group(0) @binding(1) var<storage, read> quads: array<vec4f>;
@group(0) @binding(2) var<storage, read> norms: array<f32>;
@group(0) @binding(3) var<storage, read_write> best_score: array<f32>;
@group(0) @binding(4) var<storage, read_write> best_index: array<i32>;
@group(0) @binding(5) var<uniform> params: Params;

alias Scores = array<vec4f, 32>;  // [query][half of the strip]
alias Taps = array<vec4f, 24>;    // [tap of a row][channel][half of the strip]

// Adds the products of one query with the three taps of a row, of four channels. These are summed before they meet the
// long sum: that keeps its rounding errors small.
fn multiply(dots: ptr<function, Scores>, query: u32, x: ptr<function, Taps>, a: vec4f, b: vec4f, c: vec4f) {
  var low = (*x)[0] * a.x;
  var high = (*x)[1] * a.x;
  low += (*x)[2] * a.y;
  high += (*x)[3] * a.y;
  low += (*x)[4] * a.z;
  high += (*x)[5] * a.z;
  low += (*x)[6] * a.w;
  high += (*x)[7] * a.w;
  low += (*x)[8] * b.x;
  high += (*x)[9] * b.x;
  low += (*x)[10] * b.y;
  high += (*x)[11] * b.y;
  low += (*x)[12] * b.z;
  high += (*x)[13] * b.z;
  low += (*x)[14] * b.w;
  high += (*x)[15] * b.w;
  low += (*x)[16] * c.x;
  high += (*x)[17] * c.x;
  low += (*x)[18] * c.y;
  high += (*x)[19] * c.y;
  low += (*x)[20] * c.z;
  high += (*x)[21] * c.z;
  low += (*x)[22] * c.w;
  high += (*x)[23] * c.w;
  (*dots)[2u * query] += low;
  (*dots)[2u * query + 1u] += high;
}

// The same for the eight queries from `first` on, of which each thread holds one.
fn multiply_eight(dots: ptr<function, Scores>, first: u32, x: ptr<function, Taps>,
                  a: vec4f, b: vec4f, c: vec4f) {
  multiply(dots, first + 0u, x, subgroupBroadcast(a, 0u), subgroupBroadcast(b, 0u), subgroupBroadcast(c, 0u));
  multiply(dots, first + 1u, x, subgroupBroadcast(a, 1u), subgroupBroadcast(b, 1u), subgroupBroadcast(c, 1u));
  multiply(dots, first + 2u, x, subgroupBroadcast(a, 2u), subgroupBroadcast(b, 2u), subgroupBroadcast(c, 2u));
  multiply(dots, first + 3u, x, subgroupBroadcast(a, 3u), subgroupBroadcast(b, 3u), subgroupBroadcast(c, 3u));
  multiply(dots, first + 4u, x, subgroupBroadcast(a, 4u), subgroupBroadcast(b, 4u), subgroupBroadcast(c, 4u));
  multiply(dots, first + 5u, x, subgroupBroadcast(a, 5u), subgroupBroadcast(b, 5u), subgroupBroadcast(c, 5u));
  multiply(dots, first + 6u, x, subgroupBroadcast(a, 6u), subgroupBroadcast(b, 6u), subgroupBroadcast(c, 6u));
  multiply(dots, first + 7u, x, subgroupBroadcast(a, 7u), subgroupBroadcast(b, 7u), subgroupBroadcast(c, 7u));
}

@compute @workgroup_size(8)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
  @builtin(subgroup_invocation_id) lane: u32,
) {
  let n = group.z;
  let strip = group.x * 8u + thread;
  let y = min(params.top + strip / params.strips, params.bottom - 1u);
  let column = strip % params.strips * PIXELS;
  var scores: Scores;
  var query = (n * groups.y + group.y) * params.dilations * 3u * params.groups * 48u + lane % 8u;
  for (var d = 0u; d < params.dilations; d++) {
    var dots = Scores();
    let dilation = u32(DILATIONS[d]);
    var at = (n * params.groups * params.rows + y + u32(REACH) - dilation) * params.columns
      + params.left - u32(REACH) + column;
    var g = 0u;
    // One loop over rows of taps and channels: every level of nesting would carry all sums around once more.
    for (var step = 0u; step < 3u * params.groups; step++) {
      var pixels: array<vec4f, WIDTH>;
      for (var k = 0u; k < WIDTH; k++) { pixels[k] = quads[at + k]; }
      var held: array<vec4f, 6>;
      for (var k = 0u; k < 6u; k++) { held[k] = queries[query + 8u * k]; }
      var x: Taps;
      for (var e = 0u; e < COUNT; e++) {
        for (var t = 0; t < 3; t++) {
          for (var half = 0u; half < 2u; half++) {
            let k = u32(REACH + (t - 1) * DILATIONS[e]) + 4u * half;
            let four = transpose(mat4x4f(pixels[k], pixels[k + 1u], pixels[k + 2u], pixels[k + 3u]));
            for (var c = 0u; c < 4u; c++) {
              let to = 8u * u32(t) + 2u * c + half;
              x[to] = select(x[to], four[c], d == e);
            }
          }
        }
      }
      multiply_eight(&dots, 0u, &x, held[0], held[1], held[2]);
      multiply_eight(&dots, 8u, &x, held[3], held[4], held[5]);
      query += 48u;
      let row_ends = g + 1u == params.groups;
      g = select(g + 1u, 0u, row_ends);
      at += params.rows * params.columns;
      at = select(at, at + (dilation - params.groups * params.rows) * params.columns, row_ends);
    }
    let norm = (n * params.dilations + d) * params.Hr * params.Wr + y * params.Wr + column;
    let last = params.Wr - 1u - column;
    let low = vec4f(norms[norm], norms[norm + min(1u, last)], norms[norm + min(2u, last)], norms[norm + min(3u, last)]);
    let high = vec4f(
      norms[norm + min(4u, last)], norms[norm + min(5u, last)], norms[norm + min(6u, last)], norms[norm + min(7u, last)],
    );
    for (var q = 0u; q < 16u; q++) {
      scores[2u * q] += dots[2u * q] / low;
      scores[2u * q + 1u] += dots[2u * q + 1u] / high;
    }
  }

  // Thread t keeps the best of the workgroup for queries t and t + 8.
  var top: array<f32, 2>;
  var top_at: array<u32, 2>;
  let length = select(0u, params.Wr - column, params.top + strip / params.strips < params.bottom);
  for (var q = 0u; q < 16u; q++) {
    var best = LOWEST;
    var which = 0u;
    for (var k = 0u; k < PIXELS; k++) {
      let score = scores[2u * q + k / 4u][k % 4u];
      let better = k < length && score > best;
      best = select(best, score, better);
      which = select(which, k, better);
    }
    let best_of_all = subgroupMax(best);
    let first = subgroupMin(select(0xffffffffu, y * params.Wr + column + which, best == best_of_all));
    top[q / 8u] = select(top[q / 8u], best_of_all, thread == q % 8u);
    top_at[q / 8u] = select(top_at[q / 8u], first, thread == q % 8u);
  }
  for (var m = 0u; m < 2u; m++) {
    let to = (n * groups.x + group.x) * params.Q + group.y * 16u + m * 8u + thread;
    best_score[to] = top[m];
    best_index[to] = i32(top_at[m]);
  }
}
