// A run of one side: y[o, i] = x[o, offset + i],
//
//   x [outer, pitch], y [outer, block]: the sides from the sliced one on are flat; all counted in Values.
//
// Cost: one load, one store an element. Copies bits: u32 stands for any type.

alias Values = vec4u;  // u32 where block, pitch and offset are no multiples of 4

struct Params {
  count: u32,    // outer · block
  stretch: u32,  // of a workgroup
  block: u32,
  pitch: u32,
  offset: u32,
}

@group(0) @binding(0) var<storage, read> x: array<Values>;
@group(0) @binding(1) var<storage, read_write> y: array<Values>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let first = (group.x + group.y * groups.x) * params.stretch;
  for (var i = first + thread; i < min(first + params.stretch, params.count); i += 64u) {
    y[i] = x[i / params.block * (params.pitch - params.block) + i + params.offset];
  }
}
