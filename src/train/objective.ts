/**
 * What training minimises (paper, section 3.5): λ_rec · L1 + λ_per · perceptual + λ_adv · adversarial, eqs. 14–18. The
 * adversarial loss is relativistic and average (Jolicoeur-Martineau 2019), whose formula the official code uses.
 */
import { bceWithLogits } from "../graph/ops/bce_with_logits.js";
import { chroma } from "../graph/ops/chroma.js";
import { l1Loss } from "../graph/ops/l1_loss.js";
import { add, scale, sub } from "../graph/ops/pointwise.js";
import { mean } from "../graph/ops/reduce.js";
import { smoothL1Loss } from "../graph/ops/smooth_l1_loss.js";
import type { Tensor } from "../graph/trace/tensor.js";
import { detach, reshape } from "../graph/trace/view.js";
import type { Discriminator } from "../masa/discriminator.js";
import type { Vgg19 } from "../masa/vgg.js";
import { difference } from "../nn/difference.js";

/** Factors of the losses; a loss with factor 0 is not computed. */
export interface LossFactors {
  readonly rec: number;
  /** Differences of pixels below which the L1 loss is a parabola; 0 (default) for none. */
  readonly smooth?: number;
  /** Factor of the loss of the colour alone, with the same parabola (see `chroma`); default 0. */
  readonly chroma?: number;
  /** Factor of the loss of the edges, differences of neighbouring pixels, with the same parabola; default 0. */
  readonly edges?: number;
  readonly per: number;
  readonly adv: number;
}

/** The generator's losses, in the order of logs. */
export const GENERATOR_LOSSES = ["rec", "chroma", "edges", "per", "adv"] as const;

/** Losses by name, each a tensor of one value. */
export type Losses = Readonly<Record<string, Tensor>>;

/** Half the cross-entropy of `logits` measured against the mean of the `others`. */
export function relativistic(logits: Tensor, others: Tensor, label: number): Tensor {
  return scale(bceWithLogits(sub(logits, reshape(mean(others), [1])), label), 0.5);
}

/** What `discriminatorLoss` records. */
export interface DiscriminatorLoss {
  readonly loss: Tensor;
  /** Of its three forward passes. */
  readonly logits: readonly Tensor[];
}

/** The discriminator's loss on `fake` against `real`. Each side sees the other side's mean as a constant. */
export function discriminatorLoss(discriminator: Discriminator, sr: Tensor, real: Tensor): DiscriminatorLoss {
  const fake = detach(sr);
  // Three passes in the official order, for each moves the running statistics.
  const fakeBefore = discriminator.forward(fake);
  const real1 = discriminator.forward(real);
  const fakeAfter = discriminator.forward(fake);
  const loss = add(relativistic(real1, detach(fakeBefore), 1), relativistic(fakeAfter, detach(real1), 0));
  return { loss, logits: [fakeBefore, real1, fakeAfter] };
}

/** What `generatorLoss` records. */
export interface GeneratorLoss {
  /** The losses that the factors ask for, and their weighted sum `total`. */
  readonly losses: Losses;
  /** Of the discriminator's two further forward passes. */
  readonly logits: readonly Tensor[];
  /** VGG's of `sr`. */
  readonly features: Tensor | undefined;
}

/** The networks that a loss asks for. */
export interface Critics {
  readonly vgg?: Vgg19 | undefined;
  readonly discriminator?: Discriminator | undefined;
}

/** How far the vertical and the horizontal differences of neighbouring pixels [N, C, H, W] are apart, on average. */
function edgeDistance(a: Tensor, b: Tensor, distance: (a: Tensor, b: Tensor) => Tensor): Tensor {
  const [vertical, horizontal] = [2, 3].map((dim) => distance(difference(a, dim), difference(b, dim)));
  return scale(add(vertical as Tensor, horizontal as Tensor), 0.5);
}

/** The generator's losses on its result `sr` for the true image `hr`; the discriminator has made its step before. */
export function generatorLoss(
  sr: Tensor,
  hr: Tensor,
  factors: LossFactors,
  { vgg, discriminator }: Critics,
): GeneratorLoss {
  const losses: Record<string, Tensor> = {};
  const logits: Tensor[] = [];
  let features: Tensor | undefined;
  if (factors.adv > 0 && discriminator) {
    const real = detach(discriminator.forward(hr));
    // The mean over the fakes has a gradient here.
    const fake = discriminator.forward(sr);
    losses.adv = add(relativistic(real, fake, 0), relativistic(fake, real, 1));
    logits.push(real, fake);
  }
  const distance = (a: Tensor, b: Tensor) => (factors.smooth ? smoothL1Loss(a, b, factors.smooth) : l1Loss(a, b));
  if (factors.rec > 0) losses.rec = distance(sr, hr);
  if (factors.chroma) losses.chroma = distance(chroma(sr), chroma(hr));
  if (factors.edges) losses.edges = edgeDistance(sr, hr, distance);
  if (factors.per > 0 && vgg) {
    features = vgg.forward(sr);
    losses.per = l1Loss(features, detach(vgg.forward(hr)));
  }
  const terms = GENERATOR_LOSSES.flatMap((name) =>
    losses[name] ? [scale(losses[name], factors[name] as number)] : [],
  );
  return { losses: { ...losses, total: terms.reduce(add) }, logits, features };
}
