// Sums over the middle side of x [outer, length, inner]: y[o, i] = factor · Σ_l x[o, l, i].
//
//   rows:     inner = 1. One workgroup of 64 threads sums one piece of one row: y [outer, pieces]. Thread t adds the
//             elements t, t + 64, …; the 64 partial sums are then added pairwise. Long rows take two passes.
//   columns:  one thread an output, in order of l. For sums over slow sides (the batch) and for short rows.
// The order of additions depends on the shape alone, so that a rerun gives the same bits.

struct Params {
  outer: u32,
  length: u32,
  inner: u32,
  pieces: u32,
  piece: u32,  // elements of a piece; the last one of a row may be shorter
  factor: f32,
  half: u32,  // of the threads: 32
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let output = group.x + group.y * groups.x;
  let row = output / params.pieces;
  let start = output % params.pieces * params.piece;
  let end = min(start + params.piece, params.length);
  var sum = 0.0;
  if (row < params.outer) {
    for (var l = start + thread; l < end; l += 64u) { sum += x[row * params.length + l]; }
  }
  partial[thread] = sum;
  for (var half = params.half; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (thread < half) { partial[thread] += partial[thread + half]; }
  }
  if (thread == 0u && row < params.outer) { y[output] = params.factor * partial[0]; }
}

@compute @workgroup_size(64)
fn columns(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let output = id.x + id.y * groups.x * 64u;
  if (output >= params.outer * params.inner) { return; }
  let start = output / params.inner * params.length * params.inner + output % params.inner;
  var sum = 0.0;
  for (var l = 0u; l < params.length; l++) { sum += x[start + l * params.inner]; }
  y[output] = params.factor * sum;
}
