// First stage of a 3 × 3 convolution by Winograd's F(4×4, 3×3): windows of 6 × 6 pixels, transformed.
//
//   v[k, slab][(channel + c)·channel_step + t·tile_step] = (Bᵀ · d · B)[k / 6, k % 6],
//   d the window of tile slab·size + t, 0 outside the image
//   A tile is 4 × 4 outputs; windows of neighbours share two rows or columns. Tiles first … first + tiles − 1 of all
//   N·TH·TW are taken, `size` in a slab; what is missing in the last slab is 0. x [N, C, H, W]; v [36, slabs], of matrices
//   [channels, size] or, as the steps say, [size, channels].
// The whole (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016, for the points 0, ±5/8, ±3/2, ∞):
//   y = Aᵀ · Σ_c (G·w·Gᵀ) ⊙ (Bᵀ·d·B) · A: 36 products a channel for 16 outputs, where the direct sum takes 144.
// The usual points 0, ±1, ±2, ∞ lose three times as many digits; with these, and Σ_c in blocks, the error is about half of
// that of the direct products added one after the other.
// One thread a tile, for `reach` channels one after the other: on CPU adapters it takes longer to find
// the tile than to transform its window. Cost: 36 loads, 36 stores, about 170 operations for each channel.

struct Params {
  first: u32, tiles: u32, size: u32, slabs: u32,
  TH: u32, TW: u32,
  C: u32, H: u32, W: u32,
  channels: u32, channel: u32,
  channel_step: u32, tile_step: u32,
  reach: u32,
  padding: i32,
}

alias StoredX = f32;

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read_write> v: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

const P = 0.625;
const Q = 1.5;
const PP = P * P;
const QQ = Q * Q;

// Bᵀ · d. Its rows are the polynomials that vanish at all points but one.
fn transform(d0: f32, d1: f32, d2: f32, d3: f32, d4: f32, d5: f32) -> array<f32, 6> {
  let even_p = d4 - QQ * d2;
  let odd_p = P * (d3 - QQ * d1);
  let even_q = d4 - PP * d2;
  let odd_q = Q * (d3 - PP * d1);
  return array<f32, 6>(
    PP * QQ * d0 - (PP + QQ) * d2 + d4,
    even_p + odd_p, even_p - odd_p, even_q + odd_q, even_q - odd_q,
    PP * QQ * d1 - (PP + QQ) * d3 + d5,
  );
}

fn pixel(plane: u32, row: i32, column: i32) -> f32 {
  let valid = row >= 0 && row < i32(params.H) && column >= 0 && column < i32(params.W);
  return select(0.0, f32(x[select(0u, plane + u32(row) * params.W + u32(column), valid)]), valid);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let t = id.x;
  if (t >= params.slabs * params.size) { return; }
  let tile = params.first + t;
  let n = min(tile, params.first + params.tiles - 1u) / (params.TW * params.TH);
  let row = i32(tile / params.TW % params.TH * 4u) - params.padding;
  // Columns beyond every image make the tiles zero that are not there.
  let column = select(i32(params.W), i32(tile % params.TW * 4u) - params.padding, t < params.tiles);
  let start = t / params.size * params.channels * params.size + t % params.size * params.tile_step;
  let step = params.slabs * params.channels * params.size;
  for (var c = id.y * params.reach; c < min((id.y + 1u) * params.reach, params.C); c++) {
    let plane = (n * params.C + c) * params.H * params.W;
    var half: array<array<f32, 6>, 6>;
    for (var j = 0u; j < 6u; j++) {
      let at = column + i32(j);
      half[j] = transform(pixel(plane, row, at), pixel(plane, row + 1, at), pixel(plane, row + 2, at),
        pixel(plane, row + 3, at), pixel(plane, row + 4, at), pixel(plane, row + 5, at));
    }
    var at = start + (params.channel + c) * params.channel_step;
    for (var i = 0u; i < 6u; i++) {
      let values = transform(half[0][i], half[1][i], half[2][i], half[3][i], half[4][i], half[5][i]);
      for (var j = 0u; j < 6u; j++) {
        v[at] = values[j];
        at += step;
      }
    }
  }
}
