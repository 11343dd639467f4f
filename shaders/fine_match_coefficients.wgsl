// What the gradients of the fine match have in common, one thread a pixel of LR.
//
//   With a = 1 / |patch q|, b = 1 / |patch r|, g = dscore(q), s = score(q):
//     ∂score/∂q = a·(r̂ − s·q̂) = a·b·r − s·a²·q        ∂score/∂r = b·(q̂ − s·r̂) = a·b·q − s·b²·r
//   coefficients [3, N, H, W]: g·a·b, g·s·a², g·s·b². Where a norm is below 1e-12 it is held there and has no gradient:
//   the second term is 0.
// index, score, dscore [N·blocks, ky, kx], counting `columns` positions a row; lr_inverse [N, H, W] = a, ref_inverse
// [N, Hr, Wr] = b (patch_inverse_norms.wgsl).

const HELD = 0.99999e12;  // an inverse norm that is held, less rounding

struct Params {
  count: u32,  // N·H·W
  H: u32, W: u32, Hr: i32, Wr: i32,
  px: u32, ky: u32, kx: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> origin_x: array<i32>;
@group(0) @binding(1) var<storage, read> origin_y: array<i32>;
@group(0) @binding(2) var<storage, read> lr_inverse: array<f32>;
@group(0) @binding(3) var<storage, read> ref_inverse: array<f32>;
@group(0) @binding(4) var<storage, read> index: array<u32>;
@group(0) @binding(5) var<storage, read> score: array<f32>;
@group(0) @binding(6) var<storage, read> dscore: array<f32>;
@group(0) @binding(7) var<storage, read_write> coefficients: array<f32>;
@group(0) @binding(8) var<uniform> params: Params;

fn wrap(i: i32, side: i32) -> i32 { return select(i, i + side, i < 0); }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let pixel = id.x + id.y * groups.x * 64u;
  if (pixel >= params.count) { return; }
  let x = pixel % params.W;
  let y = pixel / params.W;  // in the rows of all images, whose blocks follow each other
  let block = y / params.ky * params.px + x / params.kx;
  let query = (block * params.ky + y % params.ky) * params.kx + x % params.kx;
  let row = wrap(origin_y[block] + i32(index[query] / params.columns) + 1, params.Hr);
  let column = wrap(origin_x[block] + i32(index[query] % params.columns) + 1, params.Wr);
  let image = i32(y / params.H);
  let a = lr_inverse[pixel];
  let b = ref_inverse[(image * params.Hr + row) * params.Wr + column];
  let g = dscore[query];
  coefficients[pixel] = g * a * b;
  coefficients[params.count + pixel] = select(g * score[query] * a * a, 0.0, a >= HELD);
  coefficients[2u * params.count + pixel] = select(g * score[query] * b * b, 0.0, b >= HELD);
}
