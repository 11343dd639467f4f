// The scores of given matches, one thread a pixel of LR.
//
//   score[b, q] = Σ_t Σ_c lr[q + t] · ref[wrap(origin + index(q) + 1 + t)] / (max(|patch q|, 1e-12) · max(|patch r|, 1e-12))
//   Shapes as in fine_match.wgsl; index counts `columns` positions a row.   Cost: 18·C FLOP a pixel.

struct Params {
  count: u32,  // N·blocks·ky·kx
  C: u32, H: i32, W: i32, Hr: i32, Wr: i32,
  px: u32, ky: u32, kx: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> lr: array<f32>;
@group(0) @binding(1) var<storage, read> ref_map: array<f32>;
@group(0) @binding(2) var<storage, read> origin_x: array<i32>;
@group(0) @binding(3) var<storage, read> origin_y: array<i32>;
@group(0) @binding(4) var<storage, read> lr_inverse: array<f32>;   // patch_inverse_norms.wgsl
@group(0) @binding(5) var<storage, read> ref_inverse: array<f32>;
@group(0) @binding(6) var<storage, read> index: array<u32>;
@group(0) @binding(7) var<storage, read_write> score: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

fn wrap(i: i32, side: i32) -> i32 { return select(i, i + side, i < 0); }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let query = id.x + id.y * groups.x * 64u;
  if (query >= params.count) { return; }
  let b = query / (params.ky * params.kx);
  let in_image = u32(params.H) / params.ky * params.px;
  let image = i32(b / in_image);
  let y = i32(b % in_image / params.px * params.ky + query / params.kx % params.ky);
  let x = i32(b % params.px * params.kx + query % params.kx);
  let top = origin_y[b] + i32(index[query] / params.columns);
  let left = origin_x[b] + i32(index[query] % params.columns);
  let plane = params.H * params.W;
  let ref_plane = params.Hr * params.Wr;
  var sum = 0.0;
  for (var t = 0; t < 9; t++) {
    let row = clamp(y + t / 3 - 1, 0, params.H - 1);
    let column = clamp(x + t % 3 - 1, 0, params.W - 1);
    var at = image * i32(params.C) * plane + row * params.W + column;
    var ref_at = image * i32(params.C) * ref_plane + wrap(top + t / 3, params.Hr) * params.Wr + wrap(left + t % 3, params.Wr);
    var product = 0.0;
    for (var c = 0u; c < params.C; c++) {
      product += lr[at] * ref_map[ref_at];
      at += plane;
      ref_at += ref_plane;
    }
    sum += product;
  }
  let centre = (image * params.Hr + wrap(top + 1, params.Hr)) * params.Wr + wrap(left + 1, params.Wr);
  score[query] = sum * lr_inverse[(image * params.H + y) * params.W + x] * ref_inverse[centre];
}
