// One step of an exponential moving average, in place: average ← decay · average + (1 − decay) · parameter, computed as
//
//   average ← average + share · (parameter − average),  share = 1 − decay from float64.
//
// In float32 decay and 1 − decay do not add up to 1: for 0.9999 the average of a constant would settle 2·10⁻⁴ off it.
// The form with the difference has the constant for its fixed point. One thread an element; with a closed gate nothing
// is written. Cost: two loads and one store.

const GATED = false;

struct Params {
  count: u32,
  share: f32,
}

@group(0) @binding(0) var<storage, read> parameter: array<f32>;
@group(0) @binding(1) var<storage, read> gate: array<f32>;  // open, scale, norm; where there is one
@group(0) @binding(2) var<storage, read_write> average: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  if (GATED) { if (gate[0] == 0.0) { return; } }
  average[i] += params.share * (parameter[i] - average[i]);
}
