// y = (x − mean) / √(variance + eps), with the mean and the biased variance of each plane.
//
//   x, y [planes, length]; mean, variance [planes].
// One workgroup of 64 threads takes one piece of a plane. Cost: one load and one store an element.

alias Values = vec4f;  // f32 where the length is no multiple of 4
const WIDTH = 4u;      // of Values
alias StoredX = Values;
alias StoredY = Values;

struct Params {
  planes: u32,
  length: u32,
  pieces: u32,
  piece: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> variance: array<f32>;
@group(0) @binding(3) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(4) var<uniform> params: Params;

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
  for (var l = start + thread; l < end; l += 64u) { y[l] = StoredY((Values(x[l]) - centre) * factor); }
}
