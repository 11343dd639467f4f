/** A custom operation: WGSL, shape rule and gradient, verified with checkGradients: node dist/examples/custom_operation.js */
import {
  checkGradients,
  compute,
  constant,
  div,
  flatGrid,
  mul,
  nodePlatform,
  type Operation,
  openDevice,
  record,
  type Tensor,
  type Tensors,
} from "masa-webgpu";

// y = √(x² + ε²), Charbonnier's penalty. Bindings and the fields of Params are matched by their names.
const WGSL = `
struct Params { count: u32, epsilon: f32 }
@group(0) @binding(0) var<storage, read> x: array<f32>;
@group(0) @binding(1) var<storage, read_write> y: array<f32>;
@group(0) @binding(2) var<uniform> params: Params;
@compute @workgroup_size(64)
fn main(@builtin(global_invocation_id) id: vec3u, @builtin(num_workgroups) groups: vec3u) {
  let i = id.x + id.y * groups.x * 64u;
  if (i < params.count) { y[i] = sqrt(x[i] * x[i] + params.epsilon * params.epsilon); }
}`;

const operation: Operation<Tensors<"x">, Tensors<"y">, { readonly epsilon: number }> = {
  name: "charbonnier",
  outputs: ({ x: { shape } }) => ({ y: { shape } }),
  kernel(recorder, { x }, { y }, { epsilon }) {
    const count = x.shape.reduce((product, length) => product * length, 1);
    recorder.dispatch({
      shader: "charbonnier",
      params: { count, epsilon },
      bindings: { x, y },
      workgroups: flatGrid(count),
    });
  },
  // dx = dy · x / y, in existing operations; a kernel for it would be one more Operation.
  gradient: ({ inputs: { x }, outputs: { y }, dys: { y: dy } }) => ({ x: mul(dy, div(x, y)) }),
};
const charbonnier = (x: Tensor, epsilon: number) => record(operation, { x }, { epsilon }).y;

// The platform returns the text of each shader, so a custom one is one more name.
const shader = (name: string) => (name === "charbonnier" ? WGSL : nodePlatform.shader(name));
const device = await openDevice({}, { ...nodePlatform, shader });

// Finite differences of what the kernel computes must agree with its gradient: this throws where they do not.
const { x: checked } = await checkGradients(device, ({ x }) => charbonnier(x, 0.5), { x: [64] });
const x = [-2, -0.5, 0, 1, 3];
const { data } = await compute(device, () => charbonnier(constant("x", [5], x), 0.5));
device.dispose();

const text = (values: ArrayLike<number>) => Array.from(values, (value) => value.toFixed(4)).join(" ");
process.stdout.write(`y ${text(data)}\n  ${text(x.map((value) => Math.sqrt(value ** 2 + 0.25)))} on the CPU\n`);
process.stdout.write(
  `gradient checked: error ${checked.error.toExponential(1)}, bound ${checked.bound.toExponential(1)}\n`,
);
