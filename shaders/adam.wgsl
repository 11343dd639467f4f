// One step of Adam on one parameter, in place: for every element
//
//   m ← β₁·m + (1 − β₁)·g;  v ← β₂·v + (1 − β₂)·g²;  p ← p − step · m / (√v · scale + eps),
//
// with step = lr / (1 − β₁ᵗ) and scale = 1 / √(1 − β₂ᵗ). The scalars come from the host, where they are computed in
// float64, anew each step. One thread an element. Cost: four loads and three stores.
//
// With a gate (GATED) g is scale · gradient. While it is closed nothing is written: a scale of 0 alone would let a NaN
// through, and the moments would decay. DECAYS adds weight decay · p to g, after the gate's scale.

const GATED = false;
const DECAYS = false;

struct Params {
  count: u32,
}

@group(0) @binding(0) var<storage, read> gradient: array<f32>;
@group(0) @binding(1) var<storage, read> hyper: array<f32>;  // step, scale, β₁, 1 − β₁, β₂, 1 − β₂, eps, weight decay
@group(0) @binding(2) var<storage, read> gate: array<f32>;   // open, scale, norm; where there is one
@group(0) @binding(3) var<storage, read_write> parameter: array<f32>;
@group(0) @binding(4) var<storage, read_write> exp_avg: array<f32>;
@group(0) @binding(5) var<storage, read_write> exp_avg_sq: array<f32>;
@group(0) @binding(6) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  var g = gradient[i];
  if (GATED) {
    if (gate[0] == 0.0) { return; }
    g *= gate[1];
  }
  if (DECAYS) { g += hyper[7] * parameter[i]; }
  let m = hyper[2] * exp_avg[i] + hyper[3] * g;
  let v = hyper[4] * exp_avg_sq[i] + hyper[5] * g * g;
  exp_avg[i] = m;
  exp_avg_sq[i] = v;
  parameter[i] -= hyper[0] * m / (sqrt(v) * hyper[1] + hyper[6]);
}
