/** ONNX Runtime on the CPU: what a user could take instead of a GPU. */
import { cpus } from "node:os";
import { onnxRunner } from "../../dist/bench/peers/onnx.js";
import { serve } from "../../dist/bench/peers/serve.js";

await serve(async () => {
  const { InferenceSession, Tensor } = await import("onnxruntime-node");
  return onnxRunner(
    () => ({ name: `CPU, ${cpus().length} cores`, software: true }),
    async ({ bytes, inputs }) => {
      const session = await InferenceSession.create(bytes, { executionProviders: ["cpu"], logSeverityLevel: 3 });
      const feeds = {};
      for (const [name, { shape, data }] of Object.entries(inputs)) feeds[name] = new Tensor("float32", data, shape);
      let results = {};
      return {
        async run() {
          results = await session.run(feeds);
        },
        read: async () => Object.fromEntries(Object.entries(results).map(([name, { data }]) => [name, data])),
        dispose: () => session.release(),
      };
    },
  );
});
