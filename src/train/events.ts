/** What a training run reports as it goes on. */
import type { CheckOptions } from "../data/check.js";
import type { Scores } from "../evaluate/scores.js";
import type { StepResult } from "./step.js";

/** What a run has come to after a step. */
export interface StepEvent extends StepResult {
  /** Steps made, of `steps` in all; epochs begun, from 1. */
  readonly step: number;
  readonly steps: number;
  readonly epoch: number;
  readonly lr: number;
  /** Of the step with the preparation of its data. */
  readonly milliseconds: number;
  readonly imagesPerSecond: number;
  /** GPU memory in use. */
  readonly gpuBytes: number;
}

/** What a validation found. */
export interface ValidationEvent {
  readonly step: number;
  readonly mean: Scores;
  readonly best: boolean;
  /** The sheet of samples; none where the network gave no numbers. */
  readonly sheet: string | undefined;
}

/** What a run tells as it goes on. */
export interface TrainEvents {
  /** After each step. */
  readonly onStep?: ((event: StepEvent) => void) | undefined;
  /** An epoch, counted from 1, is done. */
  readonly onEpoch?: ((epoch: number) => void) | undefined;
  /** After each validation. */
  readonly onValidation?: ((event: ValidationEvent) => void) | undefined;
  /** A checkpoint of this step is written. */
  readonly onCheckpoint?: ((path: string, step: number) => void) | undefined;
  /** What is being done before the first step, and what is worth knowing. */
  readonly onMessage?: ((text: string) => void) | undefined;
  /** `done` of `total` files are checked, before the first step. */
  readonly onCheck?: CheckOptions["onProgress"];
}
