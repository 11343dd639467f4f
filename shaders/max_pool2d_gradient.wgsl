// dx = dy at the first maximum (in row-major order) of every 2 × 2 square of x, 0 elsewhere; x, dx [planes, H, W],
// dy [planes, P, Q], P = ⌊H / 2⌋, Q = ⌊W / 2⌋.
//
// One thread a square, an odd last row or column counting as squares too: it writes all its elements, so that nothing is
// added up and nothing left out. Cost: four loads of x, one of dy, four stores.

struct Params {
  planes: u32,
  H: u32,
  W: u32,
  P: u32,
  Q: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read> dy: array<f32>;
@group(0) @binding(2) var<storage, read_write> dx: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let squares = (vec2u(params.W, params.H) + 1u) / 2u;
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.planes * squares.x * squares.y) { return; }
  let q = i % squares.x;
  let p = i / squares.x % squares.y;
  let plane = i / (squares.x * squares.y);
  let upper = (plane * params.H + 2u * p) * params.W + 2u * q;
  let lower = upper + params.W;
  var gradient = vec4f();
  if (p < params.P && q < params.Q) {
    let value = vec4f(x[upper], x[upper + 1u], x[lower], x[lower + 1u]);
    var first = 0u;
    for (var k = 1u; k < 4u; k++) { if (value[k] > value[first]) { first = k; } }
    gradient[first] = dy[(plane * params.P + p) * params.Q + q];
  }
  let right = 2u * q + 1u < params.W;
  let below = 2u * p + 1u < params.H;
  dx[upper] = gradient.x;
  if (right) { dx[upper + 1u] = gradient.y; }
  if (below) { dx[lower] = gradient.z; }
  if (right && below) { dx[lower + 1u] = gradient.w; }
}
