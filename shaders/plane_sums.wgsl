// Σ dy and Σ dy·x̂ over every piece of the planes, x̂ = (x − mean) / √(variance + eps): sums, products [planes, pieces].
// The two sums that the gradient of a normalisation needs.
//
//   x, dy [planes, length]; mean, variance [groups]: plane p belongs to group p mod groups.
// TEAM threads take one piece: thread t adds the vectors t, t + TEAM, …; the sums of the team are then added pairwise, so
// that a rerun gives the same bits. Teams of 64 are for GPUs, of 1 for CPU adapters.
// Cost: two loads an element.

const TEAM = 64u;      // or 1
alias Values = vec4f;  // f32 where the length is no multiple of 4
const WIDTH = 4u;      // of Values

struct Params {
  planes: u32,
  length: u32,
  pieces: u32,
  piece: u32,
  groups: u32,
  eps: f32,
  half: u32,  // of the threads: 32
}

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read> mean: array<f32>;
@group(0) @binding(2) var<storage, read> variance: array<f32>;
@group(0) @binding(3) var<storage, read> dy: array<Values>;
@group(0) @binding(4) var<storage, read_write> sums: array<f32>;
@group(0) @binding(5) var<storage, read_write> products: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

var<workgroup> partial: array<vec2f, TEAM>;

fn total(values: Values) -> f32 {
  let four = vec4f(values);
  return select(four.x, (four.x + four.y) + (four.z + four.w), WIDTH == 4u);
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) index: u32,
) {
  let part = (group.x + group.y * groups.x) * (64u / TEAM) + index / TEAM;
  let thread = index % TEAM;
  let plane = part / params.pieces;
  let within = part % params.pieces * params.piece;
  let valid = part < params.planes * params.pieces;
  let size = select(0u, min(params.piece, params.length - within), valid);
  let start = (plane * params.length + within) / WIDTH;
  let end = start + size / WIDTH;
  let centre = mean[plane % params.groups];
  let factor = inverseSqrt(variance[plane % params.groups] + params.eps);
  var sum = Values();
  var product = Values();
  for (var l = start + thread; l < end; l += TEAM) {
    let gradient = dy[l];
    sum += gradient;
    product += gradient * ((x[l] - centre) * factor);
  }
  var both = vec2f(total(sum), total(product));
  if (TEAM > 1u) {
    partial[thread] = both;
    for (var width = params.half; width > 0u; width /= 2u) {
      workgroupBarrier();
      if (thread < width) { partial[thread] += partial[thread + width]; }
    }
    if (thread == 0u) { both = partial[0]; }
  }
  if (thread == 0u && valid) {
    sums[part] = both.x;
    products[part] = both.y;
  }
}
