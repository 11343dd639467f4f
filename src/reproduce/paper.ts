/** What the paper prints (Lu et al., CVPR 2021), to stand beside what is measured here. */

/**
 * Table 1: PSNR and SSIM on Y of the network trained on the L1 loss alone (MASA-rec) and on all losses (MASA). Of these
 * only MASA-rec on CUFED5 has been compared with a second source; compare the others with the paper before citing them.
 */
export const TABLE1 = {
  CUFED5: { "MASA-rec": [27.54, 0.814], MASA: [24.92, 0.729] },
  Sun80: { "MASA-rec": [30.15, 0.815], MASA: [27.12, 0.708] },
  Urban100: { "MASA-rec": [26.09, 0.786], MASA: [23.78, 0.712] },
} as const;

/** Table 2: an LR image of 128×128 pixels and a reference of 512×512. */
export const TABLE2 = {
  lr: 128,
  ref: 512,
  /** Parameters, in millions. */
  parameters: 4.03,
  /** Multiply-adds of the whole and of the matching, in 10⁹. */
  multiplyAdds: 367.93,
  matching: 8.84,
  /** The whole of two networks that match densely. */
  dense: { TTSR: 618.48, SRNTT: 6005.78 },
} as const;

/** Tables 3 and 4: parameters, in millions. */
export const TABLE3 = { none: 3.88, adain: 3.88, spade: 3.99, sam: 4.03 } as const;
export const TABLE4 = { concat: 3.73, ref: 3.88, lr: 3.88, dual: 4.03 } as const;
