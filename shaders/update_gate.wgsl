// Whether a step may be taken, and with which share of its gradients: gate [3] = (open, scale, norm), from the rows
// (Σ g², flag) of summary [rows, 2].
//
//   norm  = √(the sum of Σ g² over the first norm_rows rows)
//   open  = 1 if no row is flagged and the gate before is open, else 0
//   scale = min(1, max_norm / (norm + 1e-6)) (CLIP), else 1; 0 if the gate is closed
// scale is that of PyTorch's `clip_grad_norm_` (torch/nn/utils/clip_grad.py). An infinite norm of finite gradients
// gives 0 there by IEEE's rules, which WGSL does not promise: hence the comparison.
// One workgroup of 64 threads. Thread t adds the rows t, t + 64, …; the partial sums are then added pairwise.

const CLIP = false;
const BEFORE = false;

struct Params {
  rows: u32,
  norm_rows: u32,
  max_norm: f32,
  half: u32,  // of the threads: 32
}

@group(0) @binding(0) var<storage, read> summary: array<f32>;
@group(0) @binding(1) var<storage, read> before: array<f32>;  // the other gate, where there is one
@group(0) @binding(2) var<storage, read_write> gate: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// Just below the root of the largest f32: a norm above it is the root of an overflow.
const LARGEST = 1.8446742e19;

var<workgroup> sums: array<f32, 64>;
var<workgroup> faults: array<u32, 64>;

@compute @workgroup_size(64)
fn main(@builtin(local_invocation_index) thread: u32) {
  var sum = 0.0;
  var fault = 0u;
  for (var row = thread; row < params.rows; row += 64u) {
    if (row < params.norm_rows) { sum += summary[2u * row]; }
    if (summary[2u * row + 1u] != 0.0) { fault = 1u; }
  }
  sums[thread] = sum;
  faults[thread] = fault;
  for (var half = params.half; half > 0u; half /= 2u) {
    workgroupBarrier();
    if (thread < half) {
      sums[thread] += sums[thread + half];
      faults[thread] |= faults[thread + half];
    }
  }
  if (thread != 0u) { return; }
  let norm = sqrt(sums[0]);
  var open = faults[0] == 0u;
  if (BEFORE) { open = open && before[0] != 0.0; }
  var scale = 1.0;
  if (CLIP) { scale = select(min(1.0, params.max_norm / (norm + 1e-6)), 0.0, norm > LARGEST); }
  gate[0] = select(0.0, 1.0, open);
  gate[1] = select(0.0, scale, open);
  gate[2] = norm;
}
