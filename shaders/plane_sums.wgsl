// Σ dy and Σ dy·x̂ over every piece of the planes, x̂ = (x − mean) / √(variance + eps): sums, products [planes, pieces].
// The two sums that the gradient of a normalisation needs.
//
//   x, dy [planes, length]; mean, variance [groups]: plane p belongs to group p mod groups.
// One workgroup of 64 threads takes one piece: thread t adds the elements t, t + 64, …; the partial sums are then added
// pairwise, so that a rerun gives the same bits. Cost: two loads an element.

struct Params {
  planes: u32,
  length: u32,
  pieces: u32,
  piece: u32,
  groups: u32,
  eps: f32,
  half: u32,  // of the threads: 32
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> variance: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<f32>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> products: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

var<workgroup> partial: array<vec2f, 64>;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let part = group.x + group.y * groups.x;
  if (part >= params.planes * params.pieces) { return; }
  let plane = part / params.pieces;
  let g = plane % params.groups;
  let offset = plane * params.length;
  let start = part % params.pieces * params.piece;
  let end = min(start + params.piece, params.length);
  let centre = mean[g];
  let factor = inverseSqrt(variance[g] + params.eps);
  var sum = vec2f();
  for (var l = start + thread; l < end; l += 64u) {
    let i = offset + l;
    sum += dy[i] * vec2f(1.0, (x[i] - centre) * factor);
  }
  partial[thread] = sum;
  for (var width = params.half; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread < width) { partial[thread] += partial[thread + width]; }
  }
  if (thread == 0u) {
    sums[part] = partial[0].x;
    products[part] = partial[0].y;
  }
}
