// Sums of the pieces of rows: y[o, p] = factor · Σ x[o, l] over the l of piece p; x [outer, length], y [outer, pieces].
//
// TEAM threads take one piece: thread t adds the vectors t, t + TEAM, …; the sums of the team are then added pairwise. The
// order of additions depends on shape and TEAM alone, so that a rerun gives the same bits. Teams of 64 are for GPUs, of 1
// for CPU adapters. Rows of several pieces take two passes. Cost: one load an element.

const TEAM = 64u;      // or 1
alias Values = vec4f;  // f32 where the length is no multiple of 4
const WIDTH = 4u;      // of Values

struct Params {
  outer: u32,
  length: u32,
  pieces: u32,
  piece: u32,  // elements of a piece; the last one of a row may be shorter
  factor: f32,
  half: u32,   // of the threads: 32
}

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

var<workgroup> partial: array<f32, TEAM>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let part = (group.x + group.y * groups.x) * (64u / TEAM) + index / TEAM;
  let thread = index % TEAM;
  let within = part % params.pieces * params.piece;
  let valid = part < params.outer * params.pieces;
  let size = select(0u, min(params.piece, params.length - within), valid);
  let start = (part / params.pieces * params.length + within) / WIDTH;
  let end = start + size / WIDTH;
  var values = Values();
  for (var l = start + thread; l < end; l += TEAM) { values += x[l]; }
  let four = vec4f(values);
  var sum = select(four.x, (four.x + four.y) + (four.z + four.w), WIDTH == 4u);
  if (TEAM > 1u) {
    partial[thread] = sum;
    for (var width = params.half; width > 0u; width /= 2u) {
      workgroupBarrier();
      if (thread < width) { partial[thread] += partial[thread + width]; }
    }
    if (thread == 0u) { sum = partial[0]; }
  }
  if (thread == 0u && valid) { y[part] = params.factor * sum; }
}
