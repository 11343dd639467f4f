// Four channels side by side, with a margin of zeros: the layout of the kernels for adapters that compute on the CPU.
//
//   quads[n, first + g, row, column] = x[n, 4g … 4g + 3, row − top, column − left], 0 outside x        x [N, C, H, W]
//   quads [N, all, rows, columns], vectors of four, where other maps may have the other groups.
// One thread a vector: four loads and one store. There a vector costs little more to load than a number, a division as much as ten loads, and no kernel that reads quads
// needs to ask where x ends.

struct Params {
  C: u32, H: u32, W: u32,
  groups: u32,  // ⌈C/4⌉
  all: u32, first: u32,
  rows: u32, columns: u32,
  top: u32, left: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> quads: array<vec4f>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(16, 4)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
  if (id.x >= params.columns || id.y >= params.rows) { return; }
  // Below 0 wraps around to more than any side.
  let column = id.x - params.left;
  let row = id.y - params.top;
  let plane = params.H * params.W;
  let n = group.z / params.groups;
  let g = group.z % params.groups;
  let c = 4u * g;
  var quad = vec4f();
  if (row < params.H && column < params.W) {
    let at = (n * params.C + c) * plane + row * params.W + column;
    quad.x = x[at];
    if (c + 1u < params.C) { quad.y = x[at + plane]; }
    if (c + 2u < params.C) { quad.z = x[at + 2u * plane]; }
    if (c + 3u < params.C) { quad.w = x[at + 3u * plane]; }
  }
  quads[((n * params.all + params.first + g) * params.rows + id.y) * params.columns + id.x] = quad;
}
