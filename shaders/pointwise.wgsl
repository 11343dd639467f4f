// y = OP(a, b); a and b are broadcast to y's shape.
//
//   y has SIDES sides: an outermost one, and d1, d2, d3 of which the last SIDES − 1 count. a and b have a stride for
//   each (a0 and b0 for the outermost), 0 where they are broadcast.
//   An operation of one operand ignores b; alpha is its scalar (slope, factor, summand).
// Cost: one load an operand, one store, a division for each side but one and each vector. With SAME, all three have one
// shape and no index is taken apart.

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
// Four neighbours along the innermost side at once where it is a multiple of 4, else f32; an operand that is broadcast there
// gives one f32 for all four. Sides and strides are counted in these.
alias Values = vec4f;
alias A = vec4f;
alias B = vec4f;
alias StoredA = A;
alias StoredB = B;
alias StoredY = Values;

struct Params {
  count: u32,
  stretch: u32,  // of a workgroup
  d1: u32, d2: u32, d3: u32,
  a0: u32, a1: u32, a2: u32, a3: u32,
  b0: u32, b1: u32, b2: u32, b3: u32,
  alpha: f32,
}

@group(0) @binding(0) var<storage, read> a: array<StoredA>;
@group(0) @binding(1) var<storage, read> b: array<StoredB>;
@group(0) @binding(2) var<storage, read_write> y: array<StoredY>;
@group(0) @binding(3) var<uniform> params: Params;

// log(1 + e) for e in [0, 1] to all digits, where WGSL's log promises an absolute error only: 2·artanh(s), s = e / (2 + e),
// by its series; s ≤ 1/3, so that the first term left out is below 2⁻²⁹ of the sum.
fn log_1p(e: Values) -> Values {
  let s = e / (2.0 + e);
  let t = s * s;
  let tail = 1.0 / 7.0 + t * (1.0 / 9.0 + t * (1.0 / 11.0 + t * (1.0 / 13.0 + t / 15.0)));
  return 2.0 * s * (1.0 + t * (1.0 / 3.0 + t * (1.0 / 5.0 + t * tail)));
}

fn apply(p: Values, q: Values) -> Values {
  switch OP {
    case ADD: { return p + q; }
    case SUB: { return p - q; }
    case MUL: { return p * q; }
    case DIV: { return p / q; }
    case RELU: { return max(p, Values()); }
    // p is the output of relu or the input of leaky_relu, q the gradient that arrives.
    case RELU_GRADIENT: { return select(Values(), q, p > Values()); }
    case LEAKY_RELU: { return select(params.alpha * p, p, p > Values()); }
    case LEAKY_RELU_GRADIENT: { return select(params.alpha * q, q, p > Values()); }
    case NEG: { return -p; }
    case ABS: { return abs(p); }
    case SIGN: { return sign(p); }
    case SQUARE: { return p * p; }
    case SCALE: { return params.alpha * p; }
    case SHIFT: { return p + params.alpha; }
    case SOFTPLUS: { return max(p, Values()) + log_1p(exp(-abs(p))); }
    case SOFTPLUS_GRADIENT: {
      let e = exp(-abs(p));
      return q * select(e, Values(1.0), p > Values()) / (1.0 + e);
    }
    default: { return Values(); }
  }
}

@compute @workgroup_size(64)
fn main(
  @builtin(workgroup_id) group: vec3u,
  @builtin(num_workgroups) groups: vec3u,
  @builtin(local_invocation_index) thread: u32,
) {
  let first = (group.x + group.y * groups.x) * params.stretch;
  for (var i = first + thread; i < min(first + params.stretch, params.count); i += 64u) {
    if (SAME) {
      y[i] = StoredY(apply(Values(A(a[i])), Values(B(b[i]))));
      continue;
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
    y[i] = StoredY(apply(Values(A(a[at.x])), Values(B(b[at.y]))));
  }
}
