// Last stage of winograd_input.wgsl's method: the sums of products become 4 × 4 outputs.
//
//   y[n, o, 4·row + i, 4·column + j] = f((Aᵀ · m · A)[i, j] + bias[o] + residual[same]), m[k] = m[k, o, t]
//   for the tiles first … first + tiles − 1; f(v) = v > 0 ? v : slope·v. m [36, O, size], size ≥ tiles; y, residual [N, O, P, Q].
//   An absent operand is bound to any other and not read.
// One thread a tile and output channel. Cost: 36 loads, 16 stores, about 100 operations.

struct Params {
  count: u32,  // O·tiles
  first: u32, tiles: u32, size: u32, slabs: u32,
  TH: u32, TW: u32,
  O: u32, P: u32, Q: u32,
  has_bias: u32, has_residual: u32,
  slope: f32,
}

alias StoredResidual = f32;
alias StoredY = f32;

@group(0) @binding(0) var<storage, read> m: array<f32>;
@group(0) @binding(1) var<storage, read> bias: array<f32>;
@group(0) @binding(2) var<storage, read> residual: array<StoredResidual>;
@group(0) @binding(3) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(4) var<uniform> params: Params;

const P = 0.625;
const Q = 1.5;

// Aᵀ · m: column k holds the powers of point k.
fn transform(m0: f32, m1: f32, m2: f32, m3: f32, m4: f32, m5: f32) -> vec4f {
  let even_p = m1 + m2;
  let odd_p = P * (m1 - m2);
  let even_q = m3 + m4;
  let odd_q = Q * (m3 - m4);
  return vec4f(
    m0 + even_p + even_q,
    odd_p + odd_q,
    P * P * even_p + Q * Q * even_q,
    P * P * odd_p + Q * Q * odd_q + m5,
  );
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let index = id.x + id.y * groups.x * 64u;
  if (index >= params.count) { return; }
  let o = index / params.tiles;
  let t = index % params.tiles;
  let tile = params.first + t;
  var half: array<vec4f, 6>;
  for (var j = 0u; j < 6u; j++) {
    let at = ((j * params.slabs + t / params.size) * params.O + o) * params.size + t % params.size;
    let step = 6u * params.slabs * params.O * params.size;
    half[j] = transform(m[at], m[at + step], m[at + 2u * step], m[at + 3u * step], m[at + 4u * step], m[at + 5u * step]);
  }
  let row = tile / params.TW % params.TH * 4u;
  let column = tile % params.TW * 4u;
  let plane = (tile / (params.TW * params.TH) * params.O + o) * params.P;
  let shift = select(0.0, bias[o], params.has_bias != 0u);
  for (var i = 0u; i < min(4u, params.P - row); i++) {
    let values = transform(half[0][i], half[1][i], half[2][i], half[3][i], half[4][i], half[5][i]);
    for (var j = 0u; j < min(4u, params.Q - column); j++) {
      let at = (plane + row + i) * params.Q + column + j;
      var sum = values[j] + shift;
      if (params.has_residual != 0u) { sum += f32(residual[at]); }
      y[at] = StoredY(select(params.slope * sum, sum, sum > 0.0));
    }
  }
}
