// dy as the weight gradient by winograd_input.wgsl's method takes it: 4 × 4 pixels, transformed to 6 × 6.
//
//   v[k, slab, o, t] = (A · d · Aᵀ)[k / 6, k % 6], d the pixels of tile slab·size + t, 0 outside dy [N, O, P, Q]
//   The adjoint of winograd_output.wgsl. Tiles, slabs and v [36, slabs, O, size] as in winograd_input.wgsl.
// One thread a tile, for `reach` channels one after the other. Cost: 16 loads, 36 stores, about 90 operations for each.

struct Params {
  first: u32, tiles: u32, size: u32, slabs: u32,
  TH: u32, TW: u32,
  O: u32, P: u32, Q: u32,
  reach: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> v: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

const P = 0.625;
const Q = 1.5;

// A · d: row k holds the powers of point k.
fn transform(d0: f32, d1: f32, d2: f32, d3: f32) -> array<f32, 6> {
  let even_p = d0 + P * P * d2;
  let odd_p = P * (d1 + P * P * d3);
  let even_q = d0 + Q * Q * d2;
  let odd_q = Q * (d1 + Q * Q * d3);
  return array<f32, 6>(d0, even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q, d3);
}

fn pixel(plane: u32, row: u32, column: u32) -> f32 {
  let valid = row < params.P && column < params.Q;
  return select(0.0, dy[select(0u, plane + row * params.Q + column, valid)], valid);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let t = id.x;
  if (t >= params.slabs * params.size) { return; }
  let tile = params.first + min(t, params.tiles - 1u);
  let n = tile / (params.TW * params.TH);
  let row = tile / params.TW % params.TH * 4u;
  // Columns beyond every image make the tiles zero that are not there.
  let column = select(params.Q, tile % params.TW * 4u, t < params.tiles);
  let start = t / params.size * params.O * params.size + t % params.size;
  let step = params.slabs * params.O * params.size;
  for (var o = id.y * params.reach; o < min((id.y + 1u) * params.reach, params.O); o++) {
    let plane = (n * params.O + o) * params.P * params.Q;
    var half: array<array<f32, 6>, 4>;
    for (var j = 0u; j < 4u; j++) {
      let at = column + j;
      half[j] = transform(
        pixel(plane, row, at), pixel(plane, row + 1u, at), pixel(plane, row + 2u, at), pixel(plane, row + 3u, at));
    }
    var at = start + o * params.size;
    for (var i = 0u; i < 6u; i++) {
      let values = transform(half[0][i], half[1][i], half[2][i], half[3][i]);
      for (var j = 0u; j < 6u; j++) {
        v[at] = values[j];
        at += step;
      }
    }
  }
}
