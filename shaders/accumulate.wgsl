// The sum of gradients over micro-batches, in place: sum ← (keep[0] ≠ 0 ? sum : 0) + factor · gradient. What the last
// step left, even a NaN, does not come through where keep is 0: it is not selected rather than multiplied by 0.
// One thread an element. Cost: two loads and one store.

struct Params {
  count: u32,
  factor: f32,
}

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read> keep: array<f32>;
@group(0) @binding(2) var<storage, read_write> sum: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  sum[i] = select(0.0, sum[i], keep[0] != 0.0) + params.factor * gradient[i];
}
