// y = OP(a, b), one thread an element of y; a and b are broadcast to y's shape.
//
//   y has SIDES sides: an outermost one, and d1, d2, d3 of which the last SIDES − 1 count. a and b have a stride for
//   each (a0 and b0 for the outermost), 0 where they are broadcast.
//   An operation of one operand ignores b; alpha is its scalar (slope, factor, summand).
// Cost: one load an operand, one store, a division for each side but one. With SAME, all three have one shape and no
// index is taken apart.

const ADD = 0u;
const SUB = 1u;
const MUL = 2u;
const DIV = 3u;
const RELU = 4u;
const RELU_GRADIENT = 5u;
const LEAKY_RELU = 6u;
const LEAKY_RELU_GRADIENT = 7u;
const NEG = 8u;
const ABS = 9u;
const SIGN = 10u;
const SQUARE = 11u;
const SCALE = 12u;
const SHIFT = 13u;
const SOFTPLUS = 14u;
const SOFTPLUS_GRADIENT = 15u;

const OP = ADD;
const SAME = true;
const SIDES = 4u;

struct Params {
  count: u32,
  d1: u32, d2: u32, d3: u32,
  a0: u32, a1: u32, a2: u32, a3: u32,
  b0: u32, b1: u32, b2: u32, b3: u32,
  alpha: f32,
}

@group(0) @binding(0) var<storage, read> a: array<f32>;
@group(0) @binding(1) var<storage, read> b: array<f32>;
@group(0) @binding(2) var<storage, read_write> y: array<f32>;
@group(0) @binding(3) var<uniform> params: Params;

// log(1 + e) for e in [0, 1] to all digits, where WGSL's log promises an absolute error only: 2·artanh(s), s = e / (2 + e),
// by its series; s ≤ 1/3, so that the first term left out is below 2⁻²⁹ of the sum.
fn log_1p(e: f32) -> f32 {
  let s = e / (2.0 + e);
  let t = s * s;
  let tail = 1.0 / 7.0 + t * (1.0 / 9.0 + t * (1.0 / 11.0 + t * (1.0 / 13.0 + t / 15.0)));
  return 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * tail)));
}

fn apply(p: f32, q: f32) -> f32 {
  switch OP {
    case ADD: { return p + q; }
    case SUB: { return p - q; }
    case MUL: { return p * q; }
    case DIV: { return p / q; }
    case RELU: { return max(p, 0.0); }
    // p is the output of relu or the input of leaky_relu, q the gradient that arrives.
    case RELU_GRADIENT: { return select(0.0, q, p > 0.0); }
    case LEAKY_RELU: { return select(params.alpha * p, p, p > 0.0); }
    case LEAKY_RELU_GRADIENT: { return select(params.alpha * q, q, p > 0.0); }
    case NEG: { return -p; }
    case ABS: { return abs(p); }
    case SIGN: { return sign(p); }
    case SQUARE: { return p * p; }
    case SCALE: { return params.alpha * p; }
    case SHIFT: { return p + params.alpha; }
    case SOFTPLUS: { return max(p, 0.0) + log_1p(exp(-abs(p))); }
    case SOFTPLUS_GRADIENT: {
      let e = exp(-abs(p));
      return q * select(e, 1.0, p > 0.0) / (1.0 + e);
    }
    default: { return 0.0; }
  }
}

@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i >= params.count) { return; }
  if (SAME) {
    y[i] = apply(a[i], b[i]);
    return;
  }
  var at = vec2u();  // into a and b
  var rest = i;
  if (SIDES > 1u) {
    let outer = rest / params.d3;
    at += (rest - outer * params.d3) * vec2u(params.a3, params.b3);
    rest = outer;
  }
  if (SIDES > 2u) {
    let outer = rest / params.d2;
    at += (rest - outer * params.d2) * vec2u(params.a2, params.b2);
    rest = outer;
  }
  if (SIDES > 3u) {
    let outer = rest / params.d1;
    at += (rest - outer * params.d1) * vec2u(params.a1, params.b1);
    rest = outer;
  }
  at += rest * vec2u(params.a0, params.b0);
  y[i] = apply(a[at.x], b[at.y]);
}
