// The matches by their targets: for each pixel r of Ref↓ the list of (q, t) whose patch covers it,
//
//   wrap(origin + index(q) + 1 + t) = r      q a pixel of LR, t one of the nine taps {−1, 0, 1}²
//
// so that gradients into the reference are sums over a list, in a fixed order, instead of scattered additions.
// One thread a pixel r looks at every query of every window that holds r, twice: first it counts (FILL false; lists takes
// the counts), then, the counts summed up to starts by prefix_sum.wgsl, it writes its list (FILL true).
//
//   index [N·blocks, ky, kx], positions in a window without its rim, `columns` a row; origins [N, blocks]
//   starts [N·Hr·Wr]; an entry is (y·W + x) · 32 + inside · 16 + tap, with (y, x) = q in its image, tap = 3·(ty + 1) + tx + 1,
//   and inside = 1 where pixel q + t is in q's block.
// Cost: N·Hr·Wr · (blocks + queries in windows that hold the pixel).

const FILL = false;

struct Params {
  count: u32,  // N·Hr·Wr
  blocks: u32, px: u32, W: u32,
  Hr: i32, Wr: i32,
  ky: u32, kx: u32,
  columns: u32,
  height: i32, width: i32,  // of a window
}

@group(0) @binding(0) var<storage, read> index: array<u32>;
@group(0) @binding(1) var<storage, read> origin_x: array<i32>;
@group(0) @binding(2) var<storage, read> origin_y: array<i32>;
@group(0) @binding(3) var<storage, read> starts: array<u32>;
@group(0) @binding(4) var<storage, read_write> lists: array<u32>;
@group(0) @binding(5) var<uniform> params: Params;

// Whether a run of `length` pixels from `first` on, which may begin below 0 and wrap, holds pixel i.
fn holds(first: i32, length: i32, i: i32, side: i32) -> bool {
  let offset = i - first;
  return (offset >= 0 && offset < length) || (offset >= side && offset < side + length);
}

fn wrap(i: i32, side: i32) -> i32 { return select(i, i + side, i < 0); }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let pixel = id.x + id.y * groups.x * 64u;
  if (pixel >= params.count) { return; }
  let column = i32(pixel) % params.Wr;
  let row = i32(pixel) / params.Wr % params.Hr;
  let first = pixel / u32(params.Wr * params.Hr) * params.blocks;
  var end = 0u;
  if (FILL) { end = starts[pixel]; }
  for (var b = first; b < first + params.blocks; b++) {
    let top = origin_y[b];
    let left = origin_x[b];
    if (!holds(top, params.height, row, params.Hr) || !holds(left, params.width, column, params.Wr)) { continue; }
    let corner = (b - first) / params.px * params.ky * params.W + (b - first) % params.px * params.kx;
    for (var qy = 0u; qy < params.ky; qy++) {
      for (var qx = 0u; qx < params.kx; qx++) {
        let position = index[(b * params.ky + qy) * params.kx + qx];
        let i = top + i32(position / params.columns);
        let j = left + i32(position % params.columns);
        if (!holds(i, 3, row, params.Hr) || !holds(j, 3, column, params.Wr)) { continue; }
        // A reference of two pixels is covered twice by one patch: so each tap is looked at.
        for (var tap = 0u; tap < 9u; tap++) {
          if (wrap(i + i32(tap / 3u), params.Hr) != row || wrap(j + i32(tap % 3u), params.Wr) != column) { continue; }
          if (FILL) {
            // Unsigned: above or left of the block is a very large number.
            let inside = qy + tap / 3u - 1u < params.ky && qx + tap % 3u - 1u < params.kx;
            lists[end] = (corner + qy * params.W + qx) * 32u + select(0u, 16u, inside) + tap;
          }
          end++;
        }
      }
    }
  }
  if (!FILL) { lists[pixel] = end; }
}
