// Gradient of transfer for the feature: one workgroup a pixel of Ref↓ (all SCALE² pixels of the feature there).
//
//   dfeature[n, c, SCALE·r + u] = Σ weight·dy [n, c, SCALE·p + u] over all (q, t) with wrap(origin + match(q) + 1 + t) = r,
//   where p = q + t lies in q's block
// Block by block in order, 64 queries at a time: each thread looks whether one patch covers r, then all threads walk
// through those that do, in order. A thread adds up one channel of one row of r: its SCALE pixels.
// Shapes as in transfer.wgsl; dfeature like feature.
// Cost: every query of every window that covers r is looked at once.

const SCALE = 1u;
const NONE = 0xffffffffu;

struct Params {
  pixels: u32,  // N·Hr·Wr
  C: u32, H: u32, W: u32,
  Hr: i32, Wr: i32,
  px: u32, ky: u32, kx: u32,
  columns: u32,
  height: i32, width: i32,  // of a window
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read> index: array<u32>;
@group(0) @binding(2) var<storage, read> origin_x: array<i32>;
@group(0) @binding(3) var<storage, read> origin_y: array<i32>;
@group(0) @binding(4) var<storage, read> weight: array<f32>;
@group(0) @binding(5) var<storage, read_write> dfeature: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

// The window position of each query's patch, row · 2¹⁶ + column, or NONE where it does not cover r.
var<workgroup> covering: array<u32, 64>;

// Whether a run of `length` pixels from `first` on, which may begin below 0 and wrap, holds pixel i.
fn covers(first: i32, length: i32, i: i32, side: i32) -> bool {
  let offset = i - first;
  return (offset >= 0 && offset < length) || (offset >= side && offset < side + length);
}

fn wrap(i: i32, side: i32) -> i32 { return select(i, i + side, i < 0); }

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let pixel = group.x + group.y * groups.x;
  if (pixel >= params.pixels) { return; }
  let column = i32(pixel) % params.Wr;
  let row = i32(pixel) / params.Wr % params.Hr;
  let n = pixel / u32(params.Wr * params.Hr);
  let c = (group.z * 64u + thread) / SCALE;
  let u = (group.z * 64u + thread) % SCALE;
  var sum = array<f32, SCALE>();

  let blocks = params.H / params.ky * params.px;
  for (var b = 0u; b < blocks; b++) {
    let top = origin_y[n * blocks + b];
    let left = origin_x[n * blocks + b];
    if (!covers(top, params.height, row, params.Hr) || !covers(left, params.width, column, params.Wr)) { continue; }
    let block_y = b / params.px * params.ky;
    let block_x = b % params.px * params.kx;
    for (var start = 0u; start < params.ky * params.kx; start += 64u) {
      let batch = min(64u, params.ky * params.kx - start);
      workgroupBarrier();
      covering[thread] = NONE;
      if (thread < batch) {
        let position = index[(n * blocks + b) * params.ky * params.kx + start + thread];
        let i = i32(position / params.columns);
        let j = i32(position % params.columns);
        if (covers(top + i, 3, row, params.Hr) && covers(left + j, 3, column, params.Wr)) {
          covering[thread] = u32(i << 16) | u32(j);
        }
      }
      workgroupBarrier();
      for (var k = 0u; k < batch; k++) {
        if (covering[k] == NONE || c >= params.C) { continue; }
        let i = top + i32(covering[k] >> 16u);
        let j = left + i32(covering[k] & 0xffffu);
        for (var ty = 0; ty < 3; ty++) {
          let y = i32((start + k) / params.kx) + ty - 1;
          if (wrap(i + ty, params.Hr) != row || y < 0 || y >= i32(params.ky)) { continue; }
          for (var tx = 0; tx < 3; tx++) {
            let x = i32((start + k) % params.kx) + tx - 1;
            if (wrap(j + tx, params.Wr) != column || x < 0 || x >= i32(params.kx)) { continue; }
            let Y = SCALE * (block_y + u32(y)) + u;
            let X = SCALE * (block_x + u32(x));
            let base = ((n * params.C + c) * SCALE * params.H + Y) * SCALE * params.W + X;
            let weight_base = (n * SCALE * params.H + Y) * SCALE * params.W + X;
            for (var v = 0u; v < SCALE; v++) { sum[v] += weight[weight_base + v] * dy[base + v]; }
          }
        }
      }
    }
  }
  if (c >= params.C) { return; }
  let to = ((n * params.C + c) * SCALE * u32(params.Hr) + SCALE * u32(row) + u) * SCALE * u32(params.Wr) + SCALE * u32(column);
  for (var v = 0u; v < SCALE; v++) { dfeature[to + v] = sum[v]; }
}
