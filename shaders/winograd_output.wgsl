// Last stage of winograd_input.wgsl's method: the sums of products become 4 × 4 outputs.
//
//   y[n, o, 4·row + i, 4·column + j] = f((Aᵀ · m · A)[i, j] + bias[o] + residual[same]), m[k] = m[k, slab, o, tile]
//   for the tiles first … first + tiles − 1; f(v) = v > 0 ? v : slope·v. m [36, slabs, O, size]; y, residual [N, O, P, Q].
//   An absent operand is bound to any other and not read.
// One thread a tile, for `reach` channels one after the other. Cost: 36 loads, 16 stores, about 100 operations for each.

struct Params {
  first: u32, tiles: u32, size: u32, slabs: u32,
  TH: u32, TW: u32,
  O: u32, P: u32, Q: u32,
  reach: u32,
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

fn transform_column(at: u32, step: u32) -> vec4f {
  return transform(m[at], m[at + step], m[at + 2u * step], m[at + 3u * step], m[at + 4u * step], m[at + 5u * step]);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let t = id.x;
  if (t >= params.tiles) { return; }
  let tile = params.first + t;
  let n = tile / (params.TW * params.TH);
  let row = tile / params.TW % params.TH * 4u;
  let column = tile % params.TW * 4u;
  let start = t / params.size * params.O * params.size + t % params.size;
  let plane = params.slabs * params.O * params.size;
  for (var o = id.y * params.reach; o < min((id.y + 1u) * params.reach, params.O); o++) {
    let at = start + o * params.size;
    let h0 = transform_column(at, 6u * plane);
    let h1 = transform_column(at + plane, 6u * plane);
    let h2 = transform_column(at + 2u * plane, 6u * plane);
    let h3 = transform_column(at + 3u * plane, 6u * plane);
    let h4 = transform_column(at + 4u * plane, 6u * plane);
    let h5 = transform_column(at + 5u * plane, 6u * plane);
    let values = array<vec4f, 4>(
      transform(h0.x, h1.x, h2.x, h3.x, h4.x, h5.x), transform(h0.y, h1.y, h2.y, h3.y, h4.y, h5.y),
      transform(h0.z, h1.z, h2.z, h3.z, h4.z, h5.z), transform(h0.w, h1.w, h2.w, h3.w, h4.w, h5.w),
    );
    let corner = ((n * params.O + o) * params.P + row) * params.Q + column;
    let shift = select(0.0, bias[o], params.has_bias != 0u);
    for (var i = 0u; i < 4u; i++) {
      for (var j = 0u; j < 4u; j++) {
        if (row + i < params.P && column + j < params.Q) {
          let to = corner + i * params.Q + j;
          var sum = values[i][j] + shift;
          if (params.has_residual != 0u) { sum += f32(residual[to]); }
          y[to] = StoredY(select(params.slope * sum, sum, sum > 0.0));
        }
      }
    }
  }
}
