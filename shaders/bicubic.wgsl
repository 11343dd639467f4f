// y [planes, OH, OW] = x [planes, H, W] resized bicubically (a = −¾, no antialiasing, corners not aligned). Along
// either side, with i + t = (o + ½)·H/OH − ½ and 0 ≤ t < 1,
//
//   y[o] = Σ_k w_k(t)·x[i − 1 + k], k = 0…3, the index held inside,
//
// with the weights of Keys' cubic convolution (IEEE Trans. ASSP 29, 1981), which factor, with s = 1 − t, into
//   w0 = a·t·s²   w1 = s·(1 + t − (a + 2)·t²)   w2 = t·(1 + s − (a + 2)·s²)   w3 = a·t²·s
// and so are rounded relative to themselves. t is found in whole numbers, as in bilinear.wgsl.
// One thread a position of y: it finds its taps once, then walks through `chunk` planes.
// Cost: 16 loads (neighbours share them), one store an element.

struct Params {
  planes: u32,
  chunk: u32,
  H: u32, W: u32,
  OH: u32, OW: u32,
}

@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;

struct Taps {
  indices: vec4u,
  weights: vec4f,
}

fn taps(o: u32, side: u32, out_side: u32) -> Taps {
  // The position is at least −½: counted from −1, it is not negative.
  let whole = 2u * out_side;
  let position = (2u * o + 1u) * side + out_side;
  let above = position / whole;
  let part = position - above * whole;
  let t = f32(part) / f32(whole);
  let s = f32(whole - part) / f32(whole);
  let weights = vec4f(
    -0.75 * t * s * s,
    s * (1.0 + t - 1.25 * t * t),
    t * (1.0 + s - 1.25 * s * s),
    -0.75 * t * t * s,
  );
  let indices = clamp(vec4i(i32(above)) + vec4i(-2, -1, 0, 1), vec4i(0), vec4i(i32(side) - 1));
  return Taps(vec4u(indices), weights);
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let position = id.x + id.y * groups.x * 64u;
  let area = params.OH * params.OW;
  if (position >= area) { return; }
  let oy = position / params.OW;
  let rows = taps(oy, params.H, params.OH);
  let columns = taps(position - oy * params.OW, params.W, params.OW);
  let end = min((id.z + 1u) * params.chunk, params.planes);
  for (var plane = id.z * params.chunk; plane < end; plane++) {
    var sums: vec4f;
    for (var k = 0u; k < 4u; k++) {
      let at = (plane * params.H + rows.indices[k]) * params.W + columns.indices;
      sums[k] = dot(columns.weights, vec4f(x[at.x], x[at.y], x[at.z], x[at.w]));
    }
    y[plane * area + position] = dot(rows.weights, sums);
  }
}
