// dx = (dy − Σ dy / length − x̂ · Σ dy·x̂ / length) / √(variance + eps), x̂ = (x − mean) / √(variance + eps), each sum
// over the plane.
//
//   x, dy, dx [planes, length]; mean, variance, sums (Σ dy), products (Σ dy·x̂) [planes].
// One workgroup of 64 threads takes one piece of a plane. Cost: two loads and one store an element.

alias Values = vec4f;  // f32 where the length is no multiple of 4
const WIDTH = 4u;      // of Values

struct Params {
  planes: u32,
  length: u32,
  pieces: u32,
  piece: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> variance: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<Values>;
@group(0) @binding(4) var<storage, read> sums: array<f32>;
@group(0) @binding(5) var<storage, read> products: array<f32>;
@group(0) @binding(6) var<storage, read_write> dx: array<Values>;
@group(0) @binding(7) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let part = group.x + group.y * groups.x;
  if (part >= params.planes * params.pieces) { return; }
  let plane = part / params.pieces;
  let within = part % params.pieces * params.piece;
  let start = (plane * params.length + within) / WIDTH;
  let end = start + min(params.piece, params.length - within) / WIDTH;
  let centre = mean[plane];
  let factor = inverseSqrt(variance[plane] + params.eps);
  let mean_dy = sums[plane] / f32(params.length);
  let slope = products[plane] / f32(params.length) * factor;
  for (var l = start + thread; l < end; l += 64u) {
    dx[l] = factor * (dy[l] - mean_dy - slope * (x[l] - centre));
  }
}
