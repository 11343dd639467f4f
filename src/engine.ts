/** What runs in Node and in a browser alike: the part of the public surface that both have. */

export { ArgumentError, MasaError } from "./errors.js";
export { CheckpointError } from "./formats/errors.js";
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
  formatBytes,
  GpuError,
  LimitError,
  NoAdapterError,
  OutOfGpuMemoryError,
  ShaderError,
  ShapeError,
  ValidationError,
} from "./gpu/errors.js";
export { type Interval, type Phase, type ProfiledDispatch, Profiler, type Total } from "./gpu/profiler.js";
export * from "./graph/ops/index.js";
export { type Computed, compute } from "./graph/plan/compute.js";
export {
  compile,
  type Data,
  type DataOf,
  dataOf,
  type HostTensor,
  type InputSpec,
  type Plan,
  type PlanChoice,
  type PlanOptions,
  type PlanProgress,
  plan,
  Result,
  type ResultsOf,
  type RunOptions,
  type TensorsOf,
} from "./graph/plan/plan.js";
export { grad } from "./graph/trace/grad.js";
export {
  cast,
  checkpointing,
  constant,
  type Graph,
  hostInput,
  hostOutput,
  input,
  noGrad,
  record,
  scope,
  segment,
  storedAs,
  trace,
} from "./graph/trace/graph.js";
export { type Initializer, Parameter, Parameters } from "./graph/trace/parameters.js";
export {
  type GradientContext,
  type Gradients,
  GraphError,
  type HostType,
  type Operation,
  type Tensor,
  type TensorSpec,
  type Tensors,
  type Variable,
} from "./graph/trace/tensor.js";
export { detach, reshape } from "./graph/trace/view.js";
export type { MapRule, Ratio, WindowRule } from "./graph/trace/window.js";
export { type Tuned, type TuneOptions, type TuneProgress, tune } from "./graph/tune/tune.js";
export {
  type WindowEstimate,
  WindowedPlan,
  type WindowOptions,
  type WindowProgress,
  type WindowRunOptions,
} from "./graph/windows/windowed_plan.js";
export { colourShare, worseBlocks } from "./image/added.js";
export { ImageError } from "./image/errors.js";
export { gmsd } from "./image/gmsd.js";
export { type BitDepth, type Channels, createImage, type Image } from "./image/image.js";
export { psnr, psnrCbCr, psnrY, ssim, ssimY } from "./image/metrics.js";
export { resizeBicubic } from "./image/resize.js";
export { flatten, resizeVisible } from "./image/transparency.js";
export type { Box } from "./image/zoom.js";
export {
  type Choice,
  type Dispatch,
  type Dtype,
  type FloatStorage,
  flatGrid,
  type Machine,
  type Operand,
  type Operands,
  Recorder,
  type Shape,
} from "./kernels/kernel.js";
export { MASA, type MasaConfig } from "./masa/config.js";
export { Discriminator } from "./masa/discriminator.js";
export type { Ensemble } from "./masa/ensemble.js";
export type { MatchGeometry } from "./masa/geometry.js";
export { Masa, type MasaInputs, type MasaOptions, type MasaOutput } from "./masa/masa.js";
export type { Implementation, Matching } from "./masa/matching.js";
export { type ChannelOrder, Vgg19, type VggLayer } from "./masa/vgg.js";
export { NETWORK_PRESETS } from "./models/presets.js";
export { type AccumulationOptions, GradientAccumulator } from "./nn/accumulation.js";
export { Adam, type AdamOptions, type AdamStepOptions } from "./nn/adam.js";
export {
  type CheckInput,
  type CheckOptions,
  checkGradients,
  type GradientCheck,
  GradientError,
} from "./nn/check_gradients.js";
export { Ema, type EmaOptions } from "./nn/ema.js";
export {
  BatchNorm2d,
  Conv2d,
  type ConvolutionCall,
  type ConvolutionOptions,
  ConvTranspose2d,
  InstanceNorm2d,
  Linear,
  masaWeights,
  ResidualBlock,
  ResidualBlocks,
  type TransposedConvolutionOptions,
  torchDefault,
  type WeightInitializer,
} from "./nn/layers.js";
export { Module, type Parts, type StateDict } from "./nn/module.js";
export { type OnnxExport, onnxBytes } from "./onnx/export.js";
export { matchedPosition, matchedScore } from "./upscale/explain.js";
export {
  type BlockMatch,
  blockMatch,
  deviations,
  enlargedLr,
  similarityMap,
  tintedBlocks,
  tintedReference,
} from "./upscale/pictures.js";
export type { PreparedPair, UpscaleRequest } from "./upscale/prepare.js";
export {
  type Match,
  type MatchedResult,
  type UpscaleOptions,
  type UpscaleResult,
  Upscaler,
  type UpscalerOptions,
  upscale,
  upscaleChoices,
} from "./upscale/run.js";
