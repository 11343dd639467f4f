/** The public surface of masa-webgpu. */

export { type BatchPair, type PairFiles, pairsOfFolders, pairsOfList } from "./batch/pairs.js";
export type { Row } from "./batch/results.js";
export { type BatchOptions, type BatchSummary, upscaleBatch } from "./batch/run.js";
export { CheckpointError, ImageError, OutputError, UserError } from "./files/errors.js";
export { readImage, writeImage } from "./files/images.js";
export { writeStateDict } from "./files/pytorch.js";
export { readSafetensors, writeSafetensors } from "./files/safetensors.js";
export { comparisonSheet, type Panel } from "./files/sheet.js";
export { readWeights } from "./files/weights.js";
export type { Safetensors } from "./formats/safetensors.js";
export { type DType, FileTensor, type TensorData } from "./formats/tensor.js";
export {
  type AdapterInfo,
  type Buffer,
  type BufferRequest,
  Device,
  type DeviceOptions,
  type Limits,
  type MemoryUse,
  type Platform,
} from "./gpu/device.js";
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
export { type Initializer, Parameters } from "./graph/parameters.js";
export {
  compile,
  type Data,
  type InputSpec,
  type Plan,
  type PlanChoice,
  type PlanOptions,
  type PlanProgress,
  plan,
  type RunOptions,
} from "./graph/plan.js";
export {
  cast,
  constant,
  type Graph,
  GraphError,
  type HostType,
  input,
  noGrad,
  scope,
  storedAs,
  type Tensor,
  trace,
  type Variable,
} from "./graph/tensor.js";
export { type Tuned, type TuneOptions, type TuneProgress, tune } from "./graph/tune.js";
export { detach, reshape } from "./graph/view.js";
export { type BitDepth, type Channels, createImage, type Image } from "./image/image.js";
export { psnr, psnrY, ssim, ssimY } from "./image/metrics.js";
export { resizeBicubic } from "./image/resize.js";
export type { Dtype, FloatStorage, Shape } from "./kernels/kernel.js";
export { MASA, type MasaConfig } from "./masa/config.js";
export { Discriminator } from "./masa/discriminator.js";
export { Masa, type MasaInputs, type MasaOptions, type MasaOutput } from "./masa/masa.js";
export type { MatchingPath } from "./masa/matching.js";
export {
  type UpscaleOptions,
  type UpscaleRequest,
  type UpscaleResult,
  Upscaler,
  type UpscalerOptions,
  upscale,
  upscaleChoices,
} from "./masa/upscale.js";
export { type ChannelOrder, Vgg19, type VggLayer } from "./masa/vgg.js";
export { type OnnxExport, onnxBytes } from "./onnx/export.js";
export { type OpenOptions, openDevice } from "./platform/node.js";
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
