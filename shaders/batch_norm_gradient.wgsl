// dx = weight · (dy − Σ dy / count − x̂ · Σ dy·x̂ / count) / √(variance + eps), x̂ = (x − mean) / √(variance + eps), each
// sum over the channel's `count` elements in all batches. Without TRAINING mean and variance are constants, and both
// sums drop out.
//
//   x, dy, dx [planes, length], plane p belongs to channel p mod channels; mean, variance, weight, sums (Σ dy),
//   products (Σ dy·x̂) [channels].
// One workgroup of 64 threads takes one piece of a plane. Cost: two loads and one store an element.

const TRAINING = true;
alias Values = vec4f;  // f32 where the length is no multiple of 4
const WIDTH = 4u;      // of Values

struct Params {
  planes: u32,
  length: u32,
  pieces: u32,
  piece: u32,
  channels: u32,
  eps: f32,
}

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> variance: array<f32>;
@group(0) @binding(3) var<storage, read> weight: array<f32>;
@group(0) @binding(4) var<storage, read> dy: array<Values>;
@group(0) @binding(5) var<storage, read> sums: array<f32>;
@group(0) @binding(6) var<storage, read> products: array<f32>;
@group(0) @binding(7) var<storage, read_write> dx: array<Values>;
@group(0) @binding(8) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let part = group.x + group.y * groups.x;
  if (part >= params.planes * params.pieces) { return; }
  let plane = part / params.pieces;
  let c = plane % params.channels;
  let within = part % params.pieces * params.piece;
  let start = (plane * params.length + within) / WIDTH;
  let end = start + min(params.piece, params.length - within) / WIDTH;
  let centre = mean[c];
  let factor = inverseSqrt(variance[c] + params.eps);
  var level = 0.0;
  var slope = 0.0;
  if (TRAINING) {
    let count = f32(params.planes / params.channels * params.length);
    level = sums[c] / count;
    slope = products[c] / count * factor;
  }
  for (var l = start + thread; l < end; l += 64u) {
    dx[l] = weight[c] * factor * (dy[l] - level - slope * (x[l] - centre));
  }
}
