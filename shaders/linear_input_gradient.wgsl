// dx = dy · weight: dy [N, outputs], weight [outputs, inner], dx [N, inner].
//
// One thread computes an element for each of four rows, in order of the outputs; neighbours read neighbours in the
// weight, which is read once for the four. Rows beyond N repeat the last. Cost: five loads (four of them shared by the
// workgroup) for four products.

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
fn main(@builtin(global_invocation_id) id: vec3u) {
  let l = id.x;
  if (l >= params.inner) { return; }
  let first = 4u * id.y;
  let rows = min(first + vec4u(0u, 1u, 2u, 3u), vec4u(params.N - 1u)) * params.outputs;
  var sum = vec4f();
  for (var o = 0u; o < params.outputs; o++) {
    sum += weight[o * params.inner + l] * vec4f(dy[rows.x + o], dy[rows.y + o], dy[rows.z + o], dy[rows.w + o]);
  }
  for (var r = 0u; r < min(4u, params.N - first); r++) { dx[(first + r) * params.inner + l] = sum[r]; }
}
