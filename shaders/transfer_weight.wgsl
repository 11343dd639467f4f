// What the sum of the patches over a pixel is multiplied with, one thread a pixel of the output.
//
//   weight[n, Y, X] = attention[n, Y, X] / patches[n, Y, X]                 [N, SCALE·H, SCALE·W]
//   attention: the block's scores [ky, kx], enlarged bilinearly within the block (align_corners false).
//   patches: how many patches of the block lie over the pixel: 9, at the block's edges 6, in its corners 4.
// score [N·blocks, ky, kx], blocks row by row, px in a row.

const SCALE = 1u;

struct Params { count: u32, H: u32, W: u32, px: u32, ky: u32, kx: u32 }

@group(0) @binding(0) var<storage, read> score: array<f32>;
@group(0) @binding(1) var<storage, read_write> weight: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

// Along one side of a block: the two scores that pixel i lies between, and how far it is from the first to the second.
struct Between { first: u32, second: u32, part: f32 }

fn between(i: u32, side: u32) -> Between {
  let position = max((f32(i) + 0.5) / f32(SCALE) - 0.5, 0.0);
  let first = u32(position);
  return Between(first, min(first + 1u, side - 1u), position - f32(first));
}

fn patches(i: u32, side: u32) -> u32 { return 1u + u32(i > 0u) + u32(i + 1u < side); }

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let pixel = id.x + id.y * groups.x * 64u;
  if (pixel >= params.count) { return; }
  let X = pixel % (SCALE * params.W);
  let image_row = pixel / (SCALE * params.W);  // n·SCALE·H + Y: the blocks of all images follow each other
  let block = image_row / (SCALE * params.ky) * params.px + X / (SCALE * params.kx);
  let i = image_row % (SCALE * params.ky);
  let j = X % (SCALE * params.kx);
  let row = between(i, params.ky);
  let column = between(j, params.kx);
  let above = (block * params.ky + row.first) * params.kx;
  let below = (block * params.ky + row.second) * params.kx;
  let attention = (1.0 - row.part) * ((1.0 - column.part) * score[above + column.first] + column.part * score[above + column.second])
    + row.part * ((1.0 - column.part) * score[below + column.first] + column.part * score[below + column.second]);
  weight[pixel] = attention / f32(patches(i / SCALE, params.ky) * patches(j / SCALE, params.kx));
}
