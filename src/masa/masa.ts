/**
 * MASA: the network of "MASA-SR: Matching Acceleration and Spatial Adaptation for Reference-Based Image
 * Super-Resolution" (Lu et al., CVPR 2021), figure 2. Encode, match coarse to fine, carry the reference's features over,
 * adapt and aggregate them, and add the bicubic enlargement.
 */
import { ArgumentError } from "../errors.js";
import { ShapeError } from "../gpu/errors.js";
import { bicubicResize } from "../graph/ops/bicubic.js";
import { add, fill, mul } from "../graph/ops/pointwise.js";
import { scope, storedAs } from "../graph/trace/graph.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { SCALE } from "../image/pairs.js";
import type { FloatStorage } from "../kernels/kernel.js";
import { Module } from "../nn/module.js";
import { type MasaConfig, masaConfig } from "./config.js";
import { Decoder, type Probe, type Warped } from "./decoder.js";
import { Encoder } from "./encoder.js";
import { denseGeometry, type MatchGeometry, matchGeometry } from "./geometry.js";
import { extract, type Implementation, type Matches, type Matching, match } from "./matching.js";

/**
 * What the network is given. H and W are multiples of its blocks' side and of 4; Hr and Wr are what is left of a
 * reference at a quarter.
 */
export interface MasaInputs {
  /** Low resolution, [N, 3, H, W], BGR in [0, 1]. */
  readonly lr: Tensor;
  /** Reference, [N, 3, 4·Hr, 4·Wr]. */
  readonly ref: Tensor;
  /** Reference at a quarter of its size, [N, 3, Hr, Wr]. */
  readonly refDown: Tensor;
}

/** How a forward pass is recorded. */
export interface MasaOptions {
  /**
   * Which patches of LR and reference are compared. `coarse-to-fine` (default) is the paper's: a block finds its place, then
   * each pixel searches a window around it. `dense` compares every patch with every other, whatever the configured blocks.
   */
  readonly matching?: Matching;
  /** `fused` (default) never writes an unfolded tensor; `unfused` takes the paper's steps one by one. Equal results. */
  readonly implementation?: Implementation;
  /** Matches from outside, instead of searching: block → position in Ref↓, i32 [N, blocks]. */
  readonly coarseIndex?: Tensor;
  /** LR pixel → position in its block's window, i32 [N·blocks, ky, kx]. */
  readonly fineIndex?: Tensor;
  /** Shape [N, 1, 1, 1]; 1 for samples with a reference, 0 for those whose decoder gets zeros in its place. Default 1 for all. */
  readonly present?: Tensor;
  /**
   * How the reference's features and all of the decoder's are stored: most of the memory. `f16` halves it and costs a thousandth
   * part of their values, for which there are no gradients. What is matched, and the result, has 32 bits. Default f32.
   */
  readonly storage?: FloatStorage;
  /** Sees intermediate tensors by name. */
  readonly probe?: Probe;
}

/** What a forward pass records. */
export interface MasaOutput {
  /** [N, 3, 4H, 4W], not clamped. */
  readonly sr: Tensor;
  readonly matches: Matches;
  /** With `matches`, what `extract` needs to bring other features of the reference to LR. */
  readonly geometry: MatchGeometry;
}

/** The network of the paper with its parameters; `forward` records it into a graph. */
export class Masa extends Module {
  readonly config: MasaConfig;
  readonly enc: Encoder;
  readonly decoder: Decoder;

  constructor(config: Partial<MasaConfig> = {}) {
    super();
    this.config = masaConfig(config);
    this.enc = new Encoder(3, this.config.channels, this.config.encoderBlocks);
    this.decoder = new Decoder(this.config);
  }

  /** Records the network. Throws `ShapeError` for sizes that the matching cannot cut into blocks. */
  forward({ lr, ref, refDown }: MasaInputs, options: MasaOptions = {}): MasaOutput {
    checkInputs(lr, ref, refDown);
    checkStorage(options.storage);
    const { matching, implementation, storage = "f32", present, probe = () => {} } = options;
    /** `scope`, where most of the memory goes. */
    const large = <T>(name: string, build: () => T) => scope(name, () => storedAs(storage, build));
    const [height, width] = sides(lr);
    const sizes = { lr: [height, width], refDown: sides(refDown) } as const;
    const geometry =
      matching === "dense" ? denseGeometry(sizes.lr, sizes.refDown) : matchGeometry({ ...sizes, ...this.config });
    const lrLevels = scope("encode lr", () => this.enc.forward(lr));
    const refDownLevel1 = scope("encode ref↓", () => this.enc.forwardLevel1(refDown));
    const refLevels = large("encode ref", () => this.enc.forward(ref));
    for (const [i, level] of lrLevels.entries()) probe(`enc(lr)/L${i + 1}`, level);
    probe("enc(ref_down)/L1", refDownLevel1);
    for (const [i, level] of refLevels.entries()) probe(`enc(ref)/L${i + 1}`, level);

    const matches = scope("match", () => match({ lr: lrLevels[0], refDown: refDownLevel1 }, geometry, options));
    const warp = (level: Tensor, scale: 1 | 2 | 4) => {
      if (!this.config.useReference)
        return fill([lr.shape[0] as number, this.config.channels, scale * height, scale * width], 0);
      const found = extract(level, matches, geometry, scale, implementation);
      return present ? mul(found, present) : found;
    };
    const warped: Warped = large("extract", () => ({
      x4: warp(refLevels[0], 4),
      x2: warp(refLevels[1], 2),
      x1: warp(refLevels[2], 1),
    }));
    for (const [scaleName, tensor] of Object.entries(warped)) probe(`warp_ref/${scaleName}`, tensor);

    const detail = large("decode", () => this.decoder.forward(lrLevels, warped, { probe }));
    const sr = scope("enlarge", () => add(detail, bicubicResize(lr, [SCALE * height, SCALE * width])));
    return { sr, matches, geometry };
  }
}

/** Throws `ArgumentError` for a storage that there is not. */
export function checkStorage(storage: FloatStorage = "f32"): void {
  if (storage !== "f32" && storage !== "f16")
    throw new ArgumentError(`masa: storage is ${storage}`, "Choose f32 or f16");
}

function sides({ shape }: Tensor): [number, number] {
  return [shape[2] as number, shape[3] as number];
}

function checkInputs(lr: Tensor, ref: Tensor, refDown: Tensor): void {
  for (const [name, tensor] of Object.entries({ lr, ref, refDown })) {
    if (tensor.shape.length !== 4 || tensor.shape[1] !== 3 || tensor.shape[0] !== lr.shape[0])
      throw new ShapeError(
        "masa",
        name,
        `has shape [${tensor.shape}]`,
        `Expected [N, 3, H, W], N as in lr [${lr.shape}]`,
      );
  }
  const [height, width] = sides(refDown);
  const [refHeight, refWidth] = sides(ref);
  if (refHeight !== SCALE * height || refWidth !== SCALE * width)
    throw new ShapeError(
      "masa",
      "ref",
      `is ${refWidth}×${refHeight}`,
      `Expected 4 times refDown: ${SCALE * width}×${SCALE * height}`,
    );
}
