/** Choosing an adapter, and what it offers: name, limits, features. */
import { LimitError, NoAdapterError } from "./errors.js";

const LIMITS = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxUniformBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
] as const;
export type LimitName = (typeof LIMITS)[number];
/** The limits of WebGPU that matter to kernels, as the device has them. */
export type Limits = Readonly<Record<LimitName, number>>;

const FEATURES = ["timestamp-query", "subgroups", "shader-f16"] as const;
export type Feature = (typeof FEATURES)[number];

/** What an adapter reports about itself. */
export interface AdapterInfo {
  readonly name: string;
  readonly vendor: string;
  readonly architecture: string;
  readonly description: string;
  /** The adapter computes on the CPU (lavapipe, SwiftShader, WARP). */
  readonly software: boolean;
  /** Fewest threads of a subgroup. */
  readonly subgroupMinSize: number;
}

/** Which adapter to ask for. */
export interface AdapterChoice {
  /** A substring of the adapter's name, any case. */
  readonly adapter?: string | undefined;
  readonly powerPreference?: GPUPowerPreference | undefined;
}

/** The adapter of `instance`, refusing Dawn's null backend. Throws `NoAdapterError`. */
export async function requestAdapter(
  instance: GPU,
  { adapter: wanted, powerPreference }: AdapterChoice,
  advice: string,
): Promise<GPUAdapter> {
  const adapter = await instance.requestAdapter(powerPreference ? { powerPreference } : {}).catch(() => null);
  if (!adapter)
    throw new NoAdapterError(wanted ? `no GPU adapter like '${wanted}'` : "no GPU adapter was found", advice);
  if (/\bnull\b/i.test(`${adapter.info.description} ${adapter.info.device} ${adapter.info.vendor}`))
    throw new NoAdapterError("only Dawn's null backend was found, which computes nothing", advice);
  return adapter;
}

/** What an adapter reports about itself. */
export function describeAdapter(adapter: GPUAdapter): AdapterInfo {
  const { vendor, architecture, device, description } = adapter.info;
  // Dawn writes brackets and spaces of the driver's name as hyphens.
  const name = device.replace(/-+$/, "") || description || `${vendor} ${architecture}`.trim() || "unnamed adapter";
  const software =
    adapter.info.isFallbackAdapter || /llvmpipe|lavapipe|swiftshader|basic render/i.test(`${name} ${description}`);
  return { name, vendor, architecture, description, software, subgroupMinSize: adapter.info.subgroupMinSize ?? 0 };
}

/** The adapter's limits, with some replaced. Throws `LimitError` for one above the adapter's. */
export function limitsOf(adapter: GPUAdapter, replaced: Partial<Limits> = {}): Limits {
  const limits = Object.fromEntries(LIMITS.map((name) => [name, replaced[name] ?? adapter.limits[name]]));
  for (const name of LIMITS) {
    if ((limits[name] as number) > adapter.limits[name])
      throw new LimitError(`${name} ${limits[name]} is above this adapter's ${adapter.limits[name]}`, "Request less");
  }
  return limits as Limits;
}

/** The optional features that kernels use, as far as the adapter has them. */
export function featuresOf(adapter: GPUAdapter): Feature[] {
  return FEATURES.filter((feature) => adapter.features.has(feature));
}
