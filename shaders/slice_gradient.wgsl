// dx [outer, pitch] of y [outer, block] of slice.wgsl: dy in its place, 0 around it. One thread an element of dx.

alias Values = vec4f;  // f32 where block, pitch and offset are no multiples of 4

struct Params {
  count: u32,    // outer · pitch
  stretch: u32,  // of a workgroup
  block: u32,
  pitch: u32,
  offset: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<Values>;
@group(0) @binding(1) var<storage, read_write> dx: array<Values>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let first = (group.x + group.y * groups.x) * params.stretch;
  for (var i = first + thread; i < min(first + params.stretch, params.count); i += 64u) {
    let o = i / params.pitch;
    let at = i - o * params.pitch;
    var value = Values();
    if (at >= params.offset && at < params.offset + params.block) { value = dy[o * params.block + at - params.offset]; }
    dx[i] = value;
  }
}
