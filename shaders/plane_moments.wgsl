// The mean of every piece of the planes x [planes, length], and its deviation Σ (x − mean)²: both [planes, pieces].
//
// One workgroup of 64 threads takes one piece, in two passes over it: first the mean, then the deviations from it. Thread
// t adds the elements t, t + 64, …; the 64 partial sums are then added pairwise, so that a rerun gives the same bits.
// Both passes work on differences (the first from the piece's first element): an offset that is large against the
// spread costs no digits, and a constant piece has deviation 0 exactly.
// Cost: two loads an element, the second from cache.

struct Params {
  planes: u32,
  length: u32,  // elements of a plane
  pieces: u32,  // pieces of a plane
  piece: u32,   // elements of a piece; the last one of a plane may be shorter
  half: u32,  // of the threads: 32
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> deviation: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> partial: array<f32, 64>;

fn add_up(thread: u32, value: f32) -> f32 {
  partial[thread] = value;
  for (var width = params.half; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread < width) { partial[thread] += partial[thread + width]; }
  }
  workgroupBarrier();
  let total = partial[0];
  workgroupBarrier();
  return total;
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let part = group.x + group.y * groups.x;
  if (part >= params.planes * params.pieces) { return; }
  let offset = part / params.pieces * params.length;
  let start = part % params.pieces * params.piece;
  let end = min(start + params.piece, params.length);
  let origin = x[offset + start];
  var sum = 0.0;
  for (var l = start + thread; l < end; l += 64u) { sum += x[offset + l] - origin; }
  let centre = origin + add_up(thread, sum) / f32(end - start);
  var squares = 0.0;
  for (var l = start + thread; l < end; l += 64u) {
    let difference = x[offset + l] - centre;
    squares += difference * difference;
  }
  squares = add_up(thread, squares);
  if (thread == 0u) {
    mean[part] = centre;
    deviation[part] = squares;
  }
}
