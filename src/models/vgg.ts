/**
 * VGG19's weights for the perceptual loss: torchvision's file, which numbers all layers of `features`, convolutions or
 * not, or one with the names that papers use (`conv1_1.weight`).
 */
import { CheckpointError } from "../files/errors.js";
import { readWeights } from "../files/weights.js";
import type { FileTensor } from "../formats/tensor.js";
import { matchWeights } from "../formats/weights.js";
import type { Device } from "../gpu/device.js";
import type { Parameters } from "../graph/trace/parameters.js";
import { type ChannelOrder, Vgg19, type VggLayer } from "../masa/vgg.js";
import { checkedValues } from "./parse.js";

/** Convolutions in each stage of torchvision's networks. */
const STAGES = { vgg19: [2, 2, 4, 4, 4], vgg16: [2, 2, 3, 3, 3], vgg13: [2, 2, 2, 2, 2], vgg11: [1, 1, 2, 2, 2] };
const FIRST = "conv1_1.weight";
const WHERE =
  "Give the file vgg19-dcbb9e9d.pth: torchvision's documentation tells where its vgg19 weights are (IMAGENET1K_V1)";

/** Takes room for the parameters of a `Vgg19` of the layer that was read, and fills them. */
export type FillVgg = (device: Device, parameters: Parameters) => Promise<void>;

/**
 * VGG19's weights up to `layer`, from .pth or .safetensors. With the order `rgb` the first convolution's channels are
 * reversed, so that it sees BGR images as RGB; the `Vgg19` must have the same order. Everything is checked here, before a
 * GPU is needed. Throws `CheckpointError`.
 */
export async function readVgg(path: string, layer: VggLayer, order: ChannelOrder = "bgr"): Promise<FillVgg> {
  const found = withOwnNames(await readFile(path), path);
  const { parameters: wanted } = new Vgg19(layer, order);
  const names = new Set(wanted.all.map(({ name }) => name));
  const weights = new Map([...found].filter(([name]) => names.has(name)));
  matchWeights(wanted.all, weights, path);
  const values = checkedValues(weights, path);
  if (order === "rgb") values.set(FIRST, reverseInputs(values.get(FIRST)!));
  return async (device, parameters) => {
    await parameters.allocate(device);
    for (const [name, data] of values) parameters.write(parameters.get(name), data);
  };
}

async function readFile(path: string): Promise<Map<string, FileTensor>> {
  try {
    return await readWeights(path);
  } catch (cause) {
    if (!(cause instanceof CheckpointError)) throw cause;
    throw new CheckpointError(`VGG19's weights: ${cause.problem}`, WHERE, { cause });
  }
}

/** The convolutions as `conv1_1.weight`, whatever the file calls them. Throws `CheckpointError` for another network. */
function withOwnNames(weights: ReadonlyMap<string, FileTensor>, path: string): ReadonlyMap<string, FileTensor> {
  const numbers = numbersOf(weights, /^features\.(\d+)\.weight$/);
  const ids = numbersOf(weights, /^conv(\d_\d)\.weight$/);
  const network =
    Object.keys(STAGES)
      .flatMap((name) => [name, `${name}_bn`])
      .find((name) => {
        const { features, convolutions } = layersOf(name);
        return numbers.join() === features.join() || (numbers.length === 0 && ids.join() === convolutions.join());
      }) ?? "vgg19";
  if (network !== "vgg19")
    throw new CheckpointError(`${path} holds the weights of ${network}; those of vgg19 are wanted`, WHERE);
  if (ids.length > 0) return weights;
  if (numbers.length === 0) {
    const first = [...weights.keys()].slice(0, 3).join(", ") || "nothing";
    throw new CheckpointError(`${path} holds no weights of vgg19; it holds ${first}`, WHERE);
  }
  const { features, convolutions } = layersOf("vgg19");
  const named = features.flatMap((feature, i) =>
    ["weight", "bias"].flatMap((part) => {
      const tensor = weights.get(`features.${feature}.${part}`);
      return tensor ? [[`conv${convolutions[i]}.${part}`, tensor] as const] : [];
    }),
  );
  return new Map(named);
}

/** What the pattern's group matches in names, in the order of the network. */
function numbersOf(weights: ReadonlyMap<string, FileTensor>, pattern: RegExp): string[] {
  const found = [...weights.keys()].flatMap((name) => pattern.exec(name)?.[1] ?? []);
  return found.sort((a, b) => Number(a.replace("_", ".")) - Number(b.replace("_", ".")));
}

/**
 * The layers with weights as torchvision numbers them, and the convolutions by stage and place. Each convolution has a
 * ReLU behind it, and between them a batch norm, which has weights too, in the networks called _bn. A pool ends a stage.
 */
function layersOf(name: string): { features: string[]; convolutions: string[] } {
  const norm = name.endsWith("_bn");
  const features: string[] = [];
  const convolutions: string[] = [];
  let next = 0;
  for (const [stage, count] of STAGES[name.replace("_bn", "") as keyof typeof STAGES].entries()) {
    for (let i = 1; i <= count; i++) {
      convolutions.push(`${stage + 1}_${i}`);
      features.push(String(next), ...(norm ? [String(next + 1)] : []));
      next += norm ? 3 : 2;
    }
    next++;
  }
  return { features, convolutions };
}

/** [64, 3, 3, 3] with the input channels in reverse order. */
function reverseInputs(weight: Float32Array): Float32Array {
  const [inputs, kernel] = [3, 9];
  return weight.map((_, i) => {
    const channel = Math.floor(i / kernel) % inputs;
    return weight[i + (inputs - 1 - 2 * channel) * kernel]!;
  });
}
