/** A custom operation: WGSL, shape rule and gradient, then used and differentiated: node dist/examples/custom_kernel.js */
import {
  compile,
  div,
  flatGrid,
  grad,
  mul,
  nodePlatform,
  type Operation,
  openDevice,
  record,
  sum,
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
const step = await compile(device, { x: [5] }, ({ x }) => {
  const y = charbonnier(x, 0.5);
  return { y, dx: grad(sum(y), [x])[0] as Tensor };
});
const x = Float32Array.of(-2, -0.5, 0, 1, 3);
const { y, dx } = await step.run({ x });
device.dispose();

const text = (values: ArrayLike<number>) => Array.from(values, (value) => value.toFixed(4)).join(" ");
const root = Array.from(x, (value) => Math.sqrt(value ** 2 + 0.25));
process.stdout.write(`y  ${text(y)}\n   ${text(root)} on the CPU\n`);
process.stdout.write(`dx ${text(dx)}\n   ${text(root.map((value, i) => (x[i] as number) / value))} on the CPU\n`);
