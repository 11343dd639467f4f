// The squared length of each pixel's features, one thread a pixel: y[n, i] = Σ_c x[n, c, i]².   x [N, C, plane], y [N, plane]

struct Params { count: u32, C: u32, plane: u32 }

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  var at = i / params.plane * params.C * params.plane + i % params.plane;
  var sum = 0.0;
  for (var c = 0u; c < params.C; c++) {
    sum += x[at] * x[at];
    at += params.plane;
  }
  y[i] = sum;
}
