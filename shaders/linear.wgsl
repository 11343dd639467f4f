// y = x · weightᵀ + bias: x [N, inner], weight [outputs, inner], bias [outputs], y [N, outputs].
//
// One workgroup of 64 threads computes one output for four rows of x: thread t adds the products t, t + 64, …, so that
// the weight is read once for the four; the 64 partial sums are then added pairwise. Rows beyond N repeat the last.
// Cost: one load of the weight and four of x for four products.

const BIAS = true;

struct Params {
  N: u32,
  inner: u32,
  outputs: u32,
  half: u32,  // of the threads: 32
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read> bias: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<f32>;
@group(0) @binding(4) var<uniform> params: Params;

var<workgroup> partial: array<vec4f, 64>;

@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3u, @builtin(local_invocation_index) thread: u32) {
  let output = group.x;
  let rows = min(4u * group.y + vec4u(0u, 1u, 2u, 3u), vec4u(params.N - 1u)) * params.inner;
  var sum = vec4f();
  for (var l = thread; l < params.inner; l += 64u) {
    sum += weight[output * params.inner + l] * vec4f(x[rows.x + l], x[rows.y + l], x[rows.z + l], x[rows.w + l]);
  }
  partial[thread] = sum;
  for (var width = params.half; width > 0u; width /= 2u) {
    workgroupBarrier();
    if (thread < width) { partial[thread] += partial[thread + width]; }
  }
  workgroupBarrier();
  let row = 4u * group.y + thread;
  if (thread < 4u && row < params.N) {
    var value = partial[0][thread];
    if (BIAS) { value += bias[output]; }
    y[row * params.outputs + output] = value;
  }
}
