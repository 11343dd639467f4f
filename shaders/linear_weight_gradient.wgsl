// dweight = dyᵀ · x: dy [N, outputs], x [N, inner], dweight [outputs, inner].
//
// One thread an element of dweight, in order of the rows; neighbours read neighbours in x. Cost: two loads a product, one
// of them shared by the workgroup.

struct Params {
  N: u32,
  inner: u32,
  outputs: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> x: array<f32>;
@group(0) @binding(2) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let l = id.x;
  let output = id.y;
  if (l >= params.inner) { return; }
  var sum = 0.0;
  for (var n = 0u; n < params.N; n++) { sum += dy[n * params.outputs + output] * x[n * params.inner + l]; }
  dweight[output * params.inner + l] = sum;
}
