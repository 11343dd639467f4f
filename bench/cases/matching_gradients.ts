/** Gradients of the fine match for given matches, and of the extraction: what of the matching is trained. */

import { fineMatch } from "../../src/graph/ops/fine_match.js";
import { transfer } from "../../src/graph/ops/transfer.js";
import { grad } from "../../src/graph/trace/grad.js";
import { bytesOf, type Case, elements, label, type Sides, type Suite, type Tensors } from "../case.js";
import { slopeError } from "../slope.js";
import { isCut, matchInputs, PATCH, SCALES } from "./matching.js";

/** Of LR and Ref↓. */
const SHAPES: readonly Sides[] = [
  [1, 64, 40, 40],
  [9, 64, 40, 40],
];

export const matchingGradientCases: Suite = (shapes) => {
  const wanted = (shapes ?? SHAPES).filter(isCut);
  return [...wanted.map(fine), ...wanted.flatMap((shape) => SCALES.map((scale) => extraction(shape, scale)))];
};

function fine(shape: Sides): Case {
  const { geometry, matches, inputs: match, draw } = matchInputs(shape);
  const inputs = { lr: shape, ref: shape, ...match };
  const score = (tensors: Tensors) => fineMatch(tensors as never, geometry).score;
  return {
    name: `fine_match gradients ${label(shape)}`,
    // The score, dlr and dref: each a patch of products a pixel.
    flops: 3 * 2 * PATCH * elements(shape),
    bytes: bytesOf(shape, shape, matches, matches, shape, shape),
    inputs: { ...inputs, dscore: matches },
    draw,
    build({ dscore, ...tensors }) {
      const [dlr, dref] = grad([score(tensors)], [tensors.lr!, tensors.ref!], [dscore!]);
      return { dlr: dlr!, dref: dref! };
    },
    check: ({ dscore, dlr, dref, ...data }, _, device) =>
      slopeError(device, { inputs, f: score, data, dy: dscore!, gradients: { lr: dlr!, ref: dref! } }),
  };
}

function extraction(shape: Sides, scale: 1 | 2 | 4): Case {
  const { geometry, matches, inputs: match, draw } = matchInputs(shape);
  const [N, C, H, W] = shape;
  const feature: Sides = [N, C, scale * H, scale * W];
  const inputs = { feature, score: matches, ...match };
  const warp = (tensors: Tensors) => transfer(tensors as never, { ...geometry, scale });
  return {
    name: `transfer gradients ×${scale} ${label(shape)}`,
    // A mean of nine values, times the attention, for the feature; their product with dy for the score.
    flops: (10 + 2 * (PATCH + 1)) * elements(feature),
    bytes: bytesOf(feature, feature, feature, matches, matches, matches),
    inputs: { ...inputs, dy: feature },
    draw,
    build({ dy, ...tensors }) {
      const [dfeature, dscore] = grad([warp(tensors)], [tensors.feature!, tensors.score!], [dy!]);
      return { dfeature: dfeature!, dscore: dscore! };
    },
    check: ({ dy, dfeature, dscore, ...data }, _, device) =>
      slopeError(device, { inputs, f: warp, data, dy: dy!, gradients: { feature: dfeature!, score: dscore! } }),
  };
}
