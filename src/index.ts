/** The public surface of masa-webgpu. */

export { type BatchPair, type PairFiles, pairsOfFolders, pairsOfList } from "./batch/pairs.js";
export type { Row } from "./batch/results.js";
export { type BatchOptions, type BatchSummary, upscaleBatch } from "./batch/run.js";
export { CheckpointError, ImageError, OutputError, UserError } from "./files/errors.js";
export { readImage, writeImage } from "./files/images.js";
export { writeStateDict } from "./files/pytorch.js";
export { readSafetensors, writeSafetensors } from "./files/safetensors.js";
export { comparisonSheet } from "./files/sheet.js";
export { readWeights } from "./files/weights.js";
export type { Safetensors } from "./formats/safetensors.js";
export { FileTensor } from "./formats/tensor.js";
export { Device, type DeviceOptions, type MemoryUse, type Platform } from "./gpu/device.js";
export {
  DeviceLostError,
  GpuError,
  LimitError,
  NoAdapterError,
  OutOfGpuMemoryError,
  ShaderError,
  ShapeError,
  ValidationError,
} from "./gpu/errors.js";
export { type Interval, type Phase, type ProfiledDispatch, Profiler, type Total } from "./gpu/profiler.js";
export { grad } from "./graph/grad.js";
export * from "./graph/ops/index.js";
export { Parameters } from "./graph/parameters.js";
export { compile, type Data, type Plan, type PlanProgress, plan, type RunOptions } from "./graph/plan.js";
export {
  constant,
  type Graph,
  GraphError,
  input,
  noGrad,
  scope,
  type Tensor,
  trace,
  type Variable,
} from "./graph/tensor.js";
export { type Tuned, type TuneOptions, type TuneProgress, tune } from "./graph/tune.js";
export { detach, reshape } from "./graph/view.js";
export { createImage, type Image } from "./image/image.js";
export { psnr, psnrY, ssim, ssimY } from "./image/metrics.js";
export { resizeBicubic } from "./image/resize.js";
export { MASA, type MasaConfig } from "./masa/config.js";
export { Discriminator } from "./masa/discriminator.js";
export { Masa, type MasaInputs, type MasaOptions } from "./masa/masa.js";
export {
  type UpscaleOptions,
  type UpscaleRequest,
  type UpscaleResult,
  Upscaler,
  upscale,
  upscaleChoices,
} from "./masa/upscale.js";
export { Vgg19, type VggLayer } from "./masa/vgg.js";
export { type OnnxExport, onnxBytes } from "./onnx/export.js";
export { type OpenOptions, openDevice } from "./platform/node.js";
export { keepChoices } from "./platform/tuning.js";
export { stepChoices } from "./train/choices.js";
export { ConfigError, PRESETS, type TrainChanges, type TrainConfig, trainConfig } from "./train/config.js";
export { DataError } from "./train/data/errors.js";
export { type Case, findTestData, findTrainingData, type Pair, type TestData } from "./train/data/layouts.js";
export { type Batch, Loader, type LoaderOptions } from "./train/data/loader.js";
export {
  type CaseResult,
  type Evaluation,
  evaluate,
  evaluatePrepared,
  type PreparedCase,
  prepareCases,
  type Scores,
} from "./train/evaluate.js";
export { exportMasa, exportOnnx, type OnnxSizes } from "./train/export.js";
export { readMetrics } from "./train/log/metrics.js";
export { Networks } from "./train/networks.js";
export { discriminatorLoss, generatorLoss } from "./train/objective.js";
export {
  type StepEvent,
  type TrainEvents,
  type TrainOptions,
  type TrainSummary,
  train,
  type ValidationEvent,
} from "./train/run.js";
export { learningRate } from "./train/schedule.js";
export type { StepResult } from "./train/step.js";
export { type Recorded, Trainer, TrainingError } from "./train/trainer.js";
export { readVgg } from "./train/vgg_weights.js";
export { loadMasa, loadParameters, saveParameters, untrainedMasa } from "./train/weights.js";
