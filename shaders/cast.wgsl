// y = x, stored in another type: f32 as f16, which keeps 11 bits of it and nothing above 65504, or f16 as f32, exactly.
//
// One thread an element. Cost: one load, one store an element.

alias StoredX = f32;
alias StoredY = f32;

struct Params { count: u32 }

@group(0) @binding(0) var<storage, read> x: array<StoredX>;
@group(0) @binding(1) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i < params.count) { y[i] = StoredY(x[i]); }
}
