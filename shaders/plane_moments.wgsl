// The mean of every piece of the planes x [planes, length], and its deviation Σ (x − mean)²: both [planes, pieces].
//
// TEAM threads take one piece, in two passes over it: first the mean, then the deviations from it. Thread t adds the
// vectors t, t + TEAM, …; the sums of the team are then added pairwise, so that a rerun gives the same bits. Teams of 64
// are for GPUs; where the CPU computes, barriers cost more than the rest, and each thread has a piece of its own.
// Both passes work on differences (the first from the piece's first element): an offset that is large against the
// spread costs no digits, and a constant piece has deviation 0 exactly.
// Cost: two loads an element, the second from cache.

const TEAM = 64u;      // or 1
alias Values = vec4f;  // f32 where the length is no multiple of 4
const WIDTH = 4u;      // of Values
alias StoredX = Values;

struct Params {
  planes: u32,
  length: u32,  // elements of a plane
  pieces: u32,  // pieces of a plane
  piece: u32,   // elements of a piece; the last one of a plane may be shorter
  half: u32,    // of the threads: 32
}

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read_write> mean: array<f32>;
@group(0) @binding(2) var<storage, read_write> deviation: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> partial: array<f32, TEAM>;

fn add_up(thread: u32, values: Values) -> f32 {
  let four = vec4f(values);
  let sum = select(four.x, (four.x + four.y) + (four.z + four.w), WIDTH == 4u);
  if (TEAM == 1u) { return sum; }
  partial[thread] = sum;
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
  @builtin(local_invocation_index) index: u32,
) {
  let part = (group.x + group.y * groups.x) * (64u / TEAM) + index / TEAM;
  let thread = index % TEAM;
  let within = part % params.pieces * params.piece;
  let valid = part < params.planes * params.pieces;
  let size = select(0u, min(params.piece, params.length - within), valid);
  let start = (part / params.pieces * params.length + within) / WIDTH;
  let end = start + size / WIDTH;
  let origin = vec4f(Values(x[start])).x;
  var sum = Values();
  for (var l = start + thread; l < end; l += TEAM) { sum += Values(x[l]) - origin; }
  let centre = origin + add_up(thread, sum) / f32(size);
  var squares = Values();
  for (var l = start + thread; l < end; l += TEAM) {
    let difference = Values(x[l]) - centre;
    squares += difference * difference;
  }
  let total = add_up(thread, squares);
  if (thread == 0u && valid) {
    mean[part] = centre;
    deviation[part] = total;
  }
}
