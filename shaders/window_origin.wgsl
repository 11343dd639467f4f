// The corner of each block's window, one thread a block.
//
//   index, origin_x, origin_y [N, blocks]; index is a position in Ref↓ [Hr, Wr], row by row.
//   The window [height, width] is centred on the position and moved inside; one larger than Ref↓ ends at its last pixel
//   and so begins below 0.

struct Params { count: u32, Hr: i32, Wr: i32, height: i32, width: i32 }

@group(0) @binding(0) var<storage, read> index: array<i32>;
@group(0) @binding(1) var<storage, read_write> origin_x: array<i32>;
@group(0) @binding(2) var<storage, read_write> origin_y: array<i32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  let x = index[i] % params.Wr - params.width / 2;
  let y = index[i] / params.Wr - params.height / 2;
  origin_x[i] = min(max(x, 0), params.Wr - params.width);
  origin_y[i] = min(max(y, 0), params.Hr - params.height);
}
