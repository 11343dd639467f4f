// dx = (dy − y · Σ dy·y) / norm where norm ≥ eps, else dy / eps; the sum runs along the middle side.
//
//   y, dy, dx [outer, length, inner]; norm [outer, inner]. `rows` and `columns` as in normalize.wgsl.
// Cost: four loads (two from cache) and a store an element.

struct Params {
  outer: u32,
  length: u32,
  inner: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> y: array<f32>;
@group(0) @binding(1) var<storage, read> norm: array<f32>;
@group(0) @binding(2) var<storage, read> dy: array<f32>;
@group(0) @binding(3) var<storage, read_write> dx: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> partial: array<f32, 64>;

// Below eps the divisor is a constant: nothing flows through the norm.
fn gradient(i: u32, size: f32, product: f32) -> f32 {
  if (size < params.eps) { return dy[i] / params.eps; }
  return (dy[i] - y[i] * product) / size;
}

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
  for (var l = thread; l < params.length; l += 64u) { sum += dy[start + l] * y[start + l]; }
  partial[thread] = sum;
  for (var width = 32u; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread < width) { partial[thread] += partial[thread + width]; }
  }
  workgroupBarrier();
  let product = partial[0];
  for (var l = thread; l < params.length; l += 64u) { dx[start + l] = gradient(start + l, norm[row], product); }
}

@compute @workgroup_size(64)
fn columns(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let column = id.x + id.y * groups.x * 64u;
  if (column >= params.outer * params.inner) { return; }
  let start = column / params.inner * params.length * params.inner + column % params.inner;
  let end = start + params.length * params.inner;
  var product = 0.0;
  for (var i = start; i < end; i += params.inner) { product += dy[i] * y[i]; }
  for (var i = start; i < end; i += params.inner) { dx[i] = gradient(i, norm[column], product); }
}
