/** The public surface of masa-webgpu. */

export { DataError } from "./data/errors.js";
export {
  type Case,
  findTestData,
  findTrainingData,
  type Pair,
  type TestData,
  type TrainingData,
} from "./data/layouts.js";
export { type Batch, Loader, type LoaderOptions } from "./data/loader.js";
export type { Workforce } from "./data/workforce.js";
export { RankError } from "./distributed/errors.js";
export { type JoinedRanks, joinRanks } from "./distributed/join.js";
export * from "./engine.js";
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
} from "./evaluate/evaluate.js";
export type { BicubicScores, ImageScores, Scores } from "./evaluate/scores.js";
export { OutputError } from "./files/errors.js";
export { type ReadOptions, readImage, type WriteOptions, writeImage } from "./files/images.js";
export { type Metadata, readMetadata } from "./files/metadata.js";
export { writeStateDict } from "./files/pytorch.js";
export { readSafetensors, writeSafetensors } from "./files/safetensors.js";
export { comparisonSheet, type Panel } from "./files/sheet.js";
export { readWeights } from "./files/weights.js";
export type { FirstWeights } from "./masa/first_weights.js";
export { exportMasa, exportOnnx, type OnnxSizes } from "./models/export.js";
export { loadMasa, loadParameters, untrainedMasa } from "./models/load.js";
export { saveParameters } from "./models/save.js";
export { readVgg } from "./models/vgg.js";
export { nodePlatform, type OpenOptions, openDevice } from "./platform/node.js";
export { pacePolling } from "./platform/polling.js";
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
export type { Objective, ObjectiveImages } from "./train/custom_objective.js";
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
  Optimisers,
  type RecordedStep,
  recordGradients,
  recordStep,
  recordUpdate,
  type StepConfig,
  type StepInputs,
  type TrainedName,
} from "./train/record_step.js";
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
export type { GradientSum, Identity, SumOptions, Team } from "./train/team.js";
export { type BatchShapes, Trainer, type TrainerOptions, TrainingError } from "./train/trainer.js";
export { type BatchPair, type PairFiles, pairsOfFolders, pairsOfList } from "./upscale/batch/pairs.js";
export type { Row } from "./upscale/batch/results.js";
export { type BatchOptions, type BatchSummary, upscaleBatch } from "./upscale/batch/run.js";
