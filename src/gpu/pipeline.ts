/** Compiles a shader with its constants to a compute pipeline with an explicit layout. */
import type { Device } from "./device.js";
import { ShaderError } from "./errors.js";
import { type ConstantValue, type ShaderInterface, setConstants, shaderInterface, storeHalves } from "./shader.js";

export interface PipelineSpec {
  /** Name of the file in `shaders/`, without `.wgsl`. */
  readonly shader: string;
  readonly entry: string;
  readonly constants: Readonly<Record<string, ConstantValue>>;
  /** Bindings that are stored in 16 bits. */
  readonly halves?: readonly string[];
}

export interface Pipeline {
  readonly gpu: GPUComputePipeline;
  readonly layout: GPUBindGroupLayout;
  readonly interface: ShaderInterface;
}

export function pipelineKey({ shader, entry, constants, halves = [] }: PipelineSpec): string {
  const set = Object.entries(constants).sort(([a], [b]) => (a < b ? -1 : 1));
  return `${shader}:${entry}:${JSON.stringify(set)}:${halves.toSorted().join()}`;
}

const BUFFER_TYPES = { read: "read-only-storage", write: "storage", uniform: "uniform" } as const;
const STAGE_COMPUTE = 4;

export async function compilePipeline(device: Device, spec: PipelineSpec): Promise<Pipeline> {
  const { shader, constants, halves = [] } = spec;
  const code = storeHalves(shader, setConstants(shader, device.platform.shader(shader), constants), halves);
  const declared = shaderInterface(spec.shader, code);
  const module = await compileModule(device, spec.shader, code);
  const { gpu } = device;
  const entries = declared.bindings.map(({ index, access }) => ({
    binding: index,
    visibility: STAGE_COMPUTE,
    buffer: { type: BUFFER_TYPES[access] } satisfies GPUBufferBindingLayout,
  }));
  if (declared.paramsIndex !== undefined)
    entries.push({ binding: declared.paramsIndex, visibility: STAGE_COMPUTE, buffer: { type: "uniform" } });
  const layout = await device.guard(spec.shader, () => gpu.createBindGroupLayout({ label: spec.shader, entries }));
  try {
    const pipeline = await gpu.createComputePipelineAsync({
      label: `${spec.shader}:${spec.entry}`,
      layout: gpu.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint: spec.entry },
    });
    return { gpu: pipeline, layout, interface: declared };
  } catch (error) {
    device.check();
    const message = error instanceof Error ? error.message : String(error);
    throw new ShaderError(`shader ${spec.shader}, entry ${spec.entry}: ${message}`, "Correct the WGSL file");
  }
}

/** A shader module; a compile error names the file and shows the WGSL lines. */
async function compileModule(device: Device, name: string, code: string): Promise<GPUShaderModule> {
  device.check();
  device.gpu.pushErrorScope("validation");
  const module = device.gpu.createShaderModule({ label: name, code });
  const failed = await device.gpu.popErrorScope();
  device.check();
  if (!failed) return module;
  const { messages } = await module.getCompilationInfo();
  const lines = code.split("\n");
  const told = messages
    .filter((message) => message.type === "error")
    .map(
      ({ lineNum, linePos, message }) =>
        `\n  ${name}.wgsl:${lineNum}:${linePos} ${message}\n    ${lines[lineNum - 1]?.trim() ?? ""}`,
    );
  throw new ShaderError(
    `shader ${name} does not compile${told.join("") || `: ${failed.message}`}\n`,
    "Correct the WGSL file",
  );
}
