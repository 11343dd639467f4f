// The NC4HW4 layout, four channels side by side, with a margin of zeros: what the kernels for CPU adapters read.
//
//   quads[n, first + g, row, column] = x[n, 4g … 4g + 3, row − top, column − left], 0 outside x        x [N, C, H, W]
//   quads [N, all, rows, columns], vectors of four, where other maps may have the other groups.
// One thread has WIDTH columns of `reach` rows, each of four loads and WIDTH stores. On such adapters a vector costs little
// more to load than a number, a division as much as ten loads, and to begin a workgroup as much as to move some rows; no kernel
// that reads quads needs to ask where x ends.

alias Values = vec4f;  // f32 where W or the margin is no multiple of 4
const WIDTH = 4u;      // of Values
alias StoredX = Values;
alias StoredQuads = vec4f;

struct Params {
  C: u32, H: u32, W: u32,
  groups: u32,  // ⌈C/4⌉
  all: u32, first: u32,
  rows: u32, columns: u32,
  top: u32, left: u32,
  reach: u32,
}

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read_write> quads: array<StoredQuads>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(8)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(workgroup_id) group: vec3u) {
  let first = id.x * WIDTH;
  if (first >= params.columns) { return; }
  // Below 0 wraps around to more than any side.
  let column = first - params.left;
  let plane = params.H * params.W / WIDTH;
  let n = group.z / params.groups;
  let g = group.z % params.groups;
  let c = 4u * g;
  let top = group.y * params.reach;
  for (var line = top; line < min(top + params.reach, params.rows); line++) {
    let row = line - params.top;
    var p0 = Values();
    var p1 = Values();
    var p2 = Values();
    var p3 = Values();
    if (row < params.H && column < params.W) {
      let at = (n * params.C + c) * plane + (row * params.W + column) / WIDTH;
      p0 = Values(x[at]);
      if (c + 1u < params.C) { p1 = Values(x[at + plane]); }
      if (c + 2u < params.C) { p2 = Values(x[at + 2u * plane]); }
      if (c + 3u < params.C) { p3 = Values(x[at + 3u * plane]); }
    }
    let pixels = transpose(mat4x4f(vec4f(p0), vec4f(p1), vec4f(p2), vec4f(p3)));
    let to = ((n * params.all + params.first + g) * params.rows + line) * params.columns + first;
    for (var k = 0u; k < min(WIDTH, params.columns - first); k++) { quads[to + k] = StoredQuads(pixels[k]); }
  }
}
