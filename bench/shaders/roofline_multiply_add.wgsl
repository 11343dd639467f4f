// As many multiply-adds as the adapter can do: registers only, no loads in the loop.
//
//   Sixteen sums a thread, a ← a·m + c, four steps an iteration, written out since WGSL compilers do not unroll. Sixteen
//   independent sums hide the latency of a multiply-add and fit the registers of a CPU too. With m = x/2 and c = x each sum
//   tends to x/(1 − x/2), which is how the result is checked.
// Cost: 128 FLOP an iteration, one load and one store a thread.

const FUSED = false;

struct Params {
  count: u32,
  iterations: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

fn next(a: vec4f, m: vec4f, c: vec4f) -> vec4f {
  if (FUSED) { return fma(a, m, c); }
  return a * m + c;
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  let m = vec4f(0.5 * x[i]);
  let c = vec4f(x[i]);
  var a0 = vec4f(0.0, 1.0, 2.0, 3.0);
  var a1 = vec4f(4.0, 5.0, 6.0, 7.0);
  var a2 = vec4f(8.0, 9.0, 10.0, 11.0);
  var a3 = vec4f(12.0, 13.0, 14.0, 15.0);
  for (var k = 0u; k < params.iterations; k++) {
    a0 = next(a0, m, c); a1 = next(a1, m, c); a2 = next(a2, m, c); a3 = next(a3, m, c);
    a0 = next(a0, m, c); a1 = next(a1, m, c); a2 = next(a2, m, c); a3 = next(a3, m, c);
    a0 = next(a0, m, c); a1 = next(a1, m, c); a2 = next(a2, m, c); a3 = next(a3, m, c);
    a0 = next(a0, m, c); a1 = next(a1, m, c); a2 = next(a2, m, c); a3 = next(a3, m, c);
  }
  let sum = (a0 + a1) + (a2 + a3);
  y[i] = (sum.x + sum.y) + (sum.z + sum.w);
}
