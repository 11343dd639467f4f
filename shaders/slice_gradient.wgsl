// dx [outer, pitch] of y [outer, block] of slice.wgsl: dy in its place, 0 around it. One thread an element of dx.

struct Params {
  count: u32,  // outer · pitch
  block: u32,
  pitch: u32,
  offset: u32,
}

@group(0) @binding(0) var<storage, read> dy: array<f32>;
@group(0) @binding(1) var<storage, read_write> dx: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  let o = i / params.pitch;
  let at = i - o * params.pitch;
  var value = 0.0;
  if (at >= params.offset && at < params.offset + params.block) { value = dy[o * params.block + at - params.offset]; }
  dx[i] = value;
}
