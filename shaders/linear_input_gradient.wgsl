// dx = dy · weight: dy [N, outputs], weight [outputs, inner], dx [N, inner]. One thread an element of dx, in order of the
// outputs; neighbours read neighbours in the weight. Cost: two loads a product, one of them shared by the row.

struct Params {
  N: u32,
  inner: u32,
  outputs: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> weight: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.N * params.inner) { return; }
  let row = i / params.inner * params.outputs;
  let l = i % params.inner;
  var sum = 0.0;
  for (var o = 0u; o < params.outputs; o++) { sum += dy[row + o] * weight[o * params.inner + l]; }
  dx[i] = sum;
}
