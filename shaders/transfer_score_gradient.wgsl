// Second half of the gradient of transfer for the score: the adjoint of transfer_weight.wgsl, one thread a score.
//
//   dscore[b, q] = Σ product[n, Y, X] / patches · (the bilinear weight of score q in pixel (Y, X)), row by row over the
//   pixels of the block that lie within one LR pixel of q.    product [N, SCALE·H, SCALE·W], dscore [N·blocks, ky, kx]

const SCALE = 1u;

struct Params { count: u32, H: u32, W: u32, px: u32, ky: u32, kx: u32 }

@group(0) @binding(0) var<storage, read> product: array<f32>;
@group(0) @binding(1) var<storage, read_write> dscore: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

// Along one side: the weight of score q in pixel i, divided by the number of patches over it.
fn share(i: u32, q: u32, side: u32) -> f32 {
  let position = max((f32(i) + 0.5) / f32(SCALE) - 0.5, 0.0);
  let first = u32(position);
  let part = position - f32(first);
  let weight = select(0.0, 1.0 - part, first == q) + select(0.0, part, min(first + 1u, side - 1u) == q);
  return weight / f32(1u + u32(i >= SCALE) + u32(i / SCALE + 1u < side));
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let query = id.x + id.y * groups.x * 64u;
  if (query >= params.count) { return; }
  let qx = query % params.kx;
  let qy = query / params.kx % params.ky;
  let block = query / (params.kx * params.ky);
  let corner_x = block % params.px * params.kx * SCALE;
  let corner_y = block / params.px * params.ky * SCALE;  // in the rows of all images
  var sum = 0.0;
  for (var i = (max(qy, 1u) - 1u) * SCALE; i < min(qy + 2u, params.ky) * SCALE; i++) {
    var row_sum = 0.0;
    for (var j = (max(qx, 1u) - 1u) * SCALE; j < min(qx + 2u, params.kx) * SCALE; j++) {
      row_sum += share(j, qx, params.kx) * product[(corner_y + i) * SCALE * params.W + corner_x + j];
    }
    sum += share(i, qy, params.ky) * row_sum;
  }
  dscore[query] = sum;
}
