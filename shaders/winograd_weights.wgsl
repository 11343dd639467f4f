// The weights of a 3 × 3 convolution, transformed for winograd_input.wgsl's method: one thread a pair of channels.
//
//   u[k, o, c] = (G · g · Gᵀ)[k / 6, k % 6], g = weight[o, c]; weight [O, C, 3, 3], u [36, O, C].
// Cost: 9 loads, 36 stores; little beside the products.

struct Params {
  count: u32,  // O·C
}

@group(0) @binding(0) var<storage, read> weight: array<f32>;
@group(0) @binding(1) var<storage, read_write> u: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

const P = 0.625;
const Q = 1.5;
const PP = P * P;
const QQ = Q * Q;

// G · g: the kernel as a polynomial at each point, over the product of the point's distances from the others.
fn transform(g0: f32, g1: f32, g2: f32) -> array<f32, 6> {
  let p = 2.0 * PP * (PP - QQ);
  let q = 2.0 * QQ * (QQ - PP);
  return array<f32, 6>(
    g0 / (PP * QQ),
    (g0 + P * g1 + PP * g2) / p, (g0 - P * g1 + PP * g2) / p,
    (g0 + Q * g1 + QQ * g2) / q, (g0 - Q * g1 + QQ * g2) / q,
    g2,
  );
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  var half: array<array<f32, 6>, 3>;
  for (var j = 0u; j < 3u; j++) {
    let at = 9u * index + j;
    half[j] = transform(weight[at], weight[at + 3u], weight[at + 6u]);
  }
  for (var i = 0u; i < 6u; i++) {
    let values = transform(half[0][i], half[1][i], half[2][i]);
    for (var j = 0u; j < 6u; j++) { u[(i * 6u + j) * params.count + index] = values[j]; }
  }
}
