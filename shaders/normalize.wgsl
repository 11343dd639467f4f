// y = x / max(norm, eps) and norm = ‖x‖₂ along the middle side of x [outer, length, inner]; norm [outer, inner].
//
//   rows:     inner = 1. One workgroup of 64 threads a row: thread t adds the squares of the elements t, t + 64, …; the
//             64 partial sums are then added pairwise.
//   columns:  one thread a column, in order.
// The order of additions depends on the shape alone. Cost: two loads (the second from cache) and a store an element.

struct Params {
  outer: u32,
  length: u32,
  inner: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<storage, read_write> norm: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

var<workgroup> partial: array<f32, 64>;

@compute @workgroup_size(64)
fn rows(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let row = group.x + group.y * groups.x;
  if (row >= params.outer) { return; }
  let start = row * params.length;
  var sum = 0.0;
  for (var l = thread; l < params.length; l += 64u) { sum += x[start + l] * x[start + l]; }
  partial[thread] = sum;
  for (var width = 32u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread < width) { partial[thread] += partial[thread + width]; }
  }
  workgroupBarrier();
  let size = sqrt(partial[0]);
  if (thread == 0u) { norm[row] = size; }
  let divisor = max(size, params.eps);
  for (var l = thread; l < params.length; l += 64u) { y[start + l] = x[start + l] / divisor; }
}

@compute @workgroup_size(64)
fn columns(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let column = id.x + id.y * groups.x * 64u;
  if (column >= params.outer * params.inner) { return; }
  let start = column / params.inner * params.length * params.inner + column % params.inner;
  let end = start + params.length * params.inner;
  var sum = 0.0;
  for (var i = start; i < end; i += params.inner) { sum += x[i] * x[i]; }
  let size = sqrt(sum);
  norm[column] = size;
  let divisor = max(size, params.eps);
  for (var i = start; i < end; i += params.inner) { y[i] = x[i] / divisor; }
}
