// y = a · b for every batch, one thread an element of y: a [batches, n, inner], b [batches, inner, m], y [batches, n, m].
//
//   TRANSPOSE_A: a is stored as [batches, inner, n]. TRANSPOSE_B: b is stored as [batches, m, inner].
// Sums run in order of the inner index. For small matrices. Cost: two loads a product, m and n times over.

const TRANSPOSE_A = false;
const TRANSPOSE_B = false;

struct Params {
  batches: u32,
  share: u32,  // batches of b in a row that meet one of a
  n: u32,
  m: u32,
  inner: u32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.batches * params.n * params.m) { return; }
  let j = index % params.m;
  let i = index / params.m % params.n;
  let batch = index / (params.m * params.n);
  let a_start = batch / params.share * params.n * params.inner + select(i * params.inner, i, TRANSPOSE_A);
  let b_start = batch * params.m * params.inner + select(j, j * params.inner, TRANSPOSE_B);
  let a_step = select(1u, params.n, TRANSPOSE_A);
  let b_step = select(params.m, 1u, TRANSPOSE_B);
  var sum = 0.0;
  for (var k = 0u; k < params.inner; k++) { sum += a[a_start + k * a_step] * b[b_start + k * b_step]; }
  y[index] = sum;
}
