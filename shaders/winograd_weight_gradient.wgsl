// Last stage of the weight gradient by winograd_input.wgsl's method: one thread a pair of channels.
//
//   dweight[o, c, i, j] = (Gᵀ · Σ_slab m[slab] · G)[i, j], m[slab][k] = m[k, slab, o, c]; added to what dweight holds
//   where `adds` says so. m [36, slabs, O, C] are the products of winograd_output_gradient.wgsl's and
//   winograd_input.wgsl's values, summed over the tiles of a slab. Slabs are added in order. The adjoint of winograd_weights.wgsl.
// Cost: 36·slabs loads, 9 stores.

struct Params {
  count: u32,  // O·C
  slabs: u32,
  adds: u32,
}

@group(0) @binding(0) var<storage, read> m: array<f32>;
@group(0) @binding(1) var<storage, read_write> dweight: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

const P = 0.625;
const Q = 1.5;
const PP = P * P;
const QQ = Q * Q;

// Gᵀ · m
fn transform(m0: f32, m1: f32, m2: f32, m3: f32, m4: f32, m5: f32) -> vec3f {
  let even_p = (m1 + m2) / (2.0 * PP * (PP - QQ));
  let odd_p = P * (m1 - m2) / (2.0 * PP * (PP - QQ));
  let even_q = (m3 + m4) / (2.0 * QQ * (QQ - PP));
  let odd_q = Q * (m3 - m4) / (2.0 * QQ * (QQ - PP));
  return vec3f(m0 / (PP * QQ) + even_p + even_q, odd_p + odd_q, PP * even_p + QQ * even_q + m5);
}

fn product(k: u32, index: u32) -> f32 {
  var sum = 0.0;
  for (var slab = 0u; slab < params.slabs; slab++) { sum += m[(k * params.slabs + slab) * params.count + index]; }
  return sum;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  var half: array<vec3f, 6>;
  for (var j = 0u; j < 6u; j++) {
    half[j] = transform(product(j, index), product(6u + j, index), product(12u + j, index),
      product(18u + j, index), product(24u + j, index), product(30u + j, index));
  }
  for (var i = 0u; i < 3u; i++) {
    let values = transform(half[0][i], half[1][i], half[2][i], half[3][i], half[4][i], half[5][i]);
    for (var j = 0u; j < 3u; j++) {
      let at = index * 9u + i * 3u + j;
      dweight[at] = values[j] + select(0.0, dweight[at], params.adds != 0u);
    }
  }
}
