/** The public surface of masa-webgpu. */

export { type BatchPair, type PairFiles, pairsOfFolders, pairsOfList } from "./batch/pairs.js";
export type { Row } from "./batch/results.js";
export { type BatchOptions, type BatchSummary, upscaleBatch } from "./batch/run.js";
export * from "./engine.js";
export { OutputError } from "./files/errors.js";
export { readImage, writeImage } from "./files/images.js";
export { writeStateDict } from "./files/pytorch.js";
export { readSafetensors, writeSafetensors } from "./files/safetensors.js";
export { comparisonSheet, type Panel } from "./files/sheet.js";
export { readWeights } from "./files/weights.js";
export type { FirstWeights } from "./masa/first_weights.js";
export { nodePlatform, type OpenOptions, openDevice } from "./platform/node.js";
export { keepChoices } from "./platform/tuning.js";
export { stepChoices } from "./train/choices.js";
export {
  ConfigError,
  PRESETS,
  type Schedule,
  type TrainChanges,
  type TrainConfig,
  type TrainerConfig,
  trainConfig,
} from "./train/config.js";
export { DataError } from "./train/data/errors.js";
export {
  type Case,
  findTestData,
  findTrainingData,
  type Pair,
  type TestData,
  type TrainingData,
} from "./train/data/layouts.js";
export { type Batch, Loader, type LoaderOptions } from "./train/data/loader.js";
export {
  type CaseResult,
  type CaseResults,
  type CaseSelection,
  type EvaluateOptions,
  type Evaluation,
  evaluate,
  evaluatePrepared,
  type PreparedCase,
  prepareCases,
  type Scores,
} from "./train/evaluate.js";
export { exportMasa, exportOnnx, type OnnxSizes } from "./train/export.js";
export { readMetrics } from "./train/log/metrics.js";
export { type NetworkName, Networks } from "./train/networks.js";
export {
  type Critics,
  type DiscriminatorLoss,
  discriminatorLoss,
  type GeneratorLoss,
  generatorLoss,
  type Losses,
  type LossFactors,
} from "./train/objective.js";
export {
  type Best,
  type StepEvent,
  type TrainEvents,
  type TrainOptions,
  type TrainSummary,
  train,
  type ValidationEvent,
} from "./train/run.js";
export { learningRate } from "./train/schedule.js";
export type { Rates, StepData, StepResult } from "./train/step.js";
export { type Recorded, Trainer, type TrainerOptions, TrainingError } from "./train/trainer.js";
export { readVgg } from "./train/vgg_weights.js";
export { loadMasa, loadParameters, saveParameters, untrainedMasa } from "./train/weights.js";
