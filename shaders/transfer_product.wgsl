// First half of the gradient of transfer for the score: what the attention of each pixel is multiplied with.
//
//   product[n, Y, X] = Σ_c dy[n, c, Y, X] · Σ_t feature[n, c, …]      [N, SCALE·H, SCALE·W]
//   with the same sum over t as in transfer.wgsl, whose shapes these are. One thread a pixel.

const SCALE = 1u;

struct Params {
  count: u32,  // N·SCALE·H·SCALE·W
  C: u32, H: u32, W: u32,
  Hr: i32, Wr: i32,
  px: u32, ky: u32, kx: u32,
  columns: u32,
}

@group(0) @binding(0) var<storage, read> feature: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> origin_x: array<i32>;
@group(0) @binding(3) var<storage, read> origin_y: array<i32>;
@group(0) @binding(4) var<storage, read> dy: array<f32>;
@group(0) @binding(5) var<storage, read_write> product: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

fn wrap(i: i32, side: i32) -> u32 { return u32(select(i, i + side, i < 0)); }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let thread = id.x + id.y * groups.x * 64u;
  if (thread >= params.count) { return; }
  let X = thread % (SCALE * params.W);
  let Y = thread / (SCALE * params.W) % (SCALE * params.H);
  let n = thread / (SCALE * params.W * SCALE * params.H);
  let block = (n * (params.H / params.ky) + Y / (SCALE * params.ky)) * params.px + X / (SCALE * params.kx);
  let i = i32(Y / SCALE % params.ky);
  let j = i32(X / SCALE % params.kx);
  let plane = SCALE * SCALE * u32(params.Hr * params.Wr);
  let out_plane = SCALE * SCALE * params.H * params.W;
  var sum = 0.0;
  for (var ty = max(-1, i + 1 - i32(params.ky)); ty <= min(1, i); ty++) {
    for (var tx = max(-1, j + 1 - i32(params.kx)); tx <= min(1, j); tx++) {
      let position = index[(block * params.ky + u32(i - ty)) * params.kx + u32(j - tx)];
      let row = wrap(origin_y[block] + i32(position / params.columns) + 1 + ty, params.Hr);
      let column = wrap(origin_x[block] + i32(position % params.columns) + 1 + tx, params.Wr);
      var at = n * params.C * plane + (SCALE * row + Y % SCALE) * SCALE * u32(params.Wr) + SCALE * column + X % SCALE;
      var dy_at = n * params.C * out_plane + Y * SCALE * params.W + X;
      var dot_product = 0.0;
      for (var c = 0u; c < params.C; c++) {
        dot_product += dy[dy_at] * feature[at];
        at += plane;
        dy_at += out_plane;
      }
      sum += dot_product;
    }
  }
  product[thread] = sum;
}
